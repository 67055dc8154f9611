// SPDX-License-Identifier: GPL-2.0-or-later
#include "discovery/discovery.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/sv.h"
#include "discovery/cgroup_path.h"
#include "discovery/cgroup_tree.h"
#include "discovery/pods.h"

#define COMM_MAX 32
#define N_BUCKETS 4096

/* A pod without names is looked for again at this many refreshes: the kubelet makes the link to a container's log a
 * moment after its start. A node without a kubelet's logs is not searched for ever. */
#define POD_ATTEMPTS 20

struct entry {
	struct entry *next;	   /* of its bucket */
	struct entry *older, *newer; /* by last use */
	uint64_t cgroup_id;
	char comm[COMM_MAX];
	struct service_id id;
	char *service; /* owned, shown by id */
	struct pod_names names;
	struct cgroup_owner owner;
	uint64_t generation; /* of the last attempt to name the pod */
	int attempts_left;   /* 0: settled */
};

struct discovery {
	struct cgroup_tree *tree;
	char *log_root;
	struct entry *buckets[N_BUCKETS];
	struct entry *oldest, *newest;
	size_t n, max;
	uint64_t generation;
	struct discovery_memory memory;
};

struct discovery *discovery_new_at(const char *cgroup_root, const char *log_root, size_t max_entries)
{
	struct discovery *d = xcalloc(1, sizeof(*d));
	d->tree = cgroup_tree_new(cgroup_root);
	d->log_root = xstrdup(log_root);
	d->max = max_entries ? max_entries : 1;
	return d;
}

struct discovery *discovery_new(const char *cgroup_root)
{
	return discovery_new_at(cgroup_root, "/var/log", DISCOVERY_MAX_ENTRIES);
}

void discovery_set_memory(struct discovery *d, const struct discovery_memory *m)
{
	d->memory = *m;
}

static void entry_free(struct entry *e)
{
	free(e->service);
	free(e);
}

void discovery_free(struct discovery *d)
{
	if (!d)
		return;
	while (d->oldest) {
		struct entry *e = d->oldest;
		d->oldest = e->newer;
		entry_free(e);
	}
	cgroup_tree_free(d->tree);
	free(d->log_root);
	free(d);
}

size_t discovery_size(const struct discovery *d)
{
	return d->n;
}

void discovery_refresh(struct discovery *d)
{
	d->generation++;
	cgroup_tree_forget(d->tree);
}

static struct entry **bucket_of(struct discovery *d, uint64_t cgroup_id, const char *comm)
{
	uint64_t h = cgroup_id * 0x9e3779b97f4a7c15u;
	for (const char *p = comm; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	return &d->buckets[(h >> 32) % N_BUCKETS];
}

static void unlink_use(struct discovery *d, struct entry *e)
{
	*(e->older ? &e->older->newer : &d->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &d->newest) = e->older;
	e->older = e->newer = NULL;
}

static void link_newest(struct discovery *d, struct entry *e)
{
	e->older = d->newest;
	*(d->newest ? &d->newest->newer : &d->oldest) = e;
	d->newest = e;
}

static void evict_oldest(struct discovery *d)
{
	struct entry *e = d->oldest;
	struct entry **at = bucket_of(d, e->cgroup_id, e->comm);
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	unlink_use(d, e);
	entry_free(e);
	d->n--;
}

/* Services that run other people's programs: on cgroup v1 hosts containers may show below these units. */
static bool is_supervisor(const char *unit)
{
	static const char *const units[] = {"containerd", "docker", "crio",   "kubelet",    "podman",
					    "k3s",	  "k3s-agent", "rke2-server", "rke2-agent", "snap.docker.dockerd"};
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(unit, units[i]) == 0)
			return true;
	return false;
}

/* The program's name in what its process calls itself. Some add what they are about ("starman worker -", "gunicorn: maste", "node
 * /srv/app.j") or are called by their path ("/usr/bin/twiggy"); node calls its main thread, and so itself, by what it is. */
static struct sv program_name(const char *comm)
{
	static const char thread[] = "MainThread";
	const size_t n_thread = sizeof(thread) - 1;
	size_t n = strcspn(comm, " "), start;

