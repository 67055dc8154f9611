// SPDX-License-Identifier: GPL-2.0-or-later
/* Go's fmt for the few types a template knows: %v of everything, Printf with flags, width, precision,
 * argument indexes and the inline complaints (`%!d(float64=3)`). */
#include "rules/tmpl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/histogram.h"
#include "model/text.h"

/* Go refuses widths and precisions beyond this. */
#define SIZE_LIMIT 1000000

struct spec {
	bool plus, minus, sharp, space, zero, has_width, has_prec;
	bool plus_v, sharp_v; /* of %+v and %#v, where they mean another thing */
	int width, prec;
};

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

static void pad(const struct spec *f, struct sv s, struct buf *out)
{
	size_t n = count_runes(s), w = f->has_width && (size_t)f->width > n ? (size_t)f->width - n : 0;
	if (!f->minus)
		add_pad(out, f->zero ? '0' : ' ', w);
	buf_addsv(out, s);
	if (f->minus)
		add_pad(out, ' ', w);
}

static void format_value(const struct spec *f, uint32_t verb, struct value v, int depth, struct buf *out);

/* The value is shown with the flags of the directive it does not fit. */
static void bad_verb(const struct spec *f, uint32_t verb, struct value v, struct buf *out)
{
	char u[4];
	buf_adds(out, "%!");
	buf_add(out, u, tmpl_utf8_put(verb, u));
	buf_addc(out, '(');
	if (v.kind == V_NIL || v.kind == V_MISSING) {
		buf_adds(out, "<nil>");
	} else {
		buf_addf(out, "%s=", tmpl_type(v));
		format_value(f, 'v', v, 0, out);
	}
	buf_addc(out, ')');
}

static void format_int(const struct spec *f, uint32_t verb, bool neg, uint64_t u, struct value v,
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
		pad(f, sv_make(utf8, tmpl_utf8_put(u <= 0x10ffff && !neg ? (uint32_t)u : 0xfffd, utf8)), out);
		return;
	case 'q': {
		_cleanup_buf_ struct buf b = BUF_INIT, quoted = BUF_INIT;
		uint32_t cp = u <= 0x10ffff && !neg ? (uint32_t)u : 0xfffd;
		text_go_quote(sv_make(utf8, tmpl_utf8_put(cp, utf8)), &quoted);
		if (cp == '\'' || cp == '"')
			buf_adds(&b, cp == '"' ? "'\"'" : "'\\''");
		else
			buf_addf(&b, "'%.*s'", (int)quoted.n - 2, quoted.p + 1);
		pad(f, sv_make(b.p, b.n), out);
		return;
	}
	case 'U':
		snprintf(tmp, sizeof(tmp), "U+%04llX",
			 neg ? 0 - (unsigned long long)u : (unsigned long long)u);
		pad(f, sv_of(tmp), out);
		return;
	default:
		bad_verb(f, verb, v, out);
		return;
	}
	const char *digits = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	uint64_t rest = u;
	do {
		*--p = digits[rest % base];
		rest /= base;
	} while (rest);
	size_t n = (size_t)(tmp + sizeof(tmp) - p), want = 0;
	const char *prefix = f->sharp && base == 16		  ? (verb == 'X' ? "0X" : "0x")
			     : f->sharp && base == 2		  ? "0b"
			     : verb == 'O'			  ? "0o"
			     : f->sharp && base == 8 && *p != '0' ? "0"
								  : "";
	const char *sign = neg ? "-" : f->plus ? "+" : f->space ? " " : "";
	if (f->has_prec) {
		want = (size_t)f->prec;
		if (!f->prec && !u)
			n = 0;
	} else if (f->zero && f->has_width && !f->minus) {
		want = (size_t)f->width;
		want -= want > strlen(sign) ? strlen(sign) : want;
	}
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	buf_adds(&b, sign);
	buf_adds(&b, prefix);
	add_pad(&b, '0', want > n ? want - n : 0);
	buf_add(&b, p, n);
	struct spec g = *f;
	g.zero = false;
	pad(&g, sv_make(buf_str(&b), b.n), out);
}

