/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_COLLECTOR_PROCESS_H
#define RT_COLLECTOR_PROCESS_H

struct snapshot;

/* Adds the process_ families that every Prometheus client has, and reqtally_build_info. What /proc does not give is left out. */
void process_families(struct snapshot *s);

#endif
