// SPDX-License-Identifier: GPL-2.0-or-later
/* The machine: what the kernel has, what is mounted, what we may do. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "cli/doctor.h"
#include "discovery/cgroup_tree.h"
#include "loader/features.h"
#include "loader/rights.h"

/* magic.h of the kernel */
#define BPF_FS 0xcafe4a11u
#define TRACE_FS 0x74726163u

/* The first line of a file; false if it cannot be read. */
static bool first_line(const char *path, char *out, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f || !fgets(out, (int)size, f))
		return false;
	out[strcspn(out, "\n")] = 0;
	return true;
}

static bool is_mounted(const char *path, unsigned magic)
{
	struct statfs fs;
	return statfs(path, &fs) == 0 && (unsigned)fs.f_type == magic;
}

static void look_at_kernel(struct doctor *d)
{
	struct utsname u;
	char line[256];
	if (!uname(&u))
		doctor_add(d, FINDING_HOST, FINDING_OK, "kernel", xasprintf("%s %s, %s", u.sysname, u.release, u.machine), NULL);
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		doctor_add(d, FINDING_HOST, FINDING_FAILURE, "btf", xstrdup("/sys/kernel/btf/vmlinux is missing"),
			   xstrdup("the kernel must be built with CONFIG_DEBUG_INFO_BTF=y; the programs cannot be loaded without"));
	else
		doctor_add(d, FINDING_HOST, FINDING_OK, "btf", xstrdup("/sys/kernel/btf/vmlinux"), NULL);
	if (first_line("/proc/sys/net/core/bpf_jit_enable", line, sizeof(line)) && strcmp(line, "0") == 0)
		doctor_add(d, FINDING_HOST, FINDING_WARNING, "jit", xstrdup("net.core.bpf_jit_enable is 0: the programs are interpreted"),
			   xstrdup("each packet costs several times as much; sysctl net.core.bpf_jit_enable=1"));
	if (first_line("/sys/kernel/security/lockdown", line, sizeof(line))) {
		bool strict = strstr(line, "[confidentiality]") != NULL;
		doctor_add(d, FINDING_HOST, strict ? FINDING_FAILURE : FINDING_OK, "lockdown", xstrdup(line),
			   strict ? xstrdup("this mode forbids programs that read kernel memory: boot with lockdown=integrity or without") : NULL);
	} else {
		doctor_add(d, FINDING_HOST, FINDING_OK, "lockdown", xstrdup("not built in, or not shown to us"), NULL);
	}
}

static void look_at_features(struct doctor *d, const struct loader_rights *rights)
{
	struct loader_feature f[LOADER_FEATURES];
	if (!rights->may_load) {
		doctor_add(d, FINDING_HOST, FINDING_NOTE, "features", xstrdup("not asked for: this needs the right to load programs"),
			   d->running ? xstrdup("what the running reqtally has to do without stands under reqtally") : NULL);
		return;
	}
	loader_probe_features(f);
	for (int i = 0; i < LOADER_FEATURES; i++)
		doctor_add(d, FINDING_HOST, f[i].available ? FINDING_OK : FINDING_NOTE, f[i].name,
			   xstrdup(f[i].available ? "the kernel has it" : f[i].reason), f[i].available ? NULL : xstrdup(f[i].cost));
}

static void look_at_mounts(struct doctor *d)
{
	_cleanup_free_ char *root = NULL, *error = NULL;
	if (find_cgroup2_mount(&root, &error)) {
		doctor_add(d, FINDING_HOST, FINDING_FAILURE, "cgroup2", take(error),
			   xstrdup("the programs are attached to the root of the cgroup2 hierarchy"));
	} else if (!cgroup2_is_root(root)) {
		doctor_add(d, FINDING_HOST, FINDING_WARNING, "cgroup2", xasprintf("%s is a part of the hierarchy, not its root", root),
			   xstrdup("only the processes in this part are seen: in a container, mount the host's /sys/fs/cgroup"));
	} else {
		doctor_add(d, FINDING_HOST, FINDING_OK, "cgroup2", xasprintf("%s, the root of the hierarchy", root), NULL);
	}
	bool bpf = is_mounted("/sys/fs/bpf", BPF_FS);
	doctor_add(d, FINDING_HOST, bpf ? FINDING_OK : FINDING_NOTE, "bpffs", xstrdup(bpf ? "/sys/fs/bpf" : "not mounted on /sys/fs/bpf"),
		   bpf ? NULL : xstrdup("programs and maps cannot outlive a restart: mount -t bpf bpf /sys/fs/bpf"));
	const char *trace = is_mounted("/sys/kernel/tracing", TRACE_FS)		 ? "/sys/kernel/tracing"
			    : is_mounted("/sys/kernel/debug/tracing", TRACE_FS) ? "/sys/kernel/debug/tracing"
										 : NULL;
	doctor_add(d, FINDING_HOST, trace ? FINDING_OK : FINDING_NOTE, "tracefs", xstrdup(trace ? trace : "not mounted, or not shown to us"),
		   trace ? NULL : xstrdup("nothing needs it today; probes on TLS libraries may, once reqtally has them"));
}

