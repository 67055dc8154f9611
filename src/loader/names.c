// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/names.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "loader/loader_impl.h"

/* As many as the kernel keeps services. */
#define NAMES_MAX 4096

struct names_key {
	uint64_t cgroup_id;
	char comm[32];
};

int names_make(struct set *s)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "rt_names", sizeof(struct names_key), sizeof(struct loader_name), NAMES_MAX, &opts);
	if (fd < 0)
		return -errno;
	set_add(s, "map_", "names", fd);
	return 0;
}

bool names_fit(const struct set *s)
{
	struct bpf_map_info i = set_map_info(set_map(s, "names"));
	return i.type == BPF_MAP_TYPE_HASH && i.key_size == sizeof(struct names_key) && i.value_size == sizeof(struct loader_name);
}

static struct names_key key_of(uint64_t cgroup_id, const char *comm)
{
	struct names_key k = {.cgroup_id = cgroup_id};
	strncpy(k.comm, comm, sizeof(k.comm) - 1);
	return k;
}

bool loader_recall_name(const struct loader *l, uint64_t cgroup_id, const char *comm, struct loader_name *name)
{
	struct names_key k = key_of(cgroup_id, comm);
	if (bpf_map_lookup_elem(set_map(&l->set, "names"), &k, name))
		return false;
	name->service[sizeof(name->service) - 1] = name->namespace[sizeof(name->namespace) - 1] = 0;
	name->pod[sizeof(name->pod) - 1] = name->container[sizeof(name->container) - 1] = 0;
	return name->service[0];
}

void loader_keep_name(const struct loader *l, uint64_t cgroup_id, const char *comm, const struct loader_name *name)
{
	struct names_key k = key_of(cgroup_id, comm);
	/* A full map: those beyond are named anew after a restart. */
	bpf_map_update_elem(set_map(&l->set, "names"), &k, name, BPF_ANY);
}
