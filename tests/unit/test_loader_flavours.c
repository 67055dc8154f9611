// SPDX-License-Identifier: GPL-2.0-or-later
/* The two flavours of the kernel programs (bpf/bounded.h) are one object to the loader: the skeleton of the one is used with the code of the
 * other, so their programs, maps and variables must be the same. And what is said of each feature. Loads nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "bounded.skel.h"
#include "loader/features.h"
#include "loader/flavour.h"
#include "reqtally.skel.h"

static struct bpf_object *loop, *plain;

static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static int setup(void **state)
{
	size_t n;
	libbpf_set_print(silent);
	const void *elf = reqtally__elf_bytes(&n);
	loop = bpf_object__open_mem(elf, n, NULL);
	elf = bounded__elf_bytes(&n);
	plain = bpf_object__open_mem(elf, n, NULL);
	return loop && plain ? 0 : -1;
}

static int teardown(void **state)
{
	bpf_object__close(loop);
	bpf_object__close(plain);
	return 0;
}

static void test_programs(void **state)
{
	struct bpf_program *p;
	int n[2] = {0};

	bpf_object__for_each_program(p, plain)
		n[1]++;
	bpf_object__for_each_program(p, loop) {
		struct bpf_program *q = bpf_object__find_program_by_name(plain, bpf_program__name(p));
		if (!q)
			fail_msg("the flavour with bounded loops has no program %s", bpf_program__name(p));
		assert_string_equal(bpf_program__section_name(p), bpf_program__section_name(q));
		n[0]++;
	}
	assert_int_equal(n[0], n[1]);
}

/* Values that only the programs look into (states of connections) may differ. */
static void test_maps(void **state)
{
	struct bpf_map *m;
	int n[2] = {0};

	bpf_object__for_each_map(m, plain)
		n[1]++;
	bpf_object__for_each_map(m, loop) {
		const char *name = strchr(bpf_map__name(m), '.'); /* "reqtally.rodata": that begins with the object's name */
		struct bpf_map *o = bpf_object__find_map_by_name(plain, name ? name : bpf_map__name(m));
		if (!o)
			fail_msg("the flavour with bounded loops has no map %s", bpf_map__name(m));
		assert_int_equal(bpf_map__type(m), bpf_map__type(o));
		assert_int_equal(bpf_map__key_size(m), bpf_map__key_size(o));
		assert_int_equal(bpf_map__max_entries(m), bpf_map__max_entries(o));
		n[0]++;
	}
	assert_int_equal(n[0], n[1]);
}

/* Of the variables of section NAME: names, offsets, sizes. */
static void compare_section(const char *name)
{
	const struct btf *a = bpf_object__btf(loop), *b = bpf_object__btf(plain);
	int i = btf__find_by_name_kind(a, name, BTF_KIND_DATASEC), k = btf__find_by_name_kind(b, name, BTF_KIND_DATASEC);
	assert_true(i > 0 && k > 0);
	const struct btf_type *s = btf__type_by_id(a, (uint32_t)i), *t = btf__type_by_id(b, (uint32_t)k);
	if (btf_vlen(s) != btf_vlen(t))
		fail_msg("%s: %u variables in one flavour, %u in the other", name, btf_vlen(s), btf_vlen(t));
	for (uint32_t v = 0; v < btf_vlen(s); v++) {
		const struct btf_var_secinfo *x = btf_var_secinfos(s) + v, *y = btf_var_secinfos(t) + v;
		assert_string_equal(btf__name_by_offset(a, btf__type_by_id(a, x->type)->name_off),
				    btf__name_by_offset(b, btf__type_by_id(b, y->type)->name_off));
		assert_int_equal(x->offset, y->offset);
		assert_int_equal(x->size, y->size);
	}
}

static void test_variables(void **state)
{
	compare_section(".rodata");
	compare_section(".data.handover");
	compare_section(".data.ports");
}

/* What Linux 5.10 does not have: atomics but the plain addition (5.12), bpf_loop() (5.17). Of all functions, also those that programs
 * share, which is why the ELF file is read and not libbpf asked. */
