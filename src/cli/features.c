// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/features.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sv.h"

/* Prometheus' features that are always on here, or have nothing to act on. */
static const char *const no_choice[] = {
	"native-histograms", "promql-duration-expr", "promql-extended-range-selectors", "promql-binop-fill-modifiers",
	"promql-at-modifier", "promql-negative-offset", "promql-per-step-stats", "exemplar-storage", "extra-scrape-metrics",
	"memory-snapshot-on-shutdown", "auto-gomaxprocs", "auto-gomemlimit", "no-default-scrape-port", "concurrent-rule-eval",
	"created-timestamp-zero-ingestion", "metadata-wal-records", "delayed-compaction", "old-ui", "otlp-deltatocumulative",
	"type-and-unit-labels", "auto-reload-config", "expand-external-labels", "new-service-discovery-manager",
};

static void enable(struct sv name, struct promql_options *opt)
{
	if (sv_eqs(name, "promql-experimental-functions")) {
		opt->experimental_functions = true;
	} else if (sv_eqs(name, "promql-delayed-name-removal")) {
		opt->delayed_name_removal = true;
	} else if (sv_eqs(name, "use-start-timestamps")) {
		opt->start_timestamps = true;
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(no_choice); i++)
			if (sv_eqs(name, no_choice[i]))
				return;
		if (name.n)
			fprintf(stderr, "reqtally: unknown option for --enable-feature: %.*s\n", SV_ARG(name));
	}
}

void features_enable(const struct flag *flags, size_t n, struct promql_options *opt)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; strcmp(flags[i].name, "enable-feature") == 0 && k < flags[i].n; k++)
			for (const char *p = flags[i].values[k], *end; *p; p = *end ? end + 1 : end) {
				end = strchrnul(p, ',');
				enable(sv_make(p, (size_t)(end - p)), opt);
			}
}
