/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Relabelling: Prometheus' rules that rewrite or drop label sets (alerts before sending, targets, later samples). */
#ifndef RT_MODEL_RELABEL_H
#define RT_MODEL_RELABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strings.h"
#include "model/labels.h"

struct regex;

enum relabel_action {
	RELABEL_REPLACE,
	RELABEL_KEEP,
	RELABEL_DROP,
	RELABEL_KEEPEQUAL,
	RELABEL_DROPEQUAL,
	RELABEL_HASHMOD,
	RELABEL_LABELMAP,
	RELABEL_LABELDROP,
	RELABEL_LABELKEEP,
	RELABEL_LOWERCASE,
	RELABEL_UPPERCASE,
	RELABEL_N_ACTIONS,
};

/* One rule. relabel_rule_init gives the defaults (replace, `;`, `(.*)`, `$1`); set what differs; relabel_rule_finish. */
struct relabel_rule {
	enum relabel_action action;
	struct strings source_labels;
	char *separator, *pattern, *replacement;
	char *target_label; /* NULL: none */
	uint64_t modulus;
	bool legacy_names; /* target names must be [a-zA-Z_][a-zA-Z0-9_]*, not any UTF-8 */
	struct regex *regex;
};

struct relabel_rules {
	struct relabel_rule *v;
	size_t n, cap;
};

const char *relabel_action_name(enum relabel_action action);
/* Any case. */
bool relabel_action_parse(const char *s, enum relabel_action *action);

void relabel_rule_init(struct relabel_rule *r);
/* Compiles and checks. 0, or -EINVAL and *ERROR in Prometheus' wording. */
int relabel_rule_finish(struct relabel_rule *r, char **error);
void relabel_rule_free(struct relabel_rule *r);
void relabel_rules_free(struct relabel_rules *rules);

/* Applies the rules in order to B; false if one of them drops it. Thread-safe on the same rules. A regex that runs into its
 * match limit does not match. */
bool relabel_apply(const struct relabel_rules *rules, struct labels_builder *b);
/* The rewritten set (one reference), or NULL if it is dropped. */
struct labels *relabel_labels(const struct relabel_rules *rules, const struct labels *ls);

#endif
