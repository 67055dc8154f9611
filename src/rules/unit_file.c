// SPDX-License-Identifier: GPL-2.0-or-later
/* A test file, decoded as strictly as a rule file, but as version 2 of Go's yaml package does it. */
#include "rules/unit_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"
#include "rules/label_set.h"
#include "rules/rule_decode.h"
#include "rules/rule_file.h"

/* map[string]string. KEEP_EMPTY: annotations. */
static struct labels *decode_pairs(struct decoder *d, const struct yaml_node *value, bool keep_empty)
{
	if (!rule_decode_pairs(d, value))
		return NULL;
	struct label *pairs = xcalloc(value->n + 1, sizeof(*pairs));
	size_t n = 0;
	for (size_t i = 0; i < value->n; i++) {
		const struct yaml_node *k = value->keys[i], *v = value->values[i];
		if (k->text && v->text)
			pairs[n++] = (struct label){sv_make(k->text, k->len),
						    v->kind == YAML_NULL ? SV("") : sv_make(v->text, v->len)};
	}
	struct labels *ls = keep_empty ? annotations_new(pairs, n) : labels_new(pairs, n);
	free(pairs);
	return ls;
}

static void decode_labels(struct decoder *d, const struct yaml_node *value, void *out)
{
	struct labels **ls = out;
	labels_unref(*ls);
	*ls = decode_pairs(d, value, false);
}

static void decode_annotations(struct decoder *d, const struct yaml_node *value, void *out)
{
	struct labels **ls = out;
	labels_unref(*ls);
	*ls = decode_pairs(d, value, true);
}

static void decode_series_item(struct decoder *d, const struct yaml_node *item, void *arg)
{
	static const struct decode_field fields[] = {
	    {"series", rule_decode_string, offsetof(struct unit_series, series)},
	    {"values", rule_decode_string, offsetof(struct unit_series, values)},
	    {0},
	};
	struct unit_group *g = arg;
	array_grow(g->series, g->n_series, g->cap_series);
	g->series[g->n_series] = (struct unit_series){0};
	rule_decode_struct(d, item, "main.series", fields, &g->series[g->n_series++]);
}

static void decode_series(struct decoder *d, const struct yaml_node *value, void *out)
{
	rule_decode_list(d, value, "[]main.series", decode_series_item, out);
}

static void decode_expected_alert(struct decoder *d, const struct yaml_node *item, void *arg)
{
	static const struct decode_field fields[] = {
	    {"exp_labels", decode_labels, offsetof(struct unit_expected_alert, labels)},
	    {"exp_annotations", decode_annotations, offsetof(struct unit_expected_alert, annotations)},
	    {0},
	};
	struct unit_alert_test *t = arg;
	array_grow(t->expected, t->n, t->cap);
	t->expected[t->n] = (struct unit_expected_alert){0};
	rule_decode_struct(d, item, "main.alert", fields, &t->expected[t->n++]);
}

static void decode_expected_alerts(struct decoder *d, const struct yaml_node *value, void *out)
{
	rule_decode_list(d, value, "[]main.alert", decode_expected_alert, out);
}

static void decode_alert_test(struct decoder *d, const struct yaml_node *item, void *arg)
{
	static const struct decode_field fields[] = {
	    {"eval_time", rule_decode_duration, offsetof(struct unit_alert_test, eval_time)},
	    {"alertname", rule_decode_string, offsetof(struct unit_alert_test, alertname)},
	    {"exp_alerts", decode_expected_alerts, 0},
	    {0},
	};
	struct unit_group *g = arg;
	array_grow(g->alerts, g->n_alerts, g->cap_alerts);
	g->alerts[g->n_alerts] = (struct unit_alert_test){0};
	rule_decode_struct(d, item, "main.alertTestCase", fields, &g->alerts[g->n_alerts++]);
}

static void decode_alert_tests(struct decoder *d, const struct yaml_node *value, void *out)
{
	rule_decode_list(d, value, "[]main.alertTestCase", decode_alert_test, out);
}

