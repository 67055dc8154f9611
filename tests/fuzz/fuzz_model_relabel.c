// SPDX-License-Identifier: GPL-2.0-or-later
/* Relabelling: any rule on any labels gives a set of labels or none, the same every time. Lines: action, sources (by commas),
 * separator, regex, replacement, target, modulus; then name=value. */
#include <stdlib.h>

#include "base/alloc.h"
#include "model/relabel.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static char *line(struct sv *rest)
{
	const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t len = end ? (size_t)(end - rest->p) : rest->n;
	char *s = xstrndup(rest->p ? rest->p : "", len);
	*rest = end ? sv_make(end + 1, rest->n - len - 1) : sv_make("", 0);
	return s;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct sv rest = sv_make((const char *)data, n);
	struct relabel_rules rules = {0};
	struct labels_builder b;
	char *error = NULL, *s = line(&rest), *save = NULL;

	rules.v = xcalloc(1, sizeof(*rules.v));
	struct relabel_rule *r = &rules.v[0];
	relabel_rule_init(r);
	relabel_action_parse(s, &r->action);
	free(s);
	s = line(&rest);
	for (char *w = strtok_r(s, ",", &save); w; w = strtok_r(NULL, ",", &save))
		strings_add(&r->source_labels, w);
	free(s);
	free(r->separator);
	r->separator = line(&rest);
	free(r->pattern);
	r->pattern = line(&rest);
	free(r->replacement);
	r->replacement = line(&rest);
	free(r->target_label);
	r->target_label = line(&rest);
	if (!*r->target_label) {
		free(r->target_label);
		r->target_label = NULL;
	}
	s = line(&rest);
	r->modulus = strtoull(s, NULL, 10);
	free(s);
	labels_builder_init(&b, NULL);
	for (int i = 0; i < 20 && rest.n; i++) {
		s = line(&rest);
		char *eq = strchr(s, '=');
		if (eq && eq != s)
			labels_builder_set(&b, sv_make(s, (size_t)(eq - s)), sv_of(eq + 1));
		free(s);
	}
	struct labels *ls = labels_builder_build(&b);
	labels_builder_free(&b);
	int err = relabel_rule_finish(r, &error);
	if ((err != 0) != (error != NULL))
		abort();
	if (!err) {
		rules.n = 1;
		struct labels *one = relabel_labels(&rules, ls), *two = relabel_labels(&rules, ls);
		if (!one != !two || (one && !labels_equal(one, two)))
			abort();
		for (uint32_t i = 0; one && i < one->n; i++)
			if (!one->l[i].name.n || !one->l[i].value.n || (i && sv_cmp(one->l[i - 1].name, one->l[i].name) >= 0))
				abort();
		labels_unref(one);
		labels_unref(two);
	}
	rules.n = 1;
	labels_unref(ls);
	relabel_rules_free(&rules);
	free(error);
	return 0;
}
