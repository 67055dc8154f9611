// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* A key is a series' key and, behind it, what the value is. */
enum base_kind { BASE_SERIES, BASE_STREAMS, BASE_LEDGER, BASE_INCLUDES };

struct base_key {
	struct rt_series_key key;
	uint32_t kind;
	uint32_t pad;
};

union base_value {
	struct rt_series series;
	struct rt_streams streams;
	uint64_t ledger[LAYOUT_LEDGER_MAX];
	uint64_t numbers[0]; /* all that the others are made of */
};

_Static_assert(sizeof(struct base_key) == sizeof(struct rt_series_key) + 8, "no padding");
_Static_assert(RT_LEDGER_SIZE <= LAYOUT_LEDGER_MAX, "the ledger fits");

struct reader {
	const struct set *from, *own;
	const struct loader_figures *f;
	/* One element in each layout. */
	void *key, *value;
	struct rt_series_key own_key;
	struct rt_series series;
	struct rt_streams streams;
};

static const struct layout *layout(const struct reader *r)
{
	return r->from->layout;
}

/* The text of an endpoint that OWN does not know, from FROM. False: there is no room for it. */
static bool copy_endpoint(const struct set *from, const struct set *own, uint64_t number)
{
	struct rt_endpoint e;
	_cleanup_free_ char *value = xcalloc(1, set_map_info(set_map(from, "endpoints")).value_size + 8);

	if (number <= RT_ENDPOINT_INCOMPLETE || from == own || !bpf_map_lookup_elem(set_map(own, "endpoints"), &number, &e))
		return true;
	if (bpf_map_lookup_elem(set_map(from, "endpoints"), &number, value))
		return true; /* nobody knows it */
	layout_convert(from->layout, own->layout, "rt_endpoint", value, &e);
	if (e.len > RT_ENDPOINT_MAX)
		e.len = RT_ENDPOINT_MAX;
	return !bpf_map_update_elem(set_map(own, "endpoints"), &number, &e, BPF_NOEXIST) || errno == EEXIST;
}

static void copy_service(const struct set *from, const struct set *own, uint64_t number)
{
	struct rt_service s;
	_cleanup_free_ char *value = xcalloc(1, set_map_info(set_map(from, "services")).value_size + 8);

	if (from == own || !bpf_map_lookup_elem(set_map(own, "services"), &number, &s) ||
	    bpf_map_lookup_elem(set_map(from, "services"), &number, value))
		return;
	layout_convert(from->layout, own->layout, "rt_service", value, &s);
	s.series = 0; /* in OWN's map */
	bpf_map_update_elem(set_map(own, "services"), &number, &s, BPF_NOEXIST);
}

/* Makes r->own_key of r->key. */
static void convert_key(struct reader *r)
{
	layout_convert(layout(r), r->own->layout, "rt_series_key", r->key, &r->own_key);
	copy_service(r->from, r->own, r->own_key.service);
	if (!copy_endpoint(r->from, r->own, r->own_key.endpoint))
		r->own_key.endpoint = RT_ENDPOINT_OTHER;
}

static void give_series(struct reader *r, const void *value)
{
	layout_convert(layout(r), r->own->layout, "rt_series", value, &r->series);
	if (r->f->series)
		r->f->series(r->f->arg, &r->own_key, &r->series);
}

static void give_streams(struct reader *r, const void *value)
{
	layout_convert(layout(r), r->own->layout, "rt_streams", value, &r->streams);
	if (r->f->streams)
		r->f->streams(r->f->arg, &r->own_key, &r->streams);
}

static void give_ledger(struct reader *r, const uint64_t *v)
{
	uint64_t own[RT_LEDGER_SIZE] = {0};

	for (size_t i = 0; i < layout(r)->n_ledger; i++) {
		int k = layout_ledger_index(layout(r), r->own->layout, i);
		if (k >= 0 && k < RT_LEDGER_SIZE)
			own[k] = v[i];
	}
	if (r->f->ledger)
		r->f->ledger(r->f->arg, own);
}

