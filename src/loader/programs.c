// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "loader/flavour.h"
#include "loader/reclaim.h"
#include "reqtally.h"
#include "reqtally.skel.h"

struct programs {
	struct reqtally *skel;
	const struct loader_options *opt;
	struct layout *layout;
	struct rt_route *routes;
	uint32_t n_routes;
	uint64_t hash, settings;
	struct loader_feature features[LOADER_FEATURES];
};

/* In the order of attaching: the connection's end and the reads first, the packets last, so that no request is seen whose end would not
 * be. The iterators are run by user space only. */
static const struct {
	const char *name;
	enum { TRACEPOINT, PACKETS, ITERATOR } how;
	enum bpf_attach_type type;
} attachments[] = {
	{"in_flight", ITERATOR, BPF_TRACE_ITER},
	{"release", ITERATOR, BPF_TRACE_ITER},
	{"reclaim", ITERATOR, BPF_TRACE_ITER},
	{"inet_sock_set_state", TRACEPOINT, BPF_TRACE_RAW_TP},
	{"rcv_space_adjust", TRACEPOINT, BPF_TRACE_RAW_TP},
	/* Instead of these two, where tracing programs cannot do their work: bpf/events.h. */
	{"socket_state", PACKETS, BPF_CGROUP_SOCK_OPS},
	{"socket_release", PACKETS, BPF_CGROUP_INET_SOCK_RELEASE},
	{"read_port", TRACEPOINT, BPF_TRACE_RAW_TP},
	{"egress", PACKETS, BPF_CGROUP_INET_EGRESS},
	{"ingress", PACKETS, BPF_CGROUP_INET_INGRESS},
};

_Static_assert(ARRAY_SIZE(attachments) + 1 <= LOADER_PROGRAMS_MAX, "these and find_servers, which is run once");

/* Pieces of 4 KB kept of streams out of order, and connections without a socket, where memory is short. */
#define LEAN_PIECES 256
#define LEAN_EMBRYOS 64

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
	if (opt->ignored_ports) {
		s->filter_ports = 1;
		memcpy((void *)skel->rodata->port_filter, opt->ignored_ports, sizeof(skel->rodata->port_filter));
	}
	s->n_routes = (uint32_t)(opt->n_routes + opt->n_streams);
	s->connections = opt->max_connections;
	s->pipelines = opt->max_connections / 16;
	s->reclaim_at = reclaim_mark(opt->max_connections);
	bpf_map__set_max_entries(skel->maps.series, opt->max_series);
	bpf_map__set_max_entries(skel->maps.endpoints, opt->max_endpoints);
	if (!opt->lean_maps)
		return;
	struct bpf_map *const grow[] = {skel->maps.series, skel->maps.endpoints, skel->maps.streams, skel->maps.services};
	for (size_t i = 0; i < ARRAY_SIZE(grow); i++)
		bpf_map__set_map_flags(grow[i], bpf_map__map_flags(grow[i]) | BPF_F_NO_PREALLOC);
	bpf_map__set_max_entries(skel->maps.held_bytes, LEAN_PIECES);
	bpf_map__set_max_entries(skel->maps.carried, LEAN_EMBRYOS);
}

