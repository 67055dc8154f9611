// SPDX-License-Identifier: GPL-2.0-or-later
/* One value under one directive of Go's fmt: its flags, its verb, and the inline complaints (`%!d(float64=3)`). */
#include "rules/tmpl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "model/histogram.h"
#include "model/text.h"

static size_t count_runes(struct sv s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; n++)
		tmpl_utf8_next(s, &i);
	return n;
}

static void add_pad(struct buf *out, char c, size_t n)
{
	if (!buf_reserve(out, n))
		return;
	memset(out->p + out->n, c, n);
	out->n += n;
	out->p[out->n] = 0;
}

void tmpl_format_pad(const struct tmpl_spec *f, struct sv s, struct buf *out)
{
	size_t n = count_runes(s), w = f->has_width && (size_t)f->width > n ? (size_t)f->width - n : 0;
	if (!f->minus)
		add_pad(out, f->zero ? '0' : ' ', w);
	buf_addsv(out, s);
	if (f->minus)
		add_pad(out, ' ', w);
}

/* The value is shown with the flags of the directive it does not fit. */
void tmpl_format_bad_verb(const struct tmpl_spec *f, uint32_t verb, struct value v, struct buf *out)
{
	char u[4];
	buf_adds(out, "%!");
	buf_add(out, u, utf8_encode(verb, u));
	buf_addc(out, '(');
	if (v.kind == V_NIL || v.kind == V_MISSING) {
		buf_adds(out, "<nil>");
	} else {
		buf_addf(out, "%s=", tmpl_type(v));
		tmpl_format_value(f, 'v', v, 0, out);
	}
	buf_addc(out, ')');
}

bool tmpl_can_backquote(struct sv s)
{
	for (size_t i = 0; i < s.n;) {
		size_t from = i;
		uint32_t c = tmpl_utf8_next(s, &i);
		if ((c < 0x20 && c != '\t') || c == '`' || c == 0x7f || c == 0xfeff || (c == 0xfffd && i == from + 1))
			return false;
	}
	return true;
}

/* %q: with # in backquotes where that can be, with + in ASCII. */
static void quote(const struct tmpl_spec *f, struct sv s, struct buf *out)
{
	_cleanup_buf_ struct buf q = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	if (f->sharp && tmpl_can_backquote(s)) {
		buf_addf(out, "`%.*s`", SV_ARG(s));
		return;
	}
	text_go_quote(s, &q);
	struct sv quoted = sv_make(buf_str(&q), q.n);
	for (size_t i = 0; i < quoted.n;) {
		size_t from = i;
		uint32_t c = tmpl_utf8_next(quoted, &i);
		if (c < 0x80 || !f->plus)
			buf_add(out, quoted.p + from, i - from);
		else
			buf_addf(out, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
	}
}

static void format_unicode(const struct tmpl_spec *f, uint64_t u, struct buf *out)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	char utf8[4];
	buf_addf(&b, "U+%0*llX", f->has_prec && f->prec > 4 ? f->prec : 4, (unsigned long long)u);
	if (f->sharp && u <= 0x10ffff) {
		struct sv c = sv_make(utf8, utf8_encode((uint32_t)u, utf8));
		_cleanup_buf_ struct buf q = BUF_INIT;
		text_go_quote(c, &q);
		if (q.n == c.n + 2 || u == '"' || u == '\\') /* printable */
			buf_addf(&b, " '%.*s'", SV_ARG(c));
	}
	struct tmpl_spec g = *f;
	g.zero = false;
	tmpl_format_pad(&g, sv_make(buf_str(&b), b.n), out);
}