static void decode_sample(struct decoder *d, const struct yaml_node *item, void *arg)
{
	static const struct decode_field fields[] = {
	    {"labels", rule_decode_string, offsetof(struct unit_expected_sample, labels)},
	    {"value", rule_decode_float, offsetof(struct unit_expected_sample, value)},
	    {"histogram", rule_decode_string, offsetof(struct unit_expected_sample, histogram)},
	    {0},
	};
	struct unit_expr_test *t = arg;
	array_grow(t->expected, t->n, t->cap);
	t->expected[t->n] = (struct unit_expected_sample){0};
	rule_decode_struct(d, item, "main.sample", fields, &t->expected[t->n++]);
}

static void decode_samples(struct decoder *d, const struct yaml_node *value, void *out)
{
	rule_decode_list(d, value, "[]main.sample", decode_sample, out);
}

static void decode_expr_test(struct decoder *d, const struct yaml_node *item, void *arg)
{
	static const struct decode_field fields[] = {
	    {"expr", rule_decode_string, offsetof(struct unit_expr_test, expr)},
	    {"eval_time", rule_decode_duration, offsetof(struct unit_expr_test, eval_time)},
	    {"exp_samples", decode_samples, 0},
	    {0},
	};
	struct unit_group *g = arg;
	array_grow(g->exprs, g->n_exprs, g->cap_exprs);
	g->exprs[g->n_exprs] = (struct unit_expr_test){0};
	rule_decode_struct(d, item, "main.promqlTestCase", fields, &g->exprs[g->n_exprs++]);
}

static void decode_expr_tests(struct decoder *d, const struct yaml_node *value, void *out)
{
	rule_decode_list(d, value, "[]main.promqlTestCase", decode_expr_test, out);
}

/* Seconds since the epoch, or RFC 3339 in UTC or with an offset. */
static void decode_start(struct decoder *d, const struct yaml_node *value, void *out)
{
	int64_t *ms = out;
	double seconds;
	struct tm tm = {0};
	if (value->kind == YAML_NULL)
		return;
	if (value->kind != YAML_SCALAR) {
		rule_decode_mismatch(d, value, "string");
		return;
	}
	struct sv text = sv_make(value->text, value->len);
	if (text_parse_float(text, &seconds) && seconds > -1e12 && seconds < 1e12) {
		*ms = (int64_t)(seconds * 1000);
		return;
	}
	char *end = strptime(value->text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end && *end == '.') {
		char *digits = ++end;
		int64_t scale = 100;
		for (; *end >= '0' && *end <= '9'; end++, scale /= 10)
			*ms += (*end - '0') * scale;
		end = end > digits ? end : NULL;
	}
	int h, m, used = 0;
	if (end && !strcmp(end, "Z")) {
		*ms += (int64_t)timegm(&tm) * 1000;
	} else if (end && (*end == '+' || *end == '-') && sscanf(end + 1, "%2d:%2d%n", &h, &m, &used) == 2 &&
		   !end[1 + used]) {
		*ms += ((int64_t)timegm(&tm) - (*end == '+' ? 1 : -1) * (h * 3600 + m * 60)) * 1000;
	} else if (!d->fatal) {
		_cleanup_buf_ struct buf q = BUF_INIT;
		text_go_quote(text, &q);
		d->fatal = xasprintf("cannot parse %s to a valid timestamp", buf_str(&q));
	}
}

