// SPDX-License-Identifier: GPL-2.0-or-later
/* Prometheus' template functions. */
#include "rules/tmpl.h"

#include <arpa/inet.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <wctype.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "base/utf8.h"
#include "model/text.h"
#include "rules/url.h"

static struct value from_buf(struct tmpl_exec *ex, struct buf *b)
{
	if (b->failed)
		return tmpl_fail(ex, "exceeded maximum output of %zu bytes", b->max);
	return v_string(tmpl_dup(ex->arena, sv_make(buf_str(b), b->n)));
}

/* Samples point into the result, which lives until the expansion ends. */
static struct value fn_query(struct tmpl_exec *ex, struct value *v, size_t n)
{
	struct promql_value r = {0};
	_cleanup_free_ char *error = NULL;
	if (!ex->env->query)
		return tmpl_fail(ex, "no source to query");
	int rc = ex->env->query(ex->env->query_arg, v[0].s, ex->env->now_ms, &r, &error);
	if (rc < 0)
		return tmpl_fail(ex, "%s", error ? error : strerror(-rc));
	tmpl_grow(ex->arena, ex->queries, ex->n_queries, ex->cap_queries);
	ex->queries[ex->n_queries++] = r;
	struct value out = {.kind = V_VECTOR};
	if (r.type == PROMQL_SCALAR) {
		out.vec.v = tmpl_alloc(ex->arena, sizeof(*out.vec.v));
		out.vec.v[0].value = r.scalar;
		out.vec.n = 1;
		return out;
	}
	if (r.type != PROMQL_VECTOR)
		return tmpl_fail(ex, "rule result is not a vector or scalar");
	out.vec.v = tmpl_alloc(ex->arena, (r.n + 1) * sizeof(*out.vec.v));
	out.vec.n = r.n;
	for (size_t i = 0; i < r.n; i++)
		out.vec.v[i] = (struct tmpl_sample){r.series[i].labels, r.series[i].points[0].v};
	return out;
}

static struct value fn_first(struct tmpl_exec *ex, struct value *v, size_t n)
{
	if (!v[0].vec.n)
		return tmpl_fail(ex, "first() called on vector with no elements");
	return (struct value){.kind = V_SAMPLE, .sample = v[0].vec.v};
}

static bool has_sample(struct tmpl_exec *ex, struct value v)
{
	if (!v.sample)
		tmpl_fail(ex, "runtime error: invalid memory address or nil pointer dereference");
	return v.sample;
}

static struct sv sample_label(struct value v, struct sv name)
{
	return v.sample->labels ? labels_get(v.sample->labels, name) : SV("");
}

static struct value fn_label(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return has_sample(ex, v[1]) ? v_string(sample_label(v[1], v[0].s)) : v[1];
}

static struct value fn_value(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return has_sample(ex, v[0]) ? v_float(v[0].sample->value) : v[0];
}

static struct value fn_strvalue(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return has_sample(ex, v[0]) ? v_string(sample_label(v[0], SV("__value__"))) : v[0];
}

struct sort_item {
	struct tmpl_sample sample;
	struct sv key;
	size_t place;
};

static int by_label(const void *a, const void *b)
{
	const struct sort_item *x = a, *y = b;
	int c = sv_cmp(x->key, y->key);
	return c ? c : (x->place > y->place) - (x->place < y->place);
}

/* In place, as everything that holds the vector sees. */
static struct value fn_sort_by_label(struct tmpl_exec *ex, struct value *v, size_t n)
{
	struct value out = v[1];
	struct sort_item *items = tmpl_alloc(ex->arena, (out.vec.n + 1) * sizeof(*items));
	for (size_t i = 0; i < out.vec.n; i++)
		items[i] = (struct sort_item){
		    out.vec.v[i], out.vec.v[i].labels ? labels_get(out.vec.v[i].labels, v[0].s) : SV(""), i};
	qsort(items, out.vec.n, sizeof(*items), by_label);
	for (size_t i = 0; i < out.vec.n; i++)
		out.vec.v[i] = items[i].sample;
	return out;
}

