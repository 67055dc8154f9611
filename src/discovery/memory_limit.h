/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory this process's cgroup may use: kernel memory of BPF maps is charged there, too. */
#ifndef RT_DISCOVERY_MEMORY_LIMIT_H
#define RT_DISCOVERY_MEMORY_LIMIT_H

#include <stdint.h>

#define MEMORY_UNLIMITED UINT64_MAX

/* The lowest limit of the cgroup and those above it, of cgroup2 (memory.max) or of version 1 (memory.limit_in_bytes), whichever has
 * the controller. What cannot be read limits nothing. */
uint64_t memory_limit(void);
/* The same from the texts of /proc/self/cgroup and /proc/self/mountinfo. */
uint64_t memory_limit_from(const char *cgroup, const char *mountinfo);

#endif
