/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What is kept of a connection, and who may write it.
 *
 * Three programs meet in it. Ingress (request bytes) runs in softirq before the socket is locked, on any CPU. Egress (response
 * bytes), the reader (the application takes bytes out of the socket) and the state change (the connection ends) run under the
 * socket lock, so they never run at the same time as each other. Ingress owns its fields and appends requests to a ring; the
 * others own theirs and take requests from it: a single producer and a single consumer, so that plain loads and stores do.
 *
 * The ring is made of positions (0, 1, 2, ... of the connection's requests): rx_pos is the next one to be appended, tx_pos the one
 * whose response is due. A request enters the ring when its line is complete; until then it is in the rx_ fields. One that finds
 * the ring empty stands in `first`, as nearly all do; one that has to wait stands in a second storage, `pipeline`, at its position
 * modulo the depth. Each carries its position, so that a slot that holds another request is recognised. */
#ifndef RT_CONNECTION_H
#define RT_CONNECTION_H

#include "words.h"

/* An addition that is a barrier: what is before it in the program is before it for other CPUs. On x86 each atomic is one; on arm64 only an
 * atomic that tells the value before, which kernels before 5.12 do not have. */
#if defined(__TARGET_ARCH_x86) || defined(RT_BOUNDED)
#define add_in_order(to, n) ((void)__sync_fetch_and_add(to, n))
#else
#define add_in_order(to, n)                                                                                                                    \
	do {                                                                                                                                   \
		__typeof__(*(to) + 0) _was = __sync_fetch_and_add(to, n);                                                                      \
		http1_opaque(_was);                                                                                                            \
	} while (0)
#endif

enum connection_kind {
	CONNECTION_NEW,	   /* seen from its first byte, no request yet */
	CONNECTION_MIDDLE, /* first seen in its middle, at a segment that starts like a request */
	CONNECTION_HTTP,
	CONNECTION_STREAM, /* upgraded, or an event stream: bytes are no requests any more */
	CONNECTION_DEAD,   /* framing lost; what is in flight was counted */
};

enum connection_flags {
	PEER_FIN = 1,	 /* the client ended its side before we ended ours */
	PEER_RESET = 2,	 /* the client reset the connection */
	LOCAL_FIN = 4,	 /* the server ended its side first */
	RESPONSE_KEPT = 8, /* a response that ended after PEER_FIN: only the close tells whether the client took it */
	EVENT_STREAM = 16,  /* the response at hand is one; its request is recorded already */
	MALFORMED_ANSWERED = 32, /* there was a response to the bytes that are no request */
};

/* Of the request bytes. Once lost, the next segment that starts like a request while nothing waits for a response is where it goes on. */
enum connection_framing {
	FRAMING_HELD,
	FRAMING_LOST,
	FRAMING_FOUND, /* until the line is complete: it may turn out to be no request */
};

enum connection_reclaimed {
	RECLAIM_MARKED = 1, /* in the midst of a message: deleted in the next pass */
	RECLAIM_DONE = 2,   /* deleted; whoever still has a pointer to it must not use it */
};

struct request {
	__u64 start_ns;	  /* arrival of its first byte */
	__u64 read_ns;	  /* the application's first read of it; 0: not yet */
	__u64 body_bytes; /* ingress counts them as they come */
	__u64 number;	  /* of its endpoint, for the service that is in it; <= RT_ENDPOINT_INCOMPLETE: not known yet */
	__u32 start_seq;
	__u32 pos;
	__u8 method;
	__u8 stream; /* its response is a stream, by configuration */
	__u8 pad[2];
	__u32 named_by; /* settings.named_by of who named its endpoint and said whether it is a stream */
	struct rt_endpoint endpoint;
};

struct pipeline {
	struct request slots[RT_PIPELINE_DEPTH];
};

/* Segments that came before an earlier one are kept, in pieces, until that has come: up to 64 pieces, each of up to 4 KB of one packet
 * or of two segments in a row. That is a window of 185 KB in segments of 1,448 bytes. */
#define HELD_PIECES 64
#define HELD_BYTES 4096

struct held_key {
	__u64 connection; /* hold_id */
	__u32 slot; /* which piece: not its sequence number, which a longer or shorter retransmission shares */
	__u32 pad;
};

struct held {
	__u8 bytes[HELD_BYTES + HTTP1_BLOCK]; /* the block behind is never read as content; it lets the verifier see that a block fits */
};

struct held_piece {
	__u32 seq;
	__u32 length; /* 0: free */
};

/* In a storage of its own, since few connections ever have any. */
struct held_pieces {
	struct held_piece v[HELD_PIECES];
};

/* Where a program is in a packet, in the flavour with bounded loops (bounded.h): its functions cannot hand it to each other. */
struct scan_kept {
	__u64 now;
	__u32 off, end, next;
	__u32 held; /* slot of the kept piece that is read, and 1; 0: the packet itself */
	__u32 n;    /* bytes in the block */
	__u32 pad;
};

/* Heads of the same length one after the other are likely to be the same: probes, scrapes, answers within one second. So the second is
 * kept, up to this length, and those that follow are compared with it, a tenth of the work of reading them. If the first of them is another,
 * none is kept for a while, for keeping costs, too. In rx_head and tx_head: */
#define HEAD_LENGTH 0x07ff /* of the last plain head */
#define HEAD_WAIT 0x0800   /* so many are still not to be kept, times this */
#define HEAD_WAITS 0x7800
#define HEAD_AGAIN 0x0800  /* with HEAD_KEPT: it has come again */
#define HEAD_KEPT 0x8000   /* it is kept */
#define HEAD_WHOLE 0x80	   /* in tx_head_flags: its message ends with its Content-Length, whatever was asked but HEAD and CONNECT */
#define HEAD_KEPT_MAX RT_ENDPOINT_MAX

#ifdef RT_BOUNDED
#define TX_BLOCK HTTP1_BLOCK
#else
#define TX_BLOCK HEAD_KEPT_MAX
#endif

/* In the order of cache lines: a socket's data begins 8 bytes into one, so the first has 56 bytes, and the others 64. The client's packet
 * comes in on one CPU and is answered on another, so that each line that both write goes over and back once a request: these are the first
 * three. */
struct connection {
	/* ingress */
	__u64 rx_start_ns;
	__u32 rx_next; /* sequence number expected next */
	volatile __u32 rx_pos;
	__u32 rx_lock;
	__u16 rx_head; /* HEAD_: what is kept is in rx_path, and its endpoint in `first`. Ingress' own. */
	__u8 kind;
	__u8 framing; /* FRAMING_ */
	__u8 n_held;
	__u8 rx_head_method;
	__u8 rx_stream;	   /* of the request whose line is coming in */
	__u8 early_passed; /* `early` when a request line was complete last */
	volatile __u8 peer; /* PEER_FIN, PEER_RESET */
	__u8 rx_malformed;  /* it ended with bytes that are no request */
	__u8 middle;	    /* first seen in its middle: the rest of another response may come before the first one */
	__u8 reclaimed;	    /* RECLAIM_: its state is being taken back (budget.h) */
	struct http1 rx;
	/* the socket lock's side */
	struct http1 tx;
	__u32 tx_next;
	__u32 tx_pos;
	__u32 read_pos;
	__u16 tx_head; /* HEAD_: what is kept is in `block`, and what it said in these */
	__u16 tx_head_status;
	__u16 tx_head_length;
	__u8 tx_head_flags;
	__u8 flags;
	__u8 tx_started;     /* tx_next holds */
	volatile __u8 early; /* counts requests that were answered and recorded while their line was still coming in */
	__u16 port;
	/* both: without its endpoint's text one line */
	struct request first;
	__u64 service;
	struct rt_series_key last; /* the series of the request recorded last: of a stream, of a body that goes on after its response */
	__u64 tx_first_ns;	   /* when the response at hand began */
	__u64 tx_body;		   /* its body's bytes so far */
	__u32 tgid;
	__u32 counted; /* in the usage of the budget */
	__u8 block[TX_BLOCK];	       /* egress' scratch memory, or a head */
	char rx_path[RT_ENDPOINT_MAX]; /* while a line is coming in; else it may hold a head */
	/* what is seldom */
	__u64 sk_cgroup;   /* of the socket, that is of the listener's owner */
	__u64 head_bits;   /* bit pos % 64: a request beyond the depth is a HEAD. Ingress' own. */
	__u64 kept_end_ns; /* with RESPONSE_KEPT: its end, first byte, body and status */
	__u64 kept_first_ns;
	__u64 kept_body;
	__u64 stream_ns;
	__u64 hold_id;		   /* tells its pieces from those of others */
	volatile __u64 rx_read_ns; /* set by the reader, while the line is still coming in */
	__u32 rx_start_seq;
	__u16 kept_code;
	__u8 holed;	    /* framing was lost once: a response that nobody waits for is that of a request in the hole */
	volatile __u8 torn; /* a request line was begun and its rest is in the hole; cleared by the response to it */
#ifdef RT_BOUNDED
	struct scan_kept rx_kept, tx_kept;
	__u64 finish_now, finish_client_gone; /* struct finish */
	struct bpf_spin_lock rx_guard; /* of rx_lock: this kernel has no compare-and-swap */
	__u32 pad3;
#endif
};

_Static_assert(__builtin_offsetof(struct connection, tx_next) < 120 && __builtin_offsetof(struct connection, first) == 120, "cache lines");

/* A connection whose socket does not exist yet. Nothing is counted for it before a socket takes it over: a late duplicate of a
 * connection that is gone finds the listener, too. */
struct embryo {
	struct connection connection;
	struct pipeline pipeline;
	struct held_pieces pieces;
	__u32 seq; /* of the first byte that was seen */
	__u32 state; /* EMBRYO_ */
};

enum embryo_state {
	EMBRYO_EMPTY,
	EMBRYO_BEGUN,
	EMBRYO_TAKEN, /* by the socket; who has waited for the lock finds that one by now */
};

/* Further apart two sequence numbers are of two connections, one of them gone: where one begins depends on the time, and goes round in
 * minutes (net/core/secure_seq.c). */
#define EMBRYO_REACH (1u << 20)
#define embryo_is_of(e, at) ((__u32)((at) - (e)->seq + EMBRYO_REACH) <= 2 * EMBRYO_REACH)

/* The ends of a connection as a packet to the server names them. */
struct tuple {
	__u32 remote[4], local[4];
	__u16 remote_port, local_port; /* network byte order */
};

struct scratch {
	__u8 block[HTTP1_BLOCK];
	struct http1_head head;
	__u32 route_at, route_pattern_at; /* of the route at hand: places in the path and in the pattern */
	__u32 route_segment;		  /* bytes that its current segment has taken */
	__u32 route_state;		  /* 0 undecided, 1 matches, 2 does not */
	struct endpoint_words words;
	struct endpoint norm;
	char text[RT_ENDPOINT_MAX];
	struct held held;
	struct connection fresh; /* what a new one begins with */
#ifdef RT_BOUNDED
	__u32 ip_end; /* of the packet at hand */
	__u32 hold_offset, hold_length, hold_seq, hold_off, hold_ok; /* struct hold */
	__u32 normalise_at, route, route_named, route_stream;
	struct http1 rx;
	char path[RT_ENDPOINT_MAX];
#endif
};

/* Room for the head of a response, taken for one packet. */
struct response_head {
	struct http1_head head;
	__u32 taken;
	__u32 pad;
};

struct zeros {
	union {
		struct rt_series series;
		struct embryo embryo;
		struct rt_streams streams;
	};
};

#endif
