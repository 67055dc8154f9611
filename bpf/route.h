/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From the path of a request to the text of its endpoint: by a configured route, or by the rules of endpoint.h. */
#ifndef RT_ROUTE_H
#define RT_ROUTE_H

#include "maps.h"
#include "record.h"
#ifdef RT_BOUNDED
#include "bounded.h"
#endif

#ifndef RT_BOUNDED
struct normalise {
	struct scratch *x;
	struct connection *c;
	__u32 len;
	__u32 done;
};

/* As a plain loop this costs the verifier four thousand instructions a byte, too many for 192 bytes (6.18, clang 14). */
static long normalise_step(__u32 i, struct normalise *n)
{
	if (i >= n->len || i >= RT_ENDPOINT_MAX)
		return 1;
	endpoint_byte(&n->x->norm, n->x->text, n->c->rx_path[i]);
	return 0;
}

#endif

#ifdef RT_BOUNDED
#define request_words(c, x) 0
#else
static long words_step(__u32 i, struct normalise *n)
{
	enum words what = endpoint_words_step(&n->x->words, n->c->rx_path, n->len, n->x->text);

	n->done = what == WORDS_DONE;
	return what != WORDS_MORE;
}

/* The short way. 0: nothing has happened. A global function: the verifier looks at it once. */
GLOBAL int request_words(struct connection *c, struct scratch *x)
{
	if (!c || !x)
		return 0;
	struct normalise n = {.x = x, .c = c, .len = c->rx.path_len};

	__builtin_memset(&x->words, 0, sizeof(x->words));
	bpf_loop(RT_ENDPOINT_MAX, words_step, &n, 0);
	if (!n.done)
		return 0;
	path_copy((struct http1_path *)c->rx_path, (struct http1_path *)x->text, x->words.out);
	c->rx.path_len = x->words.out;
	return 1;
}
#endif

/* A global function: the verifier looks at it once. */
GLOBAL int request_normalise(struct connection *c, struct scratch *x)
{
	if (!c || !x)
		return 0;
	__builtin_memset(x->text, 0, RT_ENDPOINT_MAX);
	endpoint_begin(&x->norm);
#ifdef RT_BOUNDED
	x->normalise_at = 0;
	bounded(RT_ENDPOINT_MAX / NORMALISE_STRETCH, bounded_normalise());
#else
	struct normalise n = {.x = x, .c = c, .len = c->rx.path_len};
	bpf_loop(RT_ENDPOINT_MAX, normalise_step, &n, 0);
#endif
	endpoint_end(&x->norm, x->text, c->rx.flags & HTTP1_PATH_CUT);
	/* What was written and taken back (the identifiers themselves) must not stay behind the text: it is hashed by words, and no
	 * raw path may leave the kernel. */
	__s32 left = x->norm.out;
#pragma clang loop unroll(full)
	for (int i = 0; i < RT_ENDPOINT_MAX / 8; i++, left -= 8) {
		__u64 w = http1_word(x->text, i);
		if (left <= 0)
			w = 0;
		else if (left < 8)
			w &= (1ull << (left * 8)) - 1;
		http1_set_word(c->rx_path, i, w);
	}
	c->rx.path_len = x->norm.out;
	return 0;
}

struct routing {
	struct scratch *x;
	const char *path;
	struct rt_route *route;
	__u16 path_len;
	__u16 named, stream;
	__u16 pad; /* 32 bytes: more would be 32 more of stack */
};

/* One byte of the path against the route at hand. */
static long route_step(__u32 i, struct routing *r)
{
	struct scratch *x = r->x;
	__u32 at = x->route_at, pat = x->route_pattern_at;
	char c = 0, want = 0;

	if (at < RT_ENDPOINT_MAX && at < r->path_len)
		c = r->path[at];
	if (pat < RT_ENDPOINT_MAX)
		want = r->route->pattern[pat];
	if (want == RT_ROUTE_SEGMENT) {
		if (c && c != '/') {
			x->route_at++;
			x->route_segment++;
			return 0;
		}
		x->route_state = x->route_segment ? 0 : 2;
		x->route_segment = 0;
		x->route_pattern_at++;
		return x->route_state != 0;
	}
	if (want == RT_ROUTE_REST || (!want && !c)) {
		x->route_state = 1;
		return 1;
	}
	if (want != c) {
		x->route_state = 2;
		return 1;
	}
	x->route_at++;
	x->route_pattern_at++;
	return 0;
}

/* The first route that names the endpoint does; any that says so makes it a stream. */
static long routes_step(__u32 i, struct routing *r)
{
	struct scratch *x = r->x;

	struct rt_route *route = bpf_map_lookup_elem(&routes, &i);
	if (!route)
		return 1;
	r->route = route;
	x->route_at = x->route_pattern_at = x->route_segment = x->route_state = 0;
	/* Every step takes a byte of the path or of the pattern. */
#ifdef RT_BOUNDED
	bounded(2 * RT_ENDPOINT_MAX, route_step(_i, r));
#else
	bpf_loop(2 * RT_ENDPOINT_MAX, route_step, r, 0);
#endif
	if (x->route_state != 1)
		return 0;
	if (route->stream)
		r->stream = 1;
	if (route->len && !r->named) {
		r->named = 1;
		__builtin_memcpy(x->text, route->text, RT_ENDPOINT_MAX);
		x->norm.out = route->len;
	}
	return 0;
}

/* 1 if a configured route names the endpoint. */
static __noinline int request_route(struct connection *c, struct scratch *x)
{
#ifdef RT_BOUNDED
	struct routing r = {};
	x->route = x->route_named = x->route_stream = 0;
	bounded(RT_ROUTES_MAX, bounded_route());
	r.named = x->route_named;
	r.stream = x->route_stream;
#else
	struct routing r = {.x = x, .path = c->rx_path, .path_len = c->rx.path_len};
	bpf_loop(settings.n_routes, routes_step, &r, 0);
#endif
	if (r.stream)
		c->rx_stream = 1;
	if (!r.named)
		return 0;
	__builtin_memcpy(c->rx_path, x->text, RT_ENDPOINT_MAX);
	c->rx.path_len = x->norm.out;
	return 1;
}

/* Makes an endpoint of the path. */
static __always_inline void request_name(struct connection *c, struct scratch *x)
{
	struct http1 *p = &c->rx;

	c->rx_stream = 0;
	if (!p->path_len) { /* CONNECT host:port */
		__builtin_memcpy(c->rx_path, "{authority}", 11);
		p->path_len = 11;
	} else if (settings.n_routes && request_route(c, x)) {
		/* named by its route */
	} else if ((p->flags & HTTP1_PATH_CUT) || (!endpoint_is_plain(p) && !request_words(c, x))) {
		request_normalise(c, x);
	}
}

#endif