static void format_int(const struct tmpl_spec *f, uint32_t verb, bool neg, uint64_t u, struct value v,
		       struct buf *out)
{
	unsigned base = 10;
	char tmp[80], *p = tmp + sizeof(tmp), utf8[4];
	switch (verb) {
	case 'v':
	case 'd':
		break;
	case 'b':
		base = 2;
		break;
	case 'o':
	case 'O':
		base = 8;
		break;
	case 'x':
	case 'X':
		base = 16;
		break;
	case 'c':
		tmpl_format_pad(f, sv_make(utf8, utf8_encode(u <= 0x10ffff && !neg ? (uint32_t)u : 0xfffd, utf8)), out);
		return;
	case 'q': {
		_cleanup_buf_ struct buf b = BUF_INIT, quoted = BUF_INIT;
		uint32_t cp = u <= 0x10ffff && !neg ? (uint32_t)u : 0xfffd;
		struct tmpl_spec g = *f;
		g.sharp = false;
		quote(&g, sv_make(utf8, utf8_encode(cp, utf8)), &quoted);
		if (cp == '\'' || cp == '"')
			buf_adds(&b, cp == '"' ? "'\"'" : "'\\''");
		else
			buf_addf(&b, "'%.*s'", (int)quoted.n - 2, quoted.p + 1);
		tmpl_format_pad(f, sv_make(b.p, b.n), out);
		return;
	}
	case 'U':
		format_unicode(f, neg ? 0 - u : u, out);
		return;
	default:
		tmpl_format_bad_verb(f, verb, v, out);
		return;
	}
	const char *digits = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	uint64_t rest = u;
	struct tmpl_spec g = *f;
	g.zero = false;
	if (f->has_prec && !f->prec && !u) { /* nothing at all, not even a sign */
		tmpl_format_pad(&g, SV(""), out);
		return;
	}
	do {
		*--p = digits[rest % base];
		rest /= base;
	} while (rest);
	size_t n = (size_t)(tmp + sizeof(tmp) - p), want = 0;
	char octal[2] = "0"; /* empty where there is a zero in front anyway */
	const char *prefix = f->sharp && base == 16		  ? (verb == 'X' ? "0X" : "0x")
			     : f->sharp && base == 2		  ? "0b"
			     : verb == 'O'			  ? "0o"
			     : f->sharp && base == 8 && *p != '0' ? octal
								  : "";
	const char *sign = neg ? "-" : f->plus ? "+" : f->space ? " " : "";
	if (f->has_prec) {
		want = (size_t)f->prec;
	} else if (f->zero && f->has_width && !f->minus) {
		want = (size_t)f->width;
		want -= want > strlen(sign) ? strlen(sign) : want;
	}
	if (want > n)
		octal[0] = 0;
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	buf_adds(&b, sign);
	buf_adds(&b, prefix);
	add_pad(&b, '0', want > n ? want - n : 0);
	buf_add(&b, p, n);
	tmpl_format_pad(&g, sv_make(buf_str(&b), b.n), out);
}

static void format_float(const struct tmpl_spec *f, uint32_t verb, struct value v, struct buf *out)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	double d = v.f;
	char c = verb == 'v' ? 'g' : verb == 'F' ? 'f' : (char)verb;
	if (verb > 127 || !strchr("bgGeEfxX", c)) {
		tmpl_format_bad_verb(f, verb, v, out);
		return;
	}
	bool special = isnan(d) || isinf(d);
	int prec = f->has_prec ? f->prec : c == 'e' || c == 'E' || c == 'f' ? 6 : -1;
	if (isnan(d) || !signbit(d))
		buf_addc(&b, '+');
	if (isinf(d))
		buf_adds(&b, d > 0 ? "Inf" : "-Inf");
	else
		tmpl_fmt_float_text(d, c, prec, &b);
	if (f->space && b.p[0] == '+' && !f->plus)
		b.p[0] = ' ';
	struct tmpl_spec g = *f;
	if (special) {
		bool unsign = isnan(d) && !f->space && !f->plus;
		g.zero = false;
		tmpl_format_pad(&g, sv_make(b.p + unsign, b.n - unsign), out);
		return;
	}
	if (f->sharp && c != 'b')
		tmpl_fmt_float_sharp(c, prec, &b);
	struct sv s = sv_make(buf_str(&b), b.n);
	if (!f->plus && s.p[0] == '+') {
		s = sv_make(s.p + 1, s.n - 1);
	} else if (f->zero && f->has_width && (size_t)f->width > s.n) {
		buf_addc(out, s.p[0]);
		add_pad(out, '0', (size_t)f->width - s.n);
		buf_add(out, s.p + 1, s.n - 1);
		return;
	}
	tmpl_format_pad(&g, s, out);
}

