// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/number.h"

#include <math.h>
#include <string.h>

#include "model/text.h"

char *number_u64(char *p, uint64_t v)
{
	char tmp[NUMBER_U64_MAX], *q = tmp + sizeof(tmp);
	do
		*--q = (char)('0' + v % 10);
	while (v /= 10);
	size_t n = (size_t)(tmp + sizeof(tmp) - q);
	memcpy(p, q, n);
	return p + n;
}

/* Durations are sums of nanoseconds. If V is K / 1e9 for a whole K below 2^53, then "K with the point nine places left" reads
 * back as V: both K and 1e9 are exact doubles, and division as well as reading rounds the true quotient once. */
static bool add_nanoseconds(double v, struct buf *out)
{
	double scaled = nearbyint(v * 1e9);
	if (!(scaled < 9007199254740992.0) || scaled / 1e9 != v)
		return false;
	char text[2 * NUMBER_U64_MAX], *p;
	uint64_t k = (uint64_t)scaled, fraction = k % 1000000000;
	p = number_u64(text, k / 1000000000);
	if (fraction) {
		*p++ = '.';
		for (uint64_t digit = 100000000; fraction; digit /= 10) {
			*p++ = (char)('0' + fraction / digit);
			fraction %= digit;
		}
	}
	buf_add(out, text, (size_t)(p - text));
	return true;
}

void number_double(double v, struct buf *out)
{
	double magnitude = fabs(v);
	if (!isfinite(v) || magnitude == 0) {
		text_float(v, 'g', out);
		return;
	}
	if (magnitude < 9007199254740992.0 && magnitude == (double)(uint64_t)magnitude) {
		char text[1 + NUMBER_U64_MAX], *p = text;
		if (v < 0)
			*p++ = '-';
		p = number_u64(p, (uint64_t)magnitude);
		buf_add(out, text, (size_t)(p - text));
		return;
	}
	if (v > 0 && add_nanoseconds(v, out))
		return;
	text_float(v, 'g', out);
}
