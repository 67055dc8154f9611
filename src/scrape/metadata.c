// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/metadata.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/text.h"

static void grow(struct metadata *m)
{
	size_t n = m->n_buckets ? m->n_buckets * 2 : 64;
	struct metadata_entry **fresh = xcalloc(n, sizeof(*fresh));
	for (size_t i = 0; i < m->n_buckets; i++)
		for (struct metadata_entry *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = fresh[e->hash & (n - 1)];
			fresh[e->hash & (n - 1)] = e;
		}
	free(m->buckets);
	m->buckets = fresh;
	m->n_buckets = n;
}

/* The entry of NAME; NULL if there are too many. */
static struct metadata_entry *get(struct metadata *m, uint32_t scrape, struct sv name)
{
	uint64_t hash = hash_bytes(name.p, name.n, hash_secret());
	struct metadata_entry *e = m->n_buckets ? m->buckets[hash & (m->n_buckets - 1)] : NULL;
	while (e && (e->hash != hash || !sv_eqs(name, e->name)))
		e = e->next;
	if (!e) {
		if (m->n >= METADATA_FAMILIES_MAX || name.n > METADATA_TEXT_MAX || !text_is_utf8(name))
			return NULL;
		if (m->n >= m->n_buckets)
			grow(m);
		e = xcalloc(1, sizeof(*e));
		e->hash = hash;
		e->name = xmemdup(name.p, name.n);
		e->next = m->buckets[hash & (m->n_buckets - 1)];
		m->buckets[hash & (m->n_buckets - 1)] = e;
		m->n++;
	}
	e->seen = scrape;
	return e;
}

static void set_text(char **to, struct sv text)
{
	if (text.n > METADATA_TEXT_MAX)
		text.n = METADATA_TEXT_MAX;
	if (*to ? sv_eqs(text, *to) : !text.n)
		return;
	free(*to);
	*to = text.n ? xmemdup(text.p, text.n) : NULL;
}

void metadata_type(struct metadata *m, uint32_t scrape, struct sv name, enum metric_type type)
{
	struct metadata_entry *e = get(m, scrape, name);
	if (e)
		e->type = type;
}

void metadata_help(struct metadata *m, uint32_t scrape, struct sv name, struct sv text)
{
	struct metadata_entry *e = get(m, scrape, name);
	if (e)
		set_text(&e->help, text);
}

void metadata_unit(struct metadata *m, uint32_t scrape, struct sv name, struct sv unit)
{
	struct metadata_entry *e = get(m, scrape, name);
	if (e)
		set_text(&e->unit, unit);
}

static void entry_free(struct metadata_entry *e)
{
	free(e->name);
	free(e->help);
	free(e->unit);
	free(e);
}

void metadata_trim(struct metadata *m, uint32_t scrape)
{
	for (size_t i = 0; i < m->n_buckets; i++)
		for (struct metadata_entry **p = &m->buckets[i], *e; (e = *p);) {
			if (scrape - e->seen <= METADATA_KEPT) {
				p = &e->next;
				continue;
			}
			*p = e->next;
			m->n--;
			entry_free(e);
		}
}

void metadata_free(struct metadata *m)
{
	for (size_t i = 0; i < m->n_buckets; i++)
		for (struct metadata_entry *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			entry_free(e);
		}
	free(m->buckets);
	*m = (struct metadata){0};
}
