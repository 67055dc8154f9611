// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/labels.h"

#include <endian.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"
#include "model/text.h"

/* Multiply and fold in 8-byte steps (the construction of wyhash): label sets are hashed at every scrape. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t r = (__uint128_t)a * b;
	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

/* Fewer than eight bytes as a number, the first one lowest. */
static uint64_t last_bytes(const unsigned char *p, size_t n)
{
	uint32_t a, b;
	if (n < 4)
		return n ? p[0] | (uint64_t)p[n / 2] << n / 2 * 8 | (uint64_t)p[n - 1] << (n - 1) * 8 : 0;
	/* They overlap, and are the same where they do. */
	memcpy(&a, p, 4);
	memcpy(&b, p + n - 4, 4);
	return le32toh(a) | (uint64_t)le32toh(b) << (n - 4) * 8;
}

uint64_t hash_bytes(const void *ptr, size_t n, uint64_t seed)
{
	const unsigned char *p = ptr;
	uint64_t h = seed ^ 0x9e3779b97f4a7c15u ^ n, w;
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		h = mix(h ^ w, 0xa0761d6478bd642fu);
	}
	h = mix(h ^ last_bytes(p, n), 0xe7037ed1a0b428dbu);
	return mix(h, 0x8ebc6af09c88c6e3u);
}

uint64_t hash_secret(void)
{
	static uint64_t secret; /* 0: not chosen yet */
	uint64_t s = __atomic_load_n(&secret, __ATOMIC_RELAXED), expected = 0;
	if (s)
		return s;
	if (getrandom(&s, sizeof(s), GRND_NONBLOCK) != sizeof(s)) {
		/* Early boot: where things lie in memory is hard to guess as well. */
		uint64_t where[3] = {(uintptr_t)&s, (uintptr_t)&hash_secret, (uint64_t)clock()};
		s = hash_bytes(where, sizeof(where), 1);
	}
	s |= 1;
	return __atomic_compare_exchange_n(&secret, &expected, s, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ? s : expected;
}

static int by_name(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	return sv_cmp(x->name, y->name);
}

uint64_t labels_hash_pairs(const struct label *pairs, size_t n)
{
	uint64_t h = n ^ hash_secret();
	for (size_t i = 0; i < n; i++) {
		h = hash_bytes(pairs[i].name.p, pairs[i].name.n, h);
		h = hash_bytes(pairs[i].value.p, pairs[i].value.n, h);
	}
	return h;
}

struct labels *labels_new_sorted(const struct label *sorted, size_t n)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += sorted[i].name.n + sorted[i].value.n + 2;
	struct labels *ls = xmalloc(sizeof(*ls) + n * sizeof(struct label) + bytes);
	char *p = (char *)&ls->l[n];
	for (size_t i = 0; i < n; i++) {
		const struct sv src[2] = {sorted[i].name, sorted[i].value};
		struct sv *dst[2] = {&ls->l[i].name, &ls->l[i].value};
		for (int k = 0; k < 2; k++) {
			if (src[k].n)
				memcpy(p, src[k].p, src[k].n);
			p[src[k].n] = 0;
			*dst[k] = sv_make(p, src[k].n);
			p += src[k].n + 1;
		}
	}
	ls->refs = 1;
	ls->n = (uint32_t)n;
	ls->hash = labels_hash_pairs(ls->l, n);
	return ls;
}

struct labels *labels_new(const struct label *pairs, size_t n)
{
	struct label stack[32] = {0}, *v = n <= 32 ? stack : xreallocarray(NULL, n, sizeof(*v));
	if (n)
		memcpy(v, pairs, n * sizeof(*v));
	/* Insertion sort is stable: of two equal names the later one wins. Sets over 32 labels are not a hot path;
	 * there the order of equal names is glibc merge sort, stable as well. */
	if (n <= 32) {
		for (size_t i = 1; i < n; i++) {
			struct label x = v[i];
			size_t j = i;
			for (; j > 0 && sv_cmp(v[j - 1].name, x.name) > 0; j--)
				v[j] = v[j - 1];
			v[j] = x;
		}
	} else {
		qsort(v, n, sizeof(*v), by_name);
	}
	size_t m = 0;
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && sv_eq(v[i].name, v[i + 1].name))
			continue;
		if (v[i].value.n)
			v[m++] = v[i];
	}
	struct labels *ls = labels_new_sorted(v, m);
	if (v != stack)
		free(v);
	return ls;
}

struct labels *labels_from(const char *name, ...)
{
	struct label v[32];
	size_t n = 0;
	va_list ap;
	va_start(ap, name);
	for (; name && n < ARRAY_SIZE(v); name = va_arg(ap, const char *))
		v[n++] = (struct label){sv_of(name), sv_of(va_arg(ap, const char *))};
	va_end(ap);
	return labels_new(v, n);
}

