// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers as they are written in templates: whole, floating, complex, characters. A constant is of every kind it fits. */
#include "rules/tmpl.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"

static bool parse_float(struct sv text, double *f)
{
	return text_parse_go_float(text, f) == 0;
}

/* S without underscores. */
static void take_int(struct tmpl_node *n, const char *s)
{
	const char *digits = s[0] == '+' || s[0] == '-' ? s + 1 : s;
	bool neg = s[0] == '-';
	if (!text_parse_go_uint(digits, &n->u))
		return;
	n->is_int = n->u <= (uint64_t)INT64_MAX || (neg && n->u == (uint64_t)INT64_MAX + 1);
	n->i = neg ? (int64_t)(0 - n->u) : (int64_t)n->u;
	n->is_uint = digits == s || (n->is_int && !n->i);
	n->is_float = n->is_int || n->is_uint;
	n->f = n->is_int ? (double)n->i : (double)n->u;
}

static void take_float(struct tmpl_node *n, double f)
{
	n->is_float = true;
	n->f = f;
	if (f >= -0x1p63 && f < 0x1p63 && f == (double)(int64_t)f) { /* 1e3 may stand where an int is wanted */
		n->is_int = true;
		n->i = (int64_t)f;
	}
	if (f >= 0 && f < 0x1p64 && f == (double)(uint64_t)f) {
		n->is_uint = true;
		n->u = (uint64_t)f;
	}
}

/* Where the second part of a complex constant begins: at its sign. */
static size_t imaginary_part(struct sv s)
{
	for (size_t i = s.n; i-- > 1;)
		if ((s.p[i] == '+' || s.p[i] == '-') && !strchr("eEpP", s.p[i - 1]))
			return i;
	return 0;
}

static char *take_complex(struct tmpl_node *n)
{
	double re = 0, im = 0;
	struct sv s = n->text;
	size_t at = imaginary_part(s);
	if ((at && !parse_float(sv_make(s.p, at), &re)) || !parse_float(sv_make(s.p + at, s.n - at - 1), &im))
		return xstrdup("syntax error scanning complex number");
	n->c = __builtin_complex(re, im);
	n->is_complex = true;
	if (!im)
		take_float(n, re);
	return NULL;
}

char *tmpl_parse_number(struct tmpl_node *n, enum tok type)
{
	char s[512];
	double f;
	if (type == TOK_CHAR_CONSTANT) {
		uint32_t cp;
		const char *why = tmpl_unquote_char(n->text, &cp);
		if (why)
			return strcmp(why, "invalid syntax") ? xasprintf("%s: %.*s", why, SV_ARG(n->text)) : xstrdup(why);
		n->i = cp;
		n->u = cp;
		n->f = cp;
		n->is_int = n->is_uint = n->is_float = true;
		return NULL;
	}
	if (type == TOK_COMPLEX ||
	    (n->text.n > 1 && n->text.p[n->text.n - 1] == 'i' && parse_float(sv_make(n->text.p, n->text.n - 1), &f)))
		return take_complex(n);
	if (text_strip_underscores(n->text, s, sizeof(s)))
		take_int(n, s);
	if (n->is_float)
		return NULL;
	_cleanup_buf_ struct buf q = BUF_INIT;
	text_go_quote(n->text, &q);
	if (!parse_float(n->text, &f))
		return xasprintf("illegal number syntax: %s", buf_str(&q));
	if (!strpbrk(s, ".eEpP"))
		return xasprintf("integer overflow: %s", buf_str(&q));
	take_float(n, f);
	return NULL;
}
