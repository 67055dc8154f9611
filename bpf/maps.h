/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Every map of the programs, and the settings that user space fills before loading. */
#ifndef RT_MAPS_H
#define RT_MAPS_H

#include "connection.h"

/* State of a connection that carries HTTP, or may. Key: the server's socket. Freed with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} connections SEC(".maps");

/* Pipelined requests, all but the one that `connection` holds. Made for the first request that has to wait. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pipeline);
} pipelines SEC(".maps");

/* Which pieces are kept of a connection whose segments came out of order. Made for the first of them. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct held_pieces);
} reorders SEC(".maps");

/* Sockets to leave alone: clients, and servers that do not speak HTTP/1. Value: tries left, 0 = for good; or IGNORED_UNANSWERED: for good,
 * unless what was no request is answered by HTTP. */
#define IGNORED_UNANSWERED (1u << 31)
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} ignored SEC(".maps");

/* Payload that came with the last ACK of a handshake (deferred accept, a lost ACK) or with the SYN (fast open) is seen on the
 * listener, before its own socket exists. Key: the connection; deleted when the socket takes it over. An LRU, so that a
 * handshake that never ends leaves nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, struct tuple);
	__type(value, struct embryo);
} carried SEC(".maps");

/* The pieces' bytes. An LRU, so that a connection that ends with a gap leaves nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct held_key);
	__type(value, struct held);
} held_bytes SEC(".maps");

/* Services seen, by the hash of cgroup and name. Never deleted by the kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct rt_service);
} services SEC(".maps");

/* Who served on a port last: names the service of a request that nobody read. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct rt_port_key);
	__type(value, __u64);
} guesses SEC(".maps");

/* What the connections of each listening socket turned out to be, for `reqtally doctor`. Entered when a socket begins to listen, by
 * user space for those that did before, and with the first connection that is known to be a server's. Counted once a connection.
 * An LRU, so that ports that come and go leave nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct rt_port_key);
	__type(value, struct rt_listener);
} listeners SEC(".maps");

/* Endpoint texts by their hash (seeded, so that nobody can make them collide on purpose). Budgets: settings. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct rt_endpoint);
} endpoints SEC(".maps");

/* The figures. Preallocated: an update cannot fail for want of memory. max_entries is the series budget. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct rt_series_key);
	__type(value, struct rt_series);
} series SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct rt_series_key);
	__type(value, struct rt_streams);
} streams SEC(".maps");

/* Where requests go when the series budget is spent: index = code. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1000);
	__type(key, __u32);
	__type(value, struct rt_series);
} overflow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RT_LEDGER_SIZE);
	__type(key, __u32);
	__type(value, __u64);
} ledger SEC(".maps");

/* How many states of connections there are. Index: enum rt_usage. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RT_USAGE_SIZE);
	__type(key, __u32);
	__type(value, __s64);
} usage SEC(".maps");

/* Orders to the iterator `reclaim`, and what it found. Written by user space between its passes only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rt_reclaim);
} reclaiming SEC(".maps");

/* Wakes user space when states have to be taken back. The content says nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} pressure SEC(".maps");

/* Zeros to insert (values are too big for the stack). Never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct zeros);
} zeros SEC(".maps");

/* Scratch memory of the ingress program, which runs in softirq only and therefore never twice at a time on one CPU. The egress
 * program runs in process context as well and may be preempted: its scratch memory is in the connection. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* Where the egress program has the head of a response in one piece. It may be preempted, or interrupted by itself, so that an entry has
 * to be taken; two are enough in practice, and the scratch memory in the connection will do in all other cases. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct response_head);
} response_heads SEC(".maps");

/* Which local ports can be a server's? Half of the packets of a machine are those of its clients, and need no more than this to be let
 * through. A bit is set when a socket begins to listen on the port or comes into being by accepting, before it carries a byte; the
 * iterator find_servers sets those that were there before the programs, and then says that the ports are KNOWN. Bits are not cleared. */
struct {
	__u64 bits[1024];
	__u64 known;
	/* Of a port whose last connection to be judged was no HTTP: whether a socket is to be left alone is asked first. */
	__u64 foreign[1024];
} server_ports SEC(".data.ports") = {};

