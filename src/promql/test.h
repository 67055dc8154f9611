/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The language of Prometheus' own PromQL tests: load series, evaluate, compare. */
#ifndef RT_PROMQL_TEST_H
#define RT_PROMQL_TEST_H

#include <stdio.h>

/* Runs every case of PATH and writes `ok FILE:LINE EXPR` or `FAIL FILE:LINE EXPR  # reason` for each to OUT
 * (may be NULL), adding to *PASSED and *FAILED. 0, or a negative errno if the file cannot be read or is not
 * in the language (said on OUT). */
int promql_test_file(const char *path, FILE *out, int *passed, int *failed);

#endif
