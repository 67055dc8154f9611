/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this process may do with BPF on this machine, found out by trying; nothing stays. */
#ifndef RT_LOADER_RIGHTS_H
#define RT_LOADER_RIGHTS_H

#include <stdbool.h>

struct loader_rights {
	bool may_load;	     /* a program for packets of a cgroup can be loaded */
	bool memlock_counts; /* maps count against RLIMIT_MEMLOCK, and not against the memory cgroup; only known if may_load */
};

struct loader_rights loader_probe_rights(void);

#endif
