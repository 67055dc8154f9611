// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/protobuf.h"

#include <string.h>

/* Wire types; a field's key is its number and the type. Four functions of encoding need no library and no generated code. */
enum wire { WIRE_VARINT, WIRE_DOUBLE, WIRE_BYTES };

void protobuf_varint(uint64_t v, struct buf *out)
{
	char p[10];
	size_t n = 0;
	do {
		p[n] = (char)(v & 0x7f);
		v >>= 7;
		if (v)
			p[n] |= (char)0x80;
		n++;
	} while (v);
	buf_add(out, p, n);
}

static void add_key(unsigned field, enum wire wire, struct buf *out)
{
	protobuf_varint(field << 3 | wire, out);
}

static void add_uint(unsigned field, uint64_t v, struct buf *out)
{
	add_key(field, WIRE_VARINT, out);
	protobuf_varint(v, out);
}

static void add_double(unsigned field, double v, struct buf *out)
{
	uint64_t bits;
	char p[8];
	memcpy(&bits, &v, sizeof(bits));
	for (int i = 0; i < 8; i++)
		p[i] = (char)(bits >> 8 * i); /* little-endian */
	add_key(field, WIRE_DOUBLE, out);
	buf_add(out, p, sizeof(p));
}

static void add_bytes(unsigned field, struct sv s, struct buf *out)
{
	add_key(field, WIRE_BYTES, out);
	protobuf_varint(s.n, out);
	buf_addsv(out, s);
}

/* Makes the bytes of OUT from AT on a field: its key and length are put before them. */
static void wrap(unsigned field, size_t at, struct buf *out)
{
	char head[16] = {0};
	struct buf h = {.p = head, .cap = sizeof(head), .max = sizeof(head) - 1};
	size_t n = out->n - at;
	add_key(field, WIRE_BYTES, &h);
	protobuf_varint(n, &h);
	if (!buf_reserve(out, h.n))
		return;
	memmove(out->p + at + h.n, out->p + at, n);
	memcpy(out->p + at, head, h.n);
	out->n += h.n;
}

void protobuf_family(const struct family *f, struct sv name, struct buf *out)
{
	static const uint64_t types[] = {[FAMILY_COUNTER] = 0, [FAMILY_GAUGE] = 1, [FAMILY_HISTOGRAM] = 4};
	add_bytes(1, name, out);
	if (f->help)
		add_bytes(2, sv_of(f->help), out);
	add_uint(3, types[f->type], out);
	if (f->unit)
		add_bytes(5, sv_of(f->unit), out);
}

static void add_label(const struct label *l, enum escaping escaping, struct buf *out)
{
	size_t at = out->n;
	struct buf name = BUF_LIMIT(1 << 20), value = BUF_LIMIT(1 << 20);
	escape_name(l->name, escaping, &name);
	escape_utf8(l->value, &value);
	add_bytes(1, sv_make(name.p, name.n), out);
	add_bytes(2, sv_make(value.p, value.n), out);
	out->failed |= name.failed || value.failed;
	buf_free(&name);
	buf_free(&value);
	wrap(1, at, out);
}

static void add_histogram(const struct family *f, const struct metric *m, struct buf *out)
{
	size_t at = out->n;
	uint64_t count = 0, cumulative = 0;
	for (size_t i = 0; i <= f->n_bounds; i++)
		count += m->buckets[i];
	add_uint(1, count, out);
	add_double(2, m->sum, out);
	for (size_t i = 0; i < f->n_bounds; i++) { /* the reader adds +Inf from the count */
		size_t bucket = out->n;
		cumulative += m->buckets[i];
		add_uint(1, cumulative, out);
		add_double(2, f->bounds[i], out);
		wrap(3, bucket, out);
	}
	wrap(7, at, out);
}

void protobuf_metric(const struct family *f, const struct metric *m, enum escaping escaping, struct buf *scratch, struct buf *out)
{
	buf_reset(scratch);
	for (uint32_t i = 0; i < m->labels->n; i++)
		add_label(&m->labels->l[i], escaping, scratch);
	if (f->type == FAMILY_HISTOGRAM) {
		add_histogram(f, m, scratch);
	} else {
		size_t at = scratch->n;
		add_double(1, m->value, scratch);
		wrap(f->type == FAMILY_COUNTER ? 3 : 2, at, scratch);
	}
	if (scratch->failed)
		out->failed = true;
	else
		add_bytes(4, sv_make(scratch->p, scratch->n), out);
}