	if (n && comm[n - 1] == ':')
		n--;
	for (start = n; start && comm[start - 1] != '/';)
		start--;
	struct sv name = sv_make(comm + start, n - start);
	if (sv_eq(name, sv_make(thread, n_thread)))
		return SV("node");
	if (name.n > n_thread + 1 && name.p[name.n - n_thread - 1] == '-' && memcmp(name.p + name.n - n_thread, thread, n_thread) == 0)
		name.n -= n_thread + 1;
	return name.n ? name : sv_of(comm);
}

/* What the process's name says after a restart as well need not be kept. */
static void keep(struct discovery *d, const struct entry *e)
{
	struct service_name n = {0};
	if (!d->memory.keep || sv_eq(sv_of(e->id.service), program_name(e->comm)))
		return;
	snprintf(n.service, sizeof(n.service), "%s", e->id.service);
	snprintf(n.namespace, sizeof(n.namespace), "%s", e->id.namespace);
	snprintf(n.pod, sizeof(n.pod), "%s", e->id.pod);
	snprintf(n.container, sizeof(n.container), "%s", e->id.container);
	d->memory.keep(d->memory.arg, e->cgroup_id, e->comm, &n);
}

static void recall(struct discovery *d, struct entry *e)
{
	struct service_name n;
	if (!d->memory.recall || !d->memory.recall(d->memory.arg, e->cgroup_id, e->comm, &n))
		return;
	free(e->service);
	e->service = xstrdup(n.service);
	snprintf(e->names.namespace, sizeof(e->names.namespace), "%s", n.namespace);
	snprintf(e->names.pod, sizeof(e->names.pod), "%.*s", (int)sizeof(e->names.pod) - 1, n.pod);
	snprintf(e->names.container, sizeof(e->names.container), "%s", n.container);
	e->id = (struct service_id){
		.service = e->service, .namespace = e->names.namespace, .pod = e->names.pod, .container = e->names.container};
}

static void name_pod(struct discovery *d, struct entry *e)
{
	e->generation = d->generation;
	e->attempts_left--;
	if (!pod_names_find(d->log_root, e->owner.pod_uid, e->owner.container_id, &e->names))
		return;
	e->id.namespace = e->names.namespace;
	e->id.pod = e->names.pod;
	e->id.container = e->names.container;
	free(e->service);
	e->service = xstrndup(e->names.pod, pod_workload_length(sv_of(e->names.pod)));
	e->id.service = e->service;
	if (e->names.exact || !e->owner.container_id[0])
		e->attempts_left = 0;
	keep(d, e);
}

static void resolve(struct discovery *d, struct entry *e)
{
	_cleanup_free_ char *path = cgroup_tree_path(d->tree, e->cgroup_id);
	if (path)
		cgroup_path_parse(path, &e->owner);
	bool unit = e->owner.kind == CGROUP_UNIT && !is_supervisor(e->owner.unit);
	struct sv name = program_name(e->comm);
	e->service = unit ? xstrdup(e->owner.unit) : name.n ? xstrndup(name.p, name.n) : xstrdup("unknown");
	e->id = (struct service_id){.service = e->service, .namespace = "", .pod = "", .container = ""};
	if (e->owner.kind == CGROUP_POD) {
		e->attempts_left = POD_ATTEMPTS;
		name_pod(d, e);
	}
	if (!path || (e->owner.kind == CGROUP_POD && !e->id.pod[0]))
		recall(d, e); /* the cgroup is gone, or the kubelet's folders of its pod */
	else if (e->owner.kind != CGROUP_POD)
		keep(d, e);
}

const struct service_id *discovery_lookup(struct discovery *d, uint64_t cgroup_id, const char *comm)
{
	char name[COMM_MAX] = {0};
	strncpy(name, comm, sizeof(name) - 1);

	struct entry **bucket = bucket_of(d, cgroup_id, name);
	struct entry *e = *bucket;
	while (e && (e->cgroup_id != cgroup_id || strcmp(e->comm, name) != 0))
		e = e->next;
	if (e) {
		unlink_use(d, e);
		link_newest(d, e);
		if (e->attempts_left > 0 && e->generation != d->generation)
			name_pod(d, e);
		return &e->id;
	}

	if (d->n >= d->max)
		evict_oldest(d);
	e = xcalloc(1, sizeof(*e));
	e->cgroup_id = cgroup_id;
	memcpy(e->comm, name, sizeof(name));
	resolve(d, e);
	bucket = bucket_of(d, cgroup_id, name);
	e->next = *bucket;
	*bucket = e;
	link_newest(d, e);
	d->n++;
	return &e->id;
}
