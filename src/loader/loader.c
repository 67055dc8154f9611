// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/loader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "loader/base.h"
#include "loader/loader_impl.h"
#include "loader/names.h"
#include "loader/reclaim.h"
#include "reqtally.h"

void loader_report(const struct loader *l, bool warning, const char *fmt, ...)
{
	va_list ap;

	if (!l->opt.report)
		return;
	va_start(ap, fmt);
	_cleanup_free_ char *message = xvasprintf(fmt, ap);
	va_end(ap);
	l->opt.report(l->opt.arg, warning, message);
}

/* Are all programs attached, and to this cgroup? */
static bool all_alive(const struct set *s, const char *cgroup_root)
{
	struct stat st;
	const char *name;

	if (stat(cgroup_root, &st))
		return false;
	for (size_t i = 0; (name = programs_name(i)); i++)
		if (set_fd(s, "prog_", name) >= 0 && !set_alive(s, name, programs_is_packet(name) ? st.st_ino : 0))
			return false;
	return true;
}

/* Goes on with what is pinned. */
static int go_on(struct loader *l, struct programs *p, struct set *old, char **error)
{
	if (!layout_equal(old->layout, programs_layout(p))) {
		/* Endpoints of sets before it may have made its map larger than configured. */
		programs_keep_endpoints(p, set_map_info(set_map(old, "endpoints")).max_entries);
	}
	if (!layout_equal(old->layout, programs_layout(p)))
		return handover_take_over(l, p, &l->opt, old, error);
	if (old->id.programs != programs_hash(p) || old->id.settings != programs_settings(p) || !all_alive(old, l->opt.cgroup_root))
		return handover_replace(l, p, &l->opt, old, error);
	l->set = *old;
	loader_report(l, false, "going on with the programs of reqtally %s in %s", old->id.made_by, l->root.path);
	return 0;
}

static int start(struct loader *l, char **error)
{
	struct programs *p = NULL;
	struct set old = {0};
	char *why = NULL;
	int err = programs_open(&l->opt, &p, error);

	if (err)
		return err;
	memcpy(l->features, programs_features(p), sizeof(l->features));
	err = -ENOENT;
	if (l->root.path) {
		handover_recover(l);
		err = set_open(&l->root, PIN_CURRENT, &old, &why);
		if (!err && !names_fit(&old)) {
			why = xstrdup("map_names is another kind of map");
			err = -EINVAL;
		}
	}
	if (err && err != -ENOENT) {
		loader_report(l, true, "%s/" PIN_CURRENT " is of no use (%s): it is removed, and all counters begin at 0", l->root.path,
			      why ? why : strerror(-err));
		set_close(&old);
		pin_set_remove(&l->root, PIN_ELDER, NULL);
		pin_set_remove(&l->root, PIN_CURRENT, NULL);
	}
	if (err)
		err = handover_begin(l, p, &l->opt, error);
	else
		err = go_on(l, p, &old, error);
	if (!err)
		programs_learn(&l->set);
	free(why);
	programs_free(p);
	return err;
}

static int watch_budget(struct loader *l, char **error)
{
	struct reclaimer_options opt = {.link = set_fd(&l->set, "link_", "reclaim"),
					.usage = set_map(&l->set, "usage"),
					.orders = set_map(&l->set, "reclaiming"),
					.pressure = set_map(&l->set, "pressure"),
					.budget = l->opt.max_connections};
	int err = reclaimer_new(&opt, &l->reclaimer);
	if (err)
		*error = xasprintf("cannot watch the budget of connections: %s", strerror(-err));
	return err;
}

int loader_open(const struct loader_options *opt, struct loader **out, char **error)
{
	struct loader *l = xcalloc(1, sizeof(*l));
	int err = 0;

	l->opt = *opt;
	l->root.fd = -1;
	l->base_max = opt->max_series * 2;
	if (opt->pin_path) {
		err = pin_root_open(opt->pin_path, &l->root, error);
		if (err == -ENOTSUP && !opt->pin_required) {
			loader_report(l, true, "nothing is pinned, so counting begins anew at each start: %s", *error);
			free(*error);
			*error = NULL;
			err = 0;
		}
	}
	if (!err)
		err = start(l, error);
	if (!err)
		err = watch_budget(l, error);
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
	reclaimer_free(l->reclaimer);
	set_close(&l->set);
	set_close(&l->elder);
	pin_root_close(&l->root);
	free(l);
}

bool loader_pinned(const struct loader *l)
{
	return l->root.path != NULL;
}

int loader_sets(const struct loader *l)
{
	return l->elder.n ? 2 : 1;
}

