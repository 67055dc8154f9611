// SPDX-License-Identifier: GPL-2.0-or-later
#include "discovery/sock_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* Attribute INET_DIAG_CGROUP_ID of Linux 5.9, by number: older headers lack it. */
#define DIAG_CGROUP_ID 21

static int diag_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct timeval patience = {.tv_sec = 5};
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

struct visit {
	const char *path;
	int fd;
};

/* A thread of its own goes there: a namespace belongs to a thread, and the socket stays in the one where it was made. */
static void *visit_namespace(void *arg)
{
	struct visit *v = arg;
	_cleanup_close_ int ns = open(v->path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		v->fd = -errno;
	else
		v->fd = diag_socket();
	return NULL;
}

int sock_diag_open(const char *path)
{
	struct visit v = {.path = path};
	pthread_t thread;
	if (!path)
		return diag_socket();
	int err = pthread_create(&thread, NULL, visit_namespace, &v);
	if (err)
		return -err;
	pthread_join(thread, NULL);
	return v.fd;
}

static int request(int fd, int family)
{
	struct {
		struct nlmsghdr nl;
		struct inet_diag_req_v2 diag;
	} q = {
		.nl = {.nlmsg_len = sizeof(q), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.diag = {.sdiag_family = (uint8_t)family,
			 .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = 1u << TCP_LISTEN | 1u << TCP_ESTABLISHED},
	};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	return sendto(fd, &q, sizeof(q), 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 ? -errno : 0;
}

static uint64_t cgroup_attribute(const struct nlmsghdr *h)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	int left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));
	uint64_t id = 0;
	for (const struct rtattr *a = (const void *)(m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == DIAG_CGROUP_ID && RTA_PAYLOAD(a) == sizeof(id))
			memcpy(&id, RTA_DATA(a), sizeof(id));
	return id;
}

static void take_message(const struct nlmsghdr *h, tcp_socket_fn *fn, void *arg)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return;
	struct tcp_socket s = {.listening = m->idiag_state == TCP_LISTEN,
			       .ipv6 = m->idiag_family == AF_INET6,
			       .port = ntohs(m->id.idiag_sport),
			       .inode = m->idiag_inode,
			       .cgroup_id = cgroup_attribute(h)};
	memcpy(s.address, m->id.idiag_src, s.ipv6 ? 16 : 4);
	fn(arg, &s);
}

static int dump(int fd, int family, tcp_socket_fn *fn, void *arg)
{
	_Alignas(struct nlmsghdr) char buf[32768];
	int err = request(fd, family);
	while (!err) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		unsigned left = (unsigned)n;
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *e = NLMSG_DATA(h);
				return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error ? e->error : -EPROTO;
			}
			if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY)
				take_message(h, fn, arg);
		}
	}
	return err;
}

int sock_diag_each(int fd, tcp_socket_fn *fn, void *arg)
{
	int err = dump(fd, AF_INET, fn, arg);
	/* A kernel without IPv6 says ENOENT. */
	int err6 = err ? 0 : dump(fd, AF_INET6, fn, arg);
	return err ? err : err6 == -ENOENT ? 0 : err6;
}

bool proc_net_tcp_parse(const char *line, bool ipv6, struct tcp_socket *s)
{
	/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 12345 ...": each word of the address is
	 * printed as a number of this machine's byte order. */
	unsigned port, state;
	unsigned long long inode;
	char address[33], remote[40];
	if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%4x %39s %2x %*s %*s %*s %*u %*u %llu", address, &port, remote, &state, &inode) != 5)
		return false;
	if (strlen(address) != (ipv6 ? 32 : 8) || (state != TCP_LISTEN && state != TCP_ESTABLISHED))
		return false;
	*s = (struct tcp_socket){.listening = state == TCP_LISTEN, .ipv6 = ipv6, .port = (uint16_t)port, .inode = inode};
	for (int i = 0; i < (ipv6 ? 4 : 1); i++) {
		unsigned word = 0;
		sscanf(address + 8 * i, "%8x", &word);
		uint32_t w = word;
		memcpy(s->address + 4 * i, &w, 4);
	}
	return true;
}
