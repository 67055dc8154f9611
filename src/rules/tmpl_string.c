// SPDX-License-Identifier: GPL-2.0-or-later
/* UTF-8, and the values of quoted strings and characters. */
#include "rules/tmpl.h"

#include "base/utf8.h"

uint32_t tmpl_utf8_next(struct sv s, size_t *i)
{
	uint32_t cp;
	size_t n = utf8_decode(s.p + *i, s.n - *i, &cp);
	*i += n ? n : 1;
	return n ? cp : UTF8_REPLACEMENT;
}

static int hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape behind the backslash at *i. `byte`: \x and octal give a byte, not a rune. */
static bool unescape(struct sv s, size_t *i, char quote, uint32_t *cp, bool *byte)
{
	static const char simple[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
	*byte = false;
	if (*i >= s.n)
		return false;
	char c = s.p[(*i)++];
	if (c == quote) {
		*cp = (unsigned char)c;
		return true;
	}
	for (size_t k = 0; k + 1 < sizeof(simple); k += 2)
		if (c == simple[k]) {
			*cp = (unsigned char)simple[k + 1];
			return true;
		}
	size_t n = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	uint32_t v = 0;
	if (n) {
		for (size_t k = 0; k < n; k++, (*i)++) {
			int d = *i < s.n ? hex_digit(s.p[*i]) : -1;
			if (d < 0)
				return false;
			v = v << 4 | (uint32_t)d;
		}
		*byte = c == 'x';
		*cp = v;
		return *byte || (v <= 0x10ffff && !(v >= 0xd800 && v < 0xe000));
	}
	if (c < '0' || c > '7')
		return false;
	v = (uint32_t)(c - '0');
	for (int k = 0; k < 2; k++, (*i)++) {
		if (*i >= s.n || s.p[*i] < '0' || s.p[*i] > '7')
			return false;
		v = v << 3 | (uint32_t)(s.p[*i] - '0');
	}
	*byte = true;
	*cp = v;
	return v <= 255;
}

bool tmpl_unquote(struct tmpl_arena *a, struct sv q, struct sv *out)
{
	if (q.n < 2)
		return false;
	struct sv s = sv_make(q.p + 1, q.n - 2);
	char *w = tmpl_alloc(a, q.n * 2 + 4);
	size_t n = 0;
	for (size_t i = 0; i < s.n;) {
		if (q.p[0] == '`') {
			if (s.p[i] != '\r') /* Go's raw strings lose their carriage returns */
				w[n++] = s.p[i];
			i++;
			continue;
		}
		if (s.p[i] != '\\') {
			w[n++] = s.p[i++];
			continue;
		}
		uint32_t cp;
		bool byte;
		i++;
		if (!unescape(s, &i, '"', &cp, &byte))
			return false;
		if (byte)
			w[n++] = (char)cp;
		else
			n += utf8_encode(cp, w + n);
	}
	*out = sv_make(w, n);
	return true;
}

const char *tmpl_unquote_char(struct sv q, uint32_t *cp)
{
	if (q.n < 3)
		return "invalid syntax";
	struct sv s = sv_make(q.p + 1, q.n - 2);
	size_t i = 0;
	bool byte;
	if (s.p[0] == '\\') {
		i = 1;
		if (!unescape(s, &i, '\'', cp, &byte))
			return "invalid syntax";
	} else {
		*cp = tmpl_utf8_next(s, &i);
	}
	return i == s.n ? NULL : "malformed character constant";
}