static void decode_group(struct decoder *d, const struct yaml_node *item, void *arg)
{
	static const struct decode_field fields[] = {
	    {"interval", rule_decode_duration, offsetof(struct unit_group, interval)},
	    {"input_series", decode_series, 0},
	    {"alert_rule_test", decode_alert_tests, 0},
	    {"promql_expr_test", decode_expr_tests, 0},
	    {"external_labels", decode_labels, offsetof(struct unit_group, external_labels)},
	    {"external_url", rule_decode_text, offsetof(struct unit_group, external_url)},
	    {"name", rule_decode_string, offsetof(struct unit_group, name)},
	    {"start_timestamp", decode_start, offsetof(struct unit_group, start)},
	    {0},
	};
	struct unit_file *f = arg;
	array_grow(f->groups, f->n, f->cap);
	f->groups[f->n] = (struct unit_group){0};
	rule_decode_struct(d, item, "main.testGroup", fields, &f->groups[f->n++]);
}

static void decode_groups(struct decoder *d, const struct yaml_node *value, void *out)
{
	/* OUT is where `groups` stands in the file. */
	rule_decode_list(d, value, "[]main.testGroup", decode_group,
			 (char *)out - offsetof(struct unit_file, groups));
}

static void decode_strings_item(struct decoder *d, const struct yaml_node *item, void *arg)
{
	const struct yaml_node *n = rule_decode_scalar(d, item, "string");
	if (n)
		strings_add(arg, n->kind == YAML_NULL ? "" : n->text);
}

static void decode_strings(struct decoder *d, const struct yaml_node *value, void *out)
{
	rule_decode_list(d, value, "[]string", decode_strings_item, out);
}

static int read_file(const char *path, struct buf *text, char **error)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char chunk[16384];
	size_t n;
	if (!f) {
		int err = -errno;
		*error = xasprintf("open %s: %s", path, strerror(-err));
		return err;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(text, chunk, n);
	if (!ferror(f) && !text->failed)
		return 0;
	*error = xasprintf("read %s: %s", path, text->failed ? "file too large" : strerror(errno));
	return -EIO;
}

int unit_file_load(const char *path, bool ignore_unknown_fields, struct unit_file *f, char **error)
{
	static const struct decode_field fields[] = {
	    {"rule_files", decode_strings, offsetof(struct unit_file, rule_files)},
	    {"evaluation_interval", rule_decode_duration, offsetof(struct unit_file, evaluation_interval)},
	    {"group_eval_order", decode_strings, offsetof(struct unit_file, group_order)},
	    {"fuzzy_compare", rule_decode_bool, offsetof(struct unit_file, fuzzy)},
	    {"tests", decode_groups, offsetof(struct unit_file, groups)},
	    {0},
	};
	_cleanup_buf_ struct buf text = BUF_LIMIT(RULE_FILE_MAX_BYTES);
	struct decoder d = {.ignore_unknown = ignore_unknown_fields, .version = YAML_V2};
	*f = (struct unit_file){0};
	int rc = read_file(path, &text, error);
	if (rc == 0)
		rc = yaml_parse_v2(buf_str(&text), text.n, &f->doc, error);
	if (rc < 0)
		return rc;
	rule_decode_struct(&d, yaml_root(f->doc), "main.unitTestFile", fields, f);
	if (f->evaluation_interval <= 0)
		f->evaluation_interval = 60000;
	for (size_t i = 0; i < f->n; i++)
		if (f->groups[i].interval <= 0)
			f->groups[i].interval = f->evaluation_interval;
	return decoder_finish(&d, error);
}

void unit_file_clear(struct unit_file *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct unit_group *g = &f->groups[i];
		for (size_t k = 0; k < g->n_alerts; k++) {
			for (size_t a = 0; a < g->alerts[k].n; a++) {
				labels_unref(g->alerts[k].expected[a].labels);
				labels_unref(g->alerts[k].expected[a].annotations);
			}
			free(g->alerts[k].expected);
		}
		for (size_t k = 0; k < g->n_exprs; k++)
			free(g->exprs[k].expected);
		labels_unref(g->external_labels);
		free(g->external_url);
		free(g->series);
		free(g->alerts);
		free(g->exprs);
	}
	free(f->groups);
	strings_free(&f->rule_files);
	strings_free(&f->group_order);
	yaml_doc_free(f->doc);
}
