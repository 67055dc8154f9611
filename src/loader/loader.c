// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "loader/flavour.h"
#include "reqtally.h"
#include "reqtally.skel.h"

struct loader {
	struct reqtally *skel;
	struct bpf_link *links[8];
	size_t n_links;
	struct bpf_link *iter;
	struct loader_feature features[LOADER_FEATURES];
};

/* libbpf's own words, kept for the message if something fails. */
static _Thread_local struct buf *libbpf_words;

static int keep_words(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_WARN && libbpf_words)
		buf_vaddf(libbpf_words, fmt, ap);
	return 0;
}

static void fill_settings(struct reqtally *skel, const struct loader_options *opt)
{
	__typeof__(skel->rodata->settings) *s = (void *)&skel->rodata->settings;
	for (size_t i = 0; i < RT_BOUNDS_MAX; i++)
		s->bounds_ns[i] = i < opt->n_bounds ? (uint64_t)(opt->bounds[i] * 1e9 + 0.5) : UINT64_MAX;
	s->endpoints_per_service = opt->endpoints_per_service;
	s->series_per_service = opt->series_per_service;
	if (getrandom((void *)&s->seed, sizeof(s->seed), 0) != sizeof(s->seed))
		s->seed = 0x5deece66d1234567ull; /* early boot: the seed only has to be hard to guess */
	if (opt->ignored_ports) {
		s->filter_ports = 1;
		memcpy((void *)skel->rodata->port_filter, opt->ignored_ports, sizeof(skel->rodata->port_filter));
	}
	s->n_routes = (uint32_t)(opt->n_routes + opt->n_streams);
	bpf_map__set_max_entries(skel->maps.series, opt->max_series);
	bpf_map__set_max_entries(skel->maps.endpoints, opt->max_endpoints);
}

/* What most likely keeps the programs from loading, in words that help. */
static char *explain(int err, const char *words)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return xstrdup("this kernel has no BTF (/sys/kernel/btf/vmlinux is missing): reqtally needs a kernel of 5.17 or later built "
			       "with CONFIG_DEBUG_INFO_BTF=y");
	if (err == -EPERM) /* -EACCES is the verifier's no */
		return xstrdup("no permission to load BPF programs: run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_loop, NULL) == 0)
		return xstrdup("this kernel is too old: reqtally needs 5.17 or later (it has no bpf_loop)");
	/* libbpf's first line is the cause; the log of the verifier follows. One message is one line. */
	return xasprintf("cannot load the kernel programs: %s%s%.*s", strerror(-err), *words ? ": " : "", (int)strcspn(words, "\n"), words);
}

static int attach(struct loader *l, struct bpf_link *link, const char *what, char **error)
{
	if (!link) {
		int err = -errno;
		*error = xasprintf("cannot attach %s: %s", what, strerror(-err));
		return err;
	}
	l->links[l->n_links++] = link;
	return 0;
}

static int attach_all(struct loader *l, const struct loader_options *opt, char **error)
{
	struct reqtally *k = l->skel;
	_cleanup_close_ int cgroup = open(opt->cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0) {
		*error = xasprintf("cannot open the cgroup2 root %s: %s", opt->cgroup_root, strerror(errno));
		return -errno;
	}
	/* The connection's end and the reads first, the packets last: no request is seen whose end would not be. */
	int err = attach(l, bpf_program__attach(k->progs.inet_sock_set_state), "to the tracepoint inet_sock_set_state", error);
	if (!err)
		err = attach(l, bpf_program__attach(k->progs.rcv_space_adjust), "to the tracepoint tcp_rcv_space_adjust", error);
	if (!err)
		err = attach(l, bpf_program__attach_cgroup(k->progs.egress, cgroup), "to the cgroup's egress", error);
	if (!err)
		err = attach(l, bpf_program__attach_cgroup(k->progs.ingress, cgroup), "to the cgroup's ingress", error);
	if (err)
		return err;
	union bpf_iter_link_info info = {.map.map_fd = (uint32_t)bpf_map__fd(k->maps.connections)};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	l->iter = bpf_program__attach_iter(k->progs.in_flight, &opts);
	if (!l->iter) {
		err = -errno;
		*error = xasprintf("cannot make the iterator over connections: %s", strerror(-err));
	}
	return err;
}

/* Requests that nobody has read and nobody served before have no service: number 0. */
static void add_unknown_service(struct loader *l)
{
	uint64_t zero = 0;
	struct rt_service s = {.comm = "unknown"};
	bpf_map_update_elem(loader_map_fd(l, LOADER_SERVICES), &zero, &s, BPF_NOEXIST);
}

