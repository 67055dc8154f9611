// SPDX-License-Identifier: GPL-2.0-or-later
/* How programs replace each other without missing or doubling a request, and without a counter that goes back: docs/adr/0011 has the
 * steps and what a crash between any two of them leaves. bpf/handover.h is the kernel's half. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/membarrier.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "loader/base.h"
#include "loader/loader_impl.h"
#include "loader/names.h"
#include "reqtally.h"

/* An elder set without anything in flight is kept for so long: a connection whose handshake is not complete yet may still become its. */
#define ELDER_MIN_NS 1000000000ull
#define TEND_MS 500
/* And waited for so long when yet another set is to take over. */
#define ELDER_WAIT_NS 3000000000ull

/* Waits until no program that was attached before runs any more. */
static void wait_for_programs(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0)) /* a grace period of RCU */
		usleep(20000);
}

static uint32_t closing_of(const struct set *s)
{
	uint32_t zero = 0, v = RT_OPEN;
	bpf_map_lookup_elem(set_map(s, "closing"), &zero, &v);
	return v;
}

static int set_closing(const struct set *s, uint32_t v)
{
	uint32_t zero = 0;
	return bpf_map_update_elem(set_map(s, "closing"), &zero, &v, BPF_ANY) ? -errno : 0;
}

/* Has the set pinned under this name been told to hand over, and is there one that it hands over to? */
static bool is_closing(const struct loader *l, const char *name)
{
	struct set s = {0};
	char *why = NULL;
	bool closing = !set_open(&l->root, name, &s, &why) && closing_of(&s) != RT_OPEN;
	if (closing && !pin_set_exists(&l->root, PIN_NEXT)) /* somebody has removed the successor */
		set_closing(&s, RT_OPEN);
	set_close(&s);
	free(why);
	return closing && pin_set_exists(&l->root, PIN_NEXT);
}

void handover_recover(struct loader *l)
{
	const struct pin_root *r = &l->root;
	char *why = NULL;

	is_closing(l, PIN_CURRENT);
	/* PIN_NEXT is complete when PIN_CURRENT is closing (or is PIN_ELDER already): then it counts. Before that it never has. */
	if (pin_set_exists(r, PIN_NEXT) && pin_set_exists(r, PIN_CURRENT) && is_closing(l, PIN_CURRENT)) {
		pin_set_remove(r, PIN_ELDER, NULL); /* its figures are in the base of PIN_CURRENT: handover_take_over() */
		pin_set_rename(r, PIN_CURRENT, PIN_ELDER);
	}
	if (pin_set_exists(r, PIN_NEXT) && !pin_set_exists(r, PIN_CURRENT) && pin_set_exists(r, PIN_ELDER))
		pin_set_rename(r, PIN_NEXT, PIN_CURRENT);
	if (pin_set_exists(r, PIN_NEXT)) {
		loader_report(l, false, "%s/" PIN_NEXT " was left half-made by a process that ended in the middle: it is removed", r->path);
		pin_set_remove(r, PIN_NEXT, NULL);
	}
	if (!pin_set_exists(r, PIN_ELDER))
		return;
	if (set_open(r, PIN_ELDER, &l->elder, &why)) {
		loader_report(l, true, "%s/" PIN_ELDER " is of no use (%s): it is removed, and what it had counted is missing", r->path,
			      why ? why : "?");
		set_close(&l->elder);
		pin_set_remove(r, PIN_ELDER, NULL);
	}
	l->elder_since_ns = clock_mono_ns();
	free(why);
}

static int fail(char **error, int err, const char *what)
{
	if (!*error)
		*error = xasprintf("cannot %s: %s", what, strerror(-err));
	return err;
}

static void describe(struct set *s, const struct programs *p)
{
	s->layout = layout_parse(programs_layout(p)->text);
	s->id.programs = programs_hash(p);
	s->id.settings = programs_settings(p);
}

/* The identity of a set that goes on with the figures of OLD (NULL: there is none). */
static struct set_identity identity(const struct set *old)
{
	struct set_identity id = {.seed = old ? old->id.seed : set_random(), .created_ms = old ? old->id.created_ms : clock_unix_ms()};
	if (old)
		memcpy(id.replaced, old->id.replaced, sizeof(id.replaced));
	return id;
}

