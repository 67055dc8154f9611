/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The template language of rule labels and annotations: Go's text/template (option missingkey=zero) with
 * Prometheus' functions. Parsing and expansion are bounded. */
#ifndef RT_RULES_TEMPLATE_H
#define RT_RULES_TEMPLATE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/sv.h"
#include "model/labels.h"
#include "promql/promql.h"

struct template;

#define TEMPLATE_MAX_TEXT ((size_t)1 << 20)
#define TEMPLATE_MAX_OUTPUT ((size_t)1 << 20)
#define TEMPLATE_MAX_MEMORY ((size_t)64 << 20) /* intermediate values of one expansion */
#define TEMPLATE_MAX_STEPS 2000000
#define TEMPLATE_MAX_DEPTH 200 /* nested templates, parentheses, control structures */

/* What an expansion sees. Everything is borrowed for its duration. */
struct template_env {
	const struct labels *labels;	      /* $labels, .Labels: with __name__ */
	const struct labels *external_labels; /* $externalLabels; NULL: none */
	const char *external_url;	      /* $externalURL; NULL: empty */
	bool url_is_nil;		      /* the functions externalURL and pathPrefix fail, as in promtool's unit tests */
	double value;			      /* $value */
	const struct histogram *histogram;    /* $value where the sample is a native histogram; else NULL */
	int64_t now_ms; /* the rule's evaluation time: what `query` evaluates at, and `now` */
	/* Runs an instant query for `query`: 0 and *OUT, or a negative errno and *ERROR (heap). NULL: no
	 * queries. */
	int (*query)(void *arg, struct sv expr, int64_t t, struct promql_value *out, char **error);
	void *query_arg;
};

/* Parses TEXT under NAME with the preamble that defines $labels, $externalLabels, $externalURL and $value. 0
 * and *T (template_free it), or -EINVAL and *ERROR (heap) in Go's wording: `template: NAME:1: unclosed
 * action`. */
int template_parse(const char *name, struct sv text, struct template **t, char **error);
void template_free(struct template *t);
/* Appends the expansion to OUT. On failure -EINVAL and *ERROR (heap), e.g. `error executing template NAME:
 * template: NAME:1:115: executing "NAME" at <.Nope>: ...`; OUT is then as it was. Thread-safe on one
 * template. */
int template_expand(const struct template *t, const struct template_env *env, struct buf *out, char **error);

#endif
