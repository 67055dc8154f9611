// SPDX-License-Identifier: GPL-2.0-or-later
/* query and query_range. A result may have millions of points: they are written without a JSON tree. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "api/handlers.h"
#include "api/param.h"
#include "api/reply.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "model/histogram.h"
#include "model/text.h"

#define MAX_POINTS 11000 /* of a range, as Prometheus */

/* Which ends of a bucket belong to it: 0 the upper one, 1 the lower one, 2 none, 3 both. */
static int bucket_boundaries(const struct histogram *h, const struct histogram_range *r)
{
	bool lower = histogram_is_custom(h) ? isinf(r->lower) : r->lower < 0, upper = histogram_is_custom(h) || r->upper > 0;
	return r->zero || (lower && upper) ? 3 : lower ? 1 : upper ? 0 : 2;
}

/* `"VALUE"`, where P has room for it; where it ends. */
static char *write_value(char *p, double v)
{
	*p++ = '"';
	p = text_write_json_float(v, p);
	*p++ = '"';
	return p;
}

static void add_value(struct buf *out, double v)
{
	char text[TEXT_JSON_FLOAT + 2];
	buf_add(out, text, (size_t)(write_value(text, v) - text));
}

static void add_histogram(const struct sample *sample, struct buf *out)
{
	const struct histogram *h = sample->h;
	char time[24];
	buf_addc(out, '[');
	buf_add(out, time, (size_t)(reply_write_seconds(sample->t, time) - time));
	buf_adds(out, ",{\"count\":");
	add_value(out, h->count);
	buf_adds(out, ",\"sum\":");
	add_value(out, h->sum);
	size_t n = histogram_n_ranges(h);
	for (size_t i = 0; i < n; i++) {
		struct histogram_range r = histogram_range_at(h, i);
		char bucket[3 * (TEXT_JSON_FLOAT + 3) + 8], *p = bucket;
		*p++ = i ? ',' : '[';
		*p++ = '[';
		*p++ = (char)('0' + bucket_boundaries(h, &r));
		const double values[] = {r.lower, r.upper, r.n};
		for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
			*p++ = ',';
			p = write_value(p, values[k]);
		}
		*p++ = ']';
		if (!i)
			buf_adds(out, ",\"buckets\":");
		buf_add(out, bucket, (size_t)(p - bucket));
	}
	if (n)
		buf_addc(out, ']');
	buf_adds(out, "}]");
}

/* Texts that come again: what stands before the value of a point, as all series have the same times, and values. */
struct point_begin {
	char text[31];
	uint8_t n;
};

struct value_text {
	uint64_t bits;
	size_t at; /* in the answer */
	size_t n;  /* 0: none yet */
};

#define VALUE_TEXT_MAX 32 /* no value is longer */

#define VALUE_TEXTS 256

struct texts {
	struct point_begin *begins; /* of the steps of rows */
	struct point_begin at;	    /* of a vector's time: without the comma */
	struct {
		int64_t t;
		struct point_begin begin; /* n is 0: none yet */
	} times[VALUE_TEXTS];
	struct value_text values[VALUE_TEXTS];
};

static struct point_begin point_begin(int64_t t)
{
	struct point_begin b;
	char *p = b.text;
	*p++ = ',';
	*p++ = '[';
	p = reply_write_seconds(t, p);
	*p++ = ',';
	*p++ = '"';
	b.n = (uint8_t)(p - b.text);
	return b;
}

static struct texts *texts_new(const struct promql_value *v)
{
	struct texts *t = xcalloc(1, sizeof(*t));
	size_t n = 0;
	t->at = point_begin(v->t);
	memmove(t->at.text, t->at.text + 1, --t->at.n);
	for (size_t i = 0; v->step > 0 && i < v->n; i++) {
		const struct promql_series *s = &v->series[i];
		size_t steps = s->row ? s->first + s->length : s->n ? (size_t)((s->points[s->n - 1].t - v->start) / v->step) + 1 : 0;
		n = steps > n ? steps : n;
	}
	if (n)
		t->begins = xcalloc(n, sizeof(*t->begins));
	for (size_t k = 0; k < n; k++)
		t->begins[k] = point_begin(v->start + (int64_t)k * v->step);
	return t;
}

static void texts_free(struct texts *t)
{
	free(t->begins);
	free(t);
}