/* Time and runs of a program that will not run any more. */
static void remember_program(struct set_identity *id, const char *name, int prog)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	size_t i = 0;

	while (i < SET_PROGRAMS_MAX && id->replaced[i].name[0] && strcmp(id->replaced[i].name, name))
		i++;
	if (i == SET_PROGRAMS_MAX || prog < 0 || bpf_obj_get_info_by_fd(prog, &info, &len))
		return;
	strncpy(id->replaced[i].name, name, sizeof(id->replaced[i].name) - 1);
	id->replaced[i].run_ns += info.run_time_ns;
	id->replaced[i].runs += info.run_cnt;
}

static void remember_programs(struct set_identity *id, const struct set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (strncmp(s->v[i].name, "prog_", 5) == 0)
			remember_program(id, s->v[i].name + 5, s->v[i].fd);
}

int handover_begin(struct loader *l, struct programs *p, const struct loader_options *opt, char **error)
{
	struct set s = {.id = identity(NULL)};
	struct programs_from from = {.seed = s.id.seed};

	int err = programs_load(p, &from, &s, error);
	describe(&s, p);
	if (!err)
		err = names_make(&s);
	if (!err && l->root.path)
		err = set_make_identity(&s);
	if (!err)
		err = programs_attach_all(&s, opt, error);
	if (!err && l->root.path) {
		err = set_pin(&s, &l->root, PIN_NEXT);
		if (!err)
			err = pin_set_rename(&l->root, PIN_NEXT, PIN_CURRENT);
		if (err) {
			pin_set_remove(&l->root, PIN_NEXT, NULL);
			fail(error, err, "pin the programs and maps");
		}
	}
	if (err) {
		set_close(&s);
		return fail(error, err, "make the maps");
	}
	l->set = s;
	return 0;
}

/* One program of OLD replaced by that of NEW. Packets: the link gets the new program, atomically. Others: the new link is there before the
 * old one goes, so for a moment both run. That is harmless: they do what they do once for each connection or request, and find it
 * done the second time. */
static int replace_program(struct loader *l, const char *name, const struct loader_options *opt, struct set *old, struct set *new, char **error)
{
	int prog = set_fd(new, "prog_", name), link = set_fd(old, "link_", name), err = 0;
	bool update = false;
	struct stat st;

	if (prog < 0)
		return 0;
	if (programs_is_packet(name)) {
		struct bpf_link_info info = {0};
		uint32_t len = sizeof(info);
		update = link >= 0 && !stat(opt->cgroup_root, &st) && !bpf_obj_get_info_by_fd(link, &info, &len) &&
			 info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id == st.st_ino;
		if (update && bpf_link_update(link, prog, NULL))
			update = false;
	}
	if (update) {
		set_add(new, "link_", name, dup(link));
	} else {
		err = programs_attach(new, name, opt, error);
		if (!err)
			err = set_repin(new, &l->root, PIN_CURRENT, "link_", name, set_fd(new, "link_", name));
	}
	if (!err)
		err = set_repin(new, &l->root, PIN_CURRENT, "prog_", name, prog);
	if (!err)
		remember_program(&new->id, name, set_fd(old, "prog_", name));
	set_drop(old, "link_", name);
	return err;
}

/* Pins of programs that this version does not have. */
static void drop_strangers(struct loader *l, const struct set *old, const struct set *new)
{
	for (size_t i = 0; i < old->n; i++) {
		const char *name = old->v[i].name;
		if (strncmp(name, "map_", 4) && set_fd(new, "", name) < 0)
			unlink(pin_path(&l->root, PIN_CURRENT, name).s);
	}
}