/* Each part with the directive's width, the second always with its sign. */
static void format_complex(const struct tmpl_spec *f, uint32_t verb, struct value v, struct buf *out)
{
	if (verb > 127 || !strchr("vbgGxXfFeE", (char)verb)) {
		tmpl_format_bad_verb(f, verb, v, out);
		return;
	}
	struct tmpl_spec g = *f;
	buf_addc(out, '(');
	format_float(&g, verb, v_float(__real__ v.c), out);
	g.plus = true;
	format_float(&g, verb, v_float(__imag__ v.c), out);
	buf_adds(out, "i)");
}

void tmpl_format_string(const struct tmpl_spec *f, uint32_t verb, struct value v, struct buf *out)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	struct sv s = v.s;
	if (verb == 'x' || verb == 'X') {
		size_t n = f->has_prec && (size_t)f->prec < s.n ? (size_t)f->prec : s.n;
		for (size_t i = 0; i < n; i++) {
			if (f->space && i)
				buf_addc(&b, ' ');
			if (f->sharp && (f->space || !i))
				buf_adds(&b, verb == 'x' ? "0x" : "0X");
			buf_addf(&b, verb == 'x' ? "%02x" : "%02X", (unsigned char)s.p[i]);
		}
		tmpl_format_pad(f, sv_make(buf_str(&b), b.n), out);
		return;
	}
	if (verb != 'v' && verb != 's' && verb != 'q') {
		tmpl_format_bad_verb(f, verb, v, out);
		return;
	}
	if (f->has_prec) {
		size_t i = 0;
		for (int k = 0; k < f->prec && i < s.n; k++)
			tmpl_utf8_next(s, &i);
		s.n = i;
	}
	if (verb == 'q' || (verb == 'v' && f->sharp_v)) {
		struct tmpl_spec g = *f;
		g.sharp &= verb == 'q';
		g.plus &= verb == 'q';
		quote(&g, s, &b);
		s = sv_make(buf_str(&b), b.n);
	}
	tmpl_format_pad(f, s, out);
}

static void format_labels(const struct tmpl_spec *f, uint32_t verb, const struct labels *ls, struct buf *out)
{
	buf_adds(out, f->sharp_v ? "map[string]string{" : "map[");
	for (uint32_t i = 0; ls && i < ls->n; i++) {
		if (i)
			buf_adds(out, f->sharp_v ? ", " : " ");
		tmpl_format_string(f, verb, v_string(ls->l[i].name), out);
		buf_addc(out, ':');
		tmpl_format_string(f, verb, v_string(ls->l[i].value), out);
	}
	buf_addc(out, f->sharp_v ? '}' : ']');
}

static void format_map(const struct tmpl_spec *f, uint32_t verb, struct value v, int depth, struct buf *out)
{
	buf_adds(out, f->sharp_v ? "map[string]interface {}{" : "map[");
	for (size_t i = 0; i < v.map.n; i++) {
		if (i)
			buf_adds(out, f->sharp_v ? ", " : " ");
		tmpl_format_string(f, verb, v_string(v.map.e[i].key), out);
		buf_addc(out, ':');
		if (v.map.e[i].v.kind == V_NIL || v.map.e[i].v.kind == V_MISSING)
			buf_adds(out, f->sharp_v ? "interface {}(nil)" : "<nil>");
		else
			tmpl_format_value(f, verb, v.map.e[i].v, depth + 1, out);
	}
	buf_addc(out, f->sharp_v ? '}' : ']');
}

