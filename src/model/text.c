// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/text.h"

#include <endian.h>
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

/* V < 10^8 as eight digits in the bytes of the result, the first one lowest: two numbers below 10^4 side by side, then four below 100. */
static inline uint64_t eight_digits(uint32_t v)
{
	uint64_t four = v / 10000 | (uint64_t)(v % 10000) << 32;
	uint64_t hundreds = (four * 10486 >> 20) & 0x7f0000007f, two = hundreds | (four - 100 * hundreds) << 16;
	uint64_t tens = (two * 103 >> 10) & 0xf000f000f000f;
	return tens | (two - 10 * tens) << 8;
}

#define ZEROS 0x3030303030303030u
#define DIGITS_ROOM 48 /* 24 digits, and as much behind them that 24 bytes may be copied from any of them */

/* The digits of D > 0 in TEXT; where they begin. *N: how many, but for zeros at the end; *ZEROS_N: how many of those. */
static const char *digits_of(uint64_t d, char text[DIGITS_ROOM], int *n, int *zeros)
{
	const uint64_t e8 = 100000000;
	uint64_t high = d / e8, top = high / e8;
	uint64_t word[3] = {top < 10 ? top << 56 : eight_digits((uint32_t)top), high ? eight_digits((uint32_t)(high % e8)) : 0,
			    eight_digits((uint32_t)(d % e8))};
	int first = word[0] ? 0 : word[1] ? 1 : 2, last = word[2] ? 2 : word[1] ? 1 : 0;
	int before = first * 8 + __builtin_ctzll(word[first]) / 8;
	*zeros = (2 - last) * 8 + __builtin_clzll(word[last]) / 8;
	*n = 24 - before - *zeros;
	for (int i = 0; i < 3; i++) {
		uint64_t chars = htole64(word[i] | ZEROS);
		memcpy(text + i * 8, &chars, sizeof(chars));
	}
	return text + before;
}

static char *copy(char *to, const char *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

/* N <= 24 of the digits at D, by a move of fixed length: there is room. */
static char *copy_digits(char *to, const char *d, int n)
{
	memcpy(to, d, 24);
	return to + n;
}

static char *write_exponent_form(char *p, const char *d, int n, int x)
{
	*p++ = d[0];
	if (n > 1) {
		*p++ = '.';
		p = copy_digits(p, d + 1, n - 1);
	}
	*p++ = 'e';
	*p++ = x < 0 ? '-' : '+';
	x = abs(x);
	if (x >= 100)
		*p++ = (char)('0' + x / 100);
	*p++ = (char)('0' + x / 10 % 10);
	*p++ = (char)('0' + x % 10);
	return p;
}

static char *write_decimal_form(char *p, const char *d, int n, int x)
{
	if (x < 0) {
		p = copy(p, "0.", 2);
		memset(p, '0', (size_t)(-x - 1));
		return copy_digits(p - x - 1, d, n);
	}
	if (x >= n) {
		p = copy_digits(p, d, n);
		memset(p, '0', (size_t)(x + 1 - n));
		return p + x + 1 - n;
	}
	p = copy_digits(p, d, x + 1);
	if (n > x + 1) {
		*p++ = '.';
		p = copy_digits(p, d + x + 1, n - x - 1);
	}
	return p;
}

static void store(char *to, unsigned __int128 v)
{
	uint64_t half[2] = {htole64((uint64_t)v), htole64((uint64_t)(v >> 64))};
	memcpy(to, half, sizeof(half));
}

/* DECIMAL * 10^X, no integer, as 'f' by moves of eight and sixteen digits that never go through memory twice; NULL: not of the usual kind, with 16 or
 * 17 digits of which at most eight stand before the point. There is room for 32 bytes. */
static char *write_usual(char *p, uint64_t decimal, int x)
{
	const uint64_t e8 = 100000000;
	uint64_t high = decimal / e8, top = high / e8;
	int n = top ? 17 : 16;
	x += n - 1; /* the exponent of the first digit */
	if (high < e8 / 10 || top > 9 || x < -6 || x > 7)
		return NULL;
	uint64_t w1 = eight_digits((uint32_t)(high - top * e8)), w2 = eight_digits((uint32_t)(decimal - high * e8));
	n -= w2 ? __builtin_clzll(w2) / 8 : w1 ? 8 + __builtin_clzll(w1) / 8 : 16;
	unsigned __int128 rest = (unsigned __int128)(w2 | ZEROS) << 64 | (w1 | ZEROS);
	/* 16 digits or 17 is anybody's guess: no branches. */
	uint8_t first = top ? (uint8_t)('0' + top) : (uint8_t)rest;
	rest >>= top ? 0 : 8;
	if (x < 0) {
		memcpy(p, "0.000000", 8);
		p += 1 - x;
		*p = (char)first;
		store(p + 1, rest);
		return p + n;
	}
	uint64_t lead = htole64(first | (uint64_t)rest << 8);
	memcpy(p, &lead, sizeof(lead));
	p[x + 1] = '.';
	store(p + x + 2, rest >> x * 8);
	return p + n + 1;
}

#define FLOAT_MAX_TEXT 384 /* of 'f': 5e-324 has 326, and copy_digits writes 24 at a time */

static char *write_float(double v, char fmt, char *p)
{
	if (isnan(v))
		return copy(p, "NaN", 3);
	if (isinf(v))
		return copy(p, v > 0 ? "+Inf" : "-Inf", 4);
	if (signbit(v))
		*p++ = '-';
	v = fabs(v);
	if (v == 0)
		return fmt == 'e' ? copy(p, "0e+00", 5) : copy(p, "0", 1);
	char text[DIGITS_ROOM];
	int n, zeros, x = 0;
	/* Counts are the common case. */
	bool integer = fmt != 'e' && v < (fmt == 'g' ? 1e6 : 1e15) && v == (double)(int64_t)v;
	uint64_t decimal = integer ? (uint64_t)v : text_shortest_decimal(v, &x);
	char *usual = fmt == 'f' && !integer ? write_usual(p, decimal, x) : NULL;
	if (usual)
		return usual;
	const char *d = digits_of(decimal, text, &n, &zeros);
	if (integer)
		return copy_digits(p, d, n + zeros);
	x += n + zeros - 1; /* the exponent of the first digit */
	if (fmt == 'e' || (fmt == 'g' && (x < -4 || x >= 6)))
		return write_exponent_form(p, d, n, x);
	return write_decimal_form(p, d, n, x);
}

void text_float(double v, char fmt, struct buf *out)
{
	char text[FLOAT_MAX_TEXT];
	buf_add(out, text, (size_t)(write_float(v, fmt, text) - text));
}

char *text_write_json_float(double v, char *to)
{
	double magnitude = fabs(v);
	return write_float(v, magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21) ? 'e' : 'f', to);
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
