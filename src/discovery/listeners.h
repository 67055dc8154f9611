/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every process that listens on a TCP port of this machine, in all network namespaces that can be reached. Reads /proc and asks
 * sock_diag; changes nothing. What our rights do not let us see is counted. */
#ifndef RT_DISCOVERY_LISTENERS_H
#define RT_DISCOVERY_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define LISTENERS_MAX 8192
#define LISTENER_ADDRESSES 8

struct listener_address {
	bool ipv6;
	uint8_t bytes[16];
};

/* One process and one port; several sockets of it (0.0.0.0 and [::], SO_REUSEPORT) are one listener. */
struct listener {
	uint64_t netns;	    /* inode of the network namespace */
	uint64_t cgroup_id; /* of its socket; 0: not known */
	uint64_t process_cgroup_id; /* of the process; 0: not known */
	struct listener_address addresses[LISTENER_ADDRESSES];
	uint32_t n_addresses; /* may be more than there is room for */
	uint32_t connections; /* established now on this port of the namespace */
	uint32_t processes;   /* that have the socket open */
	uint16_t port;
	pid_t pid;	      /* the lowest of them; 0: none that we may see, or the kernel itself */
	char comm[17];	      /* its name; "" if pid is 0 */
	uint64_t inode;	      /* of its first socket */
};

struct listeners {
	struct listener *v; /* by port, then namespace, then pid */
	size_t n, cap;
	uint32_t namespaces;	      /* that were read */
	uint32_t namespaces_unread;   /* and that could not be */
	uint32_t processes_hidden;    /* whose namespace or descriptors we may not see */
	bool truncated;		      /* there are more than LISTENERS_MAX */
	uint64_t own_netns;
};

/* CGROUP_ROOT as for discovery_new, or NULL: processes' cgroups stay unknown. OWNERS: also look for the processes (reads every
 * descriptor of the machine). 0, or a negative errno and *ERROR. */
int listeners_read(const char *cgroup_root, bool owners, struct listeners *out, char **error);
void listeners_free(struct listeners *l);
/* "127.0.0.1, [::1]"; "*" for all addresses of both families. */
void listener_addresses(const struct listener *l, struct buf *out);
/* The id of the cgroup of process PID, 0 if it cannot be known. */
uint64_t process_cgroup_id(const char *cgroup_root, pid_t pid);

#endif
