// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unicode.h"
#include "base/utf8.h"
#include "model/text_impl.h"

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(struct sv s, bool colon)
{
	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!(is_alpha(s.p[i]) || (colon && s.p[i] == ':') || (i && is_digit(s.p[i]))))
			return false;
	return true;
}

bool text_is_legacy_metric_name(struct sv s)
{
	return is_name(s, true);
}

bool text_is_legacy_label_name(struct sv s)
{
	return is_name(s, false);
}

bool text_is_utf8(struct sv s)
{
	uint32_t cp;
	for (size_t i = 0; i < s.n;) {
		size_t k = utf8_decode(s.p + i, s.n - i, &cp);
		if (!k)
			return false;
		i += k;
	}
	return true;
}

void text_go_quote(struct sv s, struct buf *out)
{
	static const char esc[] = "\aa\bb\ff\nn\rr\tt\vv\\\\\"\"";
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n;) {
		uint32_t cp;
		unsigned char c = (unsigned char)s.p[i];
		size_t k = utf8_decode(s.p + i, s.n - i, &cp);
		if (!k) {
			buf_addf(out, "\\x%02x", c);
			i++;
			continue;
		}
		const char *e = NULL;
		for (size_t j = 0; k == 1 && j + 1 < sizeof(esc); j += 2)
			if (esc[j] == (char)c) {
				e = &esc[j + 1];
				break;
			}
		if (e) {
			buf_addc(out, '\\');
			buf_addc(out, *e);
		} else if (c < 0x20 || c == 0x7f) {
			buf_addf(out, "\\x%02x", c);
		} else if (!unicode_is_print(cp)) {
			buf_addf(out, cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
		} else {
			buf_add(out, s.p + i, k);
		}
		i += k;
	}
	buf_addc(out, '"');
}

/* The fewest significant digits that read back as V > 0, without a dot, and the exponent of the first: v = d.ddd * 10^*exp10. */
static int shortest(double v, char digits[24], int *exp10)
{
	uint64_t d = text_shortest_decimal(v, exp10);
	while (d % 10 == 0) {
		d /= 10;
		++*exp10;
	}
	char tmp[24], *p = tmp + sizeof(tmp);
	for (; d; d /= 10)
		*--p = (char)('0' + d % 10);
	int n = (int)(tmp + sizeof(tmp) - p);
	memcpy(digits, p, (size_t)n);
	*exp10 += n - 1;
	return n;
}

static void add_exponent_form(const char *d, int n, int x, struct buf *out)
{
	buf_addc(out, d[0]);
	if (n > 1) {
		buf_addc(out, '.');
		buf_add(out, d + 1, (size_t)n - 1);
	}
	buf_addf(out, "e%c%02d", x < 0 ? '-' : '+', abs(x));
}

static void add_decimal_form(const char *d, int n, int x, struct buf *out)
{
	if (x >= 0 && x < n) { /* the common case at once */
		buf_add(out, d, (size_t)x + 1);
		if (n > x + 1) {
			buf_addc(out, '.');
			buf_add(out, d + x + 1, (size_t)(n - x - 1));
		}
		return;
	}
	if (x < 0) {
		buf_adds(out, "0.");
		for (int i = -1; i > x; i--)
			buf_addc(out, '0');
		buf_add(out, d, (size_t)n);
		return;
	}
	for (int i = 0; i <= x || i < n; i++) {
		if (i == x + 1)
			buf_addc(out, '.');
		buf_addc(out, i < n ? d[i] : '0');
	}
}

void text_float(double v, char fmt, struct buf *out)
{
	if (isnan(v)) {
		buf_adds(out, "NaN");
		return;
	}
	if (isinf(v)) {
		buf_adds(out, v > 0 ? "+Inf" : "-Inf");
		return;
	}
	if (signbit(v))
		buf_addc(out, '-');
	v = fabs(v);
	if (v == 0) {
		buf_adds(out, fmt == 'e' ? "0e+00" : "0");
		return;
	}
	/* Counts are the common case. */
	if (fmt != 'e' && v < (fmt == 'g' ? 1e6 : 1e15) && v == (double)(uint64_t)v) {
		char tmp[24], *p = tmp + sizeof(tmp);
		for (uint64_t u = (uint64_t)v; u; u /= 10)
			*--p = (char)('0' + u % 10);
		buf_add(out, p, (size_t)(tmp + sizeof(tmp) - p));
		return;
	}
	char d[24];
	int x, n = shortest(v, d, &x);
	if (fmt == 'e' || (fmt == 'g' && (x < -4 || x >= 6)))
		add_exponent_form(d, n, x, out);
	else
		add_decimal_form(d, n, x, out);
}

void text_canonical_bound(double v, struct buf *out)
{
	size_t from = out->n;
	text_float(v, 'g', out);
	if (isfinite(v) && !out->failed && !memchr(out->p + from, '.', out->n - from) && !memchr(out->p + from, 'e', out->n - from))
		buf_adds(out, ".0");
}