static void test_instructions(void **state)
{
	size_t size, seen = 0;
	const void *bytes = bounded__elf_bytes(&size);
	Elf_Scn *section = NULL;

	assert_int_not_equal(elf_version(EV_CURRENT), EV_NONE);
	Elf *elf = elf_memory((char *)bytes, size);
	assert_non_null(elf);
	while ((section = elf_nextscn(elf, section))) {
		const Elf64_Shdr *h = elf64_getshdr(section);
		if (!h || !(h->sh_flags & SHF_EXECINSTR))
			continue;
		const Elf_Data *d = elf_rawdata(section, NULL);
		const struct bpf_insn *v = d->d_buf;
		for (size_t i = 0; i < d->d_size / sizeof(*v); seen++, i++) {
			if (BPF_CLASS(v[i].code) == BPF_STX && BPF_MODE(v[i].code) == BPF_ATOMIC && v[i].imm != BPF_ADD)
				fail_msg("instruction %zu of a section: an atomic that tells or compares what was there", i);
			if (v[i].code == (BPF_JMP | BPF_CALL) && !v[i].src_reg && v[i].imm == BPF_FUNC_loop)
				fail_msg("instruction %zu of a section: bpf_loop()", i);
		}
	}
	elf_end(elf);
	assert_true(seen > 1000);
}

static void known(struct loader_feature *f, bool available)
{
	for (int i = 0; i < LOADER_FEATURES; i++)
		f[i] = (struct loader_feature){.available = available};
}

static bool loads(struct reqtally *s, const char *name)
{
	return bpf_program__autoload(bpf_object__find_program_by_name(s->obj, name));
}

static void test_what_is_loaded(void **state)
{
	struct loader_feature f[LOADER_FEATURES];

	known(f, true);
	struct reqtally *s = flavour_open(f);
	assert_non_null(s);
	assert_true(loads(s, "rcv_space_adjust") && loads(s, "inet_sock_set_state") && loads(s, "find_servers"));
	assert_false(loads(s, "socket_state") || loads(s, "socket_release") || loads(s, "read_port"));
	assert_false(s->rodata->settings.no_storage_in_tracing || s->rodata->settings.events);
	reqtally__destroy(s);

	/* 5.10 */
	known(f, false);
	s = flavour_open(f);
	assert_non_null(s);
	assert_false(loads(s, "rcv_space_adjust") || loads(s, "inet_sock_set_state") || loads(s, "find_servers"));
	assert_true(loads(s, "socket_state") && loads(s, "socket_release") && loads(s, "read_port"));
	assert_true(s->rodata->settings.no_storage_in_tracing && s->rodata->settings.events);
	reqtally__destroy(s);

	/* 5.15: no bpf_loop(), but storage in tracing programs */
	known(f, true);
	f[FEATURE_BPF_LOOP].available = f[FEATURE_CLOSE_EVENTS].available = f[FEATURE_RECLAIM].available = false;
	s = flavour_open(f);
	assert_non_null(s);
	assert_true(loads(s, "rcv_space_adjust") && loads(s, "socket_state") && loads(s, "socket_release"));
	assert_false(loads(s, "inet_sock_set_state") || loads(s, "read_port") || loads(s, "find_servers"));
	assert_true(s->rodata->settings.events && !s->rodata->settings.no_storage_in_tracing);
	reqtally__destroy(s);
}

/* Each has a name and a cost; each that is off, a reason. */
static void test_features(void **state)
{
	struct loader_feature f[LOADER_FEATURES];

	setenv("REQTALLY_WITHOUT", "bpf_loop,queue_time", 1);
	loader_probe_features(f);
	unsetenv("REQTALLY_WITHOUT");
	for (int i = 0; i < LOADER_FEATURES; i++) {
		assert_true(f[i].name && *f[i].name && f[i].cost && *f[i].cost);
		assert_int_equal(f[i].available, !f[i].reason);
	}
	assert_false(f[FEATURE_BPF_LOOP].available || f[FEATURE_RECLAIM].available || f[FEATURE_CLOSE_EVENTS].available);
	assert_false(f[FEATURE_QUEUE_TIME].available || f[FEATURE_PROCESS_IDENTITY].available);
	/* A part of a name is no name. */
	setenv("REQTALLY_WITHOUT", "bpf_loops queue", 1);
	struct loader_feature g[LOADER_FEATURES];
	loader_probe_features(g);
	unsetenv("REQTALLY_WITHOUT");
	loader_probe_features(f);
	for (int i = 0; i < LOADER_FEATURES; i++)
		assert_int_equal(f[i].available, g[i].available);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs),	cmocka_unit_test(test_maps),	 cmocka_unit_test(test_variables),
		cmocka_unit_test(test_instructions), cmocka_unit_test(test_what_is_loaded), cmocka_unit_test(test_features),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
