/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_PROMQL_TEST_VALUES_H
#define RT_PROMQL_TEST_VALUES_H

#include "promql/test_storage.h"

/* Adds the values that stand in LINE from FROM on, where its series ends, to ROW; they live in A. False and *ERROR (in A), with its place in
 * LINE. */
bool test_values_scan(struct sv line, size_t from, struct arena *a, struct test_row *row, const char **error);

#endif
