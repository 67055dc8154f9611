/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --enable-feature, with the names that Prometheus gives to features of PromQL. */
#ifndef RT_CLI_FEATURES_H
#define RT_CLI_FEATURES_H

#include "cli/cli.h"
#include "promql/promql.h"

#define ENABLE_FEATURE_FLAG                                                                                                              \
	{.name = "enable-feature",                                                                                                      \
	 .arg = "NAME,...",                                                                                                             \
	 .help = "features of PromQL, such as promql-experimental-functions; repeatable",                                                \
	 .repeats = true}

/* Sets in OPT what the flag names. A name that nobody knows is told on stderr, and passed over, as Prometheus does. */
void features_enable(const struct flag *flags, size_t n, struct promql_options *opt);

#endif
