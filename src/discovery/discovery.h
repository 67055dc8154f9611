/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who serves: from a cgroup's id and a program's name to the names people know it by. In this order: the pod (its workload
 * as `service`), the systemd unit, the program. Not thread-safe; the collector's thread owns it. */
#ifndef RT_DISCOVERY_DISCOVERY_H
#define RT_DISCOVERY_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service_id {
	const char *service;   /* never empty */
	const char *namespace; /* these three "" outside Kubernetes, or while the pod's names are not known */
	const char *pod;
	const char *container;
};

/* The same with room of its own. */
struct service_name {
	char service[256], namespace[64], pod[256], container[64];
};

/* Names kept elsewhere, so that they outlive this process: a service keeps its name although its cgroup is gone. */
struct discovery_memory {
	/* Fills the four buffers of OUT, NUL-terminated. False: nothing was kept. */
	bool (*recall)(void *arg, uint64_t cgroup_id, const char *comm, struct service_name *out);
	void (*keep)(void *arg, uint64_t cgroup_id, const char *comm, const struct service_name *name);
	void *arg;
};

/* Names kept at most; past it the one not asked for the longest is forgotten. */
#define DISCOVERY_MAX_ENTRIES 8192

struct discovery;

/* Before the first look-up. */
void discovery_set_memory(struct discovery *d, const struct discovery_memory *m);

/* CGROUP_ROOT is the mount of cgroup2 (find_cgroup2_mount); pods' names are looked for in /var/log. */
struct discovery *discovery_new(const char *cgroup_root);
/* The same with the folder that holds the kubelet's pods/ and containers/, and a bound of one's own. */
struct discovery *discovery_new_at(const char *cgroup_root, const char *log_root, size_t max_entries);
void discovery_free(struct discovery *d);
/* Call once before each snapshot: what was not found may be looked for again. What was found stays, also after its cgroup is
 * gone, so that a series does not change its name when its process ends. */
void discovery_refresh(struct discovery *d);
/* Never NULL. The strings live until the next call with the same D. COMM is NUL-terminated; "" becomes "unknown". */
const struct service_id *discovery_lookup(struct discovery *d, uint64_t cgroup_id, const char *comm);
/* How many names are kept, for the program's own metrics. */
size_t discovery_size(const struct discovery *d);

#endif
