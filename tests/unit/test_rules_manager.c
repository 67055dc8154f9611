// SPDX-License-Identifier: GPL-2.0-or-later
/* Groups and alerts against a clock that the tests turn: every time in here is exact. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <time.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "rules/manager.h"
#include "rules/memory.h"

#define S 1000ll
#define M (60 * S)

/* What the manager handed out: `name{labels} T V` lines for samples, one for each alert sent. */
struct world {
	struct memory_source memory;
	struct rule_manager *m;
	struct buf sent, failures;
	int64_t now;
};

static void on_append(void *self, struct labels *labels, int64_t t, double v, const struct histogram *h)
{
	memory_append(&((struct world *)self)->memory, labels, t, v, h);
}

static void on_notify(void *self, const struct rule_alert *alerts, size_t n)
{
	struct world *w = self;
	for (size_t i = 0; i < n; i++) {
		labels_print(alerts[i].labels, &w->sent);
		buf_addc(&w->sent, ' ');
		labels_print(alerts[i].annotations, &w->sent);
		buf_addf(&w->sent, " %lld %lld %s\n", (long long)(alerts[i].starts_at / S),
			 (long long)(alerts[i].ends_at / S), alerts[i].generator_url);
	}
}

static void on_failed(void *self, const char *group, const char *rule, const char *error)
{
	buf_addf(&((struct world *)self)->failures, "%s|%s|%s\n", group, rule, error);
}

static struct rule_manager_options options(struct world *w)
{
	return (struct rule_manager_options){
	    .source = memory_source(&w->memory),
	    .external_url = "http://h:9839",
	    .append = on_append,
	    .notify = on_notify,
	    .failed = on_failed,
	    .self = w,
	};
}

static struct rule_set *parse(const char *yaml)
{
	struct strings errors = {0};
	struct rule_set *set = rule_set_new();
	if (rule_file_parse("f.yml", yaml, strlen(yaml), set, &errors) < 0)
		fail_msg("%s", errors.v[0]);
	return set;
}

static void world_init(struct world *w, const char *yaml, struct labels *external)
{
	*w = (struct world){.sent = BUF_INIT, .failures = BUF_INIT};
	struct rule_manager_options opt = options(w);
	opt.external_labels = external;
	w->m = rule_manager_new(&opt);
	rule_manager_apply(w->m, parse(yaml), NULL, 0);
}

static void world_free(struct world *w)
{
	rule_manager_free(w->m);
	memory_clear(&w->memory);
	buf_free(&w->sent);
	buf_free(&w->failures);
}

static struct rule *rule_at(struct world *w, size_t group, size_t i)
{
	size_t n;
	struct rule_group *const *g = rule_manager_groups(w->m, &n);
	assert_true(group < n && i < g[group]->n_rules);
	return &g[group]->rules[i];
}

static enum rule_alert_state state_at(struct world *w, int64_t ts)
{
	rule_manager_eval_group(w->m, 0, ts);
	return rule_state(rule_at(w, 0, 0));
}

static void set(struct world *w, const char *name, const char *instance, int64_t t, double v)
{
	_cleanup_labels_ struct labels *ls = labels_from("__name__", name, "instance", instance, NULL);
	memory_append(&w->memory, ls, t, v, NULL);
}

/* The value of the series that is printed as NAME, at exactly T; -1 there is none, -2 it is a stale marker.
 */
static double sample_at(struct world *w, const char *name, int64_t t)
{
	for (size_t i = 0; i < w->memory.n; i++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		labels_print(w->memory.series[i].labels, &b);
		if (strcmp(buf_str(&b), name))
			continue;
		for (size_t k = 0; k < w->memory.series[i].n; k++)
			if (w->memory.series[i].samples[k].t == t)
				return sample_is_stale(&w->memory.series[i].samples[k].v)
					   ? -2
					   : w->memory.series[i].samples[k].v;
	}
	return -1;
}

static void expect_sent(struct world *w, const char *want)
{
	assert_string_equal(buf_str(&w->sent), want);
	buf_reset(&w->sent);
}