int handover_replace(struct loader *l, struct programs *p, const struct loader_options *opt, struct set *old, char **error)
{
	struct set new = {.id = old->id};
	struct programs_from from = {.state = old, .seed = old->id.seed, .has_elder = old->id.has_elder};
	static const char *const own[] = {"identity", "layout", "base", "names"};
	const char *name;

	int err = programs_load(p, &from, &new, error);
	describe(&new, p);
	for (size_t i = 0; i < ARRAY_SIZE(own) && !err; i++)
		if (set_map(old, own[i]) >= 0)
			set_add(&new, "map_", own[i], dup(set_map(old, own[i])));
	strncpy(new.id.made_by, REQTALLY_VERSION, sizeof(new.id.made_by) - 1);
	new.id.programs = 0; /* until all are replaced: whoever comes after a crash in between does it again */
	if (!err)
		err = set_keep_identity(&new);
	for (size_t i = 0; (name = programs_name(i)) && !err; i++)
		err = replace_program(l, name, opt, old, &new, error);
	new.id.programs = programs_hash(p);
	if (!err)
		err = set_keep_identity(&new);
	if (err) {
		set_close(&new);
		set_close(old);
		return fail(error, err, "replace the programs");
	}
	drop_strangers(l, old, &new);
	loader_report(l, false, "the programs of reqtally %s in %s are replaced; all figures go on", old->id.made_by, l->root.path);
	set_close(old);
	l->set = new;
	return 0;
}

/* Observations that are no figures (who served on a port last, what its connections turned out to be): where the form is the same. */
static void copy_map(const struct set *from, const struct set *to, const char *map)
{
	struct bpf_map_info i = set_map_info(set_map(from, map));

	if (!layout_same_map(from->layout, to->layout, map))
		return;
	_cleanup_free_ char *key = xcalloc(1, i.key_size), *value = xcalloc(1, i.value_size), *at = NULL;
	for (uint32_t n = 0; n < i.max_entries && !bpf_map_get_next_key(set_map(from, map), at, key); n++) {
		if (!bpf_map_lookup_elem(set_map(from, map), key, value))
			bpf_map_update_elem(set_map(to, map), key, value, BPF_NOEXIST);
		free(at);
		at = xmemdup(key, i.key_size);
	}
}

static uint32_t entries(const struct set *s, const char *map)
{
	uint64_t key, *at = NULL;
	uint32_t n = 0;

	for (; n < (1 << 20) && !bpf_map_get_next_key(set_map(s, map), at, &key); n++)
		at = &key;
	return n;
}

/* Programs that agree on no hand-over (RT_HANDOVER): the old ones are detached, and what they had in flight is lost by name. */
static void detach(struct set *s)
{
	for (size_t i = s->n; i > 0; i--)
		if (strncmp(s->v[i - 1].name, "link_", 5) == 0)
			set_drop(s, "", s->v[i - 1].name);
}

static void unpin_links(struct loader *l, const char *set, const struct set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (strncmp(s->v[i].name, "link_", 5) == 0)
			unlink(pin_path(&l->root, set, s->v[i].name).s);
}

