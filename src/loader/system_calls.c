// SPDX-License-Identifier: GPL-2.0-or-later
/* What a program that counts and serves has no use for, whoever should come to speak through it. A list of what is forbidden and not of
 * what is allowed: libraries and later kernels bring system calls that nobody here has thought of, and a refused one in the middle of
 * the night helps nobody. Where a unit or a runtime has a stricter filter, both hold. */
#include "loader/loader.h"

#include <errno.h>
#include <linux/bpf.h>
#include <seccomp.h>

#include "base/alloc.h"

static const int forbidden[] = {
	/* other programs */
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd),
	/* file systems and namespaces */
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(mknod), SCMP_SYS(mknodat),
	/* the kernel */
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(io_uring_setup),
	/* the machine */
	SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(iopl), SCMP_SYS(ioperm),
};

int loader_forbid_system_calls(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int err = f ? 0 : -ENOMEM;
	/* What the machine's architecture does not have is passed over by libseccomp. */
	for (size_t i = 0; i < ARRAY_SIZE(forbidden) && !err; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0);
	/* Maps are read and programs detached to the end; none is loaded any more. */
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 1, SCMP_A0_32(SCMP_CMP_EQ, BPF_PROG_LOAD));
	if (!err)
		err = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return err;
}
