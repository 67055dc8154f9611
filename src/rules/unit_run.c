// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs test groups: a clock that goes in steps from the start, samples put in as it passes them, rules
 * evaluated at each step. */
#include "rules/unit_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/regex.h"
#include "model/histogram.h"
#include "model/text.h"
#include "promql/histogram_ops.h"
#include "rules/manager.h"
#include "rules/tmpl.h"
#include "rules/unit_report.h"

#define STEPS_MAX 1000000

static void on_append(void *self, struct labels *labels, int64_t t, double v, const struct histogram *h)
{
	struct unit_run *r = self;
	memory_append(&r->memory, labels, t, v, h ? histogram_copy_arena(h, &r->arena) : NULL);
}

static void on_failed(void *self, const char *group, const char *rule, const char *error)
{
	struct unit_run *r = self;
	_cleanup_buf_ struct buf t = BUF_INIT;
	tmpl_fmt_duration(r->now * 1000000, &t); /* Go's text, 1m0s, since the epoch */
	strings_take(r->errors, xasprintf("    rule: %s, time: %s, err: %s", rule, buf_str(&t), error));
	r->eval_failed = true;
}

void unit_print_labels(const struct labels *ls, struct buf *out)
{
	buf_addc(out, '{');
	for (uint32_t i = 0; i < ls->n; i++) {
		buf_addf(out, "%s%s=", i ? ", " : "", ls->l[i].name.p);
		text_go_quote(ls->l[i].value, out);
	}
	buf_addc(out, '}');
}

static void load_row(struct unit_run *r, struct sv line)
{
	const char *error = NULL;
	/* What stands in the file is kept with the rows. */
	struct sv kept = sv_make(arena_strndup(&r->arena, line.p, line.n), line.n);
	array_grow(r->rows, r->n_rows, r->cap_rows);
	if (test_row_parse(kept, &r->arena, &r->rows[r->n_rows], &error))
		r->n_rows++;
	else
		strings_take(r->errors, xasprintf("%s", error ? error : "malformed series"));
}