static const char latency_rule[] = "groups:\n"
				   "- name: example\n"
				   "  rules:\n"
				   "  - alert: HighRequestLatency\n"
				   "    expr: rate(http_requests_duration_seconds_sum[5m]) / "
				   "rate(http_requests_duration_seconds_count[5m]) > 0.5\n"
				   "    for: 2m\n"
				   "    labels:\n"
				   "      severity: warning\n"
				   "    annotations:\n"
				   "      summary: \"High latency on {{ $labels.instance }}\"\n"
				   "      description: \"The average request latency is above 500ms.\"\n";

/* The rule of the README: slow from the first minute to the tenth, fast afterwards. */
static void test_latency_rule(void **state)
{
	struct world w;
	world_init(&w, latency_rule, NULL);
	double sum = 0, count = 0;
	for (int64_t t = 0; t <= 40 * M; t += 15 * S) {
		set(&w, "http_requests_duration_seconds_sum", "h:1", t, sum);
		set(&w, "http_requests_duration_seconds_count", "h:1", t, count);
		count += 15;
		sum += 15 * (t >= 1 * M && t < 10 * M ? 1.0 : 0.01);
	}
	const char *labels = "{alertname=\"HighRequestLatency\", instance=\"h:1\", severity=\"warning\"}";
	const char *annotations =
	    "{description=\"The average request latency is above 500ms.\", summary=\"High latency on h:1\"}";
	const char *url =
	    "http://h:9839/graph?g0.expr=rate%28http_requests_duration_seconds_sum%5B5m%5D%29+%2F+"
	    "rate%28http_requests_duration_seconds_count%5B5m%5D%29+%3E+0.5&g0.tab=1";
	assert_int_equal(rule_state(rule_at(&w, 0, 0)), RULE_STATE_UNKNOWN);
	assert_int_equal(state_at(&w, 1 * M), RULE_INACTIVE);
	int64_t pending = 0, firing = 0, resolved = 0;
	for (int64_t t = 2 * M; t <= 30 * M; t += M) {
		enum rule_alert_state s = state_at(&w, t);
		if (s == RULE_PENDING && !pending)
			pending = t;
		if (s == RULE_FIRING && !firing) {
			firing = t;
			_cleanup_free_ char *want =
			    xasprintf("%s %s %lld %lld %s\n", labels, annotations, (long long)(t / S),
				      (long long)(t / S + 240), url);
			expect_sent(&w, want);
		}
		if (s == RULE_INACTIVE && firing && !resolved) {
			resolved = t;
			char *line = strrchr(w.sent.p, '\n');
			assert_non_null(line);
			_cleanup_free_ char *want =
			    xasprintf("%s %s %lld %lld %s\n", labels, annotations, (long long)(firing / S),
				      (long long)(t / S), url);
			size_t n = strlen(want);
			assert_true(w.sent.n >= n);
			assert_string_equal(w.sent.p + w.sent.n - n, want);
		}
	}
	/* At 2 m half of what was counted was slow: 0.505. At 13 m two of the five minutes are: 0.406. */
	assert_int_equal(pending, 2 * M);
	assert_int_equal(firing, 4 * M);
	assert_int_equal(resolved, 13 * M);
	const char *series = "ALERTS{alertname=\"HighRequestLatency\", alertstate=\"pending\", "
			     "instance=\"h:1\", severity=\"warning\"}";
	assert_true(sample_at(&w, series, pending) == 1 && sample_at(&w, series, firing) == -2);
	assert_true(sample_at(&w,
			      "ALERTS{alertname=\"HighRequestLatency\", alertstate=\"firing\", "
			      "instance=\"h:1\", severity=\"warning\"}",
			      firing) == 1);
	assert_true(
	    sample_at(
		&w,
		"ALERTS_FOR_STATE{alertname=\"HighRequestLatency\", instance=\"h:1\", severity=\"warning\"}",
		firing) == (double)(pending / S));
	assert_true(
	    sample_at(
		&w,
		"ALERTS_FOR_STATE{alertname=\"HighRequestLatency\", instance=\"h:1\", severity=\"warning\"}",
		resolved) == -2);
	assert_string_equal(buf_str(&w.failures), "");
	world_free(&w);
}

