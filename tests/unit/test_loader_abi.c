// SPDX-License-Identifier: GPL-2.0-or-later
/* The contract of include/reqtally.h as the built BPF object has it (its BTF) and as this machine's compiler
 * has it: names, offsets and sizes of all members, and the types of the maps that user space reads. Loads
 * nothing, so it needs no privilege. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/btf.h>
#include <string.h>

#include "reqtally.h"
#include "reqtally.skel.h"

struct member {
	const char *name;
	uint32_t offset, size;
};

struct layout {
	const char *name;
	uint32_t size, n;
	struct member members[8];
};

#define SIZE(type, member) sizeof(((struct type *)0)->member)
#define MEMBER(type, member)                                                                                 \
	{                                                                                                    \
#member, offsetof(struct type, member), SIZE(type, member)                                   \
	}
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct layout layouts[] = {
    {"rt_service",
     sizeof(struct rt_service),
     6,
     {MEMBER(rt_service, cgroup_id), MEMBER(rt_service, comm), MEMBER(rt_service, tgid),
      MEMBER(rt_service, endpoints), MEMBER(rt_service, series), MEMBER(rt_service, pad)}},
    {"rt_port_key",
     sizeof(struct rt_port_key),
     3,
     {MEMBER(rt_port_key, cgroup_id), MEMBER(rt_port_key, port), MEMBER(rt_port_key, pad)}},
    {"rt_listener", sizeof(struct rt_listener), 1, {MEMBER(rt_listener, connections)}},
    {"rt_endpoint",
     sizeof(struct rt_endpoint),
     4,
     {MEMBER(rt_endpoint, service), MEMBER(rt_endpoint, len), MEMBER(rt_endpoint, pad),
      MEMBER(rt_endpoint, text)}},
    {"rt_route",
     sizeof(struct rt_route),
     5,
     {MEMBER(rt_route, pattern), MEMBER(rt_route, text), MEMBER(rt_route, len), MEMBER(rt_route, stream),
      MEMBER(rt_route, pad)}},
    {"rt_series_key",
     sizeof(struct rt_series_key),
     6,
     {MEMBER(rt_series_key, service), MEMBER(rt_series_key, endpoint), MEMBER(rt_series_key, port),
      MEMBER(rt_series_key, code), MEMBER(rt_series_key, method), MEMBER(rt_series_key, pad)}},
    {"rt_histogram",
     sizeof(struct rt_histogram),
     2,
     {MEMBER(rt_histogram, sum_ns), MEMBER(rt_histogram, buckets)}},
    {"rt_series",
     sizeof(struct rt_series),
     6,
     {MEMBER(rt_series, streams), MEMBER(rt_series, request_bytes), MEMBER(rt_series, response_bytes),
      MEMBER(rt_series, duration), MEMBER(rt_series, ttfb), MEMBER(rt_series, queue)}},
    {"rt_streams", sizeof(struct rt_streams), 2, {MEMBER(rt_streams, opened), MEMBER(rt_streams, duration)}},
    {"rt_baton", sizeof(struct rt_baton), 2, {MEMBER(rt_baton, rx_next), MEMBER(rt_baton, http)}},
    {"rt_in_flight",
     sizeof(struct rt_in_flight),
     7,
     {MEMBER(rt_in_flight, service), MEMBER(rt_in_flight, start_ns), MEMBER(rt_in_flight, port),
      MEMBER(rt_in_flight, method), MEMBER(rt_in_flight, pad), MEMBER(rt_in_flight, len),
      MEMBER(rt_in_flight, text)}},
    {"rt_reclaim",
     sizeof(struct rt_reclaim),
     6,
     {MEMBER(rt_reclaim, pass), MEMBER(rt_reclaim, correction), MEMBER(rt_reclaim, youngest), MEMBER(rt_reclaim, quota),
      MEMBER(rt_reclaim, taken), MEMBER(rt_reclaim, ages)}},
};

static const struct {
	const char *map;
	uint32_t key, value, entries; /* entries: 0 if that is a budget */
} maps[] = {
    {"services", 8, sizeof(struct rt_service), 0},
    {"guesses", sizeof(struct rt_port_key), 8, 0},
    {"listeners", sizeof(struct rt_port_key), sizeof(struct rt_listener), 0},
    {"endpoints", 8, sizeof(struct rt_endpoint), 0},
    {"series", sizeof(struct rt_series_key), sizeof(struct rt_series), 0},
    {"streams", sizeof(struct rt_series_key), sizeof(struct rt_streams), 0},
    {"overflow", 4, sizeof(struct rt_series), 1000},
    {"ledger", 4, 8, RT_LEDGER_SIZE},
    {"ignored", 4, 4, 0},
    {"batons", 4, sizeof(struct rt_baton), 0},
    {"elder_batons", 4, sizeof(struct rt_baton), 0},
    {"usage", 4, 8, RT_USAGE_SIZE},
    {"reclaiming", 4, sizeof(struct rt_reclaim), 1},
};