static int by_key(const void *a, const void *b)
{
	return sv_cmp(((const struct tmpl_map_entry *)a)->key, ((const struct tmpl_map_entry *)b)->key);
}

/* arg0, arg1, ...: for passing several values to a template. */
static struct value fn_args(struct tmpl_exec *ex, struct value *v, size_t n)
{
	struct tmpl_map_entry *e = tmpl_alloc(ex->arena, (n + 1) * sizeof(*e));
	for (size_t i = 0; i < n; i++)
		e[i] = (struct tmpl_map_entry){tmpl_dupf(ex->arena, "arg%zu", i), v[i]};
	qsort(e, n, sizeof(*e), by_key);
	return (struct value){.kind = V_MAP, .map = {e, n}};
}

static struct value fn_re_replace_all(struct tmpl_exec *ex, struct value *v, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT), q = BUF_INIT;
	struct regex *re;
	_cleanup_free_ char *error = NULL;
	if (regex_new(v[0].s, 0, &re, &error) < 0) {
		if (!tmpl_can_backquote(v[0].s))
			text_go_quote(v[0].s, &q);
		else
			buf_addf(&q, "`%.*s`", SV_ARG(v[0].s));
		return tmpl_fail(ex, "regexp: Compile(%s): %s", buf_str(&q), error);
	}
	int rc = regex_replace_all(re, v[2].s, v[1].s, &b);
	regex_free(re);
	return rc < 0 ? tmpl_fail(ex, "regular expression exceeded its match limit") : from_buf(ex, &b);
}

static struct value fn_match(struct tmpl_exec *ex, struct value *v, size_t n)
{
	struct regex *re;
	_cleanup_free_ char *error = NULL;
	if (regex_new(v[0].s, 0, &re, &error) < 0)
		return tmpl_fail(ex, "%s", error);
	int rc = regex_match(re, v[1].s);
	regex_free(re);
	return rc < 0 ? tmpl_fail(ex, "regular expression exceeded its match limit") : v_bool(rc);
}

enum letter_case { CASE_UPPER, CASE_LOWER, CASE_TITLE };

static bool is_separator(uint32_t c)
{
	if (c < 0x80)
		return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			 c == '_');
	return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Few letters have a third form for the beginning of a word. */
static uint32_t capital(uint32_t c, bool title, locale_t l)
{
	wctrans_t form = title ? wctrans_l("totitle", l) : (wctrans_t)0;
	return (uint32_t)(form ? towctrans_l(c, form, l) : towupper_l(c, l));
}

