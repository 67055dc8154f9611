/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel programs: open, configure, load, attach; and the maps for whoever reads them. The only includer of the skeleton. */
#ifndef RT_LOADER_LOADER_H
#define RT_LOADER_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loader_options {
	const char *cgroup_root;     /* the root of the cgroup2 hierarchy */
	const double *bounds;	     /* seconds, ascending; at most RT_BOUNDS_MAX */
	size_t n_bounds;
	uint32_t max_series;	     /* series budget */
	uint32_t max_endpoints;	     /* of all services */
	uint32_t endpoints_per_service;
	uint32_t series_per_service;
	const uint64_t *ignored_ports; /* 1024 words, a bit a port; NULL: none */
	char *const *routes;	       /* path templates: "/users/{name}/orders", "/static/" and two stars */
	size_t n_routes;
	char *const *streams; /* the same form: responses there are streams */
	size_t n_streams;     /* both together at most RT_ROUTES_MAX */
};

struct loader;

enum loader_map { LOADER_SERIES, LOADER_STREAMS, LOADER_ENDPOINTS, LOADER_SERVICES, LOADER_OVERFLOW, LOADER_LEDGER, LOADER_LISTENERS, LOADER_MAPS };

/* Loads and attaches. 0 and *L, or a negative errno and *ERROR, one message for the user; nothing is left attached then. */
int loader_open(const struct loader_options *opt, struct loader **l, char **error);
/* Detaches and frees. NULL is fine. */
void loader_free(struct loader *l);
int loader_map_fd(const struct loader *l, enum loader_map map);
uint32_t loader_map_capacity(const struct loader *l, enum loader_map map);

struct loader_program {
	const char *name;
	uint64_t run_ns, runs; /* zero unless kernel.bpf_stats_enabled */
	uint32_t verified_instructions;
};

/* How many programs there are; fills at most MAX. */
size_t loader_programs(const struct loader *l, struct loader_program *p, size_t max);

struct rt_in_flight;

/* Calls FN for each request in flight, as the kernel's iterator finds them. 0 or a negative errno. */
int loader_in_flight(const struct loader *l, void (*fn)(void *arg, const struct rt_in_flight *f), void *arg);

/* Gives up every capability that the program does not need once it is attached. 0 or a negative errno. */
int loader_drop_capabilities(void);

#endif
