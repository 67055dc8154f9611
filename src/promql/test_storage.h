/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Series in memory for the test language, and the text form of series and values. */
#ifndef RT_PROMQL_TEST_STORAGE_H
#define RT_PROMQL_TEST_STORAGE_H

#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"
#include "base/arena.h"

/* One value of a series description. */
struct test_value {
	bool omitted; /* _ */
	double v;
	const struct histogram *h;
	/* In a line of start timestamps: ms, relative to the sample or not, or the same as the one before. */
	int64_t st;
	bool relative, again;
};

struct test_row {
	struct labels *labels; /* a reference */
	bool start_times;      /* name{...}@st */
	struct test_value *v;
	size_t n, cap;
};

/* Parses `metric{a="b"}` into B. END: as much of TEXT as there is of it, which ends at *END; NULL: all of TEXT. -EINVAL and *ERROR (heap):
 * "1:3: parse error: unexpected ...". */
int promql_parse_metric(struct sv text, size_t *end, struct labels_builder *b, char **error);
/* Parses `metric{a="b"} 1 2+3x4 _ {{sum:1}}`; everything but the labels lives in A. False and *ERROR (static or in A), as a rule
 * "1:5: parse error: ...". */
bool test_row_parse(struct sv line, struct arena *a, struct test_row *row, const char **error);

struct test_storage {
	struct arena arena;
	struct series *series;
	size_t *caps;
	size_t n, cap;
};

/* Adds the rows of one load command with INTERVAL ms between values. NHCB: also a custom-bucket histogram for
 * every classic one. */
void test_storage_load(struct test_storage *s, struct test_row *rows, size_t n, int64_t interval, bool nhcb);
void test_storage_clear(struct test_storage *s);
struct sample_source test_storage_source(struct test_storage *s);

#endif
