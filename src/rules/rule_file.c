// SPDX-License-Identifier: GPL-2.0-or-later
/* From text to definitions: decode strictly, then check each group and rule, collecting every error, and only
 * then build. */
#include "rules/rule_file.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/yaml.h"
#include "model/text.h"
#include "rules/rule_decode.h"

/* As written: pointers into the document. */
struct raw_rule {
	const struct yaml_node *node, *record, *alert, *expr, *labels, *annotations;
	const struct yaml_node *record_at, *alert_at, *expr_at; /* the values, also where they are null */
	int64_t for_ms, keep_firing_ms;
};

struct raw_group {
	const struct yaml_node *node, *name, *labels;
	int64_t interval_ms, query_offset_ms, limit;
	struct raw_rule *rules;
	size_t n, cap;
	bool repeated; /* one before it has its name */
};

struct raw_file {
	struct raw_group *groups;
	size_t n, cap;
};

struct checker {
	const char *file;
	const struct rule_set *set; /* its options */
	struct strings *errors;
	size_t n_errors; /* of this file */
	const struct raw_group *group;
	size_t rule_no; /* from 1 */
	const char *rule_name;
};

/* map[string]string */
static void decode_texts(struct decoder *d, const struct yaml_node *value, void *out)
{
	if (!rule_decode_pairs(d, value))
		return;
	*(const struct yaml_node **)out = value;
}

static void decode_rule(struct decoder *d, const struct yaml_node *item, void *arg)
{
	static const struct decode_field fields[] = {
	    {"record", rule_decode_string, offsetof(struct raw_rule, record)},
	    {"alert", rule_decode_string, offsetof(struct raw_rule, alert)},
	    {"expr", rule_decode_string, offsetof(struct raw_rule, expr)},
	    {"for", rule_decode_duration, offsetof(struct raw_rule, for_ms)},
	    {"keep_firing_for", rule_decode_duration, offsetof(struct raw_rule, keep_firing_ms)},
	    {"labels", decode_texts, offsetof(struct raw_rule, labels)},
	    {"annotations", decode_texts, offsetof(struct raw_rule, annotations)},
	    {0},
	};
	struct raw_group *g = arg;
	struct raw_rule r = {.node = item};
	if (!rule_decode_struct(d, item, "rulefmt.Rule", fields, &r))
		return;
	r.record_at = yaml_get(item, "record");
	r.alert_at = yaml_get(item, "alert");
	r.expr_at = yaml_get(item, "expr");
	array_grow(g->rules, g->n, g->cap);
	g->rules[g->n++] = r;
}

static void decode_rules(struct decoder *d, const struct yaml_node *value, void *out)
{
	rule_decode_list(d, value, "[]rulefmt.Rule", decode_rule, out);
}

static void decode_group(struct decoder *d, const struct yaml_node *item, void *arg)
{
	static const struct decode_field fields[] = {
	    {"name", rule_decode_string, offsetof(struct raw_group, name)},
	    {"interval", rule_decode_duration, offsetof(struct raw_group, interval_ms)},
	    {"query_offset", rule_decode_duration, offsetof(struct raw_group, query_offset_ms)},
	    {"limit", rule_decode_int, offsetof(struct raw_group, limit)},
	    {"labels", decode_texts, offsetof(struct raw_group, labels)},
	    {"rules", decode_rules, 0},
	    {0},
	};
	struct raw_file *f = arg;
	struct raw_group g = {.node = item, .query_offset_ms = -1};
	rule_decode_struct(d, item, "rulefmt.RuleGroup", fields, &g);
	array_grow(f->groups, f->n, f->cap);
	f->groups[f->n++] = g;
}

static void decode_groups(struct decoder *d, const struct yaml_node *value, void *out)
{
	rule_decode_list(d, value, "[]rulefmt.RuleGroup", decode_group, out);
}

static const char *text_of(const struct yaml_node *n)
{
	return n ? n->text : "";
}