static void format_float(const struct spec *f, uint32_t verb, struct value v, struct buf *out)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	double d = v.f;
	char c = verb == 'v' ? 'g' : verb == 'F' ? 'f' : (char)verb;
	if (!strchr("gGeEfxX", c) || verb > 127) {
		bad_verb(f, verb, v, out);
		return;
	}
	bool special = isnan(d) || isinf(d);
	if (!signbit(d) || isnan(d))
		buf_addc(&b, '+');
	if (special) {
		buf_adds(&b, isnan(d) ? "NaN" : d > 0 ? "Inf" : "-Inf");
	} else if ((c == 'g' || c == 'G') && !f->has_prec) {
		text_float(d, 'g', &b);
	} else if (c == 'x' || c == 'X') {
		char tmp[64];
		snprintf(tmp, sizeof(tmp), "%.*a", f->has_prec ? f->prec < 40 ? f->prec : 40 : -1, d);
		char *p = strchr(tmp, 'p');
		buf_add(&b, tmp, (size_t)(p - tmp) + 2);
		buf_addf(&b, "%02d", abs(atoi(p + 1)));
	} else {
		const char fmt[] = {'%', '.', '*', c, 0};
		buf_addf(&b, fmt, f->has_prec ? f->prec : 6, d);
	}
	if (c == 'G' || c == 'X')
		for (size_t i = 0; i < b.n && !special; i++)
			b.p[i] = (char)(b.p[i] >= 'a' && b.p[i] <= 'z' ? b.p[i] - 32 : b.p[i]);
	struct sv s = sv_make(buf_str(&b), b.n);
	struct spec g = *f;
	if (f->space && b.n && b.p[0] == '+' && !f->plus)
		b.p[0] = ' ';
	if (special) {
		g.zero = false;
		if (isnan(d) && !f->space && !f->plus)
			s = sv_make(s.p + 1, s.n - 1);
	} else if (f->plus || s.p[0] != '+') {
		if (f->zero && f->has_width && (size_t)f->width > s.n) {
			buf_addc(out, s.p[0]);
			add_pad(out, '0', (size_t)f->width - s.n);
			buf_add(out, s.p + 1, s.n - 1);
			return;
		}
	} else {
		s = sv_make(s.p + 1, s.n - 1);
	}
	pad(&g, s, out);
}

static void format_string(const struct spec *f, uint32_t verb, struct value v, struct buf *out)
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
		pad(f, sv_make(buf_str(&b), b.n), out);
		return;
	}
	if (verb != 'v' && verb != 's' && verb != 'q') {
		bad_verb(f, verb, v, out);
		return;
	}
	if (f->has_prec) {
		size_t i = 0;
		for (int k = 0; k < f->prec && i < s.n; k++)
			tmpl_utf8_next(s, &i);
		s.n = i;
	}
	if (verb == 'q' || (verb == 'v' && f->sharp_v)) {
		if (f->sharp && verb == 'q' && !memchr(s.p, '`', s.n))
			buf_addf(&b, "`%.*s`", SV_ARG(s));
		else
			text_go_quote(s, &b);
		s = sv_make(buf_str(&b), b.n);
	}
	pad(f, s, out);
}

static void format_labels(const struct spec *f, uint32_t verb, const struct labels *ls, struct buf *out)
{
	buf_adds(out, "map[");
	for (uint32_t i = 0; ls && i < ls->n; i++) {
		if (i)
			buf_addc(out, ' ');
		format_string(f, verb, v_string(ls->l[i].name), out);
		buf_addc(out, ':');
		format_string(f, verb, v_string(ls->l[i].value), out);
	}
	buf_addc(out, ']');
}

static void format_sample(const struct spec *f, uint32_t verb, const struct tmpl_sample *s, struct buf *out)
{
	buf_adds(out, f->plus_v ? "{Labels:" : "{");
	format_labels(f, verb, s->labels, out);
	buf_adds(out, f->plus_v ? " Value:" : " ");
	format_float(f, verb, v_float(s->value), out);
	buf_addc(out, '}');
}