static const char simple_rule[] = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x > 0\n";

/* for: 0 fires in the first evaluation; resends each minute; resolved ones are sent for 15 minutes. */
static void test_resend_and_resolve(void **state)
{
	struct world w;
	world_init(&w, simple_rule, NULL);
	set(&w, "x", "i", 0, 1);
	assert_int_equal(state_at(&w, 0), RULE_FIRING);
	expect_sent(
	    &w, "{alertname=\"A\", instance=\"i\"} {} 0 240 http://h:9839/graph?g0.expr=x+%3E+0&g0.tab=1\n");
	state_at(&w, 60 * S); /* not *more* than the delay ago */
	expect_sent(&w, "");
	state_at(&w, 61 * S);
	expect_sent(
	    &w, "{alertname=\"A\", instance=\"i\"} {} 0 301 http://h:9839/graph?g0.expr=x+%3E+0&g0.tab=1\n");
	set(&w, "x", "i", 62 * S, 0);
	assert_int_equal(state_at(&w, 62 * S), RULE_INACTIVE); /* resolved: at once */
	expect_sent(
	    &w, "{alertname=\"A\", instance=\"i\"} {} 0 62 http://h:9839/graph?g0.expr=x+%3E+0&g0.tab=1\n");
	state_at(&w, 100 * S);
	expect_sent(&w, "");
	state_at(&w, 123 * S);
	expect_sent(
	    &w, "{alertname=\"A\", instance=\"i\"} {} 0 62 http://h:9839/graph?g0.expr=x+%3E+0&g0.tab=1\n");
	state_at(&w, 62 * S + 15 * M);
	assert_int_equal(rule_at(&w, 0, 0)->n_active, 1);
	buf_reset(&w.sent);
	state_at(&w, 63 * S + 15 * M);
	assert_int_equal(rule_at(&w, 0, 0)->n_active, 0);
	expect_sent(&w, "");
	world_free(&w);
}

/* Back within the 15 minutes: a new alert with new times. */
static void test_comes_back(void **state)
{
	struct world w;
	world_init(&w, "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x > 0\n    for: 1m\n", NULL);
	set(&w, "x", "i", 0, 1);
	assert_int_equal(state_at(&w, 0), RULE_PENDING);
	expect_sent(&w, "");
	set(&w, "x", "i", 30 * S, 0);
	assert_int_equal(state_at(&w, 30 * S), RULE_INACTIVE); /* a pending one leaves no trace */
	assert_int_equal(rule_at(&w, 0, 0)->n_active, 0);
	set(&w, "x", "i", 1 * M, 1);
	assert_int_equal(state_at(&w, 1 * M), RULE_PENDING);
	assert_int_equal(state_at(&w, 2 * M - 1), RULE_PENDING);
	assert_int_equal(state_at(&w, 2 * M), RULE_FIRING);
	assert_int_equal(rule_at(&w, 0, 0)->active[0]->active_at, 1 * M);
	assert_int_equal(rule_at(&w, 0, 0)->active[0]->fired_at, 2 * M);
	set(&w, "x", "i", 3 * M, 0);
	assert_int_equal(state_at(&w, 3 * M), RULE_INACTIVE);
	set(&w, "x", "i", 4 * M, 1);
	assert_int_equal(state_at(&w, 4 * M), RULE_PENDING);
	assert_int_equal(rule_at(&w, 0, 0)->n_active, 1);
	assert_true(rule_at(&w, 0, 0)->active[0]->active_at == 4 * M);
	assert_true(rule_at(&w, 0, 0)->active[0]->resolved_at == RULE_NEVER);
	world_free(&w);
}

/* The condition goes at 5 m; with 3 m kept it fires at 5, 6 and 7 and is resolved at 8. Value and texts stay
 * frozen. */
