// SPDX-License-Identifier: GPL-2.0-or-later
/* Go's fmt for the few types a template knows: Sprint, and Printf with flags, width, precision and argument indexes. */
#include "rules/tmpl.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"

/* Go refuses widths and precisions beyond this. */
#define SIZE_LIMIT 1000000

void tmpl_fmt_value(struct value v, struct buf *out)
{
	static const struct tmpl_spec plain;
	if (v.kind == V_MISSING || v.kind == V_NIL)
		buf_adds(out, "<no value>");
	else if (v.kind == V_SAMPLE && v.sample) /* text/template prints what a pointer points to */
		tmpl_format_sample(&plain, 'v', v.sample, out);
	else
		tmpl_format_value(&plain, 'v', v, 0, out);
}

void tmpl_fmt_print(const struct value *v, size_t n, bool line, struct buf *out)
{
	static const struct tmpl_spec plain;
	for (size_t i = 0; i < n; i++) {
		if (i && (line || (v[i].kind != V_STRING && v[i - 1].kind != V_STRING)))
			buf_addc(out, ' ');
		tmpl_format_value(&plain, 'v', v[i], 0, out);
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
	struct tmpl_spec f = {0};
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
	size_t un = utf8_encode(verb, u);
	if (verb == '%') {
		buf_addc(out, '%');
	} else if (s->bad_index) {
		buf_addf(out, "%%!%.*s(BADINDEX)", (int)un, u);
	} else if (s->arg >= s->n) {
		buf_addf(out, "%%!%.*s(MISSING)", (int)un, u);
	} else if (verb == 'T') {
		struct value v = s->v[s->arg++];
		if (v.kind == V_NIL || v.kind == V_MISSING)
			tmpl_format_pad(&f, SV("<nil>"), out);
		else
			tmpl_format_string(&f, 's', v_string(sv_of(tmpl_type(v))), out);
	} else if (verb == 'w') {
		tmpl_format_bad_verb(&f, verb, s->v[s->arg++], out);
	} else {
		if (verb == 'v') {
			f.plus_v = f.plus;
			f.sharp_v = f.sharp;
			f.plus = f.sharp = false;
		}
		tmpl_format_value(&f, verb, s->v[s->arg++], 0, out);
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
		tmpl_format_value(&(struct tmpl_spec){0}, 'v', v[i], 0, out);
	}
	buf_addc(out, ')');
}
