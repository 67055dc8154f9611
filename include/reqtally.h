/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The contract between the kernel programs and user space: keys and values of the maps, budgets, names by number. A change here
 * is an ABI change: count RT_ABI up. Sizes are asserted on both sides; padding is named, never silent. */
#ifndef RT_REQTALLY_H
#define RT_REQTALLY_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define RT_ABI 1

/* Bytes of an endpoint's text. Real paths after normalisation stay below 100; longer ones are cut at the last whole
 * segment and end in "/{rest}". A multiple of 8, because the text is hashed and compared by words. */
#define RT_ENDPOINT_MAX 192
/* Finite classic bucket bounds (Prometheus' own exporters have 10 to 20). 31 + the one above all = 32. */
#define RT_BOUNDS_MAX 31
#define RT_BUCKETS (RT_BOUNDS_MAX + 1)
/* Requests of one connection that may wait for their responses (HTTP/1.1 pipelining); those beyond are counted as lost. */
#define RT_PIPELINE_DEPTH 16
#define RT_COMM_MAX 16 /* TASK_COMM_LEN */

enum rt_method {
	RT_METHOD_OTHER,
	RT_METHOD_GET,
	RT_METHOD_HEAD,
	RT_METHOD_POST,
	RT_METHOD_PUT,
	RT_METHOD_DELETE,
	RT_METHOD_CONNECT,
	RT_METHOD_OPTIONS,
	RT_METHOD_TRACE,
	RT_METHOD_PATCH,
	/* WebDAV and what grew on it (RFC 4918, 3253, 3744, 4791, 5323); QUERY. New ones at the end only: they stand in pinned maps. */
	RT_METHOD_PROPFIND,
	RT_METHOD_PROPPATCH,
	RT_METHOD_MKCOL,
	RT_METHOD_COPY,
	RT_METHOD_MOVE,
	RT_METHOD_LOCK,
	RT_METHOD_UNLOCK,
	RT_METHOD_REPORT,
	RT_METHOD_SEARCH,
	RT_METHOD_ACL,
	RT_METHOD_MKCALENDAR,
	RT_METHOD_MKACTIVITY,
	RT_METHOD_CHECKOUT,
	RT_METHOD_MERGE,
	RT_METHOD_QUERY,
	RT_METHODS,
};

/* Endpoint numbers with no text in the map: past the budget; answered before the request line was complete (408, 414). */
#define RT_ENDPOINT_OTHER 0
#define RT_ENDPOINT_INCOMPLETE 1

/* Codes that no server sends. */
#define RT_CODE_NO_RESPONSE 0
#define RT_CODE_CLIENT_GONE 499

/* The ledger: seen = recorded + the lost ones + in flight. Per-CPU counters, index in the map `ledger`. */
enum rt_ledger {
	RT_SEEN,
	RT_RECORDED,
	/* Losses, each with its name in rt_ledger_names. */
	RT_LOST_FIRST,
	RT_LOST_MALFORMED = RT_LOST_FIRST, /* a request that is no valid HTTP/1 */
	RT_LOST_INCOMPLETE,		   /* the connection ended inside the request line */
	RT_LOST_RESPONSE_MALFORMED,	   /* what came back is no HTTP/1 response */
	RT_LOST_PIPELINE_DEPTH,		   /* more than RT_PIPELINE_DEPTH requests waiting */
	RT_LOST_GAP,			   /* bytes of the stream were missed, framing lost */
	RT_LOST_NO_MEMORY,		   /* the kernel had no memory for the connection's state */
	RT_LOST_HANDOVER,		   /* in flight when its programs were given up, see struct rt_baton */
	RT_LOST_CONNECTION_BUDGET,	   /* it began on a connection for whose state there was no room */
	RT_LOST_RECLAIMED,		   /* its connection's state was taken back, for want of room */
	RT_LOST_LAST = RT_LOST_RECLAIMED,
	RT_LEDGER_FIRST_OTHER,
	/* Observations that are not about one request. */
	RT_UNSOLICITED = RT_LEDGER_FIRST_OTHER, /* responses with no request before them */
	RT_SERIES_OVERFLOW,  /* requests counted in the overflow series because the series budget was spent */
	RT_ENDPOINT_OVERFLOW, /* requests counted under endpoint {other} because the endpoint budget was spent */
	RT_CONNECTIONS,	     /* connections recognised as HTTP */
	RT_NOT_HTTP,	     /* connections left alone */
	RT_REORDERED,	     /* segments that arrived before an earlier one and were kept until it came */
	/* States of connections taken back, by enum rt_reclaim_class. */
	RT_RECLAIMED_FIRST,
	RT_LEDGER_SIZE = RT_RECLAIMED_FIRST + 4,
};