/* What most likely keeps the programs from loading, in words that help. */
static char *explain(int err, const char *words)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return xstrdup("this kernel has no BTF (/sys/kernel/btf/vmlinux is missing): reqtally needs a kernel of 5.10 or later built "
			       "with CONFIG_DEBUG_INFO_BTF=y");
	if (err == -EPERM) /* -EACCES is the verifier's no */
		return xstrdup("no permission to load BPF programs: run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_skc_to_tcp_sock, NULL) == 0)
		return xstrdup("this kernel is too old: reqtally needs 5.10 or later (it has no bpf_skc_to_tcp_sock)");
	/* libbpf's first line is the cause; the log of the verifier follows. One message is one line. */
	return xasprintf("cannot load the kernel programs: %s%s%.*s", strerror(-err), *words ? ": " : "", (int)strcspn(words, "\n"), words);
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

static void compile_routes(struct programs *p)
{
	const struct loader_options *opt = p->opt;

	p->n_routes = (uint32_t)(opt->n_routes + opt->n_streams);
	p->routes = xcalloc(p->n_routes + 1, sizeof(*p->routes));
	for (uint32_t i = 0; i < p->n_routes; i++) {
		bool stream = i >= opt->n_routes;
		route_compile(stream ? opt->streams[i - opt->n_routes] : opt->routes[i], stream, &p->routes[i]);
	}
}

int programs_open(const struct loader_options *opt, struct programs **out, char **error)
{
	_cleanup_buf_ struct buf words = BUF_LIMIT(4096);
	struct programs *p = xcalloc(1, sizeof(*p));
	int err = 0;

	p->opt = opt;
	libbpf_words = &words;
	libbpf_set_print(keep_words);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	loader_probe_features(p->features);
	p->skel = flavour_open(p->features);
	if (!p->skel) {
		err = -errno;
		*error = explain(err, buf_str(&words));
	}
	libbpf_words = NULL;
	if (err) {
		programs_free(p);
		return err;
	}
	fill_settings(p->skel, opt);
	compile_routes(p);
	p->layout = layout_of(p->skel->obj, (const uint64_t *)p->skel->rodata->settings.bounds_ns, opt->n_bounds);
	size_t size;
	const void *elf = reqtally__elf_bytes(&size);
	p->hash = layout_hash(1, elf, size) | 1;
	/* Before the seed is in it, which stays the same from set to set. */
	p->settings = layout_hash(1, p->skel->rodata, sizeof(*p->skel->rodata));
	p->settings = layout_hash(p->settings, p->routes, p->n_routes * sizeof(*p->routes)) | 1;
	for (int i = 0; i < LOADER_FEATURES; i++)
		p->hash = layout_hash(p->hash, &p->features[i].available, sizeof(bool)) | 1;
	if (!p->layout) {
		*error = xstrdup("cannot tell the layout of the maps");
		programs_free(p);
		return -EINVAL;
	}
	*out = p;
	return 0;
}

void programs_free(struct programs *p)
{
	if (!p)
		return;
	reqtally__destroy(p->skel);
	layout_free(p->layout);
	free(p->routes);
	free(p);
}

const struct layout *programs_layout(const struct programs *p)
{
	return p->layout;
}

uint64_t programs_hash(const struct programs *p)
{
	return p->hash;
}

uint64_t programs_settings(const struct programs *p)
{
	return p->settings;
}

const struct loader_feature *programs_features(const struct programs *p)
{
	return p->features;
}

void programs_keep_endpoints(struct programs *p, uint32_t n)
{
	bpf_map__set_max_entries(p->skel->maps.endpoints, n > p->opt->max_endpoints ? n : p->opt->max_endpoints);
	struct layout *l = layout_of(p->skel->obj, p->layout->bounds_ns, p->layout->n_bounds);
	if (l) {
		layout_free(p->layout);
		p->layout = l;
	}
}

/* Lets MAP be the map FD, if there is one. */
static int use(struct bpf_map *map, int fd)
{
	return fd < 0 ? 0 : bpf_map__reuse_fd(map, fd);
}

/* The Ith map and its name in the source, NULL behind the last. bpf_map__name() is the name in the kernel once a map is reused: cut, or that
 * of the elder's map. */
static struct bpf_map *map_at(const struct programs *p, int i, const char **name)
{
	const struct bpf_object_skeleton *s = p->skel->skeleton;
	if (i >= s->map_cnt)
		return NULL;
	*name = s->maps[i].name;
	return *s->maps[i].map;
}

static int use_maps(struct programs *p, const struct programs_from *from)
{
	struct bpf_map *m;
	const char *name;
	int err = 0;

	if (from->state) {
		for (int i = 0; (m = map_at(p, i, &name)) && !err; i++)
			if (!bpf_map__is_internal(m) && layout_is_state(name))
				err = use(m, set_map(from->state, name));
		if (!err)
			err = use(p->skel->maps.data_handover, set_map(from->state, "closing"));
		if (!err)
			err = use(p->skel->maps.data_ports, set_map(from->state, "server_ports"));
	}
	if (from->elder) {
		const struct {
			struct bpf_map *map;
			const char *elders;
		} maps[] = {
			{p->skel->maps.elder_closing, "closing"},
			{p->skel->maps.elder_connections, "connections"},
			{p->skel->maps.elder_batons, "batons"},
			{p->skel->maps.ignored, "ignored"}, /* it has one form for ever (RT_HANDOVER) */
		};
		for (size_t i = 0; i < ARRAY_SIZE(maps) && !err; i++)
			err = use(maps[i].map, set_map(from->elder, maps[i].elders));
	}
	return err;
}

/* Descriptors of one's own, so that libbpf's memory can go. */
static void fill_set(struct programs *p, struct set *set)
{
	struct bpf_program *prog;
	struct bpf_map *m;
	const char *name;

	for (int i = 0; (m = map_at(p, i, &name)); i++)
		if (!bpf_map__is_internal(m) && layout_is_state(name))
			set_add(set, "map_", name, fcntl(bpf_map__fd(m), F_DUPFD_CLOEXEC, 0));
	set_add(set, "map_", "closing", fcntl(bpf_map__fd(p->skel->maps.data_handover), F_DUPFD_CLOEXEC, 0));
	set_add(set, "map_", "server_ports", fcntl(bpf_map__fd(p->skel->maps.data_ports), F_DUPFD_CLOEXEC, 0));
	bpf_object__for_each_program(prog, p->skel->obj)
		if (bpf_program__fd(prog) >= 0)
			set_add(set, "prog_", bpf_program__name(prog), fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 0));
}

