// SPDX-License-Identifier: GPL-2.0-or-later
/* The digits of a float in the forms of Go's strconv.FormatFloat, and what the flag # of Printf makes of them. */
#include "rules/tmpl.h"

#include <math.h>
#include <stdint.h>

#include "model/text.h"

/* Mantissa and exponent of a finite number without its sign: d = mant * 2^exp. */
static uint64_t split(double d, int *exp)
{
	uint64_t bits;
	memcpy(&bits, &d, 8);
	uint64_t mant = bits & ((1ull << 52) - 1);
	int e = (int)(bits >> 52 & 0x7ff);
	*exp = (e ? e : 1) - 1075;
	return e ? mant | 1ull << 52 : mant;
}

/* 0x1.8p+01: one digit before the point, PREC behind it or, below 0, as many as there are. */
static void add_hex(double d, int prec, struct buf *out)
{
	int exp;
	uint64_t m = split(d, &exp) << 8; /* the leading digit is bit 60 and above */
	exp = m ? exp + 52 : 0;
	for (; m && !(m >> 60); exp--)
		m <<= 1;
	if (prec >= 0 && prec < 15) {
		int shift = prec * 4;
		uint64_t rest = m << shift & ((1ull << 60) - 1);
		m >>= 60 - shift;
		m += (rest | (m & 1)) > 1ull << 59; /* half goes to even */
		m <<= 60 - shift;
		if (m >> 61) {
			m >>= 1;
			exp++;
		}
	}
	buf_addf(out, "0x%c", m ? '1' : '0');
	m = m << 4; /* the leading digit goes */
	if (prec > 0 || (prec < 0 && m))
		buf_addc(out, '.');
	for (int i = 0; prec < 0 ? m != 0 : i < prec; i++, m <<= 4)
		buf_addc(out, "0123456789abcdef"[m >> 60]);
	buf_addf(out, "p%c%02d", exp < 0 ? '-' : '+', exp < 0 ? -exp : exp);
}

void tmpl_fmt_float_text(double d, char form, int prec, struct buf *out)
{
	size_t from = out->n;
	char c = form | 0x20;
	if (signbit(d) && !isnan(d))
		buf_addc(out, '-');
	if (isnan(d) || isinf(d)) {
		buf_adds(out, isnan(d) ? "NaN" : d > 0 ? "+Inf" : "Inf");
		return;
	}
	d = fabs(d);
	if (c == 'b') {
		int exp;
		uint64_t m = split(d, &exp);
		buf_addf(out, "%llup%+d", (unsigned long long)m, exp);
	} else if (c == 'x') {
		add_hex(d, prec, out);
	} else if (c == 'g' && prec < 0) {
		text_float(d, 'g', out);
	} else {
		const char fmt[] = {'%', '.', '*', c, 0};
		buf_addf(out, fmt, prec < 0 ? 6 : prec, d);
	}
	for (size_t i = from; c != form && i < out->n; i++)
		out->p[i] = (char)(out->p[i] >= 'a' && out->p[i] <= 'z' ? out->p[i] - 32 : out->p[i]);
}

void tmpl_fmt_float_sharp(char form, int prec, struct buf *b)
{
	/* Significant digits that are wanted; the other forms show all they have. */
	int want = form == 'g' || form == 'G' || form == 'x' ? (prec < 0 ? 6 : prec) : 0;
	bool hex = form == 'x' || form == 'X', point = false, nonzero = false;
	size_t end = 1; /* behind the sign */
	for (; end < b->n; end++) {
		char c = b->p[end];
		if (c == 'p' || c == 'P' || (!hex && (c == 'e' || c == 'E')))
			break;
		point |= c == '.';
		if (c == '.')
			continue;
		nonzero |= c != '0';
		want -= nonzero;
	}
	char tail[8] = "";
	size_t n_tail = b->n - end < sizeof(tail) ? b->n - end : 0;
	memcpy(tail, b->p + end, n_tail);
	b->n = end;
	if (!point) {
		/* A lone 0 counts as a digit. */
		want -= end == 2 && b->p[1] == '0';
		buf_addc(b, '.');
	}
	for (; want > 0; want--)
		buf_addc(b, '0');
	buf_add(b, tail, n_tail);
}
