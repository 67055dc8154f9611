// SPDX-License-Identifier: GPL-2.0-or-later
/* attach OBJECT CGROUP: attaches all programs of a BPF object, says so, and waits to be ended. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_object *o = argc == 3 ? bpf_object__open_file(argv[1], NULL) : NULL;
	int cgroup = argc == 3 ? open(argv[2], O_RDONLY | O_DIRECTORY) : -1;
	struct bpf_program *p;

	if (!o || cgroup < 0 || bpf_object__load(o))
		return 1;
	bpf_object__for_each_program(p, o) {
		struct bpf_link *link = bpf_program__type(p) == BPF_PROG_TYPE_CGROUP_SKB ? bpf_program__attach_cgroup(p, cgroup)
											 : bpf_program__attach(p);
		if (!link) {
			perror(bpf_program__name(p));
			return 1;
		}
	}
	puts("attached");
	fflush(stdout);
	pause();
	return 0;
}