/* `,[TIME,"VALUE"]` */
static void add_point(const struct point_begin *begin, double v, struct texts *t, struct buf *out)
{
	uint64_t bits;
	if (!buf_reserve(out, sizeof(begin->text) + TEXT_JSON_FLOAT + 2))
		return;
	char *p = out->p + out->n;
	memcpy(p, begin->text, sizeof(begin->text)); /* of which begin->n count */
	p += begin->n;
	memcpy(&bits, &v, sizeof(bits));
	struct value_text *known = &t->values[bits * 0x9e3779b97f4a7c15u >> 56];
	if (known->n && known->bits == bits) {
		memmove(p, out->p + known->at, VALUE_TEXT_MAX); /* of which known->n count: the others may lie beyond P */
		p += known->n;
	} else {
		char *end = text_write_json_float(v, p);
		*known = (struct value_text){bits, (size_t)(p - out->p), (size_t)(end - p)};
		p = end;
	}
	*p++ = '"';
	*p++ = ']';
	*p = 0;
	out->n = (size_t)(p - out->p);
}

static void add_row(const struct promql_series *s, struct texts *t, struct buf *out)
{
	buf_adds(out, ",\"values\":");
	size_t from = out->n;
	for (size_t k = 0; k < s->length; k++)
		if (!sample_is_stale(&s->row[k]))
			add_point(&t->begins[s->first + k], s->row[k], t, out);
	if (!out->failed)
		out->p[from] = '['; /* in place of the first comma */
	buf_addc(out, ']');
}

static const struct point_begin *begin_of(struct texts *texts, const struct promql_value *v, int64_t t)
{
	if (v->step > 0)
		return &texts->begins[(uint64_t)(t - v->start) / (uint64_t)v->step];
	size_t slot = (uint64_t)t * 0x9e3779b97f4a7c15u >> 56;
	struct point_begin *b = &texts->times[slot].begin;
	if (!b->n || texts->times[slot].t != t) {
		texts->times[slot].t = t;
		*b = point_begin(t);
	}
	return b;
}

static void add_floats(const struct promql_value *v, const struct promql_series *s, bool one, struct texts *t, struct buf *out)
{
	size_t from = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct sample *p = &s->points[i];
		if (p->h)
			continue;
		if (!from)
			buf_adds(out, one ? ",\"value\":" : ",\"values\":");
		from = from ? from : out->n;
		add_point(one ? &t->at : begin_of(t, v, p->t), p->v, t, out);
	}
	if (!from || one)
		return;
	if (!out->failed)
		out->p[from] = '['; /* in place of the first comma */
	buf_addc(out, ']');
}

static void add_histograms(const struct promql_series *s, bool one, struct buf *out)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (!s->points[i].h)
			continue;
		if (n++)
			buf_addc(out, ',');
		else
			buf_adds(out, one ? ",\"histogram\":" : ",\"histograms\":[");
		add_histogram(&s->points[i], out);
	}
	if (n && !one)
		buf_addc(out, ']');
}

static void add_series(const struct promql_value *v, const struct promql_series *s, struct texts *t, struct buf *out)
{
	bool one = v->type == PROMQL_VECTOR;
	buf_adds(out, "{\"metric\":");
	reply_add_labels(s->labels, out);
	if (s->row) {
		add_row(s, t, out);
	} else {
		add_floats(v, s, one, t, out);
		add_histograms(s, one, out);
	}
	buf_addc(out, '}');
}

/* Timings in seconds; nothing queues here. */
static void add_stats(const struct promql_stats *s, struct buf *out)
{
	buf_addf(out,
		 ",\"stats\":{\"timings\":{\"evalTotalTime\":%.9f,\"resultSortTime\":%.9f,\"queryPreparationTime\":%.9f,"
		 "\"innerEvalTime\":%.9f,\"execQueueTime\":0,\"execTotalTime\":%.9f},",
		 s->eval_seconds, s->sort_seconds, s->prepare_seconds, s->eval_seconds - s->prepare_seconds - s->sort_seconds,
		 s->eval_seconds);
	buf_addf(out, "\"samples\":{\"totalQueryableSamples\":%llu,\"peakSamples\":%llu}}", (unsigned long long)s->samples,
		 (unsigned long long)s->peak_samples);
}