static int enter_routes(struct programs *p)
{
	for (uint32_t i = 0; i < p->n_routes; i++)
		if (bpf_map_update_elem(bpf_map__fd(p->skel->maps.routes), &i, &p->routes[i], BPF_ANY))
			return -errno;
	return 0;
}

/* Requests that nobody has read and nobody served before have no service: number 0. */
static void add_unknown_service(const struct set *set)
{
	uint64_t zero = 0;
	struct rt_service s = {.comm = "unknown"};
	bpf_map_update_elem(set_map(set, "services"), &zero, &s, BPF_NOEXIST);
}

int programs_load(struct programs *p, const struct programs_from *from, struct set *set, char **error)
{
	_cleanup_buf_ struct buf words = BUF_LIMIT(4096);
	__typeof__(p->skel->rodata->settings) *s = (void *)&p->skel->rodata->settings;

	s->seed = from->seed;
	s->has_elder = from->elder || from->has_elder;
	s->named_by = (uint32_t)layout_hash(p->hash, &p->settings, sizeof(p->settings));
	libbpf_words = &words;
	int err = use_maps(p, from);
	if (!err)
		err = reqtally__load(p->skel);
	libbpf_words = NULL;
	if (err) {
		*error = explain(err, buf_str(&words));
		return err;
	}
	err = enter_routes(p);
	if (err) {
		*error = xasprintf("cannot enter the routes: %s", strerror(-err));
		return err;
	}
	fill_set(p, set);
	add_unknown_service(set);
	return 0;
}

int programs_attach(struct set *set, const char *name, const struct loader_options *opt, char **error)
{
	int prog = set_fd(set, "prog_", name), link = -1;
	size_t i = 0;

	if (prog < 0)
		return 0; /* this kernel does not have what it needs */
	while (strcmp(attachments[i].name, name))
		i++;
	if (attachments[i].how == PACKETS) {
		_cleanup_close_ int cgroup = open(opt->cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (cgroup < 0) {
			int err = -errno;
			*error = xasprintf("cannot open the cgroup2 root %s: %s", opt->cgroup_root, strerror(-err));
			return err;
		}
		link = bpf_link_create(prog, cgroup, attachments[i].type, NULL);
	} else if (attachments[i].how == ITERATOR) {
		union bpf_iter_link_info info = {.map.map_fd = (uint32_t)set_map(set, "connections")};
		LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
		link = bpf_link_create(prog, 0, attachments[i].type, &opts);
	} else {
		link = bpf_raw_tracepoint_open(NULL, prog);
	}
	if (link < 0) {
		int err = -errno;
		*error = xasprintf("cannot attach the program %s: %s", name, strerror(-err));
		return err;
	}
	set_add(set, "link_", name, link);
	return 0;
}

int programs_attach_all(struct set *set, const struct loader_options *opt, char **error)
{
	int err = 0;
	for (size_t i = 0; i < ARRAY_SIZE(attachments) && !err; i++)
		err = programs_attach(set, attachments[i].name, opt, error);
	return err;
}

void programs_learn(const struct set *set)
{
	int prog = set_fd(set, "prog_", "find_servers");
	_cleanup_close_ int link = prog < 0 ? -1 : bpf_link_create(prog, 0, BPF_TRACE_ITER, NULL);
	_cleanup_close_ int fd = link < 0 ? -1 : bpf_iter_create(link);
	char none[64];
	ssize_t n;

	while (fd >= 0 && ((n = read(fd, none, sizeof(none))) > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN))))
		continue;
}

bool programs_is_packet(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(attachments); i++)
		if (strcmp(attachments[i].name, name) == 0)
			return attachments[i].how == PACKETS;
	return false;
}

const char *programs_name(size_t i)
{
	return i < ARRAY_SIZE(attachments) ? attachments[i].name : NULL;
}