static struct sv trimmed(struct sv s)
{
	static const char blank[] = " \t\r\n\v\f";
	while (s.n && strchr(blank, s.p[0]))
		s = sv_make(s.p + 1, s.n - 1);
	while (s.n && strchr(blank, s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Promtool writes the series into a load command of the test language, a line for each, and reads that: a text with a line break is two
 * lines, and an empty line, or a comment, ends it all. */
static bool load_series(struct unit_run *r)
{
	const struct unit_group *g = r->group;
	_cleanup_buf_ struct buf text = BUF_INIT;
	size_t before = r->errors->n;
	for (size_t i = 0; i < g->n_series; i++) {
		const struct yaml_node *series = g->series[i].series, *values = g->series[i].values;
		buf_addf(&text, "%s %s\n", series ? series->text : "", values ? values->text : "");
	}
	const char *p = buf_str(&text), *end = p + text.n;
	while (p < end && r->errors->n == before) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		struct sv line = trimmed(sv_make(p, (size_t)(eol - p)));
		if (!line.n || line.p[0] == '#')
			break;
		load_row(r, line);
		p = eol + 1;
	}
	r->next = xcalloc(r->n_rows + 1, sizeof(*r->next));
	return r->errors->n == before;
}

/* False, and told: a series without labels cannot be stored. */
static bool feed(struct unit_run *r, int64_t ts)
{
	for (size_t i = 0; i < r->n_rows; i++)
		for (; r->next[i] < r->rows[i].n; r->next[i]++) {
			int64_t t = r->group->start + (int64_t)r->next[i] * r->group->interval;
			const struct test_value *v = &r->rows[i].v[r->next[i]];
			if (t > ts)
				break;
			if (v->omitted)
				continue;
			if (!r->rows[i].labels->n) {
				strings_add(r->errors, "empty labelset: invalid sample");
				return false;
			}
			memory_append(&r->memory, r->rows[i].labels, t, v->v, v->h);
		}
	return true;
}

/* Groups named in the order come in it; the others keep their places before them, as promtool has it. */
static size_t *group_order(struct unit_run *r, size_t *n)
{
	struct rule_group *const *groups = rule_manager_groups(r->rules, n);
	const struct strings *order = &r->file->group_order;
	size_t *v = xcalloc(*n + 1, sizeof(*v)), at = 0;
	for (size_t i = 0; i < *n; i++)
		if (!strings_has(order, groups[i]->def.name))
			v[at++] = i;
	for (size_t k = 0; k < order->n; k++)
		for (size_t i = 0; i < *n; i++)
			if (!strcmp(order->v[k], groups[i]->def.name))
				v[at++] = i;
	return v;
}

static int64_t last_time(const struct unit_group *g)
{
	int64_t max = 0;
	for (size_t i = 0; i < g->n_alerts; i++)
		max = g->alerts[i].eval_time > max ? g->alerts[i].eval_time : max;
	for (size_t i = 0; i < g->n_exprs; i++)
		max = g->exprs[i].eval_time > max ? g->exprs[i].eval_time : max;
	return max;
}

static bool check_names(struct unit_run *r)
{
	for (size_t i = 0; i < r->group->n_alerts; i++) {
		const struct unit_alert_test *t = &r->group->alerts[i];
		if (t->alertname && t->alertname->len)
			continue;
		_cleanup_buf_ struct buf b = BUF_INIT;
		buf_adds(&b, "an item under alert_rule_test misses required attribute alertname at eval_time ");
		text_duration(t->eval_time, &b);
		if (r->group->name && r->group->name->len)
			buf_addf(&b, " (in TestGroup %s)", r->group->name->text);
		strings_add(r->errors, buf_str(&b));
		return false;
	}
	return true;
}

static void debug_time(struct unit_run *r, const char *what, int64_t t)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	if (!r->opt->debug)
		return;
	tmpl_fmt_duration(t * 1000000, &b);
	fprintf(r->out, "DEBUG:   %s %s\n", what, buf_str(&b));
}

/* All samples, those of the test and those that rules produced, as `series value@seconds ...`. */
static void debug_series(struct unit_run *r)
{
	for (size_t i = 0; r->opt->debug && i < r->memory.n; i++) {
		const struct series *s = &r->memory.series[i];
		_cleanup_buf_ struct buf b = BUF_INIT;
		labels_print(s->labels, &b);
		for (size_t k = 0; k < s->n; k++) {
			buf_addc(&b, ' ');
			if (s->samples[k].h)
				histogram_print(s->samples[k].h, &b);
			else if (sample_is_stale(&s->samples[k].v))
				buf_adds(&b, "stale");
			else
				text_float(s->samples[k].v, 'f', &b);
			buf_addc(&b, '@');
			text_float((double)s->samples[k].t / 1000, 'f', &b);
		}
		fprintf(r->out, "DEBUG:   %s\n", buf_str(&b));
	}
}

static void run_steps(struct unit_run *r)
{
	const struct unit_group *g = r->group;
	int64_t step = r->file->evaluation_interval, end = last_time(g);
	_cleanup_labels_ struct labels *none = labels_empty();
	size_t n;
	_cleanup_free_ size_t *order = group_order(r, &n);
	if (end / step > STEPS_MAX) {
		strings_take(r->errors, xasprintf("more than %d evaluations in one test", STEPS_MAX));
		return;
	}
	for (int64_t t = 0; t <= end; t += step) {
		r->now = g->start + t;
		bool fed = feed(r, r->now);
		for (size_t i = 0; fed && i < n; i++)
			rule_manager_eval_group(r->rules, order[i], r->now);
		debug_time(r, "evaluated rules at", t);
		if (r->eval_failed)
			return;
		for (size_t i = 0; i < g->n_alerts; i++)
			if (g->alerts[i].eval_time >= t && g->alerts[i].eval_time < t + step)
				unit_check_alerts(r, &g->alerts[i], none);
	}
	debug_series(r);
	for (size_t i = 0; i < g->n_exprs; i++) {
		debug_time(r, g->exprs[i].expr ? g->exprs[i].expr->text : "", g->exprs[i].eval_time);
		unit_check_expr(r, &g->exprs[i]);
	}
}

/* The first file that is broken ends it. */
static bool load_rules(const struct strings *files, struct rule_set *set, struct strings *errors)
{
	for (size_t i = 0; i < files->n; i++)
		if (rule_file_load(files->v[i], set, errors) < 0)
			return false;
	return true;
}

static void run_group(const struct unit_test_options *options, const struct unit_file *f, const struct unit_group *g,
		      const struct strings *rule_files, FILE *out, struct strings *errors)
{
	struct unit_run r = {.opt = options, .out = out, .file = f, .group = g, .errors = errors};
	struct rule_set *set = rule_set_new();
	set->ignore_unknown_fields = options->ignore_unknown_fields;
	set->experimental_functions = options->promql.experimental_functions;
	if (options->debug)
		fprintf(out, "DEBUG: test %s\n", g->name ? g->name->text : "without a name");
	if (load_series(&r) && load_rules(rule_files, set, errors) && check_names(&r)) {
		struct rule_manager_options opt = {
		    .source = memory_source(&r.memory),
		    .promql = options->promql,
		    .evaluation_interval_ms = f->evaluation_interval,
		    .external_labels = g->external_labels,
		    .external_url = g->external_url,
		    .url_is_nil = true,
		    .append = on_append,
		    .failed = on_failed,
		    .self = &r,
		};
		opt.promql.subquery_step_ms = f->evaluation_interval;
		r.rules = rule_manager_new(&opt);
		rule_manager_apply(r.rules, take(set), NULL, g->start);
		run_steps(&r);
	}
	rule_set_free(set);
	rule_manager_free(r.rules);
	for (size_t i = 0; i < r.n_rows; i++)
		labels_unref(r.rows[i].labels);
	free(r.rows);
	free(r.next);
	memory_clear(&r.memory);
	arena_free(&r.arena);
}

static bool is_wanted(const struct unit_test_options *opt, const struct unit_group *g, struct strings *errors)
{
	bool wanted = !opt->run || !opt->run->n;
	for (size_t i = 0; opt->run && i < opt->run->n && !wanted; i++) {
		struct regex *re;
		char *error = NULL;
		if (regex_new(sv_of(opt->run->v[i]), 0, &re, &error) < 0) {
			strings_take(errors, error);
			return false;
		}
		wanted = regex_match(re, g->name ? sv_make(g->name->text, g->name->len) : SV("")) == 1;
		regex_free(re);
	}
	return wanted;
}

/* Runs the group, and notes its failures also for the report. */
static void run_case(const struct unit_test_options *opt, const struct unit_file *f, const struct unit_group *g,
		     const struct strings *rule_files, FILE *out, struct strings *errors, struct unit_report_suite *suite)
{
	_cleanup_free_ char *unnamed = xasprintf("unnamed#%zu", (size_t)(g - f->groups));
	struct unit_report_case *c = unit_report_case(suite, g->name && g->name->len ? g->name->text : unnamed);
	size_t before = errors->n;
	run_group(opt, f, g, rule_files, out, errors);
	for (size_t i = before; i < errors->n; i++)
		strings_add(&c->failures, errors->v[i]);
}

static bool run_file(const char *path, const struct unit_test_options *opt, FILE *out, FILE *err, struct unit_report *report)
{
	struct unit_report_suite *suite = unit_report_suite(report, path);
	struct unit_file f;
	struct strings errors = {0}, rule_files = {0};
	char *error = NULL;
	fprintf(out, "Unit Testing:  %s\n", path);
	fflush(out);
	if (unit_file_load(path, opt->ignore_unknown_fields, &f, &error) < 0) {
		strings_take(&errors, error);
	} else {
		unit_rule_files(path, &f.rule_files, &rule_files, &errors, err);
		for (size_t i = 0; i < f.group_order.n && !errors.n; i++)
			for (size_t k = 0; k < i && !errors.n; k++)
				if (!strcmp(f.group_order.v[i], f.group_order.v[k]))
					strings_take(&errors, xasprintf("group name repeated in evaluation order: %s", f.group_order.v[i]));
		bool setup_ok = !errors.n;
		for (size_t i = 0; setup_ok && i < f.n; i++)
			if (is_wanted(opt, &f.groups[i], &errors))
				run_case(opt, &f, &f.groups[i], &rule_files, out, &errors, suite);
	}
	for (size_t i = 0; !suite->n && i < errors.n; i++)
		strings_add(&suite->errors, errors.v[i]);
	bool ok = !errors.n;
	if (ok)
		fprintf(out, "  SUCCESS\n");
	else
		fprintf(err, "  FAILED:\n");
	for (size_t i = 0; i < errors.n; i++) {
		fprintf(err, "%s\n", errors.v[i]);
		fputc('\n', out);
		fflush(out);
	}
	fputc('\n', out);
	unit_file_clear(&f);
	strings_free(&errors);
	strings_free(&rule_files);
	return ok;
}

int rule_unit_test_files(char *const *files, size_t n, const struct unit_test_options *opt, FILE *out,
			 FILE *err)
{
	bool ok = true;
	struct unit_report report = {0};
	for (size_t i = 0; i < n; i++)
		if (access(files[i], F_OK) < 0) {
			fprintf(err, "reqtally: error: path '%s' does not exist\n", files[i]);
			return 1;
		}
	for (size_t i = 0; i < n; i++)
		ok &= run_file(files[i], opt, out, err, &report);
	int rc = opt->junit ? unit_report_write(&report, opt->junit) : 0;
	if (rc < 0)
		fprintf(err, "reqtally: error: cannot write %s: %s\n", opt->junit, strerror(-rc));
	unit_report_clear(&report);
	return ok && rc == 0 ? 0 : 1;
}