static void add_result(const struct promql_value *v, size_t n, bool stats, struct buf *out)
{
	static const char *const types[] = {[PROMQL_SCALAR] = "scalar", [PROMQL_VECTOR] = "vector", [PROMQL_MATRIX] = "matrix",
					    [PROMQL_STRING] = "string"};
	buf_addf(out, "{\"resultType\":\"%s\",\"result\":", types[v->type]);
	if (v->type == PROMQL_SCALAR || v->type == PROMQL_STRING) {
		json_t *pair = json_array();
		json_array_append_new(pair, reply_seconds(v->t));
		if (v->type == PROMQL_STRING) {
			json_array_append_new(pair, reply_text(sv_make(v->string, v->string_len)));
		} else {
			struct buf text = BUF_INIT;
			text_float(v->scalar, 'f', &text); /* a scalar never has an exponent */
			json_array_append_new(pair, reply_text(sv_make(text.p, text.n)));
			buf_free(&text);
		}
		reply_dump(pair, out);
	} else {
		struct texts *texts = texts_new(v);
		buf_addc(out, '[');
		for (size_t i = 0; i < n && !out->failed; i++) {
			if (i)
				buf_addc(out, ',');
			add_series(v, &v->series[i], texts, out);
		}
		buf_addc(out, ']');
		texts_free(texts);
	}
	if (stats)
		add_stats(&v->stats, out);
	buf_addc(out, '}');
}

static void reply_promql(const struct web_request *req, struct web_response *res, struct promql_value *v, uint64_t limit)
{
	const char *stats = web_request_param(req, "stats");
	char *truncated = "results truncated due to limit";
	size_t n = limit && v->n > limit ? limit : v->n;
	reply_begin(res);
	add_result(v, n, stats && *stats, &res->body);
	if (n < v->n) {
		char **warnings = xcalloc(v->n_warnings + 1, sizeof(char *));
		warnings[0] = truncated;
		for (size_t i = 0; i < v->n_warnings; i++)
			warnings[i + 1] = v->warnings[i];
		reply_end(res, warnings, v->n_warnings + 1, v->infos, v->n_infos);
		free(warnings);
	} else {
		reply_end(res, v->warnings, v->n_warnings, v->infos, v->n_infos);
	}
}

static void reply_failure(struct web_response *res, int r, const char *error)
{
	if (r == -EDOM)
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"query\": %s", error);
	else
		reply_error(res, r == -ETIME ? REPLY_TIMEOUT : r == -ECANCELED ? REPLY_CANCELED : REPLY_EXECUTION, "%s", error);
}

static bool is_gone(void *req)
{
	return web_request_is_gone(req);
}

/* What both handlers take. False: answered. */
static bool prepare(const struct api *api, const struct web_request *req, struct web_response *res, struct promql_options *opt,
		    uint64_t *limit, struct promql_expr **expr)
{
	*opt = api->promql;
	int64_t step = __atomic_load_n(&api->subquery_step_ms, __ATOMIC_RELAXED);
	if (step)
		opt->subquery_step_ms = step;
	if (!opt->max_samples)
		opt->max_samples = API_MAX_SAMPLES;
	int64_t timeout, lookback, most = opt->timeout_ms ? opt->timeout_ms : 120000;
	if (!param_limit(req, res, "limit", limit) || !param_duration(req, res, "timeout", most, &timeout) ||
	    !param_duration(req, res, "lookback_delta", opt->lookback_ms, &lookback))
		return false;
	if (lookback < 0 || timeout < 0) {
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"%s\": must not be negative", timeout < 0 ? "timeout" : "lookback_delta");
		return false;
	}
	opt->is_gone = is_gone;
	opt->gone_arg = (void *)req;
	/* 0 would be the default. */
	opt->timeout_ms = timeout < most ? timeout ? timeout : 1 : most;
	opt->lookback_ms = lookback;
	const char *query = web_request_param(req, "query");
	char *error = NULL;
	if (promql_parse(sv_of(query ? query : ""), expr, &error)) {
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"query\": %s", error);
		free(error);
		return false;
	}
	if (promql_check_enabled(*expr, opt, &error)) {
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"query\": %s", error);
		free(error);
		promql_expr_free(*expr);
		return false;
	}
	return true;
}

/* Answers with VALUE, or with ERROR where R says so, and releases what there is. */
static void finish(const struct web_request *req, struct web_response *res, struct promql_expr *expr, int r, char *error,
		   struct promql_value *value, uint64_t limit)
{
	if (r) {
		reply_failure(res, r, error);
		free(error);
	} else {
		reply_promql(req, res, value, limit);
		promql_value_free(value);
	}
	promql_expr_free(expr);
}

