// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/features.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "base/alloc.h"

static const struct loader_feature known[LOADER_FEATURES] = {
	[FEATURE_BPF_LOOP] = {"bpf_loop", "the programs are loaded in a flavour with bounded loops: the same figures, more CPU time for each packet"},
	[FEATURE_QUEUE_TIME] = {"queue_time", "http_requests_queue_seconds is not measured"},
	[FEATURE_PROCESS_IDENTITY] = {"process_identity", "a service is named by the process that last read from a socket on its port"},
	[FEATURE_CLOSE_EVENTS] = {"close_events", "the abort of a connection that was open before the start is seen when the server closes it"},
	[FEATURE_IN_FLIGHT_ENDPOINTS] = {"in_flight_endpoints",
					 "of the requests in flight on one connection all but the first are shown under {other}"},
	[FEATURE_RECLAIM] = {"reclaim", "past http.budgets.connections no state of idle connections is taken back: new connections are "
					"lost as connection_budget"},
};

/* bpf_sk_storage_get() in tracing programs: Linux 5.11 (a50a85e40c59). The verifier names a helper that the
 * program's type does not have before it looks at its arguments, so these may be wrong. */
static bool has_storage_in_tracing(void)
{
	const struct bpf_insn program[] = {
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_sk_storage_get},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	char log[4096] = "";
	int id = libbpf_find_vmlinux_btf_id("tcp_rcv_space_adjust", BPF_TRACE_RAW_TP);
	if (id <= 0)
		return true; /* the load will say what is wrong */
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_RAW_TP,
		    .attach_btf_id = (uint32_t)id, .log_buf = log, .log_size = sizeof(log), .log_level = 1);
	int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, NULL, "GPL", program, 2, &opts);
	if (fd >= 0) {
		close(fd);
		return true;
	}
	return !strstr(log, "unknown func") && !strstr(log, "cannot use helper");
}

static void missing(struct loader_feature *f, const char *reason)
{
	f->available = false;
	f->reason = reason;
}

/* Is NAME one of the words of LIST? */
static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name);
	for (const char *p = list; p && (p = strstr(p, name)); p += len)
		if ((p == list || strchr(" ,", p[-1])) && (!p[len] || strchr(" ,", p[len])))
			return true;
	return false;
}

void loader_probe_features(struct loader_feature features[LOADER_FEATURES])
{
	static const char switched_off[] = "switched off by REQTALLY_WITHOUT", no_loop[] = "the kernel has no bpf_loop (Linux 5.17)";
	static const enum loader_feature_id by_storage[] = {FEATURE_QUEUE_TIME, FEATURE_PROCESS_IDENTITY, FEATURE_IN_FLIGHT_ENDPOINTS};
	const char *without = getenv("REQTALLY_WITHOUT"), *loop = NULL, *storage = NULL;

	for (int i = 0; i < LOADER_FEATURES; i++) {
		features[i] = known[i];
		features[i].available = true;
	}
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_loop, NULL) == 0)
		loop = no_loop;
	else if (listed(without, known[FEATURE_BPF_LOOP].name))
		loop = switched_off;
	/* A kernel with bpf_loop has it. Asking means reading all of the kernel's types, which takes as long as loading a program. */
	if (loop == no_loop && !has_storage_in_tracing())
		storage = "the kernel has no socket storage in tracing programs (Linux 5.11)";
	for (size_t i = 0; i < ARRAY_SIZE(by_storage) && !storage; i++)
		if (listed(without, known[by_storage[i]].name))
			storage = switched_off; /* all three, for they are one */
	if (loop) {
		missing(&features[FEATURE_BPF_LOOP], loop);
		missing(&features[FEATURE_RECLAIM], loop);
	}
	for (size_t i = 0; i < ARRAY_SIZE(by_storage) && storage; i++)
		missing(&features[by_storage[i]], storage);
	/* The flavour with bounded loops cannot end a connection in a tracing program. */
	if (loop || storage)
		missing(&features[FEATURE_CLOSE_EVENTS], storage ? storage : loop);
	else if (listed(without, known[FEATURE_CLOSE_EVENTS].name))
		missing(&features[FEATURE_CLOSE_EVENTS], switched_off);
}