bool text_parse_float(struct sv s, double *v)
{
	char tmp[512], *end;
	if (!s.n || s.n >= sizeof(tmp))
		return false;
	memcpy(tmp, s.p, s.n);
	tmp[s.n] = 0;
	const char *p = tmp;
	if (*p == '+' || *p == '-')
		p++;
	/* strtod takes more than Go does: leading blanks, nan(...), and it depends on nothing else in the C locale. */
	bool word = *p == 'i' || *p == 'I' || *p == 'n' || *p == 'N';
	if (!word && !is_digit(*p) && *p != '.')
		return false;
	if (strlen(tmp) != s.n || strchr(p, '('))
		return false;
	bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
	if (hex && !strpbrk(p, "pP"))
		return false; /* Go wants the p exponent on a hexadecimal float */
	double r = strtod(tmp, &end);
	if (*end || end == tmp)
		return false;
	if (isnan(r)) {
		uint64_t bits = 0x7ff8000000000001ull; /* the one NaN that Prometheus stores */
		memcpy(&r, &bits, 8);
	}
	*v = r;
	return true;
}

bool text_strip_underscores(struct sv s, char *out, size_t size)
{
	size_t n = 0, i = 0;
	char before = '^'; /* 0: a digit or a prefix, _, !: another */
	if (size < 4)
		return false;
	if (s.n && (s.p[0] == '+' || s.p[0] == '-'))
		out[n++] = s.p[i++];
	bool prefix = s.n - i >= 2 && s.p[i] == '0' && strchr("xXbBoO", s.p[i + 1]), ok = true;
	bool hex = prefix && (s.p[i + 1] | 0x20) == 'x';
	if (prefix) {
		out[n++] = s.p[i++];
		out[n++] = s.p[i++];
		before = '0';
	}
	for (; i < s.n; i++) {
		char c = s.p[i];
		bool digit = (c >= '0' && c <= '9') || (hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f');
		if (c == '_') {
			ok &= before == '0';
			before = '_';
			continue;
		}
		ok &= before != '_' || digit;
		before = digit ? '0' : '!';
		if (n + 1 == size)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return n > 0 && ok && before != '_';
}

int text_parse_go_float(struct sv s, double *v)
{
	char digits[512];
	double f;
	if (!text_strip_underscores(s, digits, sizeof(digits)) || !text_parse_float(sv_of(digits), &f))
		return -EINVAL;
	if (isinf(f) && strpbrk(digits, "0123456789"))
		return -ERANGE;
	*v = f;
	return 0;
}

bool text_parse_go_uint(const char *s, uint64_t *u)
{
	int base = 10;
	if (s[0] == '0' && s[1]) {
		char c = s[1] | 0x20;
		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		s += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	/* No sign, no blank, no second prefix, which the C library would take. */
	char *end;
	if (!*s || s[strspn(s, "0123456789abcdefABCDEF")])
		return false;
	errno = 0;
	*u = strtoull(s, &end, base);
	return !*end && !errno;
}

static const struct {
	const char *name;
	int64_t ms;
	bool exact_only;
} duration_units[] = {
	{"y", 365ll * 86400000, true}, {"w", 7ll * 86400000, true}, {"d", 86400000, false}, {"h", 3600000, false},
	{"m", 60000, false},	       {"s", 1000, false},	    {"ms", 1, false},
};

bool text_parse_duration(struct sv s, int64_t *ms)
{
	if (sv_eqs(s, "0")) {
		*ms = 0;
		return true;
	}
	/* time.Duration's 292 years; sums past it are refused. */
	const int64_t max = INT64_MAX / 1000000;
	int64_t total = 0;
	size_t unit = 0, i = 0;
	if (!s.n)
		return false;
	while (i < s.n) {
		if (!is_digit(s.p[i]))
			return false;
		int64_t k = 0;
		for (; i < s.n && is_digit(s.p[i]); i++)
			if (__builtin_mul_overflow(k, 10, &k) || __builtin_add_overflow(k, s.p[i] - '0', &k))
				return false;
		size_t from = i;
		while (i < s.n && !is_digit(s.p[i]))
			i++;
		struct sv name = sv_make(s.p + from, i - from);
		while (unit < 7 && !sv_eqs(name, duration_units[unit].name))
			unit++;
		if (unit == 7 || __builtin_mul_overflow(k, duration_units[unit].ms, &k) ||
		    __builtin_add_overflow(total, k, &total) || total > max)
			return false;
		unit++;
	}
	*ms = total;
	return true;
}

bool text_duration_too_long(struct sv s)
{
	char zeros[64];
	int64_t ms;
	if (s.n >= sizeof(zeros) || !s.n || is_digit(s.p[s.n - 1]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		zeros[i] = is_digit(s.p[i]) ? '0' : s.p[i];
	return !text_parse_duration(s, &ms) && text_parse_duration(sv_make(zeros, s.n), &ms);
}

void text_duration(int64_t ms, struct buf *out)
{
	if (ms == 0) {
		buf_adds(out, "0s");
		return;
	}
	if (ms < 0) {
		buf_addc(out, '-');
		ms = -ms;
	}
	for (size_t i = 0; i < 7; i++) {
		int64_t u = duration_units[i].ms;
		if (duration_units[i].exact_only && ms % u)
			continue;
		if (ms / u)
			buf_addf(out, "%lld%s", (long long)(ms / u), duration_units[i].name);
		ms %= u;
	}
}