struct labels *labels_empty(void)
{
	static struct labels *empty;
	struct labels *e = __atomic_load_n(&empty, __ATOMIC_ACQUIRE);
	if (!e) {
		struct labels *fresh = labels_new_sorted(NULL, 0);
		if (__atomic_compare_exchange_n(&empty, &e, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			e = fresh;
		else
			free(fresh);
	}
	return labels_ref(e);
}

struct labels *labels_ref(const struct labels *ls)
{
	struct labels *m = (struct labels *)ls;
	__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}

void labels_unref(struct labels *ls)
{
	if (ls && __atomic_sub_fetch(&ls->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(ls);
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
	if (a == b)
		return true;
	if (a->hash != b->hash || a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!sv_eq(a->l[i].name, b->l[i].name) || !sv_eq(a->l[i].value, b->l[i].value))
			return false;
	return true;
}

int labels_cmp(const struct labels *a, const struct labels *b)
{
	for (uint32_t i = 0; i < a->n && i < b->n; i++) {
		int c = sv_cmp(a->l[i].name, b->l[i].name);
		if (!c)
			c = sv_cmp(a->l[i].value, b->l[i].value);
		if (c)
			return c;
	}
	return a->n < b->n ? -1 : a->n > b->n;
}

struct sv labels_get(const struct labels *ls, struct sv name)
{
	for (uint32_t i = 0; i < ls->n; i++)
		if (sv_eq(ls->l[i].name, name))
			return ls->l[i].value;
	return (struct sv){"", 0};
}

void labels_print(const struct labels *ls, struct buf *out)
{
	struct sv name = labels_get(ls, SV(LABEL_NAME));
	bool bare = name.n && text_is_legacy_metric_name(name);
	if (bare) {
		buf_addsv(out, name);
		if (ls->n == 1)
			return;
	}
	buf_addc(out, '{');
	bool first = true;
	if (name.n && !bare) {
		text_go_quote(name, out);
		first = false;
	}
	for (uint32_t i = 0; i < ls->n; i++) {
		if (sv_eqs(ls->l[i].name, LABEL_NAME))
			continue;
		if (!first)
			buf_adds(out, ", ");
		first = false;
		if (text_is_legacy_label_name(ls->l[i].name))
			buf_addsv(out, ls->l[i].name);
		else
			text_go_quote(ls->l[i].name, out);
		buf_addc(out, '=');
		text_go_quote(ls->l[i].value, out);
	}
	buf_addc(out, '}');
}

void labels_builder_init(struct labels_builder *b, const struct labels *base)
{
	*b = (struct labels_builder){0};
	if (!base)
		return;
	b->cap = base->n + 8;
	b->l = xreallocarray(NULL, b->cap, sizeof(*b->l));
	if (base->n)
		memcpy(b->l, base->l, base->n * sizeof(*b->l));
	b->n = base->n;
}

static struct sv builder_own(struct labels_builder *b, struct sv s)
{
	array_grow(b->owned, b->n_owned, b->cap_owned);
	char *p = xmemdup(s.p, s.n);
	b->owned[b->n_owned++] = p;
	return sv_make(p, s.n);
}

void labels_builder_del(struct labels_builder *b, struct sv name)
{
	for (size_t i = 0; i < b->n; i++)
		if (sv_eq(b->l[i].name, name)) {
			memmove(&b->l[i], &b->l[i + 1], (b->n - i - 1) * sizeof(*b->l));
			b->n--;
			return;
		}
}

void labels_builder_set(struct labels_builder *b, struct sv name, struct sv value)
{
	if (!value.n) {
		labels_builder_del(b, name);
		return;
	}
	for (size_t i = 0; i < b->n; i++)
		if (sv_eq(b->l[i].name, name)) {
			b->l[i].value = builder_own(b, value);
			return;
		}
	struct label l = {builder_own(b, name), builder_own(b, value)};
	array_grow(b->l, b->n, b->cap);
	b->l[b->n++] = l;
}

struct sv labels_builder_get(const struct labels_builder *b, struct sv name)
{
	for (size_t i = 0; i < b->n; i++)
		if (sv_eq(b->l[i].name, name))
			return b->l[i].value;
	return (struct sv){"", 0};
}

struct labels *labels_builder_build(const struct labels_builder *b)
{
	return labels_new(b->l, b->n);
}

void labels_builder_free(struct labels_builder *b)
{
	for (size_t i = 0; i < b->n_owned; i++)
		free(b->owned[i]);
	free(b->owned);
	free(b->l);
	*b = (struct labels_builder){0};
}