static void test_keep_firing(void **state)
{
	struct world w;
	world_init(&w,
		   "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x > 0\n    keep_firing_for: 3m\n"
		   "    annotations: {v: \"{{ $value }}\"}\n",
		   NULL);
	for (int64_t t = 0; t <= 20; t++)
		set(&w, "x", "i", t * M, t < 5 || t == 12 ? (double)t + 1 : 0);
	for (int64_t t = 0; t <= 7; t++)
		assert_int_equal(state_at(&w, t * M), RULE_FIRING);
	struct rule_active *a = rule_at(&w, 0, 0)->active[0];
	assert_true(a->value == 5 && a->keep_firing_since == 5 * M);
	assert_string_equal(a->annotations->l[0].value.p, "5");
	assert_int_equal(state_at(&w, 8 * M), RULE_INACTIVE);
	assert_true(a->resolved_at == 8 * M);
	assert_int_equal(state_at(&w, 12 * M), RULE_FIRING);
	assert_int_equal(state_at(&w, 13 * M), RULE_FIRING);
	a = rule_at(&w, 0, 0)->active[0];
	assert_true(a->keep_firing_since == 13 * M && a->active_at == 12 * M);
	set(&w, "x", "i", 21 * M, 1);
	world_free(&w);
}

static void test_limit(void **state)
{
	struct world w;
	world_init(&w,
		   "groups:\n- name: g\n  limit: 1\n  rules:\n  - alert: A\n    expr: x > 0\n  - record: r\n "
		   "   expr: x\n",
		   NULL);
	set(&w, "x", "i", 0, 1);
	assert_int_equal(state_at(&w, 0), RULE_FIRING);
	assert_int_equal(rule_at(&w, 0, 1)->health, RULE_OK);
	set(&w, "x", "j", 1 * S, 1);
	buf_reset(&w.sent);
	assert_int_equal(state_at(&w, 1 * S), RULE_INACTIVE);
	assert_int_equal(rule_at(&w, 0, 0)->n_active, 0);
	assert_int_equal(rule_at(&w, 0, 0)->health, RULE_ERR);
	assert_string_equal(rule_at(&w, 0, 0)->last_error, "exceeded limit of 1 with 2 alerts");
	assert_string_equal(rule_at(&w, 0, 1)->last_error, "exceeded limit of 1 with 2 series");
	assert_true(sample_at(&w, "r{instance=\"i\"}", 0) == 1 &&
		    sample_at(&w, "r{instance=\"i\"}", 1 * S) == -1);
	assert_string_equal(
	    buf_str(&w.failures),
	    "f.yml;g|A|exceeded limit of 1 with 2 alerts\nf.yml;g|r|exceeded limit of 1 with 2 series\n");
	expect_sent(&w, "");
	world_free(&w);
}

static void test_collision(void **state)
{
	struct world w;
	world_init(
	    &w,
	    "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x > 0\n    labels: {instance: one}\n"
	    "  - record: r\n    expr: x\n    labels: {instance: one}\n",
	    NULL);
	set(&w, "x", "i", 0, 1);
	assert_int_equal(state_at(&w, 0), RULE_FIRING);
	set(&w, "x", "j", 1 * S, 1);
	assert_int_equal(state_at(&w, 1 * S), RULE_FIRING); /* an error leaves the state alone */
	assert_string_equal(rule_at(&w, 0, 0)->last_error,
			    "vector contains metrics with the same labelset after applying alert labels");
	assert_string_equal(rule_at(&w, 0, 1)->last_error,
			    "vector contains metrics with the same labelset after applying rule labels");
	world_free(&w);
}

