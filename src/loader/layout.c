// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "reqtally.h"

#define FIELD(type, member)                                                                                                                    \
	{                                                                                                                                      \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member), 1                                                 \
	}
#define ARRAY(type, member)                                                                                                                    \
	{                                                                                                                                      \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member[0]), ARRAY_SIZE(((struct type *)0)->member)           \
	}
#define HISTOGRAM(type, member) FIELD(type, member.sum_ns), ARRAY(type, member.buckets)

/* What user space reads of another version's maps. */
static const struct layout_type types[] = {
	{"rt_service", sizeof(struct rt_service), 5,
	 {FIELD(rt_service, cgroup_id), ARRAY(rt_service, comm), FIELD(rt_service, tgid), FIELD(rt_service, endpoints), FIELD(rt_service, series)}},
	{"rt_endpoint", sizeof(struct rt_endpoint), 3, {FIELD(rt_endpoint, service), FIELD(rt_endpoint, len), ARRAY(rt_endpoint, text)}},
	{"rt_series_key", sizeof(struct rt_series_key), 5,
	 {FIELD(rt_series_key, service), FIELD(rt_series_key, endpoint), FIELD(rt_series_key, port), FIELD(rt_series_key, code),
	  FIELD(rt_series_key, method)}},
	{"rt_series", sizeof(struct rt_series), 9,
	 {FIELD(rt_series, streams), FIELD(rt_series, request_bytes), FIELD(rt_series, response_bytes), HISTOGRAM(rt_series, duration),
	  HISTOGRAM(rt_series, ttfb), HISTOGRAM(rt_series, queue)}},
	{"rt_streams", sizeof(struct rt_streams), 3, {FIELD(rt_streams, opened), HISTOGRAM(rt_streams, duration)}},
	{"rt_in_flight", sizeof(struct rt_in_flight), 6,
	 {FIELD(rt_in_flight, service), FIELD(rt_in_flight, start_ns), FIELD(rt_in_flight, port), FIELD(rt_in_flight, method),
	  FIELD(rt_in_flight, len), ARRAY(rt_in_flight, text)}},
};

/* Names for good: a counter is found again by its name when its number has changed. */
static const char *const ledger_names[] = {
	[RT_SEEN] = "seen",
	[RT_RECORDED] = "recorded",
	[RT_LOST_MALFORMED] = "malformed",
	[RT_LOST_INCOMPLETE] = "incomplete",
	[RT_LOST_RESPONSE_MALFORMED] = "response_malformed",
	[RT_LOST_PIPELINE_DEPTH] = "pipeline_depth",
	[RT_LOST_GAP] = "gap",
	[RT_LOST_NO_MEMORY] = "no_memory",
	[RT_LOST_HANDOVER] = "handover",
	[RT_LOST_CONNECTION_BUDGET] = "connection_budget",
	[RT_LOST_RECLAIMED] = "reclaimed",
	[RT_UNSOLICITED] = "unsolicited",
	[RT_SERIES_OVERFLOW] = "series_overflow",
	[RT_ENDPOINT_OVERFLOW] = "endpoint_overflow",
	[RT_CONNECTIONS] = "connections",
	[RT_NOT_HTTP] = "not_http",
	[RT_REORDERED] = "reordered",
	[RT_RECLAIMED_FIRST + RT_RECLAIM_IDLE] = "reclaimed_idle",
	[RT_RECLAIMED_FIRST + RT_RECLAIM_LINE] = "reclaimed_request_line",
	[RT_RECLAIMED_FIRST + RT_RECLAIM_STREAM] = "reclaimed_stream",
	[RT_RECLAIMED_FIRST + RT_RECLAIM_MESSAGE] = "reclaimed_message",
};
_Static_assert(ARRAY_SIZE(ledger_names) == RT_LEDGER_SIZE, "a counter of the ledger without a name");

uint64_t layout_hash(uint64_t h, const void *p, size_t n)
{
	const unsigned char *c = p;
	for (size_t i = 0; i < n; i++)
		h = (h ^ c[i]) * 0x100000001b3u; /* FNV-1a */
	return h;
}

static uint64_t hash_text(uint64_t h, const char *s)
{
	return layout_hash(h, s, strlen(s) + 1);
}

static uint64_t hash_number(uint64_t h, uint64_t v)
{
	return layout_hash(h, &v, sizeof(v));
}

