// SPDX-License-Identifier: GPL-2.0-or-later
#include "discovery/listeners.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "discovery/sock_diag.h"

#define NAMESPACES_MAX 4096

static void closedir_(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_dir_ _cleanup_(closedir_)

/* A socket that listens, before it is known whose it is. */
struct found {
	struct tcp_socket s;
	uint64_t netns;
	pid_t pid;
	pid_t last_pid; /* counted in processes already */
	uint32_t processes, connections;
};

struct namespace {
	uint64_t id;
	pid_t pid; /* one that is in it */
};

struct walk {
	struct namespace *ns;
	size_t n_ns, cap_ns;
	struct found *v;
	size_t n, cap;
	const struct namespace *at; /* the one being read */
	uint32_t *established; /* in it, by port */
	struct listeners *out;
};

static bool is_pid(const char *name, pid_t *pid)
{
	char *end;
	if (!isdigit((unsigned char)name[0]))
		return false;
	long v = strtol(name, &end, 10);
	*pid = (pid_t)v;
	return !*end && v > 0 && v < INT32_MAX;
}

/* N of a link that reads "KIND:[N]", 0 if it does not. */
static uint64_t link_number(int dir, const char *name, const char *kind)
{
	char text[64];
	size_t k = strlen(kind);
	ssize_t n = readlinkat(dir, name, text, sizeof(text) - 1);
	if (n < 0)
		return 0;
	text[n] = 0;
	if (strncmp(text, kind, k) != 0 || text[k] != ':' || text[k + 1] != '[')
		return 0;
	return strtoull(text + k + 2, NULL, 10);
}

static void add_namespace(struct walk *w, uint64_t id, pid_t pid)
{
	for (size_t i = 0; i < w->n_ns; i++)
		if (w->ns[i].id == id)
			return;
	if (w->n_ns >= NAMESPACES_MAX) {
		w->out->truncated = true;
		return;
	}
	array_grow(w->ns, w->n_ns, w->cap_ns);
	w->ns[w->n_ns++] = (struct namespace){.id = id, .pid = pid};
}

static int find_namespaces(struct walk *w, char **error)
{
	_cleanup_dir_ DIR *proc = opendir("/proc");
	struct dirent *e;
	char name[64];
	pid_t pid;
	if (!proc) {
		int err = -errno;
		*error = xasprintf("/proc: %s", strerror(-err));
		return err;
	}
	w->out->own_netns = link_number(dirfd(proc), "self/ns/net", "net");
	if (w->out->own_netns)
		add_namespace(w, w->out->own_netns, 0);
	while ((e = readdir(proc))) {
		if (!is_pid(e->d_name, &pid))
			continue;
		snprintf(name, sizeof(name), "%d/ns/net", (int)pid);
		errno = 0;
		uint64_t id = link_number(dirfd(proc), name, "net");
		if (id)
			add_namespace(w, id, pid);
		else if (errno == EACCES || errno == EPERM)
			w->out->processes_hidden++;
	}
	return 0;
}

static void take_socket(void *arg, const struct tcp_socket *s)
{
	struct walk *w = arg;
	if (!s->listening) {
		w->established[s->port]++;
		return;
	}
	if (w->n >= LISTENERS_MAX * 2) {
		w->out->truncated = true;
		return;
	}
	array_grow(w->v, w->n, w->cap);
	w->v[w->n++] = (struct found){.s = *s, .netns = w->at->id};
}

static int read_text(struct walk *w, pid_t pid, bool ipv6)
{
	char path[64], line[512];
	struct tcp_socket s;
	snprintf(path, sizeof(path), "/proc/%d/net/tcp%s", (int)pid, ipv6 ? "6" : "");
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f)
		return ipv6 && errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), f))
		if (proc_net_tcp_parse(line, ipv6, &s))
			take_socket(w, &s);
	return 0;
}

static int read_sockets(struct walk *w, const struct namespace *ns)
{
	char path[64];
	memset(w->established, 0, 65536 * sizeof(*w->established));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)ns->pid);
	_cleanup_close_ int fd = sock_diag_open(ns->pid ? path : NULL);
	size_t before = w->n;
	int err = fd < 0 ? fd : sock_diag_each(fd, take_socket, w);
	if (!err)
		return 0;
	/* Not allowed to go there, or a kernel without sock_diag: the text, which does not say the cgroup. */
	w->n = before;
	memset(w->established, 0, 65536 * sizeof(*w->established));
	pid_t pid = ns->pid ? ns->pid : getpid();
	err = read_text(w, pid, false);
	return err ? err : read_text(w, pid, true);
}

static int read_namespace(struct walk *w, const struct namespace *ns)
{
	size_t before = w->n;
	w->at = ns;
	int err = read_sockets(w, ns);
	for (size_t i = before; i < w->n; i++)
		w->v[i].connections = w->established[w->v[i].s.port];
	return err;
}

/* ---- whose they are ---- */

static int by_inode(const void *a, const void *b)
{
	uint64_t x = ((const struct found *)a)->s.inode, y = ((const struct found *)b)->s.inode;
	return x < y ? -1 : x > y;
}

