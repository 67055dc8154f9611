// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/format.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"

static const struct {
	const char *type;
	bool escaped; /* may be asked for with an escaping of names */
} protocols[N_PROTOCOLS] = {
	[PROTOCOL_PROTO] = {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", false},
	[PROTOCOL_OM_1] = {"application/openmetrics-text;version=1.0.0", true},
	[PROTOCOL_OM_0] = {"application/openmetrics-text;version=0.0.1", false},
	[PROTOCOL_TEXT_1] = {"text/plain;version=1.0.0", true},
	[PROTOCOL_TEXT_0] = {"text/plain;version=0.0.4", false},
};

void format_accept(const struct config_scrape_common *c, struct buf *out)
{
	int q = N_PROTOCOLS;
	for (size_t i = 0; i < N_PROTOCOLS && c->protocols[i]; i++, q--) {
		buf_adds(out, protocols[c->protocols[i]].type);
		if (protocols[c->protocols[i]].escaped)
			buf_addf(out, ";escaping=%s", c->escaping);
		buf_addf(out, ";q=0.%d,", q);
	}
	buf_addf(out, "*/*;q=0.%d", q);
}

/* The reader for a protocol: versions of a format are read alike. */
static enum config_protocol reader_of(enum config_protocol p)
{
	return p == PROTOCOL_OM_0 ? PROTOCOL_OM_1 : p == PROTOCOL_TEXT_1 ? PROTOCOL_TEXT_0 : p;
}

static char *quoted(const char *s)
{
	struct buf b = BUF_LIMIT(4096);
	text_go_quote(sv_make(s, strnlen(s, 200)), &b);
	return buf_steal(&b);
}

/* A token of RFC 2045 at *S: letters, digits and some signs. */
static size_t token(const char *s)
{
	size_t n = 0;
	while (s[n] > ' ' && s[n] < 0x7f && !strchr("()<>@,;:\\\"/[]?=", s[n]))
		n++;
	return n;
}

static const char *blanks(const char *s)
{
	return s + strspn(s, " \t\r\n");
}

/* `; name=value` at *S, the value a token or quoted. The end of it, or NULL if it is something else. */
static const char *parameter(const char *s)
{
	s = blanks(s);
	if (*s != ';')
		return NULL;
	s = blanks(s + 1);
	size_t n = token(s);
	s = blanks(s + n);
	if (!n || *s != '=')
		return NULL;
	s = blanks(s + 1);
	if (*s != '"')
		return (n = token(s)) ? s + n : NULL;
	for (s++; *s && *s != '"' && *s != '\r' && *s != '\n'; s++)
		if (*s == '\\' && s[1])
			s++;
	return *s == '"' ? s + 1 : NULL;
}

/* What Go's mime.ParseMediaType has against it; NULL: nothing. */
static const char *complaint(const char *s)
{
	s = blanks(s);
	size_t n = token(s);
	if (!n)
		return "mime: no media type";
	s += n;
	if (*s == '/') {
		n = token(++s);
		if (!n)
			return "mime: expected token after slash";
		s += n;
	}
	s = blanks(s);
	if (*s && *s != ';')
		return "mime: unexpected content after media subtype";
	for (const char *next; *blanks(s); s = next)
		if (!(next = parameter(s)))
			return *blanks(s) == ';' && !*blanks(blanks(s) + 1) ? NULL : "mime: invalid media parameter";
	return NULL;
}

enum config_protocol format_of(const char *content_type, enum config_protocol fallback, char **error)
{
	static const struct {
		const char *type;
		enum config_protocol p;
	} known[] = {{"application/openmetrics-text", PROTOCOL_OM_1},
		     {"application/vnd.google.protobuf", PROTOCOL_PROTO},
		     {"text/plain", PROTOCOL_TEXT_0}};
	if (!content_type || !*content_type) {
		if (fallback)
			return reader_of(fallback);
		*error = xstrdup("non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target");
		return PROTOCOL_NONE;
	}
	const char *why = complaint(content_type), *s = blanks(content_type);
	size_t n = strcspn(s, "; \t");
	for (size_t i = 0; !why && i < ARRAY_SIZE(known); i++)
		if (strlen(known[i].type) == n && strncasecmp(s, known[i].type, n) == 0)
			return known[i].p;
	if (fallback)
		return reader_of(fallback);
	_cleanup_free_ char *q = quoted(content_type);
	*error = why ? xasprintf("cannot parse Content-Type %s and no fallback_scrape_protocol for target\n%s", q, why)
		     : xasprintf("received unsupported Content-Type %s and no fallback_scrape_protocol specified for target", q);
	return PROTOCOL_NONE;
}
