// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/flavour.h"

#include <stdlib.h>

#include <bpf/libbpf.h>

#include "bounded.skel.h"
#include "reqtally.skel.h"

struct reqtally *flavour_open(const struct loader_feature features[LOADER_FEATURES])
{
	bool storage = features[FEATURE_QUEUE_TIME].available, closes = features[FEATURE_CLOSE_EVENTS].available;
	struct reqtally *skel = calloc(1, sizeof(*skel));

	if (!skel || reqtally__create_skeleton(skel)) {
		reqtally__destroy(skel);
		return NULL;
	}
	/* The same source, so the same maps, programs and variables (a unit test compares them): only the code differs. */
	if (!features[FEATURE_BPF_LOOP].available)
		skel->skeleton->data = bounded__elf_bytes(&skel->skeleton->data_sz);
	if (bpf_object__open_skeleton(skel->skeleton, NULL)) {
		reqtally__destroy(skel);
		return NULL;
	}
	skel->rodata->settings.no_storage_in_tracing = !storage;
	skel->rodata->settings.events = !closes;
	bpf_program__set_autoload(skel->progs.rcv_space_adjust, storage);
	bpf_program__set_autoload(skel->progs.read_port, !storage);
	bpf_program__set_autoload(skel->progs.inet_sock_set_state, closes);
	bpf_program__set_autoload(skel->progs.socket_state, !closes);
	bpf_program__set_autoload(skel->progs.socket_release, !closes);
	bpf_program__set_autoload(skel->progs.find_servers, features[FEATURE_BPF_LOOP].available);
	return skel;
}