/* Walks a hash map that nobody shrinks. Element by element: these maps are read while a set finishes, or of base, which is small. */
static int walk(struct reader *r, const char *map, void (*fn)(struct reader *r, const void *value))
{
	int fd = set_map(r->from, map);
	struct bpf_map_info info = set_map_info(fd);
	uint32_t batch = 256, n;
	int err = 0;
	bool first = true;

	if (fd < 0)
		return 0;
	_cleanup_free_ char *keys = xcalloc(batch, info.key_size), *values = xcalloc(batch, info.value_size);
	_cleanup_free_ char *cursor = xcalloc(1, info.key_size < 8 ? 8 : info.key_size);
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	while (!err) {
		n = batch;
		err = bpf_map_lookup_batch(fd, first ? NULL : cursor, cursor, keys, values, &n, &opts);
		if (err && err != -ENOENT)
			return err;
		first = false;
		for (uint32_t i = 0; i < n; i++) {
			r->key = keys + (size_t)i * info.key_size;
			fn(r, values + (size_t)i * info.value_size);
		}
	}
	return 0;
}

static void on_series(struct reader *r, const void *value)
{
	convert_key(r);
	give_series(r, value);
}

static void on_streams(struct reader *r, const void *value)
{
	convert_key(r);
	give_streams(r, value);
}

static void on_base(struct reader *r, const void *value)
{
	uint32_t kind;

	memcpy(&kind, (char *)r->key + layout_size(layout(r), "rt_series_key"), sizeof(kind));
	if (kind == BASE_SERIES)
		on_series(r, value);
	else if (kind == BASE_STREAMS)
		on_streams(r, value);
	else if (kind == BASE_LEDGER)
		give_ledger(r, value);
}

static void read_overflow(struct reader *r)
{
	int fd = set_map(r->from, "overflow");
	struct bpf_map_info info = set_map_info(fd);
	_cleanup_free_ char *value = xcalloc(1, info.value_size + 8), *none = xcalloc(1, info.value_size + 8);

	for (uint32_t code = 0; code < info.max_entries && code < 1000; code++) {
		if (bpf_map_lookup_elem(fd, &code, value) || !memcmp(value, none, info.value_size))
			continue;
		r->own_key = (struct rt_series_key){.endpoint = RT_ENDPOINT_OTHER, .code = (uint16_t)code};
		give_series(r, value);
	}
}

static void read_ledger(struct reader *r)
{
	int cpus = libbpf_num_possible_cpus(), fd = set_map(r->from, "ledger");
	uint64_t total[LAYOUT_LEDGER_MAX] = {0};

	if (cpus < 1)
		return;
	_cleanup_free_ uint64_t *v = xcalloc((size_t)cpus, sizeof(*v));
	for (uint32_t i = 0; i < layout(r)->n_ledger; i++)
		if (!bpf_map_lookup_elem(fd, &i, v))
			for (int k = 0; k < cpus; k++)
				total[i] += v[k];
	give_ledger(r, total);
}

int base_read_own(const struct set *own, const struct loader_figures *f)
{
	struct reader r = {.from = own, .own = own, .f = f};
	return walk(&r, "base", on_base);
}

int base_read(const struct set *s, const struct set *own, bool with_base, const struct loader_figures *f)
{
	struct reader r = {.from = s, .own = own, .f = f};
	int err = walk(&r, "series", on_series);

	if (!err)
		err = walk(&r, "streams", on_streams);
	if (!err) {
		read_overflow(&r);
		read_ledger(&r);
		if (with_base)
			err = walk(&r, "base", on_base);
	}
	return err;
}

bool base_has(const struct set *own, const struct set *s)
{
	struct bpf_map_info info = set_map_info(set_map(own, "base"));
	uint32_t kind = BASE_INCLUDES, at = layout_size(own->layout, "rt_series_key");
	uint64_t id = 0;

	/* OWN may be of any layout. */
	if (set_map(own, "base") < 0 || info.key_size < at + sizeof(kind) || info.value_size < sizeof(id))
		return false;
	_cleanup_free_ char *key = xcalloc(1, info.key_size), *value = xcalloc(1, info.value_size);
	memcpy(key + at, &kind, sizeof(kind));
	if (bpf_map_lookup_elem(set_map(own, "base"), key, value))
		return false;
	memcpy(&id, value, sizeof(id));
	return id == s->id.id;
}

/* Adding up in a map that only we write. */
struct adder {
	int fd, err;
};

static int add_numbers(struct adder *a, const struct base_key *key, const uint64_t *v, size_t n)
{
	union base_value sum;

	memset(&sum, 0, sizeof(sum));
	bpf_map_lookup_elem(a->fd, key, &sum);
	for (size_t i = 0; i < n; i++)
		sum.numbers[i] += v[i];
	return bpf_map_update_elem(a->fd, key, &sum, BPF_ANY) ? -errno : 0;
}

