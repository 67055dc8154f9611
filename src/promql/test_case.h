/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One case of the test language, and whether a result is what it expects. */
#ifndef RT_PROMQL_TEST_CASE_H
#define RT_PROMQL_TEST_CASE_H

#include "promql/promql.h"
#include "promql/test_storage.h"

struct expectation {
	enum { EXPECT_FAIL, EXPECT_WARN, EXPECT_INFO } what;
	struct sv text;
	bool regex, any; /* any: no text given */
};

/* One eval command and what it is to give. */
struct test_case {
	size_t line;
	struct sv expr;
	bool range;
	int64_t start, end, step;
	struct expectation *e;
	size_t n_e, cap_e;
	bool fail, warn, info, no_warn, no_info, ordered;
	bool expects_string, expects_matrix;
	struct sv string;
	int64_t m_start, m_end, m_step;
	struct test_row *rows;
	size_t n, cap;
	bool scalar;
	double value;
};

/* Each says in WHY what was wrong if it gives false. */
bool test_compare(struct buf *why, const struct test_case *c, const struct promql_value *v);
bool test_check_annotations(struct buf *why, const struct test_case *c, const struct promql_value *v);
/* Takes ERROR over. */
bool test_check_failure(struct buf *why, const struct test_case *c, char *error);

#endif
