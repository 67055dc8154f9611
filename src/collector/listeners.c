// SPDX-License-Identifier: GPL-2.0-or-later
#include "collector/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "discovery/listeners.h"
#include "loader/loader.h"

const char *verdict_name(enum rt_verdict verdict)
{
	static const char *const names[] = {
		[RT_VERDICT_HTTP] = "http",		    [RT_VERDICT_TLS] = "tls",	    [RT_VERDICT_HTTP2] = "http2",
		[RT_VERDICT_OTHER] = "other",		    [RT_VERDICT_SERVER_FIRST] = "server_first", [RT_VERDICT_MIDDLE] = "middle",
	};
	_Static_assert(ARRAY_SIZE(names) == RT_VERDICTS, "a verdict without a name");
	return names[verdict];
}

static int read_listeners(int fd, size_t max, struct listener_verdicts **out, size_t *n)
{
	size_t cap = 0;
	struct rt_port_key key, *last = NULL;
	struct rt_listener value;

	*out = NULL;
	*n = 0;
	/* The map may change meanwhile; a walk that starts anew because its key is gone must still end. */
	for (size_t i = 0; i < max * 2 && *n < max; i++) {
		if (bpf_map_get_next_key(fd, last, &key)) {
			if (errno == ENOENT)
				return 0;
			int err = -errno;
			free(*out);
			*out = NULL;
			*n = 0;
			return err;
		}
		last = &key;
		if (bpf_map_lookup_elem(fd, &key, &value))
			continue; /* gone since */
		array_grow(*out, *n, cap);
		struct listener_verdicts *v = &(*out)[(*n)++];
		*v = (struct listener_verdicts){.cgroup_id = key.cgroup_id, .port = (uint16_t)key.port};
		memcpy(v->connections, value.connections, sizeof(v->connections));
	}
	return 0;
}

int collector_listeners(const struct loader *l, struct listener_verdicts **out, size_t *n)
{
	return read_listeners(loader_map_fd(l, LOADER_LISTENERS), loader_map_capacity(l, LOADER_LISTENERS), out, n);
}

int collector_pinned_listeners(struct listener_verdicts **out, size_t *n)
{
	uint32_t max;
	_cleanup_close_ int fd = loader_pinned_map("listeners", sizeof(struct rt_port_key), sizeof(struct rt_listener), &max);
	return fd < 0 ? fd : read_listeners(fd, max, out, n);
}

int collector_pinned_ledger(uint64_t *seen, uint64_t *recorded, uint64_t *lost)
{
	uint32_t max;
	int cpus = libbpf_num_possible_cpus();
	_cleanup_close_ int fd = loader_pinned_map("ledger", sizeof(uint32_t), sizeof(uint64_t), &max);
	if (fd < 0 || cpus < 1)
		return fd < 0 ? fd : -EIO;
	if (max != RT_LEDGER_SIZE)
		return -EPROTO;
	_cleanup_free_ uint64_t *per_cpu = xcalloc((size_t)cpus, sizeof(*per_cpu));
	*seen = *recorded = *lost = 0;
	for (uint32_t i = RT_SEEN; i <= RT_LOST_LAST; i++) {
		uint64_t *sum = i == RT_SEEN ? seen : i == RT_RECORDED ? recorded : lost;
		if (bpf_map_lookup_elem(fd, &i, per_cpu))
			return -errno;
		for (int k = 0; k < cpus; k++)
			*sum += per_cpu[k];
	}
	return 0;
}

void collector_enter_listeners(const struct loader *l)
{
	struct listeners found;
	struct rt_listener none = {0};
	char *error = NULL;

	if (listeners_read(NULL, false, &found, &error)) {
		free(error); /* no /proc: the map fills by itself */
		return;
	}
	for (size_t i = 0; i < found.n; i++) {
		struct rt_port_key key = {.cgroup_id = found.v[i].cgroup_id, .port = found.v[i].port};
		if (key.cgroup_id)
			bpf_map_update_elem(loader_map_fd(l, LOADER_LISTENERS), &key, &none, BPF_NOEXIST);
	}
	listeners_free(&found);
}
