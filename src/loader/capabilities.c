// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/loader.h"

#include <errno.h>

#include <cap-ng.h>
#include <sys/prctl.h>

int loader_drop_capabilities(void)
{
	/* BPF: reading maps where unprivileged BPF is off. DAC_READ_SEARCH: cgroup paths by handle. SYS_PTRACE: other users'
	 * processes' /proc. Nothing else is needed once the programs are attached. */
	capng_get_caps_process();
	bool bpf = capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF), dac = capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_READ_SEARCH),
	     ptrace = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_PTRACE);
	capng_clear(CAPNG_SELECT_BOTH);
	if (bpf)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF);
	if (dac)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_READ_SEARCH);
	if (ptrace)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_PTRACE);
	/* Root would get all of them back by executing something. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}
