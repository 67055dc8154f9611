/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told of unit tests beside promtool's plain text: JUnit's XML, and two texts compared line by line. */
#ifndef RT_RULES_UNIT_REPORT_H
#define RT_RULES_UNIT_REPORT_H

#include "base/buf.h"
#include "base/strings.h"

struct unit_report_case {
	char *name;
	struct strings failures;
};

/* The test groups of one file. */
struct unit_report_suite {
	char *name;
	struct strings errors; /* what kept the groups from being run */
	struct unit_report_case *cases;
	size_t n, cap;
};

struct unit_report {
	struct unit_report_suite *suites;
	size_t n, cap;
};

/* Both live until the next one of their kind is added. */
struct unit_report_suite *unit_report_suite(struct unit_report *r, const char *name);
struct unit_report_case *unit_report_case(struct unit_report_suite *s, const char *name);
void unit_report_clear(struct unit_report *r);
/* 0, or a negative errno. */
int unit_report_write(const struct unit_report *r, const char *path);

/* The lines of BEFORE and AFTER, those of both with a blank in front, the others with - and +. */
void unit_diff(const char *before, const char *after, struct buf *out);

#endif
