/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A request has ended: find its series and count it. */
#ifndef RT_RECORD_H
#define RT_RECORD_H

#include "maps.h"

#define EEXIST 17

/* A global function is verified once, for any arguments; a static one again for every state of its callers. Before Linux 5.12 the
 * arguments of a global one cannot be pointers to memory (e5069b9c23b3). */
#ifdef RT_BOUNDED
#define GLOBAL static __noinline
#else
#define GLOBAL __noinline
#endif

/* What is in *V, which is 0 then, or what has been added since. */
static __always_inline __u64 take_all(__u64 *v)
{
#ifdef RT_BOUNDED
	/* No exchange before Linux 5.12. What is added meanwhile stays; two who take in the same nanoseconds, ingress and egress around an
	 * early answer, may both count the bytes. */
	__u64 n = *(volatile __u64 *)v;
	__sync_fetch_and_add(v, -n);
	return n;
#else
	return __sync_lock_test_and_set(v, 0);
#endif
}

static __always_inline __u64 hash_word(__u64 h, __u64 w)
{
	h = (h ^ w) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

/* The first bucket whose bound is not below NS (`le`). Unused bounds are the largest value, so the bucket above all has the
 * number of the bounds in use. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u32 at = 0;

	if (ns <= settings.bounds_ns[0]) /* as most, and then the next */
		return 0;
	if (ns <= settings.bounds_ns[1])
		return 1;
	/* Without branches: the verifier would follow each of the 32 ways on its own. Times stay far below 2^62. */
#pragma clang loop unroll(full)
	for (__u32 step = 16; step; step >>= 1) {
		__u64 bound = settings.bounds_ns[(at + step - 1) & 31] & ~(1ull << 63);
		at += ((bound - ns) >> 63) * step;
		http1_opaque(at);
	}
	return at & (RT_BUCKETS - 1);
}

static __always_inline void observe_in(struct rt_histogram *h, __u64 ns, __u32 bucket)
{
	/* Two CPUs may serve one series: atomics. */
	__sync_fetch_and_add(&h->sum_ns, ns);
	__sync_fetch_and_add(&h->buckets[bucket & (RT_BUCKETS - 1)], 1);
}

static __always_inline void observe(struct rt_histogram *h, __u64 ns)
{
	observe_in(h, ns, bucket_of(ns));
}

#ifdef RT_BOUNDED
/* All ones if I < N, else zero. The compiler must not know, or it makes a branch of it. */
#define BELOW(i, n)                                                                                                                            \
	({                                                                                                                                     \
		__s64 _m = (__s64)((__u64)(i) - (__u64)(n));                                                                                   \
		http1_opaque(_m);                                                                                                              \
		_m >>= 63;                                                                                                                     \
		http1_opaque(_m);                                                                                                              \
		(__u64)_m;                                                                                                                     \
	})

/* Static here, so the verifier looks at them with every caller: no way out of the loops but their ends. */
static __noinline __u64 endpoint_hash(struct rt_endpoint *e, __u64 service)
{
	__u64 h = hash_word(settings.seed, service), words = (e->len + 7) / 8;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_ENDPOINT_MAX / 8; i++) {
		__u64 below = BELOW(i, words), next = hash_word(h, http1_word(e->text, i));
		h = (next & below) | (h & ~below);
	}
	return h;
}

static __noinline int endpoint_same(struct rt_endpoint *a, struct rt_endpoint *b)
{
	__u64 differ = a->len ^ b->len, words = (a->len + 7) / 8;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_ENDPOINT_MAX / 8; i++)
		differ |= (http1_word(a->text, i) ^ http1_word(b->text, i)) & BELOW(i, words);
	return !differ;
}

static __noinline int path_copy(struct http1_path *to, struct http1_path *from, __u32 len)
{
	__u64 news = 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_ENDPOINT_MAX / 8; i++) {
		__u64 left = (__u64)len - i * 8, part = (1ull << (left * 8 & 63)) - 1;
		__u64 w = http1_word(from->text, i) & BELOW(i * 8, len) & (part | ~BELOW(left, 8));
		news |= w ^ http1_word(to->text, i);
		http1_set_word(to->text, i, w);
	}
	return news != 0;
}

static __noinline int endpoint_clear_rest(struct rt_endpoint *e)
{
	__u64 len = e->len;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_ENDPOINT_MAX / 8; i++)
		http1_set_word(e->text, i, http1_word(e->text, i) & BELOW(i * 8, len));
	return 0;
}
#else
/* Global functions, so that the verifier looks at their loops once. */
GLOBAL __u64 endpoint_hash(struct rt_endpoint *e, __u64 service)
{
	if (!e)
		return 0;
	__u64 h = hash_word(settings.seed, service);
	__u32 words = (e->len + 7) / 8;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_ENDPOINT_MAX / 8; i++) {
		if (i >= words)
			break;
		h = hash_word(h, http1_word(e->text, i));
	}
	return h;
}