static struct value change_case(struct tmpl_exec *ex, struct sv s, enum letter_case to)
{
	/* Unicode letters need a locale that knows them; without one only ASCII changes. Created once, kept
	 * for good. */
	static locale_t utf8;
	locale_t l = __atomic_load_n(&utf8, __ATOMIC_ACQUIRE);
	if (!l) {
		locale_t fresh = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
		if (fresh &&
		    !__atomic_compare_exchange_n(&utf8, &l, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			freelocale(fresh);
		else
			l = fresh;
	}
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	bool start = true;
	for (size_t i = 0; i < s.n;) {
		char u[4];
		uint32_t c = tmpl_utf8_next(s, &i);
		bool change = to != CASE_TITLE || start;
		start = is_separator(c);
		if (change && to == CASE_LOWER)
			c = c >= 'A' && c <= 'Z' ? c + 32 : c < 0x80 || !l ? c : (uint32_t)towlower_l(c, l);
		else if (change)
			c = c >= 'a' && c <= 'z' ? c - 32 : c < 0x80 || !l ? c : capital(c, to == CASE_TITLE, l);
		buf_add(&b, u, utf8_encode(c, u));
	}
	return from_buf(ex, &b);
}

static struct value fn_title(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return change_case(ex, v[0].s, CASE_TITLE);
}

static struct value fn_to_upper(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return change_case(ex, v[0].s, CASE_UPPER);
}

static struct value fn_to_lower(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return change_case(ex, v[0].s, CASE_LOWER);
}

static struct value link_for(struct tmpl_exec *ex, struct sv expr, int tab)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	buf_adds(&b, "/graph?g0.expr=");
	url_query_escape(expr, &b);
	buf_addf(&b, "&g0.tab=%d", tab);
	return from_buf(ex, &b);
}

static struct value fn_graph_link(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return link_for(ex, v[0].s, 0);
}

static struct value fn_table_link(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return link_for(ex, v[0].s, 1);
}

/* Go's net.SplitHostPort: false if there is no port or the text is no host:port. */
static bool split_host_port(struct sv s, struct sv *host, struct sv *port)
{
	const char *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
	if (!colon)
		return false;
	size_t at = (size_t)(colon - s.p);
	*port = sv_make(colon + 1, s.n - at - 1);
	if (s.p[0] == '[') {
		const char *close = memchr(s.p, ']', s.n);
		if (!close || close + 1 != colon)
			return false;
		*host = sv_make(s.p + 1, (size_t)(close - s.p) - 1);
	} else {
		*host = sv_make(s.p, at);
		if (at && memchr(s.p, ':', at))
			return false;
	}
	return !(host->n && (memchr(host->p, '[', host->n) || memchr(host->p, ']', host->n))) &&
	       !(port->n && (memchr(port->p, '[', port->n) || memchr(port->p, ']', port->n)));
}

static struct value fn_strip_port(struct tmpl_exec *ex, struct value *v, size_t n)
{
	struct sv host, port;
	return split_host_port(v[0].s, &host, &port) ? v_string(host) : v[0];
}

static bool is_ip(struct sv s)
{
	char tmp[64];
	unsigned char addr[16];
	if (s.n >= sizeof(tmp))
		return false;
	memcpy(tmp, s.p, s.n);
	tmp[s.n] = 0;
	return inet_pton(AF_INET, tmp, addr) == 1 || inet_pton(AF_INET6, tmp, addr) == 1;
}

static struct value fn_strip_domain(struct tmpl_exec *ex, struct value *v, size_t n)
{
	struct sv host, port = {0};
	if (!split_host_port(v[0].s, &host, &port)) {
		host = v[0].s;
		port = SV("");
	}
	if (is_ip(host))
		return v[0];
	const char *dot = host.n ? memchr(host.p, '.', host.n) : NULL;
	if (dot)
		host.n = (size_t)(dot - host.p);
	if (!port.n)
		return v_string(host);
	bool v6 = host.n && memchr(host.p, ':', host.n);
	return v_string(tmpl_dupf(ex->arena, v6 ? "[%.*s]:%.*s" : "%.*s:%.*s", SV_ARG(host), SV_ARG(port)));
}

/* %.4g */
static void add_g4(double v, struct buf *b)
{
	if (isnan(v) || isinf(v))
		text_float(v, 'g', b);
	else
		buf_addf(b, "%.4g", v);
}

static struct value fn_humanize(struct tmpl_exec *ex, struct value *argv, size_t n)
{
	static const char *const up[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"}, *const down[] = {
										      "m", "u", "n", "p",
										      "f", "a", "z", "y"};
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *prefix = "";
	double v;
	if (!tmpl_to_float(ex, argv[0], &v))
		return argv[0];
	if (v != 0 && !isnan(v) && !isinf(v)) {
		if (fabs(v) >= 1)
			for (size_t i = 0; i < ARRAY_SIZE(up) && fabs(v) >= 1000; i++, v /= 1000)
				prefix = up[i];
		else
			for (size_t i = 0; i < ARRAY_SIZE(down) && fabs(v) < 1; i++, v *= 1000)
				prefix = down[i];
	}
	add_g4(v, &b);
	buf_adds(&b, prefix);
	return from_buf(ex, &b);
}

static struct value fn_humanize1024(struct tmpl_exec *ex, struct value *argv, size_t n)
{
	static const char *const up[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *prefix = "";
	double v;
	if (!tmpl_to_float(ex, argv[0], &v))
		return argv[0];
	if (!isnan(v) && !isinf(v))
		for (size_t i = 0; i < ARRAY_SIZE(up) && fabs(v) >= 1024; i++, v /= 1024)
			prefix = up[i];
	add_g4(v, &b);
	buf_adds(&b, prefix);
	return from_buf(ex, &b);
}

static struct value fn_humanize_duration(struct tmpl_exec *ex, struct value *argv, size_t n)
{
	static const char *const down[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
	_cleanup_buf_ struct buf b = BUF_INIT;
	double v;
	if (argv[0].kind == V_DURATION)
		v = (double)argv[0].i / 1e9;
	else if (!tmpl_to_float(ex, argv[0], &v))
		return argv[0];
	if (isnan(v) || isinf(v)) {
		add_g4(v, &b);
		return from_buf(ex, &b);
	}
	const char *prefix = "";
	if (v != 0 && fabs(v) < 1) {
		for (size_t i = 0; i < ARRAY_SIZE(down) && fabs(v) < 1; i++, v *= 1000)
			prefix = down[i];
	} else if (fabs(v) >= 60) {
		const char *sign = v < 0 ? "-" : "";
		/* Beyond int64 Go's conversion gives the least number on the machines we know. */
		long long s = fabs(v) < 0x1p63 ? (long long)fabs(v) : INT64_MIN;
		if (s / 86400)
			buf_addf(&b, "%s%lldd %lldh %lldm %llds", sign, s / 86400, s / 3600 % 24, s / 60 % 60,
				 s % 60);
		else if (s >= 3600)
			buf_addf(&b, "%s%lldh %lldm %llds", sign, s / 3600, s / 60 % 60, s % 60);
		else
			buf_addf(&b, "%s%lldm %llds", sign, s / 60, s % 60);
		return from_buf(ex, &b);
	}
	add_g4(v, &b);
	buf_addf(&b, "%ss", prefix);
	return from_buf(ex, &b);
}

static struct value fn_humanize_percentage(struct tmpl_exec *ex, struct value *argv, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	double v;
	if (!tmpl_to_float(ex, argv[0], &v))
		return argv[0];
	add_g4(v * 100, &b);
	buf_addc(&b, '%');
	return from_buf(ex, &b);
}

static bool to_time(struct tmpl_exec *ex, double v, struct value *out)
{
	double ns = v * 1e9;
	if (isnan(v) || isinf(v)) {
		tmpl_fail(ex, "value is NaN or Inf");
		return false;
	}
	if (ns >= 9223372036854775808.0 || ns < -9223372036854775808.0) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		text_float(v, 'g', &b);
		tmpl_fail(ex, "%s cannot be represented as a nanoseconds timestamp since it overflows int64",
			  buf_str(&b));
		return false;
	}
	/* Prometheus' times have milliseconds, cut towards zero. */
	*out = (struct value){.kind = V_TIME, .i = (int64_t)ns / 1000000 * 1000000};
	return true;
}

static struct value fn_to_time(struct tmpl_exec *ex, struct value *argv, size_t n)
{
	struct value t = argv[0];
	double v;
	if (tmpl_to_float(ex, argv[0], &v))
		to_time(ex, v, &t);
	return t;
}

static struct value fn_humanize_timestamp(struct tmpl_exec *ex, struct value *argv, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct value t;
	double v;
	if (!tmpl_to_float(ex, argv[0], &v))
		return argv[0];
	if (isnan(v) || isinf(v)) {
		add_g4(v, &b);
		return from_buf(ex, &b);
	}
	if (!to_time(ex, v, &t))
		return argv[0];
	tmpl_fmt_time(t.i, TMPL_TIME_LAYOUT, &b);
	return from_buf(ex, &b);
}

static struct value fn_to_duration(struct tmpl_exec *ex, struct value *argv, size_t n)
{
	double v;
	if (!tmpl_to_float(ex, argv[0], &v))
		return argv[0];
	double ns = v * 1e9;
	if (isnan(v) || isinf(v))
		return tmpl_fail(ex, "value is NaN or Inf");
	if (ns >= 9223372036854775808.0 || ns < -9223372036854775808.0) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		text_float(v, 'g', &b);
		return tmpl_fail(
		    ex, "%s cannot be represented as a nanoseconds duration since it overflows int64",
		    buf_str(&b));
	}
	return (struct value){.kind = V_DURATION, .i = (int64_t)ns};
}

static struct value fn_now(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return v_float((double)ex->env->now_ms / 1000);
}

static struct value fn_parse_duration(struct tmpl_exec *ex, struct value *v, size_t n)
{
	int64_t ms;
	if (text_parse_duration(v[0].s, &ms))
		return v_float((double)ms / 1000);
	_cleanup_buf_ struct buf q = BUF_INIT;
	text_go_quote(v[0].s, &q);
	return v[0].s.n ? tmpl_fail(ex, "not a valid duration string: %s", buf_str(&q))
			: tmpl_fail(ex, "empty duration string");
}

static struct sv external_url(const struct tmpl_exec *ex)
{
	return sv_of(ex->env->external_url ? ex->env->external_url : "");
}

/* promtool gives its unit tests no URL to call upon, only the text in $externalURL. */
static struct value no_url(struct tmpl_exec *ex)
{
	return tmpl_fail(ex, "runtime error: invalid memory address or nil pointer dereference");
}

static struct value fn_external_url(struct tmpl_exec *ex, struct value *v, size_t n)
{
	if (ex->env->url_is_nil)
		return no_url(ex);
	return v_string(external_url(ex));
}

static struct value fn_path_prefix(struct tmpl_exec *ex, struct value *v, size_t n)
{
	if (ex->env->url_is_nil)
		return no_url(ex);
	return v_string(url_path(external_url(ex)));
}

static struct value fn_safe_html(struct tmpl_exec *ex, struct value *v, size_t n)
{
	v[0].is_html = true; /* a mark for HTML templates; here it is only in the way */
	return v[0];
}

static struct value fn_url_query_escape(struct tmpl_exec *ex, struct value *v, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	url_query_escape(v[0].s, &b);
	return from_buf(ex, &b);
}

const struct tmpl_func tmpl_prom_funcs[] = {
    {"query", 1, false, {P_STRING}, fn_query},
    {"first", 1, false, {P_VECTOR}, fn_first},
    {"label", 2, false, {P_STRING, P_SAMPLE}, fn_label},
    {"value", 1, false, {P_SAMPLE}, fn_value},
    {"strvalue", 1, false, {P_SAMPLE}, fn_strvalue},
    {"sortByLabel", 2, false, {P_STRING, P_VECTOR}, fn_sort_by_label},
    {"args", 0, true, {P_ANY}, fn_args},
    {"reReplaceAll", 3, false, {P_STRING, P_STRING, P_STRING}, fn_re_replace_all},
    {"match", 2, false, {P_STRING, P_STRING}, fn_match},
    {"title", 1, false, {P_STRING}, fn_title},
    {"toUpper", 1, false, {P_STRING}, fn_to_upper},
    {"toLower", 1, false, {P_STRING}, fn_to_lower},
    {"graphLink", 1, false, {P_STRING}, fn_graph_link},
    {"tableLink", 1, false, {P_STRING}, fn_table_link},
    {"stripPort", 1, false, {P_STRING}, fn_strip_port},
    {"stripDomain", 1, false, {P_STRING}, fn_strip_domain},
    {"humanize", 1, false, {P_ANY}, fn_humanize},
    {"humanize1024", 1, false, {P_ANY}, fn_humanize1024},
    {"humanizeDuration", 1, false, {P_ANY}, fn_humanize_duration},
    {"humanizePercentage", 1, false, {P_ANY}, fn_humanize_percentage},
    {"humanizeTimestamp", 1, false, {P_ANY}, fn_humanize_timestamp},
    {"toTime", 1, false, {P_ANY}, fn_to_time},
    {"toDuration", 1, false, {P_ANY}, fn_to_duration},
    {"now", 0, false, {P_ANY}, fn_now},
    {"parseDuration", 1, false, {P_STRING}, fn_parse_duration},
    {"externalURL", 0, false, {P_ANY}, fn_external_url},
    {"pathPrefix", 0, false, {P_ANY}, fn_path_prefix},
    {"safeHtml", 1, false, {P_STRING}, fn_safe_html},
    {"urlQueryEscape", 1, false, {P_STRING}, fn_url_query_escape},
    {0},
};