static struct bpf_object *object;
static const struct btf *btf;

static int setup(void **state)
{
	size_t n;
	const void *elf = reqtally__elf_bytes(&n);

	object = bpf_object__open_mem(elf, n, NULL);
	btf = object ? bpf_object__btf(object) : NULL;
	return btf ? 0 : -1;
}

static int teardown(void **state)
{
	bpf_object__close(object);
	return 0;
}

static void test_structs(void **state)
{
	for (size_t i = 0; i < COUNT(layouts); i++) {
		const struct layout *l = &layouts[i];
		int id = btf__find_by_name_kind(btf, l->name, BTF_KIND_STRUCT);
		/* The iterator has it on its stack only; BTF has the types of globals, maps and arguments. */
		if (id < 0 && !strcmp(l->name, "rt_in_flight"))
			continue;
		if (id < 0)
			fail_msg("the object has no struct %s", l->name);
		const struct btf_type *t = btf__type_by_id(btf, id);
		const struct btf_member *m = btf_members(t);
		if (t->size != l->size || btf_vlen(t) != l->n)
			fail_msg("struct %s: %u bytes, %u members in the object; %u and %u here", l->name,
				 t->size, btf_vlen(t), l->size, l->n);
		for (uint32_t k = 0; k < l->n; k++) {
			const char *name = btf__name_by_offset(btf, m[k].name_off);
			uint32_t bit = btf_member_bit_offset(t, k), size = btf__resolve_size(btf, m[k].type);
			if (strcmp(name, l->members[k].name) || bit != l->members[k].offset * 8 ||
			    size != l->members[k].size)
				fail_msg("struct %s: %s at bit %u of %u bytes in the object; %s at bit %u of "
					 "%u bytes here",
					 l->name, name, bit, size, l->members[k].name,
					 l->members[k].offset * 8, l->members[k].size);
		}
	}
}

/* No struct of the contract is missing in the table above. */
static void test_all_structs_are_compared(void **state)
{
	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *name = btf__name_by_offset(btf, t->name_off);
		size_t i = 0;
		if (!btf_is_struct(t) || strncmp(name, "rt_", 3))
			continue;
		while (i < COUNT(layouts) && strcmp(layouts[i].name, name))
			i++;
		if (i == COUNT(layouts))
			fail_msg("struct %s of the object is not compared", name);
	}
}

static void test_maps(void **state)
{
	for (size_t i = 0; i < COUNT(maps); i++) {
		struct bpf_map *m = bpf_object__find_map_by_name(object, maps[i].map);
		if (!m)
			fail_msg("the object has no map %s", maps[i].map);
		if (bpf_map__key_size(m) != maps[i].key || bpf_map__value_size(m) != maps[i].value)
			fail_msg("map %s: %u -> %u bytes in the object, %u -> %u here", maps[i].map,
				 bpf_map__key_size(m), bpf_map__value_size(m), maps[i].key, maps[i].value);
		if (maps[i].entries)
			assert_int_equal(bpf_map__max_entries(m), maps[i].entries);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_structs),
	    cmocka_unit_test(test_all_structs_are_compared),
	    cmocka_unit_test(test_maps),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
