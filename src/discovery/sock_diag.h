/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TCP sockets of one network namespace: from the kernel's sock_diag, or from the text of /proc/PID/net/tcp and tcp6. */
#ifndef RT_DISCOVERY_SOCK_DIAG_H
#define RT_DISCOVERY_SOCK_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_socket {
	bool listening; /* else established */
	bool ipv6;
	uint8_t address[16]; /* local, network byte order; IPv4 in the first four */
	uint16_t port;
	uint64_t inode;
	uint64_t cgroup_id; /* of the socket; 0: not known */
};

typedef void tcp_socket_fn(void *arg, const struct tcp_socket *s);

/* Calls FN for each socket that listens or is established in the namespace of FD, a NETLINK_SOCK_DIAG socket. 0 or a negative errno. */
int sock_diag_each(int fd, tcp_socket_fn *fn, void *arg);
/* A NETLINK_SOCK_DIAG socket in the network namespace of the file PATH (/proc/PID/ns/net), or NULL for our own. The descriptor, or a
 * negative errno: -EPERM without CAP_SYS_ADMIN. */
int sock_diag_open(const char *path);
/* One line of /proc/PID/net/tcp (IPV6: tcp6). False if it is the heading, another state, or nothing of the kind. */
bool proc_net_tcp_parse(const char *line, bool ipv6, struct tcp_socket *s);

#endif
