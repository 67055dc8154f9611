// SPDX-License-Identifier: GPL-2.0-or-later
/* Loads the kernel programs as reqtally would, with the settings that cost the verifier most, and prints what each cost it:
 * "COST program instructions peak_states". Attaches nothing. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "loader/features.h"
#include "loader/flavour.h"
#include "reqtally.h"
#include "reqtally.skel.h"

#define LOG_SIZE (1 << 16)
#define LOG_SIZE_VERBOSE (200 << 20)
#define SHOWN 12000 /* of the log of a program that is refused */

static int print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

/* With the name of a program as argument: says how the verifier got to where it refuses it. */
int main(int argc, char **argv)
{
	struct loader_feature features[LOADER_FEATURES];
	struct bpf_program *p;
	char *logs[32] = {0};
	size_t n = 0;

	libbpf_set_print(print);
	loader_probe_features(features);
	for (int i = 0; i < LOADER_FEATURES; i++)
		printf("FEATURE %s %s\n", features[i].name, features[i].available ? "yes" : features[i].reason);
	struct reqtally *skel = flavour_open(features);
	if (!skel) {
		printf("cannot open: %s\n", strerror(errno));
		return 1;
	}
	skel->rodata->settings.n_routes = 3; /* else the verifier removes the routes */
	skel->rodata->settings.filter_ports = 1;
	/* As in a run: what is zero would be removed. */
	skel->rodata->settings.endpoints_per_service = skel->rodata->settings.series_per_service = 1000;
	skel->rodata->settings.connections = skel->rodata->settings.pipelines = 32768;
	skel->rodata->settings.reclaim_at = 28000;
	skel->rodata->settings.seed = 0x123456789abcdef;
	for (size_t i = 0; i < RT_BOUNDS_MAX; i++)
		skel->rodata->settings.bounds_ns[i] = i < 14 ? (i + 1) * 1000000 : UINT64_MAX;
	bpf_object__for_each_program(p, skel->obj) {
		if (n == sizeof(logs) / sizeof(logs[0]) || !(logs[n] = calloc(1, LOG_SIZE)))
			return 1;
		bool verbose = argc > 1 && strcmp(argv[1], bpf_program__name(p)) == 0;
		if (verbose && !(logs[n] = realloc(logs[n], LOG_SIZE_VERBOSE)))
			return 1;
		bpf_program__set_log_buf(p, logs[n++], verbose ? LOG_SIZE_VERBOSE : LOG_SIZE);
		bpf_program__set_log_level(p, verbose ? 5 : 4); /* BPF_LOG_LEVEL1, BPF_LOG_STATS */
	}
	int err = reqtally__load(skel);
	n = 0;
	bpf_object__for_each_program(p, skel->obj) {
		const char *log = logs[n++], *stats = strstr(log, "processed ");
		unsigned int instructions, limit, per, total, peak;
		if (stats && sscanf(stats, "processed %u insns (limit %u) max_states_per_insn %u total_states %u peak_states %u",
				    &instructions, &limit, &per, &total, &peak) == 5)
			printf("COST %s %u %u\n", bpf_program__name(p), instructions, peak);
		size_t length = strlen(log);
		if (err && length)
			printf("%s: %s\n", bpf_program__name(p), log + (length > SHOWN ? length - SHOWN : 0));
	}
	if (err)
		printf("cannot load: %s\n", strerror(-err));
	return err != 0;
}