/* Who serves: the cgroup and the thread-group leader's name, hashed to 64 bits (seeded) for use in keys. */
struct rt_service {
	__u64 cgroup_id;
	char comm[RT_COMM_MAX];
	__u32 tgid;	 /* one that was seen serving */
	__u32 endpoints; /* how many it has in the map `endpoints` */
	__u32 series;
	__u32 pad;
};

/* Key of `guesses` (who served last on this port for sockets of this cgroup; used for requests that nobody read) and of `listeners`. */
struct rt_port_key {
	__u64 cgroup_id;
	__u32 port;
	__u32 pad;
};

/* What a connection turned out to be, counted once for each in the map `listeners`. */
enum rt_verdict {
	RT_VERDICT_HTTP,   /* HTTP/1 */
	RT_VERDICT_TLS,	   /* its first byte is that of a TLS handshake */
	RT_VERDICT_HTTP2,  /* it begins with the preface of HTTP/2 */
	RT_VERDICT_OTHER,  /* its first bytes are no HTTP */
	RT_VERDICT_SERVER_FIRST, /* the server spoke before the client: a protocol with a greeting */
	RT_VERDICT_MIDDLE, /* older than the programs, and not at the start of a request; its next request may still come */
	RT_VERDICTS,
};

/* Value of `listeners`; the key is the cgroup of the listening socket and its port. */
struct rt_listener {
	__u64 connections[RT_VERDICTS];
};

struct rt_endpoint {
	__u64 service;
	__u16 len;
	__u16 pad[3];
	char text[RT_ENDPOINT_MAX]; /* zero behind len */
};

/* A configured route, as the kernel matches it: ROUTE_SEGMENT stands for one segment that is not empty, ROUTE_REST (at the end) for
 * everything. */
#define RT_ROUTES_MAX 128
#define RT_ROUTE_SEGMENT 1
#define RT_ROUTE_REST 2

struct rt_route {
	char pattern[RT_ENDPOINT_MAX]; /* zero behind its end */
	char text[RT_ENDPOINT_MAX];    /* the endpoint; zero behind len */
	__u16 len;		       /* of the text; 0: the endpoint is not named by this route */
	__u16 stream;		       /* responses here are streams */
	__u32 pad;
};

struct rt_series_key {
	__u64 service;
	__u64 endpoint; /* 0: {other} */
	__u16 port;
	__u16 code;
	__u8 method;
	__u8 pad[3];
};

struct rt_histogram {
	__u64 sum_ns;
	__u64 buckets[RT_BUCKETS];
};

struct rt_series {
	__u64 streams; /* requests that became a stream: counted, but kept out of `duration` */
	__u64 request_bytes;
	__u64 response_bytes;
	struct rt_histogram duration, ttfb, queue;
};

/* Streams of a series, in a map of its own since few series have any. */
struct rt_streams {
	__u64 opened;
	struct rt_histogram duration;
};

/* Hand-over from one set of programs and maps to another, of another layout (docs/adr/0011). The two sets may be of different
 * versions, so this is agreed on for good: a change here is another RT_HANDOVER. */