static void find_owners_of(struct walk *w, DIR *proc, pid_t pid)
{
	char name[32];
	struct dirent *e;
	snprintf(name, sizeof(name), "%d/fd", (int)pid);
	int fd = openat(dirfd(proc), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir))) {
		struct found key = {.s.inode = link_number(dirfd(dir), e->d_name, "socket")};
		struct found *f = key.s.inode ? bsearch(&key, w->v, w->n, sizeof(key), by_inode) : NULL;
		if (!f || f->last_pid == pid)
			continue;
		f->last_pid = pid;
		f->processes++;
		if (!f->pid || pid < f->pid)
			f->pid = pid;
	}
}

static void find_owners(struct walk *w)
{
	_cleanup_dir_ DIR *proc = opendir("/proc");
	struct dirent *e;
	pid_t pid;
	if (!proc)
		return;
	qsort(w->v, w->n, sizeof(*w->v), by_inode);
	while ((e = readdir(proc)))
		if (is_pid(e->d_name, &pid))
			find_owners_of(w, proc, pid);
}

uint64_t process_cgroup_id(const char *cgroup_root, pid_t pid)
{
	char path[64], line[4200];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = 0;
		/* Outside our cgroup namespace: the path does not lead there from our mount. */
		if (strncmp(line + 3, "/..", 3) == 0)
			return 0;
		_cleanup_free_ char *dir = xasprintf("%s%s", cgroup_root, line + 3);
		return stat(dir, &st) ? 0 : st.st_ino;
	}
	return 0;
}

static void read_comm(pid_t pid, char comm[17])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f || !fgets(comm, 17, f))
		comm[0] = 0;
	comm[strcspn(comm, "\n")] = 0;
}

/* ---- listeners of sockets ---- */

static int by_place(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->s.port != y->s.port)
		return x->s.port < y->s.port ? -1 : 1;
	if (x->netns != y->netns)
		return x->netns < y->netns ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return by_inode(a, b);
}

static void add_address(struct listener *l, const struct tcp_socket *s)
{
	struct listener_address a = {.ipv6 = s->ipv6};
	memcpy(a.bytes, s->address, sizeof(a.bytes));
	for (uint32_t i = 0; i < l->n_addresses && i < LISTENER_ADDRESSES; i++)
		if (l->addresses[i].ipv6 == a.ipv6 && memcmp(l->addresses[i].bytes, a.bytes, sizeof(a.bytes)) == 0)
			return;
	if (l->n_addresses < LISTENER_ADDRESSES)
		l->addresses[l->n_addresses] = a;
	l->n_addresses++;
}

static void join(struct walk *w, const char *cgroup_root)
{
	struct listeners *out = w->out;
	qsort(w->v, w->n, sizeof(*w->v), by_place);
	for (size_t i = 0; i < w->n; i++) {
		const struct found *f = &w->v[i];
		struct listener *last = out->n ? &out->v[out->n - 1] : NULL;
		if (!last || last->port != f->s.port || last->netns != f->netns || last->pid != f->pid) {
			if (out->n >= LISTENERS_MAX) {
				out->truncated = true;
				return;
			}
			array_grow(out->v, out->n, out->cap);
			last = &out->v[out->n++];
			*last = (struct listener){.netns = f->netns,
						  .cgroup_id = f->s.cgroup_id,
						  .port = f->s.port,
						  .pid = f->pid,
						  .inode = f->s.inode,
						  .connections = f->connections};
			if (f->pid) {
				read_comm(f->pid, last->comm);
				if (cgroup_root)
					last->process_cgroup_id = process_cgroup_id(cgroup_root, f->pid);
			}
		}
		if (f->processes > last->processes)
			last->processes = f->processes;
		add_address(last, &f->s);
	}
}

int listeners_read(const char *cgroup_root, bool owners, struct listeners *out, char **error)
{
	struct walk w = {.out = out};
	*out = (struct listeners){0};
	w.established = xcalloc(65536, sizeof(*w.established));
	int err = find_namespaces(&w, error);
	for (size_t i = 0; !err && i < w.n_ns; i++) {
		if (read_namespace(&w, &w.ns[i]))
			out->namespaces_unread++;
		else
			out->namespaces++;
	}
	if (!err && owners)
		find_owners(&w);
	if (!err)
		join(&w, cgroup_root);
	free(w.established);
	free(w.ns);
	free(w.v);
	return err;
}

void listeners_free(struct listeners *l)
{
	free(l->v);
	*l = (struct listeners){0};
}

static bool is_any(const struct listener_address *a)
{
	static const uint8_t zero[16];
	return memcmp(a->bytes, zero, a->ipv6 ? 16 : 4) == 0;
}

void listener_addresses(const struct listener *l, struct buf *out)
{
	uint32_t shown = l->n_addresses < LISTENER_ADDRESSES ? l->n_addresses : LISTENER_ADDRESSES;
	for (uint32_t i = 0; i < shown; i++)
		if (is_any(&l->addresses[i]) && (l->addresses[i].ipv6 || shown > 1)) {
			/* [::] takes IPv4 too, as a rule */
			buf_addc(out, '*');
			return;
		}
	for (uint32_t i = 0; i < shown; i++) {
		char text[INET6_ADDRSTRLEN] = "";
		const struct listener_address *a = &l->addresses[i];
		inet_ntop(a->ipv6 ? AF_INET6 : AF_INET, a->bytes, text, sizeof(text));
		buf_addf(out, a->ipv6 ? "%s[%s]" : "%s%s", i ? ", " : "", text);
	}
	if (l->n_addresses > shown)
		buf_addf(out, " and %u more", l->n_addresses - shown);
}
