/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus rule files: read, checked, and as plain definitions. What a group does over time is manager.h's.
 */
#ifndef RT_RULES_RULE_FILE_H
#define RT_RULES_RULE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strings.h"
#include "base/sv.h"
#include "model/labels.h"
#include "promql/promql.h"
#include "rules/template.h"

#define RULE_FILE_MAX_BYTES ((size_t)16 << 20)

/* A label or annotation of a rule. */
struct rule_text {
	struct sv name, value; /* owned, NUL-terminated */
	bool is_template;      /* parsed when there is something to expand it for: trees of all rules would take more than all else */
};

struct rule_def {
	bool is_alert;
	char *name; /* of the alert or of the recorded series */
	struct promql_expr *expr;
	char *query; /* the printed expression */
	int64_t for_ms, keep_firing_ms;
	struct rule_text *labels; /* the group's labels included; sorted by name */
	size_t n_labels;
	struct rule_text *annotations; /* sorted by name */
	size_t n_annotations;
};

struct rule_group_def {
	char *name, *file;
	int64_t interval_ms;	 /* 0: the global one */
	int64_t query_offset_ms; /* -1: the global one */
	int64_t limit;		 /* <= 0: none */
	struct rule_def *rules;
	size_t n_rules;
};

struct rule_set {
	struct rule_group_def *groups;
	size_t n, cap;
	/* How files are read into it; set before. */
	bool ignore_unknown_fields;
	bool experimental_functions;
};

struct rule_set *rule_set_new(void);
void rule_set_free(struct rule_set *set);
size_t rule_set_count(const struct rule_set *set); /* rules in all groups */

/* Adds the groups of TEXT to SET. 0, or -EINVAL with all of its errors added to ERRORS, each as Prometheus
 * words it: `FILE: LINE:COL: group "g", rule 1, "name": ...`; SET is then unchanged. */
int rule_file_parse(const char *file, const char *text, size_t len, struct rule_set *set,
		    struct strings *errors);
/* The same from the file itself: -errno if it cannot be read. */
int rule_file_load(const char *file, struct rule_set *set, struct strings *errors);
/* Loads the files that match PATTERNS (shell globs; a pattern that matches nothing is none), each file once.
 * 0 and *SET, or a negative errno, the errors of all files in ERRORS and no set. */
int rule_files_load(const struct strings *patterns, struct rule_set **set, struct strings *errors);
/* The same into SET, which the caller has and frees, also if it fails. */
int rule_files_load_into(const struct strings *patterns, struct rule_set *set, struct strings *errors);
/* The files that match PATTERNS, in order, each once. -EINVAL for a pattern that cannot be read. */
int rule_files_glob(const struct strings *patterns, struct strings *files, struct strings *errors);

void rule_def_clear(struct rule_def *rule);
void rule_group_def_clear(struct rule_group_def *group);
/* Are the two the same, so that a running group need not be touched? */
bool rule_group_def_equal(const struct rule_group_def *a, const struct rule_group_def *b);
bool rule_texts_equal(const struct rule_text *a, size_t n_a, const struct rule_text *b, size_t n_b);

#endif
