// SPDX-License-Identifier: GPL-2.0-or-later
/* Unit tests of rules: which alerts fire, against those that were expected. */
#include "rules/unit_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"
#include "rules/manager.h"
#include "rules/unit_report.h"

struct alert_text {
	const struct labels *labels, *annotations; /* the first a reference */
};

static int alert_cmp(const void *a, const void *b)
{
	const struct alert_text *x = a, *y = b;
	int c = labels_cmp(x->labels, y->labels);
	return c ? c : labels_cmp(x->annotations, y->annotations);
}

static void print_alerts(const struct alert_text *v, size_t n, struct buf *out)
{
	const char *indent = "            ";
	buf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s\n%s%zu:\n%s  Labels:", i ? "," : "", indent, i, indent);
		unit_print_labels(v[i].labels, out);
		buf_addf(out, "\n%s  Annotations:", indent);
		unit_print_labels(v[i].annotations, out);
	}
	if (n)
		buf_addf(out, "\n%s", indent);
	buf_addc(out, ']');
}

static size_t firing_alerts(struct unit_run *r, const char *name, struct alert_text **out)
{
	size_t n_groups, n = 0, cap = 0;
	struct rule_group *const *groups = rule_manager_groups(r->rules, &n_groups);
	*out = NULL;
	for (size_t g = 0; g < n_groups; g++)
		for (size_t k = 0; k < groups[g]->n_rules; k++) {
			const struct rule *rule = &groups[g]->rules[k];
			if (!rule->def->is_alert || strcmp(rule->def->name, name))
				continue;
			for (size_t a = 0; a < rule->n_active; a++) {
				if (rule->active[a]->state != RULE_FIRING)
					continue;
				array_grow(*out, n, cap);
				(*out)[n++] = (struct alert_text){labels_ref(rule->active[a]->labels),
								  rule->active[a]->annotations};
			}
		}
	return n;
}

void unit_check_alerts(struct unit_run *r, const struct unit_alert_test *t, const struct labels *none)
{
	struct alert_text *got, *want = xcalloc(t->n + 1, sizeof(*want));
	size_t n = firing_alerts(r, t->alertname->text, &got);
	for (size_t i = 0; i < t->n; i++) {
		struct labels_builder b;
		labels_builder_init(&b, t->expected[i].labels);
		labels_builder_set(&b, SV("alertname"), sv_of(t->alertname->text));
		want[i].labels = labels_builder_build(&b);
		labels_builder_free(&b);
		want[i].annotations = t->expected[i].annotations ? t->expected[i].annotations : none;
	}
	if (n)
		qsort(got, n, sizeof(*got), alert_cmp);
	qsort(want, t->n, sizeof(*want), alert_cmp);
	bool same = n == t->n;
	for (size_t i = 0; same && i < n; i++)
		same = alert_cmp(&got[i], &want[i]) == 0;
	if (!same) {
		struct buf b = BUF_INIT;
		if (r->group->name)
			buf_addf(&b, "    name: %s,\n", r->group->name->text);
		buf_addf(&b, "    alertname: %s, time: ", t->alertname->text);
		text_duration(t->eval_time, &b);
		if (r->opt->diff) {
			_cleanup_buf_ struct buf x = BUF_INIT, y = BUF_INIT;
			print_alerts(want, t->n, &x);
			print_alerts(got, n, &y);
			buf_adds(&b, ", \n    diff (- expected, + received):\n");
			unit_diff(buf_str(&x), buf_str(&y), &b);
		} else {
			buf_adds(&b, ", \n        exp:");
			print_alerts(want, t->n, &b);
			buf_adds(&b, ", \n        got:");
			print_alerts(got, n, &b);
		}
		strings_take(r->errors, buf_steal(&b));
	}
	for (size_t i = 0; i < n; i++)
		labels_unref((struct labels *)got[i].labels);
	for (size_t i = 0; i < t->n; i++)
		labels_unref((struct labels *)want[i].labels);
	free(got);
	free(want);
}