/* A field of a struct: its name where the directive wants names. */
static void field_name(const struct tmpl_spec *f, const char *name, bool first, struct buf *out)
{
	if (!first)
		buf_adds(out, f->sharp_v ? ", " : " ");
	if (f->plus_v || f->sharp_v)
		buf_addf(out, "%s:", name);
}

void tmpl_format_sample(const struct tmpl_spec *f, uint32_t verb, const struct tmpl_sample *s, struct buf *out)
{
	buf_adds(out, f->sharp_v ? "template.sample{" : "{");
	field_name(f, "Labels", true, out);
	format_labels(f, verb, s->labels, out);
	field_name(f, "Value", false, out);
	format_float(f, verb, v_float(s->value), out);
	buf_addc(out, '}');
}

static void format_data(const struct tmpl_spec *f, uint32_t verb, struct value v, int depth, struct buf *out)
{
	const struct template_env *env = v.env;
	if (f->sharp_v)
		buf_adds(out, tmpl_type(v));
	buf_addc(out, '{');
	field_name(f, "Labels", true, out);
	format_labels(f, verb, env->labels, out);
	field_name(f, "ExternalLabels", false, out);
	format_labels(f, verb, env->external_labels, out);
	field_name(f, "ExternalURL", false, out);
	tmpl_format_string(f, verb, v_string(sv_of(env->external_url ? env->external_url : "")), out);
	field_name(f, "Value", false, out);
	tmpl_format_value(f, verb,
		     env->histogram ? (struct value){.kind = V_HISTOGRAM, .histogram = env->histogram} : v_float(env->value),
		     depth + 1, out);
	buf_addc(out, '}');
}

/* Inside of something Go prints the address, which says nothing here; what does not fit the verb is shown as ever. */
static void format_pointer(const struct tmpl_spec *f, uint32_t verb, const struct tmpl_sample *sample, size_t place, struct buf *out)
{
	struct value address = {.kind = V_UINT, .u = 0xc000000000 + place};
	if (verb == 'v')
		buf_addf(out, f->sharp_v ? "(*template.sample)(0x%llx)" : "0x%llx", (unsigned long long)address.u);
	else if (verb < 128 && strchr("bodxX", (char)verb))
		format_int(f, verb, false, address.u, address, out);
	else
		tmpl_format_bad_verb(f, verb, (struct value){.kind = V_SAMPLE, .sample = sample}, out);
}

static void format_vector(const struct tmpl_spec *f, uint32_t verb, struct value v, struct buf *out)
{
	buf_adds(out, f->sharp_v ? "template.queryResult{" : "[");
	for (size_t i = 0; i < v.vec.n; i++) {
		if (i)
			buf_adds(out, f->sharp_v ? ", " : " ");
		format_pointer(f, verb, &v.vec.v[i], i * sizeof(struct tmpl_sample), out);
	}
	buf_addc(out, f->sharp_v ? '}' : ']');
}

/* By verbs that want no text a time shows what it is made of: nanoseconds, seconds since the year 1, no location. */
static void format_time_struct(const struct tmpl_spec *f, uint32_t verb, int64_t ns, struct buf *out)
{
	int64_t part = ns % 1000000000, seconds = ns / 1000000000;
	if (part < 0) {
		part += 1000000000;
		seconds--;
	}
	static const char type[] = "*time.Location";
	struct value wall = {.kind = V_UINT, .u = (uint64_t)part}, ext = v_int(seconds + 62135596800), none = {.kind = V_UINT};
	ext.is_int64 = true;
	wall.is_int64 = true;
	buf_adds(out, "&{");
	tmpl_format_value(f, verb, wall, 1, out);
	buf_addc(out, ' ');
	tmpl_format_value(f, verb, ext, 1, out);
	buf_addc(out, ' ');
	if (verb < 128 && strchr("bod", (char)verb)) {
		format_int(f, verb, false, 0, none, out);
	} else {
		char u[4];
		buf_addf(out, "%%!%.*s(%s=", (int)utf8_encode(verb, u), u, type);
		tmpl_format_pad(f, SV("<nil>"), out);
		buf_addc(out, ')');
	}
	buf_addc(out, '}');
}

