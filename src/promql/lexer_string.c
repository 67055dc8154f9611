// SPDX-License-Identifier: GPL-2.0-or-later
/* The inside of quoted strings: Go's escapes, with Go's complaints. */
#include "promql/lexer.h"

#include <stdio.h>

#include "base/utf8.h"

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* The character at S as Go's %#U shows it, between BEFORE and AFTER. */
static const char *bad_escape(struct arena *a, const char *before, struct sv s, const char *after)
{
	char tmp[120];
	uint32_t rune = UTF8_REPLACEMENT;
	size_t n = utf8_decode(s.p, s.n, &rune);
	if (rune < 0x20 || rune == 0x7f)
		snprintf(tmp, sizeof(tmp), "%sU+%04X%s", before, rune, after);
	else
		snprintf(tmp, sizeof(tmp), "%sU+%04X '%.*s'%s", before, rune, n ? (int)n : 3,
			 n ? s.p : "\xef\xbf\xbd", after);
	return arena_strndup(a, tmp, strlen(tmp));
}

size_t lexer_unescape(struct sv s, char quote, struct arena *a, char *out, size_t *n, const char **error)
{
	static const char simple[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
	static const char cut[] = "escape sequence not terminated";
	if (!s.n) {
		*error = cut;
		return 0;
	}
	char c = s.p[0];
	for (size_t k = 0; k + 1 < sizeof(simple); k += 2)
		if (c == simple[k]) {
			out[(*n)++] = simple[k + 1];
			return 1;
		}
	if (c == quote) {
		out[(*n)++] = c;
		return 1;
	}
	size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : c >= '0' && c <= '7' ? 3 : 0;
	int base = digits == 3 ? 8 : 16;
	size_t from = digits == 3 ? 0 : 1;
	if (!digits) {
		*error = bad_escape(a, "unknown escape sequence ", s, "");
		return 0;
	}
	uint32_t v = 0;
	for (size_t k = from; k < from + digits; k++) {
		int d = k < s.n ? digit_of(s.p[k]) : base;
		if (d >= base) {
			*error = k < s.n ? bad_escape(a, "illegal character ", sv_make(s.p + k, s.n - k),
						      " in escape sequence")
					 : cut;
			return 0;
		}
		v = v * (uint32_t)base + (uint32_t)d;
	}
	if (c == 'u' || c == 'U') {
		if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) {
			*error = "escape sequence is an invalid Unicode code point";
			return 0;
		}
		*n += utf8_encode(v, out + *n);
	} else {
		if (v > 255) {
			*error = "escape sequence is an invalid Unicode code point";
			return 0;
		}
		out[(*n)++] = (char)v;
	}
	return from + digits;
}

const char *lexer_unquote(struct sv q, struct arena *a, size_t *n, const char **error)
{
	char *out = arena_alloc(a, q.n + 1);
	char quote = q.p[0];
	struct sv s = sv_make(q.p + 1, q.n - 2);
	*n = 0;
	for (size_t i = 0; i < s.n;) {
		if (s.p[i] != '\\' || quote == '`') {
			if (!(quote == '`' && s.p[i] == '\r'))
				out[(*n)++] = s.p[i];
			i++;
			continue;
		}
		size_t k = lexer_unescape(sv_make(s.p + i + 1, s.n - i - 1), quote, a, out, n, error);
		if (!k)
			return NULL;
		i += 1 + k;
	}
	out[*n] = 0;
	return out;
}