static void check_fail(struct checker *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void check_fail(struct checker *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *msg = xvasprintf(fmt, ap);
	va_end(ap);
	strings_take(c->errors, xasprintf("%s: %s", c->file, msg));
	c->n_errors++;
}

/* POS and the rule in front of the message; AT NULL with a position wanted is 0:0, as a missing node has
 * none. */
static void rule_fail(struct checker *c, bool has_pos, const struct yaml_node *at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void rule_fail(struct checker *c, bool has_pos, const struct yaml_node *at, const char *fmt, ...)
{
	_cleanup_buf_ struct buf pos = BUF_INIT, name = BUF_INIT, group = BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *msg = xvasprintf(fmt, ap);
	va_end(ap);
	if (has_pos)
		buf_addf(&pos, "%d:%d: ", at ? at->line : 0, at ? at->col : 0);
	text_go_quote(sv_of(text_of(c->group->name)), &group);
	text_go_quote(sv_of(c->rule_name), &name);
	check_fail(c, "%sgroup %s, rule %zu, %s: %s", buf_str(&pos), buf_str(&group), c->rule_no,
		   buf_str(&name), msg);
}

static bool is_label_name(const struct yaml_node *key)
{
	return key->len && text_is_utf8(sv_make(key->text, key->len));
}

static bool has_template(const struct yaml_node *value)
{
	return memmem(value->text, value->len, "{{", 2) != NULL;
}

static void check_template(struct checker *c, const char *alert, const char *what,
			   const struct yaml_node *key, const struct yaml_node *value)
{
	_cleanup_free_ char *name = xasprintf("__alert_%s", alert), *error = NULL;
	_cleanup_buf_ struct buf q = BUF_INIT;
	struct template *t;
	if (!has_template(value))
		return;
	if (template_parse(name, sv_make(value->text, value->len), &t, &error) == 0) {
		template_free(t);
		return;
	}
	text_go_quote(sv_make(key->text, key->len), &q);
	rule_fail(c, false, NULL, "%s %s: %s", what, buf_str(&q), error);
}

static void check_record(struct checker *c, const struct raw_rule *r)
{
	struct sv name = sv_make(r->record->text, r->record->len);
	if (r->annotations && r->annotations->n)
		rule_fail(c, true, r->record, "invalid field 'annotations' in recording rule");
	if (r->for_ms)
		rule_fail(c, true, r->record, "invalid field 'for' in recording rule");
	if (r->keep_firing_ms)
		rule_fail(c, true, r->record, "invalid field 'keep_firing_for' in recording rule");
	if (!text_is_utf8(name))
		rule_fail(c, true, r->record, "invalid recording rule name: %s", r->record->text);
	else if (memchr(name.p, '{', name.n) || memchr(name.p, '}', name.n))
		rule_fail(c, true, r->record,
			  "braces present in the recording rule name; should it be in expr?: %s",
			  r->record->text);
}

/* NULL, or the parsed expression. */
static struct promql_expr *check_expr(struct checker *c, const struct raw_rule *r)
{
	struct promql_expr *expr = NULL;
	_cleanup_free_ char *error = NULL;
	if (!r->expr || !r->expr->len)
		rule_fail(c, true, r->expr_at, "field 'expr' must be set in rule");
	else if (promql_parse(sv_make(r->expr->text, r->expr->len), &expr, &error) < 0 ||
		 promql_check_enabled(expr, &(struct promql_options){.experimental_functions = c->set->experimental_functions}, &error) < 0)
		rule_fail(c, true, r->expr, "could not parse expression: %s", error);
	return expr;
}

static void check_texts(struct checker *c, const struct raw_rule *r)
{
	for (size_t i = 0; r->labels && i < r->labels->n; i++) {
		const struct yaml_node *key = r->labels->keys[i], *value = r->labels->values[i];
		if (!is_label_name(key) || sv_eqs(sv_make(key->text, key->len), LABEL_NAME))
			rule_fail(c, false, NULL, "invalid label name: %s", key->text);
		if (!text_is_utf8(sv_make(value->text, value->len)))
			rule_fail(c, false, NULL, "invalid label value: %s", value->text);
	}
	for (size_t i = 0; r->annotations && i < r->annotations->n; i++)
		if (!is_label_name(r->annotations->keys[i]))
			rule_fail(c, false, NULL, "invalid annotation name: %s",
				  r->annotations->keys[i]->text);
	if (!r->alert || !r->alert->len)
		return;
	for (size_t i = 0; r->labels && i < r->labels->n; i++)
		check_template(c, r->alert->text, "label", r->labels->keys[i], r->labels->values[i]);
	for (size_t i = 0; r->annotations && i < r->annotations->n; i++)
		check_template(c, r->alert->text, "annotation", r->annotations->keys[i],
			       r->annotations->values[i]);
}

static void check_rule(struct checker *c, const struct raw_rule *r)
{
	bool record = r->record && r->record->len, alert = r->alert && r->alert->len;
	c->rule_name = text_of(alert ? r->alert : r->record);
	if (record && alert) {
		_cleanup_free_ char *second = xasprintf("%d:%d: ", r->alert->line, r->alert->col);
		_cleanup_buf_ struct buf group = BUF_INIT, name = BUF_INIT;
		text_go_quote(sv_of(text_of(c->group->name)), &group);
		text_go_quote(sv_of(c->rule_name), &name);
		check_fail(c, "%d:%d: %sgroup %s, rule %zu, %s: only one of 'record' and 'alert' must be set",
			   r->record->line, r->record->col, second, buf_str(&group), c->rule_no,
			   buf_str(&name));
	}
	if (!record && !alert) {
		_cleanup_free_ char *second = r->alert_at ? xasprintf("%d:%d: ", r->alert_at->line, r->alert_at->col) : xstrdup("");
		_cleanup_buf_ struct buf group = BUF_INIT;
		text_go_quote(sv_of(text_of(c->group->name)), &group);
		check_fail(c, "%d:%d: %sgroup %s, rule %zu, \"\": one of 'record' or 'alert' must be set", r->record_at ? r->record_at->line : 0,
			   r->record_at ? r->record_at->col : 0, second, buf_str(&group), c->rule_no);
	}
	promql_expr_free(check_expr(c, r));
	if (record)
		check_record(c, r);
	check_texts(c, r);
}

static int name_cmp(const void *a, const void *b)
{
	const struct raw_group *x = *(struct raw_group *const *)a, *y = *(struct raw_group *const *)b;
	int c = strcmp(x->name->text, y->name->text);
	return c ? c : (x > y) - (x < y);
}

static void mark_repeated(struct raw_file *f)
{
	_cleanup_free_ struct raw_group **v = xcalloc(f->n + 1, sizeof(struct raw_group *));
	size_t n = 0;
	for (size_t i = 0; i < f->n; i++)
		if (f->groups[i].name)
			v[n++] = &f->groups[i];
	qsort(v, n, sizeof(*v), name_cmp);
	for (size_t i = 1; i < n; i++)
		v[i]->repeated = !strcmp(v[i]->name->text, v[i - 1]->name->text);
}

static void check_group(struct checker *c, const struct raw_group *g)
{
	c->group = g;
	if (!g->name || !g->name->len)
		check_fail(c, "%d:%d: Groupname must not be empty", g->node->line, g->node->col);
	if (g->repeated) {
		_cleanup_buf_ struct buf q = BUF_INIT;
		text_go_quote(sv_of(g->name->text), &q);
		check_fail(c, "%d:%d: groupname: %s is repeated in the same file", g->node->line, g->node->col, buf_str(&q));
	}
	for (size_t k = 0; g->labels && k < g->labels->n; k++) {
		const struct yaml_node *key = g->labels->keys[k], *value = g->labels->values[k];
		if (!is_label_name(key) || sv_eqs(sv_make(key->text, key->len), LABEL_NAME))
			check_fail(c, "invalid label name: %s", key->text);
		if (!text_is_utf8(sv_make(value->text, value->len)))
			check_fail(c, "invalid label value: %s", value->text);
	}
	for (size_t k = 0; k < g->n; k++) {
		c->rule_no = k + 1;
		check_rule(c, &g->rules[k]);
	}
}

static int text_cmp(const void *a, const void *b)
{
	return sv_cmp(((const struct rule_text *)a)->name, ((const struct rule_text *)b)->name);
}

static struct sv dup_sv(const struct yaml_node *n)
{
	return sv_make(xmemdup(n->text, n->len), n->len);
}

/* Pairs of OVER and those of BASE that OVER has not, sorted. IS_ALERT: values may be templates. */
static struct rule_text *build_texts(bool is_alert, const struct yaml_node *base,
				     const struct yaml_node *over, size_t *n)
{
	size_t max = (base ? base->n : 0) + (over ? over->n : 0);
	struct rule_text *v = xcalloc(max + 1, sizeof(*v));
	*n = 0;
	for (int pass = 0; pass < 2; pass++) {
		const struct yaml_node *map = pass ? base : over;
		for (size_t i = 0; map && i < map->n; i++) {
			const struct yaml_node *key = map->keys[i], *value = map->values[i];
			if (pass && over && yaml_get(over, key->text))
				continue;
			struct rule_text *t = &v[(*n)++];
			t->name = dup_sv(key);
			t->value = value->kind == YAML_NULL ? sv_make(xstrdup(""), 0) : dup_sv(value);
			t->is_template = is_alert && has_template(value);
		}
	}
	qsort(v, *n, sizeof(*v), text_cmp);
	return v;
}

static struct rule_def build_rule(const struct raw_group *g, const struct raw_rule *r)
{
	struct rule_def d = {.for_ms = r->for_ms, .keep_firing_ms = r->keep_firing_ms};
	_cleanup_free_ char *error = NULL;
	_cleanup_buf_ struct buf query = BUF_INIT;
	d.is_alert = r->alert && r->alert->len;
	d.name = xstrdup(d.is_alert ? r->alert->text : r->record->text);
	promql_parse(sv_make(r->expr->text, r->expr->len), &d.expr, &error); /* checked before */
	promql_print(d.expr, &query);
	d.query = buf_steal(&query);
	d.labels = build_texts(d.is_alert, g->labels, r->labels, &d.n_labels);
	d.annotations = build_texts(d.is_alert, NULL, r->annotations, &d.n_annotations);
	return d;
}

static void build_group(const char *file, const struct raw_group *g, struct rule_set *set)
{
	struct rule_group_def d = {
	    .interval_ms = g->interval_ms, .query_offset_ms = g->query_offset_ms, .limit = g->limit};
	d.name = xstrdup(g->name->text);
	d.file = xstrdup(file);
	d.rules = xcalloc(g->n + 1, sizeof(*d.rules));
	for (size_t i = 0; i < g->n; i++)
		d.rules[d.n_rules++] = build_rule(g, &g->rules[i]);
	array_grow(set->groups, set->n, set->cap);
	set->groups[set->n++] = d;
}

static void decode_again_groups(struct decoder *d, const struct yaml_node *value, void *out)
{
	if (value->kind != YAML_SEQ && value->kind != YAML_NULL)
		rule_decode_mismatch(d, value, "[]rulefmt.RuleGroupNode");
}

/* Prometheus reads a file twice, the second time for lines and columns, and tells the errors of both: what is wrong with the outermost
 * map is told a second time. */
static int read_again(const struct yaml_node *root, char **error)
{
	static const struct decode_field fields[] = {{"groups", decode_again_groups, 0}, {0}};
	struct decoder d = {.ignore_unknown = true};
	char *again = NULL;
	rule_decode_struct(&d, root, "rulefmt.ruleGroups", fields, &again);
	int rc = decoder_finish(&d, &again);
	if (rc < 0) {
		free(*error);
		*error = again;
	}
	return rc;
}

int rule_file_parse(const char *file, const char *text, size_t len, struct rule_set *set,
		    struct strings *errors)
{
	static const struct decode_field fields[] = {{"groups", decode_groups, 0}, {0}};
	struct yaml_doc *doc = NULL;
	struct raw_file raw = {0};
	struct decoder decoder = {.ignore_unknown = set->ignore_unknown_fields};
	struct checker c = {.file = file, .set = set, .errors = errors};
	_cleanup_free_ char *error = NULL;
	int rc = yaml_parse(text, len, &doc, &error);
	if (rc == 0) {
		rule_decode_struct(&decoder, yaml_root(doc), "rulefmt.RuleGroups", fields, &raw);
		rc = decoder_finish(&decoder, &error);
	}
	if (rc < 0)
		check_fail(&c, "%s", error);
	if (rc < 0 && (!doc || read_again(yaml_root(doc), &error) < 0))
		check_fail(&c, "%s", error);
	if (rc == 0)
		mark_repeated(&raw);
	for (size_t i = 0; rc == 0 && i < raw.n; i++)
		check_group(&c, &raw.groups[i]);
	if (c.n_errors)
		rc = -EINVAL;
	for (size_t i = 0; i < raw.n; i++) {
		if (rc == 0)
			build_group(file, &raw.groups[i], set);
		free(raw.groups[i].rules);
	}
	free(raw.groups);
	yaml_doc_free(doc);
	return rc;
}

int rule_file_load(const char *file, struct rule_set *set, struct strings *errors)
{
	_cleanup_buf_ struct buf text = BUF_LIMIT(RULE_FILE_MAX_BYTES);
	_cleanup_fclose_ FILE *f = fopen(file, "re");
	char chunk[16384];
	size_t n;
	int rc = 0;
	if (!f)
		rc = -errno;
	while (f && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&text, chunk, n);
	if (f && ferror(f))
		rc = -(errno ? errno : EIO);
	if (rc < 0) {
		_cleanup_free_ char *why = xstrdup(strerror(-rc));
		*why = (char)tolower((unsigned char)*why); /* as Go writes it */
		strings_take(errors, xasprintf("%s: %s %s: %s", file, f ? "read" : "open", file, why));
		return rc;
	}
	if (text.failed) {
		strings_take(errors, xasprintf("%s: larger than %zu bytes", file, RULE_FILE_MAX_BYTES));
		return -EFBIG;
	}
	return rule_file_parse(file, buf_str(&text), text.n, set, errors);
}

int rule_files_glob(const struct strings *patterns, struct strings *files, struct strings *errors)
{
	int result = 0;
	for (size_t i = 0; i < patterns->n; i++) {
		glob_t g;
		int rc = glob(patterns->v[i], 0, NULL, &g);
		if (rc == GLOB_NOMATCH)
			continue;
		if (rc) {
			strings_take(errors, xasprintf("error retrieving rule files for %s", patterns->v[i]));
			result = -EINVAL;
			continue;
		}
		for (size_t k = 0; k < g.gl_pathc; k++)
			strings_add_once(files, g.gl_pathv[k]);
		globfree(&g);
	}
	return result;
}

int rule_files_load(const struct strings *patterns, struct rule_set **out, struct strings *errors)
{
	struct rule_set *set = rule_set_new();
	int rc = rule_files_load_into(patterns, set, errors);
	if (rc == 0)
		*out = set;
	else
		rule_set_free(set);
	return rc;
}

int rule_files_load_into(const struct strings *patterns, struct rule_set *set, struct strings *errors)
{
	struct strings files = {0};
	int result = rule_files_glob(patterns, &files, errors);
	for (size_t i = 0; i < files.n; i++) {
		int rc = rule_file_load(files.v[i], set, errors);
		if (rc < 0 && result == 0)
			result = rc;
	}
	strings_free(&files);
	return result;
}

struct rule_set *rule_set_new(void)
{
	return xcalloc(1, sizeof(struct rule_set));
}

static void free_texts(struct rule_text *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free((char *)v[i].name.p);
		free((char *)v[i].value.p);
	}
	free(v);
}

void rule_def_clear(struct rule_def *r)
{
	free(r->name);
	free(r->query);
	promql_expr_free(r->expr);
	free_texts(r->labels, r->n_labels);
	free_texts(r->annotations, r->n_annotations);
	*r = (struct rule_def){0};
}

void rule_group_def_clear(struct rule_group_def *g)
{
	for (size_t i = 0; i < g->n_rules; i++)
		rule_def_clear(&g->rules[i]);
	free(g->rules);
	free(g->name);
	free(g->file);
	*g = (struct rule_group_def){0};
}

void rule_set_free(struct rule_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++)
		rule_group_def_clear(&set->groups[i]);
	free(set->groups);
	free(set);
}