GLOBAL int endpoint_same(struct rt_endpoint *a, struct rt_endpoint *b)
{
	if (!a || !b || a->len != b->len)
		return 0;
	__u32 words = (a->len + 7) / 8;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_ENDPOINT_MAX / 8; i++) {
		if (i >= words)
			break;
		if (http1_word(a->text, i) != http1_word(b->text, i))
			return 0;
	}
	return 1;
}
/* LEN bytes of a path, zero up to the next multiple of eight. Were they not there already? */
GLOBAL int path_copy(struct http1_path *to, struct http1_path *from, __u32 len)
{
	__u64 news = 0;

	if (!to || !from)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_ENDPOINT_MAX / 8; i++) {
		__s32 left = len - i * 8;
		if (left <= 0)
			break;
		__u64 w = http1_word(from->text, i);
		if (left < 8)
			w &= (1ull << (left * 8)) - 1;
		news |= w ^ http1_word(to->text, i);
		http1_set_word(to->text, i, w);
	}
	return news != 0;
}

/* What stands behind an endpoint's text: of a longer one before it. */
GLOBAL int endpoint_clear_rest(struct rt_endpoint *e)
{
	if (!e)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_ENDPOINT_MAX / 8; i++)
		if (i * 8 >= e->len)
			http1_set_word(e->text, i, 0);
	return 0;
}
#endif

/* The endpoint's number, its text entered if it is new and the service's budget allows. */
static __noinline __u64 endpoint_number(struct connection *c, struct request *rq)
{
	struct rt_endpoint *e = &rq->endpoint, *have;
	__u64 service = c->service, h = endpoint_hash(e, service);

	if (h <= RT_ENDPOINT_INCOMPLETE)
		h = RT_ENDPOINT_INCOMPLETE + 1;
	have = bpf_map_lookup_elem(&endpoints, &h);
	if (have) {
		/* Two texts with one hash: once in a few thousand million years. */
		if (have->service == service && endpoint_same(e, have))
			return h;
		goto other;
	}
	struct rt_service *s = bpf_map_lookup_elem(&services, &service);
	if (!s || s->endpoints >= settings.endpoints_per_service)
		goto other;
	e->service = service;
	endpoint_clear_rest(e);
	long err = bpf_map_update_elem(&endpoints, &h, e, BPF_NOEXIST);
	if (!err)
		__sync_fetch_and_add(&s->endpoints, 1);
	if (!err || err == -EEXIST)
		return h;
other:
	count(RT_ENDPOINT_OVERFLOW, 1);
	return RT_ENDPOINT_OTHER;
}

/* The series of KEY, made if it is new. Past the service's budget KEY becomes that of endpoint {other}; past the budget of all,
 * the overflow series of the code. */
static __noinline struct rt_series *series_get(struct rt_series_key *key)
{
	struct rt_series *s = bpf_map_lookup_elem(&series, key);
	__u32 zero = 0, code;

	if (s)
		return s;
	struct rt_service *who = bpf_map_lookup_elem(&services, &key->service);
	if (who && who->series >= settings.series_per_service && key->endpoint != RT_ENDPOINT_OTHER) {
		key->endpoint = RT_ENDPOINT_OTHER;
		count(RT_ENDPOINT_OVERFLOW, 1);
		s = bpf_map_lookup_elem(&series, key);
		if (s)
			return s;
	}
	void *z = bpf_map_lookup_elem(&zeros, &zero);
	if (!z)
		return 0;
	if (!bpf_map_update_elem(&series, key, z, BPF_NOEXIST) && who)
		__sync_fetch_and_add(&who->series, 1);
	s = bpf_map_lookup_elem(&series, key); /* also when another CPU was first */
	if (s)
		return s;
	count(RT_SERIES_OVERFLOW, 1);
	code = key->code;
	return bpf_map_lookup_elem(&overflow, &code);
}

static __always_inline struct rt_streams *streams_get(struct rt_series_key *key)
{
	struct rt_streams *s = bpf_map_lookup_elem(&streams, key);
	__u32 zero = 0;

	if (s)
		return s;
	void *z = bpf_map_lookup_elem(&zeros, &zero);
	if (!z)
		return 0;
	bpf_map_update_elem(&streams, key, z, BPF_NOEXIST);
	return bpf_map_lookup_elem(&streams, key);
}

/* Who serves: the reader has found out, or nobody ever read and the last one to serve on this port stands in. */
static __always_inline __u64 service_guess(const struct connection *c)
{
	struct rt_port_key key = {.cgroup_id = c->sk_cgroup, .port = c->port};
	__u64 *s = bpf_map_lookup_elem(&guesses, &key);

	return s ? *s : 0;
}

static __always_inline void connection_guess_service(struct connection *c)
{
	if (!c->service)
		c->service = service_guess(c);
}

