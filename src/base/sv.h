/* SPDX-License-Identifier: GPL-2.0-or-later */
/* String view: bytes with a length, owned by someone else, not NUL-terminated. */
#ifndef RT_BASE_SV_H
#define RT_BASE_SV_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct sv {
	const char *p;
	size_t n;
};

#define SV(lit) ((struct sv){(lit), sizeof(lit) - 1})
/* printf("%.*s", SV_ARG(s)) */
#define SV_ARG(s) (int)(s).n, (s).p

static inline struct sv sv_of(const char *s)
{
	return (struct sv){s, s ? strlen(s) : 0};
}

static inline struct sv sv_make(const char *p, size_t n)
{
	return (struct sv){p, n};
}

static inline bool sv_eq(struct sv a, struct sv b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool sv_eqs(struct sv a, const char *s)
{
	return sv_eq(a, sv_of(s));
}

/* Byte order, shorter first on a common prefix: Go's strings.Compare. */
static inline int sv_cmp(struct sv a, struct sv b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	if (c)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

static inline bool sv_starts_with(struct sv a, struct sv prefix)
{
	return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

#endif
