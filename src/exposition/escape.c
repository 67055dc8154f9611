// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/escape.h"

#include <stdint.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "model/text.h"

static const char *const escaping_names[] = {"underscores", "allow-utf-8", "dots", "values"};

const char *escaping_name(enum escaping e)
{
	return escaping_names[e];
}

bool escaping_parse(struct sv s, enum escaping *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(escaping_names); i++)
		if (sv_eqs(s, escaping_names[i])) {
			*e = (enum escaping)i;
			return true;
		}
	return false;
}

#define REPLACEMENT "\xef\xbf\xbd"

enum escapes { ESCAPE_NOTHING, ESCAPE_NOT_QUOTES, ESCAPE_QUOTES };

static void escape_text(struct sv s, enum escapes which, struct buf *out)
{
	size_t from = 0, i = 0;
	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		const char *with = NULL;
		size_t len = 1;
		uint32_t cp;
		if (c == '\\' && which)
			with = "\\\\";
		else if (c == '\n' && which)
			with = "\\n";
		else if (c == '"' && which == ESCAPE_QUOTES)
			with = "\\\"";
		else if (c == 0)
			with = REPLACEMENT;
		else if (c >= 0x80 && !(len = utf8_decode(s.p + i, s.n - i, &cp))) {
			with = REPLACEMENT;
			len = 1;
		}
		if (with) {
			buf_add(out, s.p + from, i - from);
			buf_adds(out, with);
			from = i + len;
		}
		i += len;
	}
	buf_add(out, s.p + from, s.n - from);
}

void escape_label_value(struct sv s, struct buf *out)
{
	escape_text(s, ESCAPE_QUOTES, out);
}

void escape_utf8(struct sv s, struct buf *out)
{
	escape_text(s, ESCAPE_NOTHING, out);
}

void escape_help(struct sv s, bool openmetrics, struct buf *out)
{
	escape_text(s, openmetrics ? ESCAPE_QUOTES : ESCAPE_NOT_QUOTES, out);
}

static bool legal_at(struct sv s, size_t i)
{
	char c = s.p[i];
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || (i && c >= '0' && c <= '9');
}

void escape_name(struct sv s, enum escaping e, struct buf *out)
{
	bool legal = text_is_legacy_metric_name(s);
	if (e == ESCAPING_ALLOW_UTF8) {
		escape_text(s, ESCAPE_QUOTES, out);
		return;
	}
	if (legal && e != ESCAPING_DOTS) {
		buf_addsv(out, s);
		return;
	}
	if (e == ESCAPING_VALUES)
		buf_adds(out, "U__");
	for (size_t i = 0; i < s.n;) {
		uint32_t cp;
		size_t len = utf8_decode(s.p + i, s.n - i, &cp);
		if (!len) {
			len = 1;
			cp = 0xfffd;
		}
		if (e != ESCAPING_UNDERSCORES && s.p[i] == '_')
			buf_adds(out, "__");
		else if (e == ESCAPING_DOTS && s.p[i] == '.')
			buf_adds(out, "_dot_");
		else if (legal_at(s, i))
			buf_addc(out, s.p[i]);
		else if (e == ESCAPING_VALUES)
			buf_addf(out, "_%x_", cp);
		else
			buf_addc(out, '_');
		i += len;
	}
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool unescape_values(struct sv s, struct buf *out)
{
	if (!sv_starts_with(s, SV("U__")))
		return false;
	for (size_t i = 3; i < s.n; i++) {
		if (s.p[i] != '_') {
			buf_addc(out, s.p[i]);
			continue;
		}
		if (++i == s.n)
			return false;
		if (s.p[i] == '_') {
			buf_addc(out, '_');
			continue;
		}
		uint32_t cp = 0;
		for (size_t digits = 0; i < s.n && s.p[i] != '_'; i++) {
			if (digits++ == 6 || hex_value(s.p[i]) < 0)
				return false;
			cp = cp * 16 + (uint32_t)hex_value(s.p[i]);
		}
		if (i == s.n || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
			return false;
		char utf8[4];
		buf_add(out, utf8, utf8_encode(cp, utf8));
	}
	return true;
}