static void test_labels_and_templates(void **state)
{
	struct world w;
	_cleanup_labels_ struct labels *ext = labels_from("region", "eu", NULL);
	world_init(&w,
		   "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x > 0\n"
		   "    labels: {instance: \"\", gone: \"{{ $labels.nope }}\", name: \"{{ $labels.__name__ "
		   "}}\", alertname: other}\n"
		   "    annotations:\n"
		   "      empty: \"\"\n"
		   "      bad: \"{{ .Nope }}\"\n"
		   "      ext: \"{{ $externalLabels.region }} {{ $externalURL }} {{ .Value | humanize }}\"\n"
		   "      q: \"{{ range query `x` }}{{ .Labels.instance }}={{ .Value }};{{ end }}\"\n",
		   ext);
	set(&w, "x", "i", 0, 1500);
	state_at(&w, 0);
	struct rule_active *a = rule_at(&w, 0, 0)->active[0];
	_cleanup_buf_ struct buf b = BUF_INIT;
	labels_print(a->labels, &b);
	assert_string_equal(buf_str(&b), "{alertname=\"A\", name=\"x\"}");
	buf_reset(&b);
	labels_print(a->annotations, &b);
	assert_string_equal(
	    buf_str(&b),
	    "{bad=\"<error expanding template: error executing template __alert_A: template: "
	    "__alert_A:1:115: executing "
	    "\\\"__alert_A\\\" at <.Nope>: can't evaluate field Nope in type struct { Labels "
	    "map[string]string; "
	    "ExternalLabels map[string]string; ExternalURL string; Value interface {} }>\", empty=\"\", "
	    "ext=\"eu http://h:9839 1.5k\", q=\"i=1500;\"}");
	/* The quirk: a label that expands to nothing shows its template on the synthetic series. */
	assert_true(
	    sample_at(
		&w, "ALERTS{alertname=\"A\", alertstate=\"firing\", gone=\"{{ $labels.nope }}\", name=\"x\"}",
		0) == 1);
	world_free(&w);
}

static void test_recording(void **state)
{
	struct world w;
	world_init(&w,
		   "groups:\n- name: g\n  query_offset: 10s\n  labels: {team: a, instance: group}\n  rules:\n"
		   "  - record: r:x\n    expr: x * 2\n    labels: {instance: \"\", b: c}\n"
		   "  - record: s\n    expr: 1 + 1\n  - record: bad\n    expr: \"'text'\"\n  - record: "
		   "chained\n    expr: r:x + 1\n",
		   NULL);
	set(&w, "x", "i", 0, 4);
	rule_manager_eval_group(w.m, 0, 10 * S);
	assert_true(sample_at(&w, "r:x{b=\"c\", team=\"a\"}", 0) == 8);
	assert_true(sample_at(&w, "s{instance=\"group\", team=\"a\"}", 0) == 2);
	assert_true(sample_at(&w, "chained{b=\"c\", instance=\"group\", team=\"a\"}", 0) == 9);
	assert_string_equal(rule_at(&w, 0, 2)->last_error, "rule result is not a vector or scalar");
	/* Gone: a stale marker, once. */
	_cleanup_labels_ struct labels *x = labels_from("__name__", "x", "instance", "i", NULL);
	memory_append(&w.memory, x, 15 * S, sample_stale_marker(), NULL);
	rule_manager_eval_group(w.m, 0, 30 * S);
	assert_true(sample_at(&w, "r:x{b=\"c\", team=\"a\"}", 20 * S) == -2);
	rule_manager_eval_group(w.m, 0, 40 * S);
	assert_true(sample_at(&w, "r:x{b=\"c\", team=\"a\"}", 30 * S) == -1);
	world_free(&w);
}

static void test_slots(void **state)
{
	struct world w;
	world_init(&w,
		   "groups:\n- name: a\n  interval: 10s\n  rules: [{record: a, expr: \"1\"}]\n- name: b\n  "
		   "interval: 10s\n"
		   "  rules: [{record: b, expr: \"1\"}]\n- name: c\n  rules: [{record: c, expr: \"1\"}]\n",
		   NULL);
	size_t n;
	struct rule_group *const *g = rule_manager_groups(w.m, &n);
	assert_int_equal(n, 3);
	assert_true(g[0]->next_ms > 0 && g[0]->next_ms <= 10 * S &&
		    g[0]->next_ms % (10 * S) != g[1]->next_ms % (10 * S));
	assert_int_equal(g[2]->interval_ms, 60 * S);
	int64_t first = g[0]->next_ms, next = rule_manager_run(w.m, 0);
	assert_true(next == (first < g[1]->next_ms ? first : g[1]->next_ms) || next == g[2]->next_ms);
	assert_int_equal(g[0]->iterations, 0);
	/* Three intervals and a bit late: two slots are missed, and the one evaluated stays on the grid. */
	rule_manager_run(w.m, first + 25 * S);
	assert_int_equal(g[0]->iterations, 1);
	assert_int_equal(g[0]->missed, 2);
	assert_true(g[0]->last_evaluation == first + 20 * S && g[0]->next_ms == first + 30 * S);
	assert_true(sample_at(&w, "a", first + 20 * S) == 1);
	rule_manager_run(w.m, first + 30 * S);
	assert_int_equal(g[0]->iterations, 2);
	assert_int_equal(g[0]->missed, 2);
	struct rule_manager_stats st;
	rule_manager_stats(w.m, &st);
	assert_int_equal(st.groups, 3);
	assert_int_equal(st.rules, 3);
	assert_int_equal(st.missed, g[0]->missed + g[1]->missed + g[2]->missed);
	/* Back in time by a day: the group does not sleep until then. */
	next = rule_manager_run(w.m, first + 30 * S - 86400 * S);
	assert_true(next <= first + 40 * S - 86400 * S);
	world_free(&w);
}