static void format_value(const struct spec *f, uint32_t verb, struct value v, int depth, struct buf *out)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	switch (v.kind) {
	case V_MISSING:
	case V_NIL:
		if (verb == 'v')
			pad(f, SV("<nil>"), out);
		else
			bad_verb(f, verb, v, out);
		break;
	case V_BOOL:
		if (verb == 't' || verb == 'v')
			pad(f, v.b ? SV("true") : SV("false"), out);
		else
			bad_verb(f, verb, v, out);
		break;
	case V_INT:
		format_int(f, verb, v.i < 0, v.i < 0 ? 0 - (uint64_t)v.i : (uint64_t)v.i, v, out);
		break;
	case V_UINT:
		format_int(f, verb, false, v.u, v, out);
		break;
	case V_FLOAT:
		format_float(f, verb, v, out);
		break;
	case V_STRING:
		format_string(f, verb, v, out);
		break;
	case V_LABELS:
		format_labels(f, verb, v.labels, out);
		break;
	case V_MAP:
		buf_adds(out, "map[");
		for (size_t i = 0; i < v.map.n; i++) {
			if (i)
				buf_addc(out, ' ');
			format_string(f, verb, v_string(v.map.e[i].key), out);
			buf_addc(out, ':');
			format_value(f, verb, v.map.e[i].v, depth + 1, out);
		}
		buf_addc(out, ']');
		break;
	case V_VECTOR:
		buf_addc(out, '[');
		for (size_t i = 0; i < v.vec.n; i++) /* Go prints the pointers */
			buf_addf(out, "%s0xc%09zx", i ? " " : "", i * sizeof(struct tmpl_sample));
		buf_addc(out, ']');
		break;
	case V_SAMPLE:
		if (!v.sample) {
			buf_adds(out, "<nil>");
			break;
		}
		if (depth) {
			buf_adds(out, "0xc000000000");
			break;
		}
		buf_addc(out, '&');
		format_sample(f, verb, v.sample, out);
		break;
	case V_DATA:
		buf_addc(out, '{');
		format_labels(f, verb, v.env->labels, out);
		buf_addc(out, ' ');
		format_labels(f, verb, v.env->external_labels, out);
		buf_addc(out, ' ');
		format_string(f, verb, v_string(sv_of(v.env->external_url ? v.env->external_url : "")), out);
		buf_addc(out, ' ');
		format_value(f, verb,
			     v.env->histogram ? (struct value){.kind = V_HISTOGRAM, .histogram = v.env->histogram} : v_float(v.env->value),
			     depth + 1, out);
		buf_addc(out, '}');
		break;
	case V_HISTOGRAM:
		histogram_print(v.histogram, &b);
		format_string(f, verb, v_string(sv_make(buf_str(&b), b.n)), out);
		break;
	case V_TIME:
	case V_DURATION:
		if (v.kind == V_TIME)
			tmpl_fmt_time(v.i, TMPL_TIME_LAYOUT, &b);
		else
			tmpl_fmt_duration(v.i, &b);
		if (verb == 'd')
			format_int(f, verb, v.i < 0, v.i < 0 ? 0 - (uint64_t)v.i : (uint64_t)v.i, v, out);
		else
			format_string(f, verb, v_string(sv_make(buf_str(&b), b.n)), out);
		break;
	}
}

void tmpl_fmt_value(struct value v, struct buf *out)
{
	static const struct spec plain;
	if (v.kind == V_MISSING || v.kind == V_NIL)
		buf_adds(out, "<no value>");
	else if (v.kind == V_SAMPLE && v.sample) /* text/template prints what a pointer points to */
		format_sample(&plain, 'v', v.sample, out);
	else
		format_value(&plain, 'v', v, 0, out);
}

void tmpl_fmt_print(const struct value *v, size_t n, bool line, struct buf *out)
{
	static const struct spec plain;
	for (size_t i = 0; i < n; i++) {
		if (i && (line || (v[i].kind != V_STRING && v[i - 1].kind != V_STRING)))
			buf_addc(out, ' ');
		format_value(&plain, 'v', v[i], 0, out);
	}
	if (line)
		buf_addc(out, '\n');
}

struct printf_state {
	struct sv f;
	size_t i;
	const struct value *v;
	size_t n, arg;
	bool reordered, bad_index;
};

static bool read_int(struct printf_state *s, int *out)
{
	bool any = false;
	*out = 0;
	for (; s->i < s->f.n && s->f.p[s->i] >= '0' && s->f.p[s->i] <= '9'; s->i++, any = true) {
		if (*out > SIZE_LIMIT) {
			*out = 0;
			return false;
		}
		*out = *out * 10 + (s->f.p[s->i] - '0');
	}
	return any;
}

/* `[3]` in front of a verb or of `*`: true if there was one. */
static bool read_index(struct printf_state *s)
{
	if (s->i >= s->f.n || s->f.p[s->i] != '[')
		return false;
	s->reordered = true;
	const char *close = memchr(s->f.p + s->i, ']', s->f.n - s->i);
	int k;
	s->i++;
	if (!close) {
		s->bad_index = true;
		return false;
	}
	bool ok = read_int(s, &k) && s->f.p + s->i == close && k >= 1 && (size_t)k <= s->n;
	s->i = (size_t)(close - s->f.p) + 1;
	if (ok)
		s->arg = (size_t)k - 1;
	else
		s->bad_index = true;
	return true;
}

