/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Ingress: segments that come out of order, twice or not at all, and what becomes of the framing then. */
#ifndef RT_SEGMENTS_H
#define RT_SEGMENTS_H

#include "dropped.h"
#include "likeness.h"
#include "request.h"

/* Bytes were missed. What waits was complete before them, and its responses come first: nothing of that is lost. Requests that began in the
 * hole are: each is counted when its response comes (response_end()). */
static __noinline int request_gap(struct scan *s)
{
	struct connection *c = s->c;

	if (c->kind == CONNECTION_NEW) { /* nothing is known of it */
		c->kind = CONNECTION_DEAD;
	} else if (in_request_line(c) && looks_like_http(&c->rx) && !answered_early(c)) {
		c->torn = 1;
	}
	c->early_passed = c->early;
	c->rx.state = HTTP1_DEAD;
	c->framing = FRAMING_LOST;
	c->holed = 1;
	return 0;
}

/* Framing is lost, or found on trial: does it go on with this segment? WHOLE: nothing of it was passed. */
static __noinline int request_find(struct scan *s, __u32 whole)
{
	struct connection *c = s->c;

	if (!whole)
		return 0;
	if (c->framing == FRAMING_LOST) {
		/* While a response is due this may be the rest of a body, whatever it looks like. */
		if (c->tx_pos != c->rx_pos || (c->tx.state != HTTP1_S_START && c->tx.state != HTTP1_DEAD))
			return 0;
	} else if (c->rx.state != HTTP1_Q_METHOD) {
		return 0;
	}
	int like = likeness(s->skb, s->held, s->off, s->end - s->off);
	/* A few letters that were taken for a method may have been the end of a body. */
	if (like == LIKE_NOTHING || (c->framing == FRAMING_FOUND && like != LIKE_REQUEST))
		return 0;
	http1_begin(&c->rx, 0);
	c->framing = FRAMING_FOUND;
	return 0;
}

/* What is due next was passed: the kernel has it, and will not get it again. Goes on behind what the kernel has. */
static __noinline int request_passed(struct scan *s)
{
	struct connection *c = s->c;
	struct bpf_tcp_sock *tp = s->sk ? bpf_tcp_sock(s->sk) : 0;

	if (!tp)
		return 0;
	__u32 have = tp->rcv_nxt;
	if ((__s32)(have - c->rx_next) <= 0)
		return 0;
	request_gap(s);
	c->rx_next = have;
	return 1;
}

struct hold {
	struct scan *s;
	struct packet *k;
	struct scratch *x;
	struct held_pieces *pieces;
	__u32 off; /* in the payload */
	__u32 ok;
};

#ifdef RT_BOUNDED
static __always_inline void hold_keep(const struct hold *h)
{
	struct scratch *x = h->x;

	scan_keep(h->s, &h->s->c->rx_kept);
	x->hold_offset = h->k->offset;
	x->hold_length = h->k->length;
	x->hold_seq = h->k->seq;
	x->hold_off = x->hold_ok = 0;
}
#endif

/* Keeps one piece of a packet. */
static long hold_step(__u32 i, struct hold *h)
{
	struct connection *c = h->s->c;
	__u32 left = h->k->length - h->off;
	__u32 n = left < HELD_BYTES ? left : HELD_BYTES;
	struct held_key key = {.connection = c->hold_id, .slot = i & (HELD_PIECES - 1)};

	if (h->off >= h->k->length)
		return 1;
	struct held_piece *p = &h->pieces->v[i & (HELD_PIECES - 1)];
	__u32 seq = h->k->seq + h->off;
	if (p->length && p->seq + p->length == seq && p->length <= HELD_BYTES / 2 && left <= HELD_BYTES / 2) {
		struct held *bytes = bpf_map_lookup_elem(&held_bytes, &key);
		__u64 at = p->length;
		http1_opaque(at);
		at &= HELD_BYTES / 2 * 2 - 1;
		if (at > HELD_BYTES / 2 || !bytes || !size_fits(&n, HELD_BYTES / 2) ||
		    bpf_skb_load_bytes(h->s->skb, h->k->offset + h->off, &bytes->bytes[at], n))
			return 0;
		p->length += n;
		h->off += n;
		h->ok = 1;
		return 1;
	}
	if (p->length) {
		/* Taken: the next one, unless it holds just these bytes. */
		if (p->seq == seq && p->length == n) {
			h->off += n;
			h->ok = h->off >= h->k->length;
		}
		return 0;
	}
	if (!size_fits(&n, HELD_BYTES) || bpf_skb_load_bytes(h->s->skb, h->k->offset + h->off, h->x->held.bytes, n) ||
	    bpf_map_update_elem(&held_bytes, &key, &h->x->held, BPF_ANY))
		return 1;
	p->seq = seq;
	p->length = n;
	c->n_held++;
	h->off += n;
	h->ok = h->off >= h->k->length;
	return 0;
}