/* All that the bytes of a value of type ID mean: sizes, offsets and names of members, to the bottom. */
static uint64_t hash_type(const struct btf *btf, uint32_t id, uint64_t h, int depth)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	if (!t || depth > 16)
		return h;
	h = hash_number(h, btf_kind(t));
	if (btf_is_array(t)) {
		h = hash_number(h, btf_array(t)->nelems);
		return hash_type(btf, btf_array(t)->type, h, depth + 1);
	}
	if (btf_is_ptr(t) || btf_is_func_proto(t))
		return h;
	h = hash_number(h, t->size);
	if (!btf_is_composite(t))
		return h;
	const struct btf_member *m = btf_members(t);
	for (int i = 0; i < btf_vlen(t); i++) {
		h = hash_text(h, btf__name_by_offset(btf, m[i].name_off));
		h = hash_number(h, m[i].offset);
		h = hash_type(btf, m[i].type, h, depth + 1);
	}
	return h;
}

bool layout_is_state(const char *map)
{
	static const char *const others[] = {"routes", "zeros", "scratches"};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(map, others[i]) == 0)
			return false;
	return map[0] != '.';
}

static void add_map(struct buf *b, const struct bpf_object *obj, const struct bpf_map *m)
{
	const struct btf *btf = bpf_object__btf(obj);
	const char *name = bpf_map__name(m);
	uint64_t h = 0;

	/* What they are is up to the elder set. */
	if (bpf_map__is_internal(m) || !layout_is_state(name) || strncmp(name, "elder_", 6) == 0)
		return;
	h = hash_type(btf, bpf_map__btf_key_type_id(m), h, 0);
	h = hash_type(btf, bpf_map__btf_value_type_id(m), h, 0);
	buf_addf(b, "map %s %d %u %u %u %u %016" PRIx64 "\n", name, (int)bpf_map__type(m), bpf_map__key_size(m), bpf_map__value_size(m),
		 bpf_map__max_entries(m), bpf_map__map_flags(m), h);
}

struct layout *layout_of(const struct bpf_object *obj, const uint64_t *bounds_ns, size_t n)
{
	struct buf b = BUF_LIMIT(LAYOUT_TEXT_MAX - 1);
	const struct bpf_map *m;

	buf_addf(&b, "handover %d\nabi %d\nbounds", RT_HANDOVER, RT_ABI);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, " %" PRIu64, bounds_ns[i]);
	buf_adds(&b, "\nledger");
	for (size_t i = 0; i < ARRAY_SIZE(ledger_names); i++)
		buf_addf(&b, " %s", ledger_names[i]);
	buf_adds(&b, "\n");
	bpf_object__for_each_map(m, obj)
		add_map(&b, obj, m);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		buf_addf(&b, "type %s %u\n", types[i].name, types[i].size);
		for (size_t k = 0; k < types[i].n; k++) {
			const struct layout_field *f = &types[i].fields[k];
			buf_addf(&b, "field %s %u %u %u\n", f->name, f->offset, f->size, f->count);
		}
	}
	struct layout *l = b.failed ? NULL : layout_parse(buf_str(&b));
	buf_free(&b);
	return l;
}

/* Numbers and words behind the first word of a line. False: the line makes no sense. */
static bool parse_line(struct layout *l, char *line)
{
	struct layout_type *t = l->n_types ? &l->types[l->n_types - 1] : NULL;
	char *save = NULL, *end, *what = strtok_r(line, " ", &save), *word;

	if (!what)
		return true;
	if (strcmp(what, "bounds") == 0) {
		while ((word = strtok_r(NULL, " ", &save))) {
			if (l->n_bounds == LAYOUT_BOUNDS_MAX)
				return false;
			l->bounds_ns[l->n_bounds++] = strtoull(word, &end, 10);
			if (*end)
				return false;
		}
	} else if (strcmp(what, "ledger") == 0) {
		while ((word = strtok_r(NULL, " ", &save))) {
			if (l->n_ledger == LAYOUT_LEDGER_MAX)
				return false;
			snprintf(l->ledger[l->n_ledger++], sizeof(l->ledger[0]), "%s", word);
		}
	} else if (strcmp(what, "handover") == 0) {
		return sscanf(save, "%" SCNu32, &l->handover) == 1;
	} else if (strcmp(what, "type") == 0) {
		if (l->n_types == ARRAY_SIZE(l->types))
			return false;
		t = &l->types[l->n_types++];
		return sscanf(save, "%31s %" SCNu32, t->name, &t->size) == 2 && t->size && t->size <= 65536;
	} else if (strcmp(what, "field") == 0) {
		if (!t || t->n == ARRAY_SIZE(t->fields))
			return false;
		struct layout_field *f = &t->fields[t->n++];
		return sscanf(save, "%39s %" SCNu32 " %" SCNu32 " %" SCNu32, f->name, &f->offset, &f->size, &f->count) == 4 &&
		       (f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8) && f->count <= 65536 &&
		       f->offset + (uint64_t)f->size * f->count <= t->size;
	}
	/* Lines of other versions are theirs. */
	return true;
}