#define RT_HANDOVER 1

/* `closing` of a set: it takes what comes; it takes nothing new and lets go of a connection when nothing of it is in flight; it is not
 * attached any more. */
enum rt_closing { RT_OPEN, RT_CLOSING, RT_GONE };

/* What a set leaves at a socket that it lets go: the successor parses on from there. */
struct rt_baton {
	__u32 rx_next; /* sequence number of the next request's first byte */
	__u32 http;    /* requests have been seen on it */
};

/* Budgets that are counted: index in the map `usage`. */
enum rt_usage {
	RT_USAGE_CONNECTIONS,
	RT_USAGE_PIPELINES,
	RT_USAGE_SIZE,
};

/* In what a connection is when its state is to be taken back, in the order in which they are. */
enum rt_reclaim_class {
	RT_RECLAIM_IDLE,    /* between two messages: nothing is lost */
	RT_RECLAIM_LINE,    /* in a request line, with nothing else under way */
	RT_RECLAIM_STREAM,  /* recorded already; its duration is lost */
	RT_RECLAIM_MESSAGE, /* a request is under way */
	RT_RECLAIM_CLASSES,
};

enum rt_reclaim_pass {
	RT_PASS_COUNT,	/* fills `ages` */
	RT_PASS_TAKE,	/* takes back what is of a class and of at least an age; of RT_RECLAIM_MESSAGE only marks them */
	RT_PASS_FINISH, /* deletes the marked ones */
};

/* A state's age, the time since its last message began, on a scale of a quarter of an octave: bucket 4 n + k begins at
 * (4 + k) << (n - 1) times 2^20 ns; those below 4 at so many times 2^20 ns. */
#define RT_AGES 128

struct rt_reclaim {
	__u32 pass;
	__s32 correction;		    /* to be added to the usage of connections, once */
	__u32 youngest[RT_RECLAIM_CLASSES]; /* what is older than this is taken; RT_AGES: nothing is */
	__u32 quota[RT_RECLAIM_CLASSES];    /* and so many of just this age */
	__u32 taken[RT_RECLAIM_CLASSES];
	__u32 ages[RT_RECLAIM_CLASSES][RT_AGES];
};

/* What the iterator writes for each request in flight. */
struct rt_in_flight {
	__u64 service;
	__u64 start_ns;
	__u16 port;
	__u8 method;
	__u8 pad[3];
	__u16 len;
	char text[RT_ENDPOINT_MAX];
};

#define RT_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), "the kernel/user contract changed: " #type)
RT_ASSERT_SIZE(struct rt_service, 40);
RT_ASSERT_SIZE(struct rt_port_key, 16);
RT_ASSERT_SIZE(struct rt_listener, 8 * RT_VERDICTS);
RT_ASSERT_SIZE(struct rt_endpoint, 16 + RT_ENDPOINT_MAX);
RT_ASSERT_SIZE(struct rt_route, 8 + 2 * RT_ENDPOINT_MAX);
RT_ASSERT_SIZE(struct rt_series_key, 24);
RT_ASSERT_SIZE(struct rt_histogram, 8 + 8 * RT_BUCKETS);
RT_ASSERT_SIZE(struct rt_series, 24 + 3 * sizeof(struct rt_histogram));
RT_ASSERT_SIZE(struct rt_reclaim, 8 + 4 * RT_RECLAIM_CLASSES * (3 + RT_AGES));
_Static_assert(RT_LEDGER_SIZE - RT_RECLAIMED_FIRST == RT_RECLAIM_CLASSES, "a counter for each class");
RT_ASSERT_SIZE(struct rt_streams, 8 + sizeof(struct rt_histogram));
RT_ASSERT_SIZE(struct rt_baton, 8);
RT_ASSERT_SIZE(struct rt_in_flight, 24 + RT_ENDPOINT_MAX);

#endif