void api_query(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	struct promql_options opt;
	struct promql_expr *expr;
	struct promql_value value = {0};
	uint64_t limit;
	int64_t t;
	char *error = NULL;
	if (!param_optional_time(req, res, "time", clock_unix_ms(), &t) || !prepare(api, req, res, &opt, &limit, &expr))
		return;
	int r = promql_eval_instant(&opt, expr, store_source(api->store), t, &value, &error);
	finish(req, res, expr, r, error, &value, limit);
}

static bool required(const struct web_request *req, struct web_response *res, const char *name, const char *what)
{
	const char *s = web_request_param(req, name);
	if (s && *s)
		return true;
	reply_error(res, REPLY_BAD_DATA, "invalid parameter \"%s\": cannot parse \"\" to a valid %s", name, what);
	return false;
}

void api_query_range(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	struct promql_options opt;
	struct promql_expr *expr;
	struct promql_value value = {0};
	uint64_t limit;
	int64_t start, end, step;
	char *error = NULL;
	if (!required(req, res, "start", "timestamp") || !param_time(req, res, "start", 0, &start) ||
	    !required(req, res, "end", "timestamp") || !param_time(req, res, "end", 0, &end))
		return;
	if (end < start) {
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"end\": end timestamp must not be before start time");
		return;
	}
	if (!required(req, res, "step", "duration") || !param_duration(req, res, "step", 0, &step))
		return;
	if (step <= 0) {
		reply_error(res, REPLY_BAD_DATA,
			    "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer");
		return;
	}
	if (((uint64_t)end - (uint64_t)start) / (uint64_t)step > MAX_POINTS) {
		reply_error(res, REPLY_BAD_DATA,
			    "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)");
		return;
	}
	if (!prepare(api, req, res, &opt, &limit, &expr))
		return;
	enum promql_type type = promql_expr_type(expr);
	if (type != PROMQL_SCALAR && type != PROMQL_VECTOR) {
		reply_error(res, REPLY_BAD_DATA,
			    "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
			    type == PROMQL_MATRIX ? "range vector" : "string");
		promql_expr_free(expr);
		return;
	}
	opt.rows = true;
	int r = promql_eval_range(&opt, expr, store_source(api->store), start, end, step, &value, &error);
	finish(req, res, expr, r, error, &value, limit);
}

/* The expression of the request, or NULL: answered, in the words of the parser behind BEFORE. */
static struct promql_expr *parse_only(const struct web_request *req, struct web_response *res, const char *before)
{
	const char *query = web_request_param(req, "query");
	struct promql_expr *expr;
	char *error = NULL;
	if (!promql_parse(sv_of(query ? query : ""), &expr, &error))
		return expr;
	reply_error(res, REPLY_BAD_DATA, "%s%s", before, error);
	free(error);
	return NULL;
}

void api_parse_query(void *ctx, struct web_request *req, struct web_response *res)
{
	struct promql_expr *expr = parse_only(req, res, "invalid parameter \"query\": ");
	if (!expr)
		return;
	reply_begin(res);
	promql_print_tree(expr, &res->body);
	reply_end(res, NULL, 0, NULL, 0);
	promql_expr_free(expr);
}

void api_format_query(void *ctx, struct web_request *req, struct web_response *res)
{
	struct promql_expr *expr = parse_only(req, res, "invalid parameter \"query\": ");
	if (!expr)
		return;
	struct buf b = BUF_INIT;
	promql_prettify(expr, &b);
	reply_json(res, reply_text(sv_make(b.p, b.n)));
	buf_free(&b);
	promql_expr_free(expr);
}

static void note_selector(void *arg, const struct matcher *m, size_t n, int64_t range_ms)
{
	*(bool *)arg = true;
}

/* There are no exemplars. Grafana asks; what it asks is checked. */
void api_query_exemplars(void *ctx, struct web_request *req, struct web_response *res)
{
	struct promql_expr *expr;
	int64_t start, end;
	bool selects = false;
	if (!param_optional_time(req, res, "start", INT64_MIN, &start) || !param_optional_time(req, res, "end", INT64_MAX, &end))
		return;
	if (end < start) {
		reply_error(res, REPLY_BAD_DATA, "end timestamp must not be before start timestamp");
		return;
	}
	if (!(expr = parse_only(req, res, "")))
		return;
	promql_selectors(expr, note_selector, &selects);
	promql_expr_free(expr);
	if (selects)
		reply_json(res, json_array());
	else
		res->status = 204; /* as Prometheus: no data at all */
}