/* The argument of a `*`. */
static bool int_arg(struct printf_state *s, int *out)
{
	if (s->arg >= s->n)
		return false;
	struct value v = s->v[s->arg++];
	if ((v.kind != V_INT && v.kind != V_UINT) || v.i > SIZE_LIMIT || v.i < -SIZE_LIMIT)
		return false;
	*out = (int)v.i;
	return true;
}

static void format_directive(struct printf_state *s, struct buf *out)
{
	struct spec f = {0};
	bool after_index = false;
	s->bad_index = false;
	for (; s->i < s->f.n; s->i++) {
		char c = s->f.p[s->i];
		if (c == '#')
			f.sharp = true;
		else if (c == '0')
			f.zero = true;
		else if (c == '+')
			f.plus = true;
		else if (c == '-')
			f.minus = true;
		else if (c == ' ')
			f.space = true;
		else
			break;
	}
	after_index = read_index(s);
	if (s->i < s->f.n && s->f.p[s->i] == '*') {
		s->i++;
		f.has_width = int_arg(s, &f.width);
		if (!f.has_width)
			buf_adds(out, "%!(BADWIDTH)");
		if (f.width < 0) {
			f.width = -f.width;
			f.minus = true;
		}
		after_index = false;
	} else {
		f.has_width = read_int(s, &f.width);
		if (after_index && f.has_width)
			s->bad_index = true;
	}
	if (s->i < s->f.n && s->f.p[s->i] == '.') {
		s->i++;
		if (after_index)
			s->bad_index = true;
		after_index = read_index(s);
		if (s->i < s->f.n && s->f.p[s->i] == '*') {
			s->i++;
			f.has_prec = int_arg(s, &f.prec);
			if (f.prec < 0) {
				f.prec = 0;
				f.has_prec = false;
			}
			if (!f.has_prec)
				buf_adds(out, "%!(BADPREC)");
			after_index = false;
		} else {
			read_int(s, &f.prec);
			f.has_prec = true;
		}
	}
	if (!after_index)
		read_index(s);
	if (f.minus)
		f.zero = false;
	if (s->i >= s->f.n) {
		buf_adds(out, "%!(NOVERB)");
		return;
	}
	uint32_t verb = tmpl_utf8_next(s->f, &s->i);
	char u[4];
	size_t un = tmpl_utf8_put(verb, u);
	if (verb == '%') {
		buf_addc(out, '%');
	} else if (s->bad_index) {
		buf_addf(out, "%%!%.*s(BADINDEX)", (int)un, u);
	} else if (s->arg >= s->n) {
		buf_addf(out, "%%!%.*s(MISSING)", (int)un, u);
	} else if (verb == 'T') {
		pad(&f, sv_of(tmpl_type(s->v[s->arg++])), out);
	} else if (verb == 'w') {
		bad_verb(&f, verb, s->v[s->arg++], out);
	} else {
		if (verb == 'v') {
			f.plus_v = f.plus;
			f.sharp_v = f.sharp;
			f.plus = f.sharp = false;
		}
		format_value(&f, verb, s->v[s->arg++], 0, out);
	}
}

void tmpl_fmt_printf(struct sv format, const struct value *v, size_t n, struct buf *out)
{
	struct printf_state s = {.f = format, .v = v, .n = n};
	while (s.i < format.n && !out->failed) {
		const char *p = memchr(format.p + s.i, '%', format.n - s.i);
		size_t end = p ? (size_t)(p - format.p) : format.n;
		buf_add(out, format.p + s.i, end - s.i);
		s.i = end;
		if (!p)
			break;
		s.i++;
		format_directive(&s, out);
	}
	if (s.reordered || s.arg >= n)
		return;
	buf_adds(out, "%!(EXTRA ");
	for (size_t i = s.arg; i < n; i++) {
		if (i > s.arg)
			buf_adds(out, ", ");
		if (v[i].kind == V_NIL || v[i].kind == V_MISSING) {
			buf_adds(out, "<nil>");
			continue;
		}
		buf_addf(out, "%s=", tmpl_type(v[i]));
		format_value(&(struct spec){0}, 'v', v[i], 0, out);
	}
	buf_addc(out, ')');
}