void tmpl_format_value(const struct tmpl_spec *f, uint32_t verb, struct value v, int depth, struct buf *out)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	switch (v.kind) {
	case V_MISSING:
	case V_NIL:
		if (verb == 'v')
			tmpl_format_pad(f, SV("<nil>"), out);
		else
			tmpl_format_bad_verb(f, verb, v, out);
		break;
	case V_BOOL:
		if (verb == 't' || verb == 'v')
			tmpl_format_pad(f, v.b ? SV("true") : SV("false"), out);
		else
			tmpl_format_bad_verb(f, verb, v, out);
		break;
	case V_INT:
		format_int(f, verb, v.i < 0, v.i < 0 ? 0 - (uint64_t)v.i : (uint64_t)v.i, v, out);
		break;
	case V_UINT:
		if (verb == 'v' && f->sharp_v) {
			struct tmpl_spec g = *f;
			g.sharp = true;
			format_int(&g, 'x', false, v.u, v, out);
			break;
		}
		format_int(f, verb, false, v.u, v, out);
		break;
	case V_FLOAT:
		format_float(f, verb, v, out);
		break;
	case V_COMPLEX:
		format_complex(f, verb, v, out);
		break;
	case V_STRING:
		tmpl_format_string(f, verb, v, out);
		break;
	case V_LABELS:
		format_labels(f, verb, v.labels, out);
		break;
	case V_MAP:
		format_map(f, verb, v, depth, out);
		break;
	case V_VECTOR:
		format_vector(f, verb, v, out);
		break;
	case V_SAMPLE:
		if (!v.sample || depth) {
			if (v.sample)
				format_pointer(f, verb, v.sample, 0, out);
			else
				buf_adds(out, f->sharp_v ? "(*template.sample)(nil)" : "<nil>");
			break;
		}
		buf_addc(out, '&');
		tmpl_format_sample(f, verb, v.sample, out);
		break;
	case V_DATA:
		format_data(f, verb, v, depth, out);
		break;
	case V_HISTOGRAM:
		histogram_print(v.histogram, &b);
		tmpl_format_string(f, verb, v_string(sv_make(buf_str(&b), b.n)), out);
		break;
	case V_TIME:
	case V_DURATION:
		if (v.kind == V_TIME && (verb > 127 || !strchr("vsxXq", (char)verb))) {
			format_time_struct(f, verb, v.i, out);
			break;
		}
		if (v.kind == V_TIME && verb == 'v' && f->sharp_v) {
			_cleanup_buf_ struct buf hour = BUF_INIT, rest = BUF_INIT;
			tmpl_fmt_time(v.i, SV("time.Date(2006, time.January, 2, "), &b);
			tmpl_fmt_time(v.i, SV("15"), &hour);
			tmpl_fmt_time(v.i, SV("4, 5"), &rest);
			buf_addf(&b, "%d, %s, %lld, time.UTC)", atoi(buf_str(&hour)), buf_str(&rest),
				 (long long)(v.i % 1000000000 + 1000000000) % 1000000000);
			tmpl_format_string(f, 's', v_string(sv_make(buf_str(&b), b.n)), out);
			break;
		}
		if (v.kind == V_TIME)
			tmpl_fmt_time(v.i, TMPL_TIME_LAYOUT, &b);
		else
			tmpl_fmt_duration(v.i, &b);
		if (verb == 'd')
			format_int(f, verb, v.i < 0, v.i < 0 ? 0 - (uint64_t)v.i : (uint64_t)v.i, v, out);
		else
			tmpl_format_string(f, verb, v_string(sv_make(buf_str(&b), b.n)), out);
		break;
	}
}