struct layout *layout_parse(const char *text)
{
	struct layout *l = xcalloc(1, sizeof(*l));
	char *copy = xstrdup(text), *save = NULL;
	bool ok = true;

	l->text = xstrdup(text);
	for (char *line = strtok_r(copy, "\n", &save); line && ok; line = strtok_r(NULL, "\n", &save))
		ok = parse_line(l, line);
	free(copy);
	ok = ok && l->handover && l->n_ledger && layout_size(l, "rt_series") && layout_size(l, "rt_series_key");
	if (ok)
		return l;
	layout_free(l);
	return NULL;
}

void layout_free(struct layout *l)
{
	if (!l)
		return;
	free(l->text);
	free(l);
}

bool layout_equal(const struct layout *a, const struct layout *b)
{
	return strcmp(a->text, b->text) == 0;
}

struct map_form {
	unsigned type, key, value;
	uint64_t types;
};

static bool find_map(const struct layout *l, const char *map, struct map_form *m)
{
	char name[40];

	for (const char *p = l->text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (sscanf(p, "map %39s %u %u %u %*u %*u %" SCNx64, name, &m->type, &m->key, &m->value, &m->types) == 5 && strcmp(name, map) == 0)
			return true;
	}
	return false;
}

bool layout_same_map(const struct layout *a, const struct layout *b, const char *map)
{
	struct map_form x, y;
	return find_map(a, map, &x) && find_map(b, map, &y) && x.type == y.type && x.key == y.key && x.value == y.value && x.types == y.types;
}

static const struct layout_type *find_type(const struct layout *l, const char *type)
{
	for (size_t i = 0; i < l->n_types; i++)
		if (strcmp(l->types[i].name, type) == 0)
			return &l->types[i];
	return NULL;
}

uint32_t layout_size(const struct layout *l, const char *type)
{
	const struct layout_type *t = find_type(l, type);
	return t ? t->size : 0;
}

static uint64_t number(const void *p, uint32_t size)
{
	uint64_t v = 0;
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		memcpy((char *)&v + 8 - size, p, size);
	else
		memcpy(&v, p, size);
	return v;
}

static void set_number(void *p, uint32_t size, uint64_t v)
{
	memcpy(p, (char *)&v + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 8 - size : 0), size);
}

/* The bucket of OWN for bucket I of FROM; past the last bound: the one above all. */
static size_t bucket_index(const struct layout *from, const struct layout *own, size_t i)
{
	size_t k = 0;
	if (i >= from->n_bounds)
		return own->n_bounds;
	while (k < own->n_bounds && own->bounds_ns[k] < from->bounds_ns[i])
		k++;
	return k;
}

static void convert_field(const struct layout *from, const struct layout *own, const struct layout_field *f, const char *src,
			  const struct layout_field *o, char *dst)
{
	size_t len = strlen(o->name);
	bool buckets = len >= 8 && strcmp(o->name + len - 8, ".buckets") == 0;

	for (uint32_t i = 0; i < f->count; i++) {
		size_t k = buckets ? bucket_index(from, own, i) : i;
		if (k >= o->count)
			continue;
		char *to = dst + o->offset + k * o->size;
		set_number(to, o->size, number(to, o->size) + number(src + f->offset + (size_t)i * f->size, f->size));
	}
}

void layout_convert(const struct layout *from, const struct layout *own, const char *type, const void *src, void *dst)
{
	const struct layout_type *s = find_type(from, type), *d = find_type(own, type);

	memset(dst, 0, d->size);
	if (!s)
		return;
	for (size_t k = 0; k < d->n; k++)
		for (size_t i = 0; i < s->n; i++)
			if (strcmp(s->fields[i].name, d->fields[k].name) == 0)
				convert_field(from, own, &s->fields[i], src, &d->fields[k], dst);
}

int layout_ledger_index(const struct layout *from, const struct layout *own, size_t i)
{
	for (size_t k = 0; k < own->n_ledger; k++)
		if (strcmp(own->ledger[k], from->ledger[i]) == 0)
			return (int)k;
	return -1;
}