/* A template as the kernel matches it: a byte for "{name}", another for the two stars at its end. */
static void route_compile(const char *template, bool stream, struct rt_route *r)
{
	size_t n = 0;
	*r = (struct rt_route){.stream = stream};
	for (const char *p = template; *p && n < RT_ENDPOINT_MAX - 1; p++) {
		if (*p == '{') {
			r->pattern[n++] = RT_ROUTE_SEGMENT;
			p += strcspn(p, "}");
			if (!*p)
				break;
		} else if (p[0] == '*' && p[1] == '*' && !p[2]) {
			r->pattern[n++] = RT_ROUTE_REST;
			break;
		} else {
			r->pattern[n++] = *p;
		}
	}
	if (stream)
		return;
	size_t len = strlen(template);
	r->len = (uint16_t)(len < RT_ENDPOINT_MAX ? len : RT_ENDPOINT_MAX);
	memcpy(r->text, template, r->len);
}

static int add_routes(struct loader *l, const struct loader_options *opt, char **error)
{
	for (uint32_t i = 0; i < opt->n_routes + opt->n_streams; i++) {
		struct rt_route r;
		bool stream = i >= opt->n_routes;
		route_compile(stream ? opt->streams[i - opt->n_routes] : opt->routes[i], stream, &r);
		if (bpf_map_update_elem(bpf_map__fd(l->skel->maps.routes), &i, &r, BPF_ANY)) {
			*error = xasprintf("cannot enter route %u: %s", i + 1, strerror(errno));
			return -errno;
		}
	}
	return 0;
}

int loader_open(const struct loader_options *opt, struct loader **out, char **error)
{
	_cleanup_buf_ struct buf words = BUF_LIMIT(4096);
	struct loader *l = xcalloc(1, sizeof(*l));
	int err;

	libbpf_words = &words;
	libbpf_set_print(keep_words);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	loader_probe_features(l->features);
	l->skel = flavour_open(l->features);
	if (!l->skel) {
		err = -errno;
		*error = explain(err, buf_str(&words));
		goto out;
	}
	fill_settings(l->skel, opt);
	err = reqtally__load(l->skel);
	if (err) {
		*error = explain(err, buf_str(&words));
		goto out;
	}
	add_unknown_service(l);
	err = add_routes(l, opt, error);
	if (!err)
		err = attach_all(l, opt, error);
out:
	libbpf_words = NULL;
	if (err) {
		loader_free(l);
		return err;
	}
	*out = l;
	return 0;
}

void loader_free(struct loader *l)
{
	if (!l)
		return;
	/* The packets first: see attach_all(). */
	while (l->n_links)
		bpf_link__destroy(l->links[--l->n_links]);
	bpf_link__destroy(l->iter);
	reqtally__destroy(l->skel);
	free(l);
}

const struct loader_feature *loader_features(const struct loader *l)
{
	return l->features;
}

static struct bpf_map *loader_map(const struct loader *l, enum loader_map map)
{
	struct bpf_map *const maps[LOADER_MAPS] = {
		[LOADER_SERIES] = l->skel->maps.series,	      [LOADER_STREAMS] = l->skel->maps.streams,
		[LOADER_ENDPOINTS] = l->skel->maps.endpoints, [LOADER_SERVICES] = l->skel->maps.services,
		[LOADER_OVERFLOW] = l->skel->maps.overflow,   [LOADER_LEDGER] = l->skel->maps.ledger,
		[LOADER_LISTENERS] = l->skel->maps.listeners,
	};
	return maps[map];
}

int loader_map_fd(const struct loader *l, enum loader_map map)
{
	return bpf_map__fd(loader_map(l, map));
}

uint32_t loader_map_capacity(const struct loader *l, enum loader_map map)
{
	return bpf_map__max_entries(loader_map(l, map));
}

size_t loader_programs(const struct loader *l, struct loader_program *p, size_t max)
{
	struct bpf_program *prog;
	size_t n = 0;

	bpf_object__for_each_program(prog, l->skel->obj) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);
		int fd = bpf_program__fd(prog);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
			continue;
		if (n < max)
			p[n] = (struct loader_program){.name = bpf_program__name(prog),
						       .run_ns = info.run_time_ns,
						       .runs = info.run_cnt,
						       .verified_instructions = info.verified_insns};
		n++;
	}
	return n;
}

int loader_in_flight(const struct loader *l, void (*fn)(void *arg, const struct rt_in_flight *f), void *arg)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(l->iter));
	struct rt_in_flight f;
	size_t have = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, (char *)&f + have, sizeof(f) - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		have += (size_t)n;
		if (have == sizeof(f)) {
			fn(arg, &f);
			have = 0;
		}
	}
}