static __always_inline int is_client_port(__u32 port)
{
#ifdef RT_BOUNDED
	return 0; /* the ports cannot be found out: no bpf_sock_from_file() (5.11), no atomic or (5.12) */
#endif
	return !((server_ports.bits[(port >> 6) & 1023] >> (port & 63)) & 1) && server_ports.known;
}

const volatile struct {
	__u64 bounds_ns[RT_BOUNDS_MAX]; /* ascending; unused ones are U64_MAX */
	__u64 seed;			/* of the hashes */
	__u32 endpoints_per_service;
	__u32 series_per_service;
	__u32 filter_ports; /* is port_filter in use? */
	__u32 n_routes;
	__u32 has_elder; /* do the maps elder_* belong to another set of programs? */
	__u32 connections; /* budgets */
	__u32 pipelines;
	__u32 reclaim_at; /* so many connections: states are taken back */
	__u32 no_storage_in_tracing; /* before Linux 5.11: events.h */
	__u32 events; /* events.h is in use */
	__u32 named_by; /* programs, routes and streams, which may change while a connection stays: another number is another set of them */
	__u32 pad;
} settings = {};

/* Configured routes in the order in which they are tried. Written once, before the programs are attached. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RT_ROUTES_MAX);
	__type(key, __u32);
	__type(value, struct rt_route);
} routes SEC(".maps");

/* One bit a port: leave it alone. */
const volatile __u64 port_filter[1024] = {};

/* Set by user space when another set of programs takes over (enum rt_closing); handover.h. */
volatile __u32 closing SEC(".data.handover") = RT_OPEN;

/* Sockets that this set has let go. Deleted by the successor when it takes them. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rt_baton);
} batons SEC(".maps");

/* The three of the set that this one takes over from, put here by user space before loading: `closing`, `connections` (only whether there
 * is one is looked at: the value may have any layout) and `batons`. Without an elder they are empty. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} elder_closing SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} elder_connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rt_baton);
} elder_batons SEC(".maps");

static __always_inline int ignores_port(__u32 port)
{
	return settings.filter_ports && (port_filter[(port >> 6) & 1023] >> (port & 63)) & 1;
}

static __always_inline void server_port(__u32 port)
{
#ifndef RT_BOUNDED
	__u64 bit = 1ull << (port & 63), at = (port >> 6) & 1023;

	if (!(server_ports.bits[at] & bit) && !ignores_port(port))
		__sync_fetch_and_or(&server_ports.bits[at], bit);
#endif
}

static __always_inline int is_foreign_port(__u32 port)
{
	return (server_ports.foreign[(port >> 6) & 1023] >> (port & 63)) & 1;
}

static __always_inline void foreign_port(__u32 port, int foreign)
{
#ifndef RT_BOUNDED
	__u64 bit = 1ull << (port & 63), at = (port >> 6) & 1023;

	if (!(server_ports.foreign[at] & bit) == !foreign)
		return;
	if (foreign)
		__sync_fetch_and_or(&server_ports.foreign[at], bit);
	else
		__sync_fetch_and_and(&server_ports.foreign[at], ~bit);
#endif
}

static __always_inline void count(__u32 what, __u64 n)
{
	__u64 *v = bpf_map_lookup_elem(&ledger, &what);
	/* Atomic although per CPU: the egress program may be interrupted by the ingress program on its CPU. */
	if (v)
		__sync_fetch_and_add(v, n);
}

/* ENTER: the socket is a listener's for certain. A client's port is not entered: most connections of a machine are its clients'. */
static __noinline int listener_count(__u64 cgroup_id, __u32 port, __u32 verdict, __u32 enter)
{
	struct rt_port_key key = {.cgroup_id = cgroup_id, .port = port};
	struct rt_listener *l = bpf_map_lookup_elem(&listeners, &key);

	if (!l && enter) {
		__u32 zero = 0;
		void *z = bpf_map_lookup_elem(&zeros, &zero);
		if (z)
			bpf_map_update_elem(&listeners, &key, z, BPF_NOEXIST);
		l = bpf_map_lookup_elem(&listeners, &key);
	}
	if (l && verdict < RT_VERDICTS)
		__sync_fetch_and_add(&l->connections[verdict], 1);
	return 0;
}

/* A function of its own, so that the key is not on the stack of the caller, where it is short. */
static __noinline struct scratch *scratch_get(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&scratches, &zero);
}

#endif