/* Leaves batons at idle connections of the elder. How many others there are; -1 if that cannot be told. */
static long release_idle(const struct set *elder, const struct set *own)
{
	int link = set_fd(elder, "link_", "release"), fd;
	char bytes[4096];
	long live = 0;

	if (set_fd(elder, "link_", "ingress") < 0)
		return 0; /* detached already */
	if (link < 0)
		return base_open(elder, own); /* a kernel on which the iterator cannot be: streams are cut off, requests are not */
	fd = bpf_iter_create(link);
	if (fd < 0)
		return -1;
	for (;;) {
		ssize_t n = read(fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			live = -1;
		if (n <= 0)
			break;
		live += n;
	}
	close(fd);
	return live;
}

/* The elder counts no more; its maps can be read as long as they are open. With nothing in flight it is declared gone first: until it is
 * detached it still lets go of what comes, and its successor takes it. With something in flight it is detached first, or both would count
 * what comes on that connection. */
static void retire(struct loader *l, bool idle)
{
	if (idle)
		set_closing(&l->elder, RT_GONE);
	/* A link that is only let go of is detached some time later. */
	for (size_t i = 0; i < l->elder.n; i++)
		if (strncmp(l->elder.v[i].name, "link_", 5) == 0)
			bpf_link_detach(l->elder.v[i].fd);
	if (!idle)
		set_closing(&l->elder, RT_GONE);
	unpin_links(l, PIN_ELDER, &l->elder);
	detach(&l->elder);
	wait_for_programs();
}

/* Series that base may have when those of S are added. */
static uint32_t base_room(const struct loader *l, const struct set *s)
{
	uint32_t had = set_map_info(set_map(s, "series")).max_entries;
	return l->base_max > had ? l->base_max : had;
}

/* There are two sets already, OLD and the elder, and OLD is to hand over: the elder gets a moment to finish; what it has not finished
 * then will be lost by name. Its figures go to NEW, since OLD's base is of OLD's layout; unless they are there already. */
static void settle_elder(struct loader *l, const struct set *old, const struct set *new)
{
	uint64_t begun = l->elder_since_ns;

	if (base_has(old, &l->elder)) {
		pin_set_remove(&l->root, PIN_ELDER, NULL);
		set_close(&l->elder);
		return;
	}
	while (clock_mono_ns() - begun < ELDER_MIN_NS)
		usleep(10000);
	bool idle = release_idle(&l->elder, new) == 0;
	while (!idle && clock_mono_ns() - begun < ELDER_WAIT_NS) {
		usleep(10000);
		idle = release_idle(&l->elder, new) == 0;
	}
	retire(l, idle);
}

int handover_take_over(struct loader *l, struct programs *p, const struct loader_options *opt, struct set *old, char **error)
{
	bool agrees = old->layout->handover == RT_HANDOVER;
	struct set new = {0};
	int err = 0;

	describe(&new, p);
	if (l->elder.n)
		settle_elder(l, old, &new);
	new.id = identity(old);
	new.id.has_elder = agrees;
	struct programs_from from = {.elder = agrees ? old : NULL, .seed = old->id.seed};
	programs_keep_endpoints(p, entries(old, "endpoints"));
	if (!err)
		err = programs_load(p, &from, &new, error);
	layout_free(new.layout);
	describe(&new, p);
	if (!err) {
		base_copy_names(old, &new);
		copy_map(old, &new, "guesses");
		copy_map(old, &new, "listeners");
		set_add(&new, "map_", "names", dup(set_map(old, "names")));
		remember_programs(&new.id, &l->elder);
		err = set_make_identity(&new);
	}
	/* Before NEW is pinned: when it is PIN_CURRENT, PIN_ELDER is OLD. */
	if (!err && l->elder.n)
		err = base_add(&new, &l->elder, NULL, base_room(l, &l->elder));
	if (!err && !agrees) {
		unpin_links(l, PIN_CURRENT, old);
		detach(old);
	}
	if (!err)
		err = programs_attach_all(&new, opt, error); /* they wait: OLD is open */
	if (!err)
		err = set_pin(&new, &l->root, PIN_NEXT);
	if (!err)
		err = set_closing(old, RT_CLOSING); /* from here on NEW takes what is new */
	if (err) {
		pin_set_remove(&l->root, PIN_NEXT, NULL);
		set_close(&new);
		set_close(old);
		return fail(error, err, "take over from the programs that run");
	}
	pin_set_remove(&l->root, PIN_ELDER, NULL);
	set_close(&l->elder);
	err = pin_set_rename(&l->root, PIN_CURRENT, PIN_ELDER);
	if (!err)
		err = pin_set_rename(&l->root, PIN_NEXT, PIN_CURRENT);
	if (err)
		loader_report(l, true, "cannot rename in %s: %s", l->root.path, strerror(-err)); /* the next start puts it right */
	loader_report(l, false, "taking over from the programs of reqtally %s, whose maps are of another layout; all figures go on",
		      old->id.made_by);
	l->elder = *old;
	l->set = new;
	l->elder_since_ns = clock_mono_ns();
	loader_tend(l);
	return 0;
}

int handover_finish(struct loader *l)
{
	if (!base_has(&l->set, &l->elder)) {
		if (release_idle(&l->elder, &l->set) != 0)
			return -EAGAIN;
		retire(l, true);
		int err = base_add(&l->set, &l->elder, &l->root, base_room(l, &l->elder));
		if (err)
			return err; /* it stays, detached, and is read with the others; the next call tries again */
		remember_programs(&l->set.id, &l->elder);
		set_keep_identity(&l->set);
	}
	pin_set_remove(&l->root, PIN_ELDER, NULL);
	set_close(&l->elder);
	return 0;
}

int loader_tend(struct loader *l)
{
	if (!l->elder.n)
		return -1;
	if (clock_mono_ns() - l->elder_since_ns < ELDER_MIN_NS)
		return TEND_MS;
	int err = handover_finish(l);
	if (!err)
		loader_report(l, false, "the programs before these have finished and are removed");
	else if (err != -EAGAIN)
		loader_report(l, true, "cannot add up the figures of the programs before: %s", strerror(-err));
	return err ? TEND_MS : -1;
}
