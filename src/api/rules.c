// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/reply.h"
#include "api/rules_json.h"
#include "base/alloc.h"
#include "model/text.h"

static json_t *texts_json(const struct rule_text *v, size_t n)
{
	json_t *o = json_object();
	for (size_t i = 0; i < n; i++)
		json_object_set_new_nocheck(o, v[i].name.p, reply_text(v[i].value));
	return o;
}

static json_t *exponent_form(double v)
{
	struct buf b = BUF_INIT;
	text_float(v, 'e', &b);
	json_t *s = reply_text(sv_make(b.p, b.n));
	buf_free(&b);
	return s;
}

static json_t *alert_json(const struct rule_active *a)
{
	json_t *o = json_object();
	json_object_set_new(o, "labels", reply_labels(a->labels));
	json_object_set_new(o, "annotations", reply_labels(a->annotations));
	json_object_set_new(o, "state", json_string(rule_state_name(a->state)));
	json_object_set_new(o, "activeAt", reply_time(a->active_at));
	if (a->keep_firing_since != RULE_NEVER)
		json_object_set_new(o, "keepFiringSince", reply_time(a->keep_firing_since));
	json_object_set_new(o, "value", exponent_form(a->value));
	return o;
}

/* Resolved alerts stay with the rule for a while, to be sent again; they are nobody's active alerts. */
static void add_alerts(const struct rule *r, json_t *into)
{
	for (size_t i = 0; i < r->n_active; i++)
		if (r->active[i]->resolved_at == RULE_NEVER)
			json_array_append_new(into, alert_json(r->active[i]));
}

static json_t *rule_json(const struct rule *r, bool with_alerts)
{
	const struct rule_def *d = r->def;
	json_t *o = json_object();
	if (d->is_alert)
		json_object_set_new(o, "state", json_string(rule_state_name(rule_state(r))));
	json_object_set_new(o, "name", reply_string(d->name));
	json_object_set_new(o, "query", reply_string(d->query));
	if (d->is_alert) {
		json_object_set_new(o, "duration", reply_seconds(d->for_ms));
		json_object_set_new(o, "keepFiringFor", reply_seconds(d->keep_firing_ms));
	}
	json_object_set_new(o, "labels", texts_json(d->labels, d->n_labels));
	if (d->is_alert) {
		json_t *alerts = json_array();
		json_object_set_new(o, "annotations", texts_json(d->annotations, d->n_annotations));
		if (with_alerts)
			add_alerts(r, alerts);
		json_object_set_new(o, "alerts", alerts);
	}
	json_object_set_new(o, "health", json_string(rule_health_name(r->health)));
	if (r->last_error)
		json_object_set_new(o, "lastError", reply_string(r->last_error));
	json_object_set_new(o, "evaluationTime", json_real((double)r->duration_ns / 1e9));
	json_object_set_new(o, "lastEvaluation", reply_time(r->last_evaluation));
	json_object_set_new(o, "type", json_string(d->is_alert ? "alerting" : "recording"));
	return o;
}

/* Is VALUE among the parameters KEY, or is there none? */
static bool is_asked(const struct web_request *req, const char *key, const char *value)
{
	bool any = false;
	for (size_t i = 0; req && i < req->n_params; i++)
		if (strcmp(req->params[i].name, key) == 0) {
			any = true;
			if (strcmp(req->params[i].value, value) == 0)
				return true;
		}
	return !any;
}

struct label_test {
	const struct rule_def *rule;
	bool all;
};

static void test_labels(void *arg, const struct matcher *m, size_t n, int64_t range_ms)
{
	struct label_test *t = arg;
	for (size_t i = 0; i < n; i++) {
		struct sv value = SV("");
		for (size_t k = 0; k < t->rule->n_labels; k++)
			if (sv_eq(t->rule->labels[k].name, m[i].name))
				value = t->rule->labels[k].value;
		t->all = t->all && matcher_matches(&m[i], value);
	}
}

/* Do the labels of the rule, as written, satisfy one of the selectors? */
static bool is_selected(const struct rules_filter *f, const struct rule_def *rule)
{
	for (size_t i = 0; i < f->n_selectors; i++) {
		struct label_test t = {rule, true};
		promql_selectors(f->selectors[i], test_labels, &t);
		if (t.all)
			return true;
	}
	return false;
}

static json_t *group_json(const struct rule_group *g, const struct rules_filter *f)
{
	json_t *o = json_object(), *rules = json_array();
	for (size_t i = 0; i < g->n_rules; i++) {
		const struct rule *r = &g->rules[i];
		if ((r->def->is_alert ? f->no_alerting : f->no_recording) || !is_asked(f->req, "rule_name[]", r->def->name) ||
		    (f->n_selectors && !is_selected(f, r->def)))
			continue;
		json_array_append_new(rules, rule_json(r, !f->no_alerts));
	}
	json_object_set_new(o, "name", reply_string(g->def.name));
	json_object_set_new(o, "file", reply_string(g->def.file));
	json_object_set_new(o, "rules", rules);
	json_object_set_new(o, "interval", reply_seconds(g->interval_ms));
	json_object_set_new(o, "limit", json_integer(g->def.limit));
	json_object_set_new(o, "evaluationTime", json_real((double)g->last_duration_ns / 1e9));
	json_object_set_new(o, "lastEvaluation", reply_time(g->last_evaluation));
	return o;
}

