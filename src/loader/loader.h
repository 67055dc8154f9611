/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel programs: open, configure, load, attach; and the maps for whoever reads them. The only includer of the skeleton. */
#ifndef RT_LOADER_LOADER_H
#define RT_LOADER_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where programs and maps are pinned if nothing else is said. */
#define LOADER_PIN_PATH "/sys/fs/bpf/reqtally"

struct loader_options {
	const char *cgroup_root;     /* the root of the cgroup2 hierarchy */
	const double *bounds;	     /* seconds, ascending; at most RT_BOUNDS_MAX */
	size_t n_bounds;
	uint32_t max_series;	     /* series budget */
	uint32_t max_endpoints;	     /* of all services */
	uint32_t endpoints_per_service;
	uint32_t series_per_service;
	uint32_t max_connections; /* states of connections */
	bool lean_maps;		  /* they take memory as they fill up, and less for what is rare */
	const uint64_t *ignored_ports; /* 1024 words, a bit a port; NULL: none */
	char *const *routes;	       /* path templates: "/users/{name}/orders", "/static/" and two stars */
	size_t n_routes;
	char *const *streams; /* the same form: responses there are streams */
	size_t n_streams;     /* both together at most RT_ROUTES_MAX */
	/* Folder in the BPF file system: programs and maps stay when the process ends, and the next one goes on with them. NULL: they end with
	 * the process. Where nothing can be pinned that is reported, and it is as if it were NULL, unless pin_required. */
	const char *pin_path;
	bool pin_required; /* it is an error if nothing can be pinned there */
	/* What the user should know, one line each; NULL: nobody listens. */
	void (*report)(void *arg, bool warning, const char *message);
	void *arg;
};

struct loader;

enum loader_map { LOADER_SERIES, LOADER_STREAMS, LOADER_ENDPOINTS, LOADER_SERVICES, LOADER_OVERFLOW, LOADER_LEDGER, LOADER_USAGE, LOADER_LISTENERS, LOADER_MAPS };

/* Loads and attaches, or goes on with what an earlier process has left at the pin path (docs/adr/0011):
 *   - the same programs and settings: they are used as they are;
 *   - the same maps, other programs or settings: the programs are replaced one by one, atomically;
 *   - other maps: new programs take over without a gap, the figures of the old ones are carried on;
 *   - what cannot be understood is removed, and counting begins anew.
 * 0 and *L, or a negative errno and *ERROR, one message for the user; nothing is attached then that was not before. -EBUSY: another
 * process uses the pins. */
int loader_open(const struct loader_options *opt, struct loader **l, char **error);
/* Ends the use: what is pinned goes on counting, the rest is detached. NULL is fine. */
void loader_free(struct loader *l);
/* Is anything pinned, so that counting goes on without this process? */
bool loader_pinned(const struct loader *l);
/* Sets of programs that count: 2 while those before these finish what they have begun. */
int loader_sets(const struct loader *l);
/* What has to be done from time to time: programs that have handed over are removed when they have finished. Milliseconds until the next
 * call, -1: none is needed. Not at the same time as the functions that read. */
int loader_tend(struct loader *l);
int loader_map_fd(const struct loader *l, enum loader_map map);
uint32_t loader_map_capacity(const struct loader *l, enum loader_map map);

/* The map NAME of what is pinned at LOADER_PIN_PATH, to be read only, also while another process uses it. A descriptor of the caller's own
 * and *ENTRIES, or a negative errno: -ENOENT if nothing is pinned, -EPROTO if keys or values have other sizes. */
int loader_pinned_map(const char *name, uint32_t key_size, uint32_t value_size, uint32_t *entries);

struct loader_program {
	const char *name;
	uint64_t run_ns, runs; /* zero unless kernel.bpf_stats_enabled */
	uint32_t verified_instructions;
};

#define LOADER_PROGRAMS_MAX 16 /* there are not more */

/* How many programs there are; fills at most MAX. */
size_t loader_programs(const struct loader *l, struct loader_program *p, size_t max);

struct rt_in_flight;
struct rt_series_key;
struct rt_series;
struct rt_streams;

/* Figures beside those in the maps: of the programs that counted before the ones that do. They have to be added. Any function may be
 * NULL. A key may come more than once. */
struct loader_figures {
	void (*series)(void *arg, const struct rt_series_key *key, const struct rt_series *s);
	void (*streams)(void *arg, const struct rt_series_key *key, const struct rt_streams *s);
	void (*ledger)(void *arg, const uint64_t *counters); /* RT_LEDGER_SIZE */
	void *arg;
};

/* 0 or a negative errno. */
int loader_earlier(const struct loader *l, const struct loader_figures *f);

/* The name of a service, as kept over restarts. */
struct loader_name {
	char service[256], namespace[64], pod[256], container[64];
};

/* What was kept for the service of a cgroup and a program's name. False: nothing was. */
bool loader_recall_name(const struct loader *l, uint64_t cgroup_id, const char *comm, struct loader_name *name);
void loader_keep_name(const struct loader *l, uint64_t cgroup_id, const char *comm, const struct loader_name *name);

/* What loader_uninstall() has removed. */
struct loader_removed {
	size_t sets, links, programs, maps;
	bool folder; /* false: it holds something that is not ours */
};

/* Removes everything pinned at PATH: nothing counts any more, and the figures are gone. 0; -ENOENT if there is nothing; -EBUSY if a
 * process uses it; *ERROR is for the user. */
int loader_uninstall(const char *path, struct loader_removed *removed, char **error);

/* Calls FN for each request in flight, as the kernel's iterator finds them. 0 or a negative errno. */
int loader_in_flight(const struct loader *l, void (*fn)(void *arg, const struct rt_in_flight *f), void *arg);

/* Readable (poll) when states of connections have to be taken back. -1: there is no such thing. */
int loader_pressure_fd(const struct loader *l);
/* Takes back states of connections, those that lose least and are oldest first, if 7/8 of the budget are used or more, until 3/4 are. True if it
 * was necessary and did not suffice: call it again in a while. Also empties loader_pressure_fd(). Not thread-safe. */
bool loader_reclaim(struct loader *l);

/* Gives up every capability that the program does not need once it is attached: of the calling thread, and of those it makes from then on.
 * 0 or a negative errno. */
int loader_drop_capabilities(void);
/* Forbids, for the same threads, what is never needed from then on: executing programs, namespaces, mounts, loading BPF programs, ... 0 or
 * a negative errno; to be called after loader_drop_capabilities(), which makes it possible without CAP_SYS_ADMIN. */
int loader_forbid_system_calls(void);

#endif