size_t rule_set_count(const struct rule_set *set)
{
	size_t n = 0;
	for (size_t i = 0; i < set->n; i++)
		n += set->groups[i].n_rules;
	return n;
}

bool rule_texts_equal(const struct rule_text *a, size_t n_a, const struct rule_text *b, size_t n_b)
{
	for (size_t i = 0; n_a == n_b && i < n_a; i++)
		if (!sv_eq(a[i].name, b[i].name) || !sv_eq(a[i].value, b[i].value))
			return false;
	return n_a == n_b;
}

static bool rule_equal(const struct rule_def *a, const struct rule_def *b)
{
	return a->is_alert == b->is_alert && !strcmp(a->name, b->name) && !strcmp(a->query, b->query) &&
	       a->for_ms == b->for_ms && a->keep_firing_ms == b->keep_firing_ms &&
	       rule_texts_equal(a->labels, a->n_labels, b->labels, b->n_labels) &&
	       rule_texts_equal(a->annotations, a->n_annotations, b->annotations, b->n_annotations);
}

bool rule_group_def_equal(const struct rule_group_def *a, const struct rule_group_def *b)
{
	if (strcmp(a->name, b->name) || strcmp(a->file, b->file) || a->interval_ms != b->interval_ms ||
	    a->query_offset_ms != b->query_offset_ms || a->limit != b->limit || a->n_rules != b->n_rules)
		return false;
	for (size_t i = 0; i < a->n_rules; i++)
		if (!rule_equal(&a->rules[i], &b->rules[i]))
			return false;
	return true;
}