static uint64_t effective_capabilities(void)
{
	char line[256];
	uint64_t caps = 0;
	_cleanup_fclose_ FILE *f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %" SCNx64, &caps) == 1)
			break;
	return caps;
}

static void look_at_rights(struct doctor *d, const struct loader_rights *rights)
{
	/* Numbers of linux/capability.h; the headers of the build may lack the newer ones. */
	static const struct {
		const char *name;
		int bit;
		bool to_run; /* and not only to see more */
		const char *without;
	} caps[] = {
		{"CAP_BPF", 39, true, "no program can be loaded"},
		{"CAP_PERFMON", 38, true, "no tracing program can be loaded"},
		{"CAP_NET_ADMIN", 12, true, "no program can be attached to a cgroup"},
		{"CAP_DAC_READ_SEARCH", 2, false, "services are named by their programs where cgroups cannot be opened by id"},
		{"CAP_SYS_PTRACE", 19, false, "processes of other users are not looked into"},
		{"CAP_SYS_ADMIN", 21, false, "listeners in other network namespaces are read from /proc"},
	};
	const int sys_admin = 21;
	uint64_t have = effective_capabilities();
	struct buf names = BUF_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
		/* CAP_SYS_ADMIN stands for the two that were split off it. */
		bool has = have >> caps[i].bit & 1 || (caps[i].bit >= 38 && have >> sys_admin & 1);
		if (has) {
			buf_addf(&names, "%s%s", names.n ? " " : "", caps[i].name);
			continue;
		}
		enum finding_level level = caps[i].to_run && !d->running ? FINDING_FAILURE : FINDING_NOTE;
		doctor_add(d, FINDING_HOST, level, caps[i].name, xstrdup("this process does not have it"), xstrdup(caps[i].without));
	}
	if (names.n)
		doctor_add(d, FINDING_HOST, FINDING_OK, "capabilities", xstrdup(buf_str(&names)), NULL);
	buf_free(&names);
	const uint64_t needed = 1ull << 39 | 1ull << 38 | 1ull << 12;
	if ((have & needed) == needed && !rights->may_load)
		doctor_add(d, FINDING_HOST, d->running ? FINDING_NOTE : FINDING_FAILURE, "bpf",
			   xstrdup("the kernel refuses to load a program although the capabilities are there"),
			   xstrdup("a seccomp filter (a container's runtime has one) or a security module forbids bpf(2)"));
}

static void look_at_memlock(struct doctor *d, const struct loader_rights *rights)
{
	struct rlimit lim;
	if (getrlimit(RLIMIT_MEMLOCK, &lim))
		return;
	if (lim.rlim_cur == RLIM_INFINITY) {
		doctor_add(d, FINDING_HOST, FINDING_OK, "memlock", xstrdup("unlimited"), NULL);
		return;
	}
	char *text = xasprintf("%llu KiB", (unsigned long long)lim.rlim_cur / 1024);
	bool counts = rights->may_load && rights->memlock_counts && lim.rlim_cur < (rlim_t)128 << 20;
	doctor_add(d, FINDING_HOST, counts ? FINDING_WARNING : FINDING_OK, "memlock", text,
		   counts ? xstrdup("this kernel counts maps against it, some 40 MB at default budgets: raise it (LimitMEMLOCK=infinity)") : NULL);
}

void doctor_look_at_host(struct doctor *d)
{
	struct loader_rights rights = loader_probe_rights();
	d->root = geteuid() == 0;
	look_at_kernel(d);
	look_at_features(d, &rights);
	look_at_mounts(d);
	look_at_rights(d, &rights);
	look_at_memlock(d, &rights);
}