const struct loader_feature *loader_features(const struct loader *l)
{
	return l->features;
}

int loader_map_fd(const struct loader *l, enum loader_map map)
{
	static const char *const names[LOADER_MAPS] = {
		[LOADER_SERIES] = "series",	[LOADER_STREAMS] = "streams", [LOADER_ENDPOINTS] = "endpoints", [LOADER_SERVICES] = "services",
		[LOADER_OVERFLOW] = "overflow", [LOADER_LEDGER] = "ledger",   [LOADER_LISTENERS] = "listeners",
		[LOADER_USAGE] = "usage",
	};
	return set_map(&l->set, names[map]);
}

uint32_t loader_map_capacity(const struct loader *l, enum loader_map map)
{
	return set_map_info(loader_map_fd(l, map)).max_entries;
}

_Static_assert(SET_PROGRAMS_MAX == LOADER_PROGRAMS_MAX, "a program whose figures nobody keeps, or shows");

size_t loader_programs(const struct loader *l, struct loader_program *p, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < l->set.n; i++) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);
		const char *name = l->set.v[i].name;
		if (strncmp(name, "prog_", 5) || bpf_obj_get_info_by_fd(l->set.v[i].fd, &info, &len))
			continue;
		name += 5;
		struct bpf_prog_info elder = {0};
		uint32_t elder_len = sizeof(elder);
		if (set_fd(&l->elder, "prog_", name) >= 0 && !bpf_obj_get_info_by_fd(set_fd(&l->elder, "prog_", name), &elder, &elder_len)) {
			info.run_time_ns += elder.run_time_ns;
			info.run_cnt += elder.run_cnt;
		}
		for (size_t k = 0; k < SET_PROGRAMS_MAX; k++)
			if (strcmp(l->set.id.replaced[k].name, name) == 0) {
				info.run_time_ns += l->set.id.replaced[k].run_ns;
				info.run_cnt += l->set.id.replaced[k].runs;
			}
		if (n < max)
			p[n] = (struct loader_program){
				.name = name, .run_ns = info.run_time_ns, .runs = info.run_cnt, .verified_instructions = info.verified_insns};
		n++;
	}
	return n;
}

int loader_earlier(const struct loader *l, const struct loader_figures *f)
{
	int err = l->elder.n ? base_read(&l->elder, &l->set, true, f) : 0;
	return err ? err : base_read_own(&l->set, f);
}

/* The requests in flight of one set, whose records may have another form. */
static int read_in_flight(const struct set *s, const struct set *own, void (*fn)(void *arg, const struct rt_in_flight *f), void *arg)
{
	_cleanup_close_ int fd = bpf_iter_create(set_fd(s, "link_", "in_flight"));
	size_t size = layout_size(s->layout, "rt_in_flight"), have = 0;
	_cleanup_free_ char *record = xcalloc(1, size + 1);
	struct rt_in_flight f;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, record + have, size - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		have += (size_t)n;
		if (have < size)
			continue;
		layout_convert(s->layout, own->layout, "rt_in_flight", record, &f);
		fn(arg, &f);
		have = 0;
	}
}

int loader_in_flight(const struct loader *l, void (*fn)(void *arg, const struct rt_in_flight *f), void *arg)
{
	int err = read_in_flight(&l->set, &l->set, fn, arg);
	if (!err && set_fd(&l->elder, "link_", "in_flight") >= 0 && layout_size(l->elder.layout, "rt_in_flight"))
		err = read_in_flight(&l->elder, &l->set, fn, arg);
	return err;
}

int loader_uninstall(const char *path, struct loader_removed *removed, char **error)
{
	static const char *const sets[] = {PIN_NEXT, PIN_CURRENT, PIN_ELDER};
	struct pin_root root = {.fd = -1};
	struct pin_removed n = {0};

	*removed = (struct loader_removed){0};
	int err = pin_root_open_existing(path, &root, error);
	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		if (!pin_set_exists(&root, sets[i]))
			continue;
		int e = pin_set_remove(&root, sets[i], &n);
		if (e)
			err = e;
		else
			removed->sets++;
	}
	removed->links = n.links;
	removed->programs = n.programs;
	removed->maps = n.maps;
	pin_root_close(&root);
	removed->folder = rmdir(path) == 0;
	if (err)
		*error = xasprintf("cannot remove all of %s: %s", path, strerror(-err));
	return err;
}

int loader_pressure_fd(const struct loader *l)
{
	return reclaimer_fd(l->reclaimer);
}

bool loader_reclaim(struct loader *l)
{
	return reclaimer_run(l->reclaimer);
}
