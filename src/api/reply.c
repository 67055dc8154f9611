// SPDX-License-Identifier: GPL-2.0-or-later
#include "api/reply.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "exposition/escape.h"
#include "model/text.h"

#define JSON_TYPE "application/json"
#define NOTES_MAX 10

static const struct {
	const char *name;
	int status;
} errors[] = {
	[REPLY_BAD_DATA] = {"bad_data", 400}, [REPLY_EXECUTION] = {"execution", 422}, [REPLY_CANCELED] = {"canceled", 499},
	[REPLY_TIMEOUT] = {"timeout", 503},   [REPLY_INTERNAL] = {"internal", 500},   [REPLY_NOT_FOUND] = {"not_found", 404},
};

/* `<`, `>` and `&` stand only inside strings, so the finished text can be filtered. */
static int dump_some(const char *p, size_t n, void *arg)
{
	struct buf *out = arg;
	size_t from = 0;
	for (size_t i = 0; i < n; i++)
		if (p[i] == '<' || p[i] == '>' || p[i] == '&') {
			buf_add(out, p + from, i - from);
			buf_addf(out, "\\u%04x", p[i]);
			from = i + 1;
		}
	buf_add(out, p + from, n - from);
	return out->failed ? -1 : 0;
}

void reply_dump(json_t *v, struct buf *out)
{
	/* 16 digits hold any time in seconds to the millisecond without showing the binary fraction. */
	if (json_dump_callback(v, dump_some, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(16)))
		out->failed = true;
	json_decref(v);
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void reply_add_text(struct sv s, struct buf *out)
{
	if (!buf_reserve(out, s.n + 2))
		return;
	char *p = out->p + out->n;
	size_t n = 0;
	for (*p++ = '"'; n < s.n && is_plain((unsigned char)s.p[n]); n++)
		*p++ = s.p[n];
	if (n < s.n) {
		out->p[out->n] = 0;
		reply_dump(reply_text(s), out);
		return;
	}
	*p++ = '"';
	*p = 0;
	out->n = (size_t)(p - out->p);
}

void reply_add_labels(const struct labels *ls, struct buf *out)
{
	buf_addc(out, '{');
	for (uint32_t i = 0; ls && i < ls->n; i++) {
		if (i)
			buf_addc(out, ',');
		reply_add_text(ls->l[i].name, out);
		buf_addc(out, ':');
		reply_add_text(ls->l[i].value, out);
	}
	buf_addc(out, '}');
}

char *reply_write_seconds(int64_t ms, char *to)
{
	char tmp[24], *p = tmp + sizeof(tmp);
	uint64_t u = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	unsigned rest = (unsigned)(u % 1000);
	if (rest) {
		int digits = 3;
		for (; rest % 10 == 0; rest /= 10)
			digits--;
		for (; digits; digits--, rest /= 10)
			*--p = (char)('0' + rest % 10);
		*--p = '.';
	}
	u /= 1000;
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (ms < 0)
		*--p = '-';
	size_t n = (size_t)(tmp + sizeof(tmp) - p);
	memcpy(to, p, n);
	return to + n;
}

static void add_value(double v, struct buf *out)
{
	char text[TEXT_JSON_FLOAT];
	buf_add(out, text, (size_t)(text_write_json_float(v, text) - text));
}

json_t *reply_text(struct sv s)
{
	if (text_is_utf8(s))
		return json_stringn_nocheck(s.p ? s.p : "", s.n);
	struct buf b = BUF_INIT;
	escape_utf8(s, &b);
	json_t *v = json_stringn_nocheck(buf_str(&b), b.n);
	buf_free(&b);
	return v;
}

json_t *reply_string(const char *s)
{
	return reply_text(sv_of(s ? s : ""));
}

json_t *reply_labels(const struct labels *ls)
{
	json_t *o = json_object();
	for (uint32_t i = 0; ls && i < ls->n; i++) {
		struct buf name = BUF_INIT;
		escape_utf8(ls->l[i].name, &name);
		json_object_set_new_nocheck(o, buf_str(&name), reply_text(ls->l[i].value));
		buf_free(&name);
	}
	return o;
}

json_t *reply_seconds(int64_t ms)
{
	return ms % 1000 ? json_real((double)ms / 1000) : json_integer(ms / 1000);
}

json_t *reply_value(double v)
{
	struct buf b = BUF_INIT;
	add_value(v, &b);
	json_t *s = json_stringn_nocheck(buf_str(&b), b.n);
	buf_free(&b);
	return s;
}

json_t *reply_time(int64_t ms)
{
	if (ms == INT64_MIN)
		return json_string("0001-01-01T00:00:00Z");
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	gmtime_r(&t, &tm);
	char text[64];
	size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	if (ms % 1000) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, ".%03d", (int)(ms % 1000));
		while (text[n - 1] == '0')
			n--;
	}
	text[n++] = 'Z';
	return json_stringn(text, n);
}

void reply_error(struct web_response *res, enum reply_error type, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = xvasprintf(fmt, ap);
	va_end(ap);
	res->status = errors[type].status;
	res->content_type = JSON_TYPE;
	buf_reset(&res->body);
	json_t *o = json_object();
	json_object_set_new(o, "status", json_string("error"));
	json_object_set_new(o, "errorType", json_string(errors[type].name));
	json_object_set_new(o, "error", reply_string(text));
	reply_dump(o, &res->body);
	free(text);
}

void reply_begin(struct web_response *res)
{
	res->status = 200;
	res->content_type = JSON_TYPE;
	buf_adds(&res->body, "{\"status\":\"success\",\"data\":");
}

static void add_notes(struct buf *out, const char *key, const char *noun, char *const *notes, size_t n)
{
	if (!n)
		return;
	json_t *a = json_array();
	for (size_t i = 0; i < n && i < NOTES_MAX; i++)
		json_array_append_new(a, reply_string(notes[i]));
	if (n > NOTES_MAX) {
		char *more = xasprintf("%zu more %s omitted", n - NOTES_MAX, noun);
		json_array_append_new(a, reply_string(more));
		free(more);
	}
	buf_addf(out, ",\"%s\":", key);
	reply_dump(a, out);
}

void reply_end(struct web_response *res, char *const *warnings, size_t n_warnings, char *const *infos, size_t n_infos)
{
	add_notes(&res->body, "warnings", "warning annotations", warnings, n_warnings);
	add_notes(&res->body, "infos", "info annotations", infos, n_infos);
	buf_addc(&res->body, '}');
}

void reply_json(struct web_response *res, json_t *data)
{
	reply_begin(res);
	reply_dump(data, &res->body);
	reply_end(res, NULL, 0, NULL, 0);
}
