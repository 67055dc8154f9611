// SPDX-License-Identifier: GPL-2.0-or-later
/* UTF-8, and the values of quoted strings and characters. */
#include "rules/tmpl.h"

size_t tmpl_utf8_put(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n - 1; i > 0; i--, cp >>= 6)
		out[i] = (char)(0x80 | (cp & 0x3f));
	out[0] = (char)(lead[n] | cp);
	return n;
}

uint32_t tmpl_utf8_next(struct sv s, size_t *i)
{
	const unsigned char *p = (const unsigned char *)s.p + *i;
	size_t left = s.n - *i;
	if (p[0] < 0x80) {
		(*i)++;
		return p[0];
	}
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t cp = p[0] & (0x7fu >> n);
	bool ok = p[0] >= 0xc2 && p[0] <= 0xf4 && left >= n;
	for (size_t k = 1; ok && k < n; k++) {
		ok = (p[k] & 0xc0) == 0x80;
		cp = cp << 6 | (p[k] & 0x3f);
	}
	if (ok && n == 3)
		ok = cp >= 0x800 && !(cp >= 0xd800 && cp < 0xe000);
	if (ok && n == 4)
		ok = cp >= 0x10000 && cp <= 0x10ffff;
	*i += ok ? n : 1;
	return ok ? cp : 0xfffd;
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
			n += tmpl_utf8_put(cp, w + n);
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