/* One thread is in the middle of a group: another one evaluates what else is due, and rules change only behind it. */
struct held {
	struct world w;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool begun, go, applied;
};

static void hold(void *self, struct labels *labels, int64_t t, double v, const struct histogram *h)
{
	struct held *x = self;
	if (!sv_eqs(labels_get(labels, SV(LABEL_NAME)), "slow"))
		return;
	pthread_mutex_lock(&x->lock);
	x->begun = true;
	pthread_cond_broadcast(&x->changed);
	while (!x->go)
		pthread_cond_wait(&x->changed, &x->lock);
	pthread_mutex_unlock(&x->lock);
}

static void *evaluate(void *arg)
{
	struct held *x = arg;
	bool evaluated;
	rule_manager_run_one(x->w.m, 100 * S, NULL, NULL, &evaluated);
	return NULL;
}

static void *apply_other(void *arg)
{
	struct held *x = arg;
	rule_manager_apply(x->w.m, parse("groups: [{name: new, rules: []}]"), NULL, 100 * S);
	pthread_mutex_lock(&x->lock);
	x->applied = true;
	pthread_mutex_unlock(&x->lock);
	return NULL;
}

static void test_side_by_side(void **state)
{
	struct held x = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	pthread_t one, two;
	bool evaluated;
	size_t n;
	struct rule_manager_options opt = options(&x.w);
	opt.append = hold;
	opt.notify = NULL;
	opt.failed = NULL;
	opt.self = &x;
	x.w.m = rule_manager_new(&opt);
	rule_manager_apply(x.w.m, parse("groups: [{name: fast, interval: 10s, rules: [{record: fast, expr: '1'}]}, {name: slow, interval: 10s, "
					"rules: [{record: slow, expr: '1'}]}]"), NULL, 0);
	struct rule_group *const *g = rule_manager_groups(x.w.m, &n);
	g[0]->next_ms = 90 * S; /* so slow's turn is first */
	g[1]->next_ms = 80 * S;
	pthread_create(&one, NULL, evaluate, &x);
	pthread_mutex_lock(&x.lock);
	while (!x.begun)
		pthread_cond_wait(&x.changed, &x.lock);
	pthread_mutex_unlock(&x.lock);
	assert_int_equal(rule_manager_run_one(x.w.m, 100 * S, NULL, NULL, &evaluated), 100 * S);
	assert_true(evaluated);
	assert_int_equal(g[0]->iterations, 1);
	/* The slow one is due again, and not begun twice. */
	rule_manager_run_one(x.w.m, 109 * S, NULL, NULL, &evaluated);
	assert_false(evaluated);
	pthread_create(&two, NULL, apply_other, &x);
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	pthread_mutex_lock(&x.lock);
	assert_false(x.applied);
	x.go = true;
	pthread_cond_broadcast(&x.changed);
	pthread_mutex_unlock(&x.lock);
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	rule_manager_groups(x.w.m, &n);
	assert_int_equal(n, 1);
	rule_manager_free(x.w.m);
}