/* Where there is no room for a series it is added to its service's {other}, then to that of all. */
static void add_figures(struct adder *a, const struct rt_series_key *key, enum base_kind kind, const void *v, size_t size)
{
	struct base_key k = {.key = *key, .kind = kind};
	int err = add_numbers(a, &k, v, size / 8);

	if (err == -E2BIG) {
		k.key.endpoint = RT_ENDPOINT_OTHER;
		err = add_numbers(a, &k, v, size / 8);
	}
	if (err == -E2BIG) {
		k.key = (struct rt_series_key){.code = key->code};
		err = add_numbers(a, &k, v, size / 8);
	}
	if (err)
		a->err = err;
}

static void add_series(void *arg, const struct rt_series_key *key, const struct rt_series *s)
{
	add_figures(arg, key, BASE_SERIES, s, sizeof(*s));
}

static void add_streams(void *arg, const struct rt_series_key *key, const struct rt_streams *s)
{
	add_figures(arg, key, BASE_STREAMS, s, sizeof(*s));
}

static void add_ledger(void *arg, const uint64_t *v)
{
	struct adder *a = arg;
	struct base_key key = {.kind = BASE_LEDGER};
	int err = add_numbers(a, &key, v, RT_LEDGER_SIZE);
	if (err)
		a->err = err;
}

struct counting {
	size_t n;
};

static void count_series(void *arg, const struct rt_series_key *key, const struct rt_series *s)
{
	((struct counting *)arg)->n++;
}

static void count_streams(void *arg, const struct rt_series_key *key, const struct rt_streams *s)
{
	((struct counting *)arg)->n++;
}

static void balance(void *arg, const uint64_t *v)
{
	int64_t *open = arg;
	*open += (int64_t)(v[RT_SEEN] - v[RT_RECORDED]);
	for (int i = RT_LOST_FIRST; i <= RT_LOST_LAST; i++)
		*open -= (int64_t)v[i];
}

int64_t base_open(const struct set *s, const struct set *own)
{
	int64_t open = 0;
	struct loader_figures f = {.ledger = balance, .arg = &open};
	struct reader r = {.from = s, .own = own, .f = &f};
	read_ledger(&r);
	return open > 0 ? open : 0;
}

int base_add(struct set *own, const struct set *s, const struct pin_root *root, uint32_t max)
{
	struct counting count = {0};
	struct loader_figures f = {.series = count_series, .streams = count_streams, .arg = &count};
	int err = base_read_own(own, &f);
	if (!err)
		err = base_read(s, own, true, &f);
	if (err)
		return err;
	/* Room for the ledger, the name of S, and each code's overflow. */
	uint32_t entries = (uint32_t)(count.n < max ? count.n : max) + 2 + 600;
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	struct adder a = {.fd = bpf_map_create(BPF_MAP_TYPE_HASH, "rt_base", sizeof(struct base_key), sizeof(union base_value), entries, &opts)};
	if (a.fd < 0)
		return -errno;
	/* These first: there is room for them whatever comes. */
	struct base_key key = {.kind = BASE_INCLUDES};
	if (!err)
		err = add_numbers(&a, &key, &s->id.id, 1);
	uint64_t lost[RT_LEDGER_SIZE] = {[RT_LOST_HANDOVER] = (uint64_t)base_open(s, own)};
	add_ledger(&a, lost);
	f = (struct loader_figures){.series = add_series, .streams = add_streams, .ledger = add_ledger, .arg = &a};
	if (!err)
		err = base_read_own(own, &f);
	if (!err)
		err = base_read(s, own, true, &f);
	if (!err)
		err = a.err;
	if (!err && root)
		err = set_repin(own, root, PIN_CURRENT, "map_", "base", a.fd);
	if (err)
		close(a.fd);
	else
		set_add(own, "map_", "base", a.fd);
	return err;
}

void base_copy_names(const struct set *s, const struct set *own)
{
	static const char *const maps[] = {"endpoints", "services"};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		uint64_t number, *at = NULL;
		while (!bpf_map_get_next_key(set_map(s, maps[i]), at, &number)) {
			if (i == 0)
				copy_endpoint(s, own, number);
			else
				copy_service(s, own, number);
			at = &number;
		}
	}
}