/* Names a group for paging; opaque to clients, and the same after a reload. */
static char *group_token(const struct rule_group *g)
{
	uint64_t a = hash_bytes(g->def.file, strlen(g->def.file) + 1, 0), b = hash_bytes(g->def.name, strlen(g->def.name) + 1, a);
	return xasprintf("%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

json_t *rules_json(const struct api *api, const struct rules_filter *f, char **next)
{
	json_t *groups = json_array();
	size_t n = 0;
	bool begun = !f->from_token;
	if (next)
		*next = NULL;
	if (!api->rules)
		return groups;
	rule_manager_lock(api->rules);
	struct rule_group *const *v = rule_manager_groups(api->rules, &n);
	for (size_t i = 0; i < n; i++) {
		if (!begun) {
			char *token = group_token(v[i]);
			begun = strcmp(token, f->from_token) == 0;
			free(token);
		}
		if (!begun || !is_asked(f->req, "rule_group[]", v[i]->def.name) || !is_asked(f->req, "file[]", v[i]->def.file))
			continue;
		json_t *g = group_json(v[i], f);
		if (!json_array_size(json_object_get(g, "rules"))) {
			json_decref(g); /* nothing of it was asked for */
			continue;
		}
		if (f->group_limit && json_array_size(groups) == f->group_limit) {
			json_decref(g);
			if (next)
				*next = group_token(v[i]);
			break;
		}
		json_array_append_new(groups, g);
	}
	rule_manager_unlock(api->rules);
	return groups;
}

json_t *alerts_json(const struct api *api)
{
	json_t *alerts = json_array();
	size_t n = 0;
	if (!api->rules)
		return alerts;
	rule_manager_lock(api->rules);
	struct rule_group *const *v = rule_manager_groups(api->rules, &n);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < v[i]->n_rules; k++)
			if (v[i]->rules[k].def->is_alert)
				add_alerts(&v[i]->rules[k], alerts);
	rule_manager_unlock(api->rules);
	return alerts;
}

static bool take_bool(const struct web_request *req, struct web_response *res, const char *name, bool *v)
{
	static const char *const words[][4] = {{"", "0", "f", "false"}, {"1", "t", "true", NULL}};
	const char *s = web_request_param(req, name);
	for (int i = 0; s && i < 2; i++)
		for (size_t k = 0; k < 4 && words[i][k]; k++)
			if (strcasecmp(s, words[i][k]) == 0) {
				*v = i;
				return true;
			}
	if (s)
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"%s\": error converting %s: strconv.ParseBool: parsing \"%s\": invalid syntax",
			    name, name, s);
	return !s;
}

/* How many groups at a time, and from which one on. */
static bool take_page(const struct web_request *req, struct web_response *res, struct rules_filter *f)
{
	const char *limit = web_request_param(req, "group_limit"), *from = web_request_param(req, "group_next_token");
	f->from_token = from && *from ? from : NULL;
	if (!limit || !*limit) {
		if (f->from_token)
			reply_error(res, REPLY_BAD_DATA, "invalid parameter \"group_next_token\": group_limit needs to be present in order to "
							 "paginate over the groups");
		return !f->from_token;
	}
	bool number = strspn(limit, "0123456789") == strlen(limit) || (*limit == '-' && limit[1] && strspn(limit + 1, "0123456789") == strlen(limit + 1));
	long long n = number ? strtoll(limit, NULL, 10) : 0;
	if (!number || n > INT32_MAX || n < INT32_MIN)
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"group_limit\": group_limit needs to be a valid number: strconv.ParseInt: parsing "
						 "\"%s\": %s", limit, number ? "value out of range" : "invalid syntax");
	else if (n <= 0)
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"group_limit\": group_limit needs to be greater than 0");
	f->group_limit = n > 0 ? (uint64_t)n : 0;
	return n > 0 && n <= INT32_MAX;
}

static void drop_selectors(struct rules_filter *f)
{
	for (size_t i = 0; i < f->n_selectors; i++)
		promql_expr_free(f->selectors[i]);
	free(f->selectors);
}

static bool take_selectors(const struct web_request *req, struct web_response *res, struct rules_filter *f)
{
	size_t cap = 0;
	for (size_t i = 0; i < req->n_params; i++) {
		char *error = NULL;
		if (strcmp(req->params[i].name, "match[]") != 0)
			continue;
		array_grow(f->selectors, f->n_selectors, cap);
		if (promql_parse_selector(sv_of(req->params[i].value), &f->selectors[f->n_selectors], &error)) {
			reply_error(res, REPLY_BAD_DATA, "invalid parameter \"match[]\": %s", error);
			free(error);
			drop_selectors(f);
			return false;
		}
		f->n_selectors++;
	}
	return true;
}

void api_rules(void *ctx, struct web_request *req, struct web_response *res)
{
	const char *type = web_request_param(req, "type");
	struct rules_filter f = {.req = req};
	if (type && *type && strcasecmp(type, "alert") != 0 && strcasecmp(type, "record") != 0) {
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"type\": not supported value \"%s\"", type);
		return;
	}
	if (!take_page(req, res, &f) || !take_bool(req, res, "exclude_alerts", &f.no_alerts) || !take_selectors(req, res, &f))
		return;
	f.no_alerting = type && strcasecmp(type, "record") == 0;
	f.no_recording = type && strcasecmp(type, "alert") == 0;
	char *next;
	json_t *data = json_object(), *groups = rules_json(ctx, &f, &next);
	drop_selectors(&f);
	if (f.from_token && !json_array_size(groups)) {
		reply_error(res, REPLY_BAD_DATA, "invalid group_next_token '%s'. were rule groups changed?", f.from_token);
		json_decref(groups);
		json_decref(data);
		return;
	}
	json_object_set_new(data, "groups", groups);
	if (next)
		json_object_set_new(data, "groupNextToken", json_string(next));
	free(next);
	reply_json(res, data);
}

void api_alerts(void *ctx, struct web_request *req, struct web_response *res)
{
	json_t *data = json_object();
	json_object_set_new(data, "alerts", alerts_json(ctx));
	reply_json(res, data);
}