static void test_reload(void **state)
{
	struct world w;
	world_init(&w,
		   "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x > 0\n    for: 1m\n  - record: "
		   "r\n    expr: x\n  - record: q\n    expr: x\n"
		   "- name: old\n  rules: [{record: o, expr: x}]\n",
		   NULL);
	set(&w, "x", "i", 0, 1);
	rule_manager_eval_group(w.m, 0, 0);
	rule_manager_eval_group(w.m, 1, 0);
	assert_int_equal(rule_state(rule_at(&w, 0, 0)), RULE_PENDING);
	assert_int_equal(state_at(&w, 1 * M), RULE_FIRING);
	/* Group old and rule q go; `for` becomes longer than the alert is old; r moves. */
	rule_manager_apply(w.m,
			   parse("groups:\n- name: g\n  rules:\n  - record: r\n    expr: x\n  - alert: A\n   "
				 " expr: x > 0\n    for: 5m\n"),
			   NULL, 1 * M);
	struct rule *a = rule_at(&w, 0, 1);
	assert_int_equal(a->n_active, 1);
	assert_true(a->active[0]->active_at == 0 && a->active[0]->state == RULE_FIRING);
	set(&w, "x", "i", 2 * M, 1);
	rule_manager_eval_group(w.m, 0, 2 * M);
	assert_int_equal(rule_state(a), RULE_PENDING);
	assert_true(a->active[0]->fired_at == RULE_NEVER);
	assert_true(sample_at(&w, "q{instance=\"i\"}", 2 * M) == -2);
	assert_true(sample_at(&w, "r{instance=\"i\"}", 2 * M) == 1);
	/* The series of a group that is gone end after two intervals, at the time it went. */
	assert_true(sample_at(&w, "o{instance=\"i\"}", 1 * M) == -1);
	rule_manager_run(w.m, 3 * M);
	assert_true(sample_at(&w, "o{instance=\"i\"}", 1 * M) == -2);
	/* The same once more: nothing is touched. */
	size_t n;
	struct rule_group *g = rule_manager_groups(w.m, &n)[0];
	int64_t next = g->next_ms;
	rule_manager_apply(w.m,
			   parse("groups:\n- name: g\n  rules:\n  - record: r\n    expr: x\n  - alert: A\n   "
				 " expr: x   > 0\n    for: 5m\n"),
			   NULL, 1 * M);
	assert_ptr_equal(rule_manager_groups(w.m, &n)[0], g);
	assert_true(g->next_ms == next);
	world_free(&w);
}

/* A broken file at reload: all errors, and everything as it was. */
static void test_reload_broken(void **state)
{
	char path[] = "/tmp/reqtally-rules-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	const char text[] = "groups:\n- name: g\n  rules: [{alert: A, expr: \"x >\"}, {record: b}]\n";
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	struct world w;
	world_init(&w, simple_rule, NULL);
	struct strings patterns = {0}, errors = {0};
	strings_add(&patterns, path);
	strings_add(&patterns, "/nonexistent/*.yml");
	assert_int_equal(rule_manager_reload(w.m, &patterns, NULL, 0, &errors), -22);
	assert_int_equal(errors.n, 2);
	_cleanup_free_ char *want =
	    xasprintf("%s: 3:28: group \"g\", rule 1, \"A\": could not parse expression: 1:4: parse error: "
		      "unexpected end of input",
		      path);
	assert_string_equal(errors.v[0], want);
	size_t n;
	rule_manager_groups(w.m, &n);
	assert_int_equal(n, 1);
	set(&w, "x", "i", 0, 1);
	assert_int_equal(state_at(&w, 0), RULE_FIRING);
	unlink(path);
	strings_free(&patterns);
	strings_free(&errors);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_latency_rule),
	    cmocka_unit_test(test_resend_and_resolve),
	    cmocka_unit_test(test_comes_back),
	    cmocka_unit_test(test_keep_firing),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_collision),
	    cmocka_unit_test(test_labels_and_templates),
	    cmocka_unit_test(test_recording),
	    cmocka_unit_test(test_side_by_side),
	    cmocka_unit_test(test_slots),
	    cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_reload_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
