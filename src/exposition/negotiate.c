// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/negotiate.h"

#include <strings.h>

/* RFC 9110, section 5.6: the next element of a list separated by SEP, without the blanks around it; separators inside a quoted
 * string do not count. False at the end. */
static bool next_element(struct sv *rest, char sep, struct sv *element)
{
	if (!rest->n)
		return false;
	size_t i = 0;
	bool quoted = false;
	for (; i < rest->n && (quoted || rest->p[i] != sep); i++) {
		if (rest->p[i] == '"')
			quoted = !quoted;
		else if (quoted && rest->p[i] == '\\' && i + 1 < rest->n)
			i++;
	}
	struct sv e = sv_make(rest->p, i);
	size_t skip = i < rest->n ? i + 1 : i;
	*rest = sv_make(rest->p + skip, rest->n - skip);
	while (e.n && (e.p[0] == ' ' || e.p[0] == '\t'))
		e = sv_make(e.p + 1, e.n - 1);
	while (e.n && (e.p[e.n - 1] == ' ' || e.p[e.n - 1] == '\t'))
		e.n--;
	*element = e;
	return true;
}

static bool equal_nocase(struct sv s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* `name=value` or `name="value"`; blanks around the equals sign are tolerated. */
static bool split_parameter(struct sv s, struct sv *name, struct sv *value)
{
	const char *eq = s.n ? memchr(s.p, '=', s.n) : NULL;
	if (!eq)
		return false;
	*name = sv_make(s.p, (size_t)(eq - s.p));
	*value = sv_make(eq + 1, s.n - name->n - 1);
	while (name->n && (name->p[name->n - 1] == ' ' || name->p[name->n - 1] == '\t'))
		name->n--;
	while (value->n && (value->p[0] == ' ' || value->p[0] == '\t'))
		*value = sv_make(value->p + 1, value->n - 1);
	if (value->n >= 2 && value->p[0] == '"' && value->p[value->n - 1] == '"')
		*value = sv_make(value->p + 1, value->n - 2);
	return true;
}

/* RFC 9110, 12.4.2: `0` or `1` with up to three decimals. In thousandths; a weight that is none of these counts as 0. */
static int parse_weight(struct sv s)
{
	if (!s.n || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.') || s.n > 5)
		return 0;
	int q = (s.p[0] - '0') * 1000;
	for (size_t i = 2, unit = 100; i < s.n; i++, unit /= 10) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		q += (s.p[i] - '0') * (int)unit;
	}
	return q <= 1000 ? q : 0;
}

struct media_range {
	struct sv type, version, escaping, proto, encoding;
	int q;
};

static struct media_range parse_media_range(struct sv s)
{
	struct media_range r = {.q = 1000};
	struct sv part, name, value;
	next_element(&s, ';', &r.type);
	while (next_element(&s, ';', &part)) {
		if (!split_parameter(part, &name, &value))
			continue;
		if (equal_nocase(name, "q"))
			r.q = parse_weight(value);
		else if (equal_nocase(name, "version"))
			r.version = value;
		else if (equal_nocase(name, "proto"))
			r.proto = value;
		else if (equal_nocase(name, "encoding"))
			r.encoding = value;
		else if (equal_nocase(name, "escaping"))
			r.escaping = value;
	}
	return r;
}

static bool is_supported(const struct media_range *r, enum exposition_format *format)
{
	if (equal_nocase(r->type, "application/openmetrics-text")) {
		if (sv_eqs(r->version, "1.0.0"))
			*format = EXPOSITION_OPENMETRICS_100;
		else if (sv_eqs(r->version, "0.0.1") || !r->version.n)
			*format = EXPOSITION_OPENMETRICS_001;
		else
			return false;
		return true;
	}
	if (equal_nocase(r->type, "application/vnd.google.protobuf")) {
		*format = EXPOSITION_PROTOBUF;
		return sv_eqs(r->proto, "io.prometheus.client.MetricFamily") && sv_eqs(r->encoding, "delimited");
	}
	if (equal_nocase(r->type, "text/plain")) {
		if (sv_eqs(r->version, "1.0.0"))
			*format = EXPOSITION_TEXT_100;
		else if (sv_eqs(r->version, "0.0.4") || !r->version.n)
			*format = EXPOSITION_TEXT_004;
		else
			return false;
		return true;
	}
	*format = EXPOSITION_TEXT_004;
	return equal_nocase(r->type, "text/*") || equal_nocase(r->type, "*/*");
}

struct negotiated negotiate_accept(const char *accept)
{
	struct negotiated best = {EXPOSITION_TEXT_004, ESCAPING_UNDERSCORES};
	int best_q = 0;
	struct sv rest = sv_of(accept ? accept : ""), element;
	while (next_element(&rest, ',', &element)) {
		struct media_range r = parse_media_range(element);
		enum exposition_format format;
		if (r.q <= best_q || !is_supported(&r, &format))
			continue;
		best_q = r.q;
		best.format = format;
		best.escaping = ESCAPING_UNDERSCORES;
		escaping_parse(r.escaping, &best.escaping);
	}
	return best;
}

bool negotiate_gzip(const char *accept_encoding)
{
	int gzip = -1, any = -1, identity = -1;
	struct sv rest = sv_of(accept_encoding ? accept_encoding : ""), element;
	while (next_element(&rest, ',', &element)) {
		struct media_range r = parse_media_range(element);
		if (equal_nocase(r.type, "gzip") || equal_nocase(r.type, "x-gzip"))
			gzip = r.q;
		else if (sv_eqs(r.type, "*"))
			any = r.q;
		else if (equal_nocase(r.type, "identity"))
			identity = r.q;
	}
	if (gzip < 0)
		gzip = any;
	return gzip > 0 && gzip >= identity;
}

const char *negotiated_content_type(struct negotiated n)
{
#define TYPES(type)                                                                                                  \
	{                                                                                                            \
		[ESCAPING_UNDERSCORES] = type "; escaping=underscores", [ESCAPING_ALLOW_UTF8] = type "; escaping=allow-utf-8", \
		[ESCAPING_DOTS] = type "; escaping=dots", [ESCAPING_VALUES] = type "; escaping=values",              \
	}
	static const char *const types[][4] = {
		[EXPOSITION_TEXT_004] = TYPES("text/plain; version=0.0.4; charset=utf-8"),
		[EXPOSITION_TEXT_100] = TYPES("text/plain; version=1.0.0; charset=utf-8"),
		[EXPOSITION_OPENMETRICS_001] = TYPES("application/openmetrics-text; version=0.0.1; charset=utf-8"),
		[EXPOSITION_OPENMETRICS_100] = TYPES("application/openmetrics-text; version=1.0.0; charset=utf-8"),
		[EXPOSITION_PROTOBUF] =
			TYPES("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"),
	};
#undef TYPES
	return types[n.format][n.escaping];
}
