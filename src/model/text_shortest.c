// SPDX-License-Identifier: GPL-2.0-or-later
/* The shortest decimal that reads back as a double, after Raffaello Giulietti, "The Schubfach way to render doubles" (2021). The powers of
 * ten that it multiplies with have 128 bits; they are worked out when the first is needed. */
#include <pthread.h>
#include <string.h>

#include "model/text_impl.h"

#define POWER_MIN (-292)
#define POWER_MAX 324
#define LIMBS 21 /* 1344 bits: 10^324 has 1077, and 2^1280 / 10^292 still 311 */

struct power {
	uint64_t high, low;
};

static struct power powers[POWER_MAX - POWER_MIN + 1];
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;
static bool powers_known;

/* The topmost 128 bits of the number N (least limb first), rounded up if there is more below them, or if it is INEXACT itself. */
static struct power top_bits(const uint64_t *n, bool inexact)
{
	int last = LIMBS - 1;
	while (!n[last])
		last--;
	unsigned shift = (unsigned)__builtin_clzll(n[last]);
	uint64_t w[3] = {0};
	for (int i = 0; i < 3; i++)
		w[i] = last - i >= 0 ? n[last - i] : 0;
	unsigned __int128 top = (unsigned __int128)w[0] << 64 | w[1];
	uint64_t rest = w[2];
	if (shift) {
		top = top << shift | w[2] >> (64 - shift);
		rest = w[2] << shift;
	}
	for (int i = last - 3; i >= 0; i--)
		rest |= n[i];
	top += rest || inexact;
	return (struct power){(uint64_t)(top >> 64), (uint64_t)top};
}

static void work_out_powers(void)
{
	uint64_t n[LIMBS] = {1};
	for (int e = 0; e <= POWER_MAX; e++) {
		powers[e - POWER_MIN] = top_bits(n, false);
		unsigned __int128 carry = 0;
		for (int i = 0; i < LIMBS; i++) {
			carry += (unsigned __int128)n[i] * 10;
			n[i] = (uint64_t)carry;
			carry >>= 64;
		}
	}
	memset(n, 0, sizeof(n));
	n[LIMBS - 1] = 1;
	for (int e = -1; e >= POWER_MIN; e--) {
		unsigned __int128 rest = 0;
		for (int i = LIMBS - 1; i >= 0; i--) {
			rest = rest << 64 | n[i];
			n[i] = (uint64_t)(rest / 10);
			rest %= 10;
		}
		powers[e - POWER_MIN] = top_bits(n, true);
	}
	__atomic_store_n(&powers_known, true, __ATOMIC_RELEASE);
}

/* G * X / 2^128, the lowest bit set if something was lost. */
static uint64_t multiply(struct power g, uint64_t x)
{
	unsigned __int128 y = (unsigned __int128)g.high * x + (uint64_t)((unsigned __int128)g.low * x >> 64);
	return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

uint64_t text_shortest_decimal(double v, int *exp10)
{
	uint64_t bits, c;
	memcpy(&bits, &v, sizeof(bits));
	uint64_t fraction = bits & ((1ull << 52) - 1);
	int exponent = (int)(bits >> 52 & 0x7ff), q;
	if (exponent) {
		c = fraction | 1ull << 52;
		q = exponent - 1075;
	} else {
		c = fraction;
		q = -1074;
	}
	if (!__atomic_load_n(&powers_known, __ATOMIC_ACQUIRE))
		pthread_once(&powers_once, work_out_powers);
	/* What rounds to V lies between LEFT and RIGHT, in quarters of its last bit; a power of two is nearer to the double below it. Both ends
	 * round to V if C is even. */
	bool nearer_below = !fraction && exponent > 1;
	unsigned open = c & 1;
	int k = (q * 1262611 - (nearer_below ? 524031 : 0)) >> 22; /* floor(log10 of the interval's width) */
	int h = q + ((-k * 1741647) >> 19) + 1;
	struct power g = powers[-k - POWER_MIN];
	uint64_t left = multiply(g, (4 * c - 2 + nearer_below) << h) + open;
	uint64_t mid = multiply(g, (4 * c) << h);
	uint64_t right = multiply(g, (4 * c + 2) << h) - open;
	uint64_t s = mid / 4;
	/* One digit less, if just one such decimal is inside. */
	if (s >= 10) {
		uint64_t ten = s / 10;
		bool below = left <= 40 * ten, above = 40 * ten + 40 <= right;
		if (below != above) {
			*exp10 = k + 1;
			return ten + above;
		}
	}
	*exp10 = k;
	bool below = left <= 4 * s, above = 4 * s + 4 <= right;
	if (below != above)
		return s + above;
	/* Both are: the nearer one, the even one of two as near. */
	return s + (mid > 4 * s + 2 || (mid == 4 * s + 2 && (s & 1)));
}
