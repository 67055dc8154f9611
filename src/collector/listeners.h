/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the connections of each listening socket turned out to be, as the kernel programs count it. */
#ifndef RT_COLLECTOR_LISTENERS_H
#define RT_COLLECTOR_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

#include "reqtally.h"

struct loader;

struct listener_verdicts {
	uint64_t cgroup_id; /* of the listening socket */
	uint16_t port;
	uint64_t connections[RT_VERDICTS];
};

/* "http", "tls", "http2", "other", "server_first", "middle". */
const char *verdict_name(enum rt_verdict verdict);
/* All entries of the kernel's map. 0 and *OUT (free it), or a negative errno. */
int collector_listeners(const struct loader *l, struct listener_verdicts **out, size_t *n);
/* The same, and the sums of the ledger, from the pinned maps of a reqtally that does not run. -ENOENT if there are none, -EPROTO if they
 * are of another version. */
int collector_pinned_listeners(struct listener_verdicts **out, size_t *n);
int collector_pinned_ledger(uint64_t *seen, uint64_t *recorded, uint64_t *lost);
/* Enters the sockets that listen already, so that their connections are counted from the first one on. To be called once the programs
 * are attached, with the rights that attaching took. What cannot be seen is entered by the kernel with its first connection. */
void collector_enter_listeners(const struct loader *l);

#endif