struct outcome {
	__u64 first_ns; /* first byte of the final response; 0: there was none */
	__u64 end_ns;
	__u64 body_bytes; /* of the response */
	__u32 code;
	__u16 stream;	  /* the response is the beginning of a stream */
	__u16 incomplete; /* answered before the request line was complete */
};

/* A request into its series: all but the bytes of its body. If the response began and ended at the same time it was in one packet, and both
 * times are one. */
static __always_inline void observe_response(struct rt_series *s, const struct request *rq, const struct outcome *o)
{
	__u64 start = rq->start_ns, ns = o->end_ns > start ? o->end_ns - start : 0;
	__u32 bucket = 0;

	if (!o->stream) {
		bucket = bucket_of(ns);
		observe_in(&s->duration, ns, bucket);
	}
	if (o->first_ns == o->end_ns && !o->stream)
		observe_in(&s->ttfb, ns, bucket);
	else if (o->first_ns)
		observe(&s->ttfb, o->first_ns > start ? o->first_ns - start : 0);
	if (rq->read_ns)
		observe(&s->queue, rq->read_ns > start ? rq->read_ns - start : 0);
	if (o->body_bytes)
		__sync_fetch_and_add(&s->response_bytes, o->body_bytes);
}

/* A global function: the verifier looks at it once, not again at each of its callers. RQ is then plain memory, which 6.1 does not take
 * as a map's value, so the endpoint has been entered before: request_record(). */
GLOBAL int record(struct connection *c, struct request *rq, struct outcome *o)
{
	struct rt_series_key key = {};

	if (!c || !rq || !o)
		return 0;
	key.service = c->service;
	key.port = c->port;
	key.code = o->code;
	key.endpoint = rq->number;
	key.method = rq->method;
	struct rt_series *s = series_get(&key);
	if (!s)
		return 0; /* cannot be: the overflow series is an array's */
	c->last = key;
	if (o->stream) {
		c->stream_ns = rq->start_ns;
		__sync_fetch_and_add(&s->streams, 1);
		struct rt_streams *t = streams_get(&key);
		if (t)
			__sync_fetch_and_add(&t->opened, 1);
	}
	observe_response(s, rq, o);
	if (rq->body_bytes)
		__sync_fetch_and_add(&s->request_bytes, take_all(&rq->body_bytes));
	count(RT_RECORDED, 1);
	return 0;
}

static __always_inline void request_record(struct connection *c, struct request *rq, struct outcome *o)
{
	connection_guess_service(c);
	if (o->incomplete) {
		rq->number = RT_ENDPOINT_INCOMPLETE;
	} else if (rq->number <= RT_ENDPOINT_INCOMPLETE || rq->endpoint.service != c->service) {
		rq->number = endpoint_number(c, rq);
		rq->endpoint.service = c->service;
	}
	record(c, rq, o);
}

/* Bytes of a request's body that came after it was recorded, or while it was. */
static __always_inline void record_late_body(struct connection *c, struct request *rq)
{
	struct rt_series *s = bpf_map_lookup_elem(&series, &c->last);
	__u64 n = take_all(&rq->body_bytes);

	if (s)
		__sync_fetch_and_add(&s->request_bytes, n);
}

static __always_inline void record_stream_end(struct connection *c, __u64 now)
{
	struct rt_streams *t = bpf_map_lookup_elem(&streams, &c->last);

	if (t)
		observe(&t->duration, now - c->stream_ns);
	struct rt_series *s = bpf_map_lookup_elem(&series, &c->last);
	if (s && c->tx_body)
		__sync_fetch_and_add(&s->response_bytes, c->tx_body);
	c->tx_body = 0;
}

/* The request at position POS: in `first`, in its slot of the pipeline, or nowhere (beyond the depth). */
static __always_inline struct request *request_in(struct connection *c, struct pipeline *p, __u32 pos)
{
	if (c->first.pos == pos)
		return &c->first;
	if (!p)
		return 0;
	struct request *rq = &p->slots[pos & (RT_PIPELINE_DEPTH - 1)];
	return rq->pos == pos ? rq : 0;
}

/* How many requests wait for their responses. Those beyond the depth are not among them: they were lost when they came. As tx_pos only
 * grows, all others are within the depth from it. A global function, so that the verifier looks at the loop once. */
GLOBAL int requests_waiting(struct connection *c, struct pipeline *p)
{
	if (!c)
		return 0;
	int n = 0;
	__u32 pos = c->tx_pos, waiting = c->rx_pos - pos;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_PIPELINE_DEPTH; i++) {
		if (i >= waiting)
			break;
		if (request_in(c, p, pos + i))
			n++;
	}
	return n;
}

#ifdef RT_BOUNDED
#define REQUESTS_WAITING(skb, c, sk) bounded_waiting(skb)
#else
#define REQUESTS_WAITING(skb, c, sk) requests_waiting(c, bpf_sk_storage_get(&pipelines, sk, 0, 0))
#endif

#endif