/* Keeps a packet that came too early. 0 if there is no room. */
static __noinline int request_hold(struct scan *s, struct packet *k)
{
	__u32 zero = 0;
	struct hold h = {.s = s, .k = k, .x = bpf_map_lookup_elem(&scratches, &zero)};

	if (!s->pieces && s->sk)
		s->pieces = bpf_sk_storage_get(&reorders, s->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	h.pieces = s->pieces;
	if (!h.x || !h.pieces)
		return 0;
#ifdef RT_BOUNDED
	hold_keep(&h);
	bounded(HELD_PIECES, bounded_hold(s->skb, _i));
	return h.x->hold_ok;
#else
	bpf_loop(HELD_PIECES, hold_step, &h, 0);
	return h.ok;
#endif
}

#define HELD_LAST 1   /* nothing is kept any more */
#define HELD_PASSED 2 /* nothing new in it */
#define HELD_DUE 3    /* *S is where to scan */

/* Looks at a kept piece: one of these, or 0: it is not its turn. Pieces may overlap what has come since. */
static __always_inline int held_begin(__u32 i, struct scan *s)
{
	struct connection *c = s->c;
	struct held_pieces *pieces = s->pieces;

	if (!pieces)
		return HELD_LAST;
	struct held_piece *p = &pieces->v[i & (HELD_PIECES - 1)];
	struct held_key key = {.connection = c->hold_id, .slot = i & (HELD_PIECES - 1)};
	__s32 at = (__s32)(c->rx_next - p->seq);

	if (!c->n_held)
		return HELD_LAST;
	if (!p->length || at < 0)
		return 0;
	if ((__u32)at >= p->length)
		return HELD_PASSED;
	s->held = bpf_map_lookup_elem(&held_bytes, &key);
	s->held_slot = key.slot;
	s->off = at;
	s->end = p->length;
	s->next = c->rx_next;
	c->rx_next = p->seq + p->length;
	if (s->held) {
		if (c->framing != FRAMING_HELD)
			request_find(s, !at);
		return HELD_DUE;
	}
	request_gap(s);
	return HELD_PASSED;
}

static __noinline int held_end(__u32 i, struct scan *s)
{
	struct connection *c = s->c;
	struct held_pieces *pieces = s->pieces;

	if (!pieces)
		return 0;
	struct held_piece *p = &pieces->v[i & (HELD_PIECES - 1)];
	struct held_key key = {.connection = c->hold_id, .slot = i & (HELD_PIECES - 1)};

	bpf_map_delete_elem(&held_bytes, &key);
	p->length = 0;
	c->n_held--;
	return 0;
}

static long held_step(__u32 i, struct scan *s)
{
	if (!(i & (HELD_PIECES - 1))) { /* a round, as long as they take something */
		if (i && s->n_held == s->c->n_held)
			return 1;
		s->n_held = s->c->n_held;
	}
	int what = held_begin(i, s);

	if (what == HELD_DUE)
		requests_run(s);
	if (what > HELD_LAST)
		held_end(i, s);
	return what == HELD_LAST;
}

/* Pieces stand in any order, so it goes round until none is due. */
static __always_inline void held_take(struct scan *s)
{
	if (!s->pieces && s->sk)
		s->pieces = bpf_sk_storage_get(&reorders, s->sk, 0, 0);
#ifdef RT_BOUNDED
	scan_keep(s, &s->c->rx_kept);
	bounded(HELD_PIECES, bounded_held(s->skb));
	scan_go_on(s, &s->c->rx_kept);
#else
	bpf_loop(HELD_PIECES * HELD_PIECES, held_step, s, 0);
#endif
	s->held = 0;
}

/* A hole of N bytes in a body or chunk of known length hides nothing. */
static __always_inline int request_hole(struct connection *c, __u32 n)
{
	struct http1 *p = &c->rx;
	__u32 pos = c->rx_pos - 1;

	if ((p->state != HTTP1_B_LENGTH && p->state != HTTP1_C_DATA) || n > p->length)
		return 0;
	p->length -= n;
	if (c->first.pos == pos)
		c->first.body_bytes += n;
	if (!p->length && p->state == HTTP1_C_DATA)
		p->state = HTTP1_C_DATA_END;
	else if (!p->length)
		http1_begin(p, 0);
	return 1;
}

/* A packet's payload. Segments may come twice, overlap, or come out of order. */
static __always_inline void request_bytes(struct scan *s, struct packet *k)
{
	struct connection *c = s->c;
#ifdef RT_BOUNDED
	__u32 zero = 0;
	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	if (!x)
		return;
	x->ip_end = k->ip_end;
#endif
	__s32 ahead = (__s32)(k->seq - c->rx_next);

	if (ahead > 0 && s->sk && beyond_window(s->skb, k->seq))
		return;
	if (ahead > 0 && !request_hole(c, ahead)) {
		int passed = request_passed(s);
		ahead = (__s32)(k->seq - c->rx_next);
		if (ahead > 0) {
			/* If there is no room it is passed, which shows when the kernel has what is due. */
			if (request_hold(s, k))
				count(RT_REORDERED, 1);
			if (!passed)
				return; /* so nothing that is kept is due */
			goto take;
		}
	}
	s->off = k->offset;
	s->end = k->offset + k->length;
	s->next = k->seq;
	if (ahead < 0) {
		if ((__u32)-ahead >= k->length)
			return; /* seen already */
		s->off += -ahead;
		s->next = c->rx_next;
	}
	if (c->framing != FRAMING_HELD)
		request_find(s, ahead >= 0);
	requests_run(s);
	c->rx_next = k->seq + k->length;
	if (s->off < s->end && c->kind < CONNECTION_STREAM && c->rx.state != HTTP1_DEAD)
		request_gap(s); /* the rest was not looked at */
take:
	if (c->n_held)
		held_take(s);
}

#endif
