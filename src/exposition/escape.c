// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/escape.h"

#include <stdint.h>

#include "base/alloc.h"
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

/* Length of the UTF-8 sequence at P and its code point; 0 if there is none (RFC 3629: nothing overlong, no surrogates). */
static size_t utf8_sequence(const unsigned char *p, size_t n, uint32_t *cp)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t min;
	} form[] = {{0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	if (*p < 0x80) {
		*cp = *p;
		return 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(form); i++) {
		if ((*p & form[i].mask) != form[i].lead)
			continue;
		if (n < i + 2)
			return 0;
		uint32_t c = *p & (uint8_t)~form[i].mask;
		for (size_t k = 1; k <= i + 1; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[k] & 0x3f);
		}
		if (c < form[i].min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*cp = c;
		return i + 2;
	}
	return 0;
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
		else if (c >= 0x80 && !(len = utf8_sequence((const unsigned char *)s.p + i, s.n - i, &cp))) {
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
		size_t len = utf8_sequence((const unsigned char *)s.p + i, s.n - i, &cp);
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
