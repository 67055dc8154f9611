// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/rights.h"

#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

static bool loads(const struct bpf_insn *insns, size_t n)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, NULL, "GPL", insns, n, NULL);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

struct loader_rights loader_probe_rights(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	/* bpf_ktime_get_coarse_ns() came with the accounting by cgroup, in Linux 5.11 (97306be45fbe is the last of that series). */
	const struct bpf_insn coarse[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_coarse_ns},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct loader_rights r = {.may_load = loads(pass, 2)};
	r.memlock_counts = r.may_load && !loads(coarse, 3);
	return r;
}
