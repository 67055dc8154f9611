// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/set.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

static struct set_entry *find(const struct set *s, const char *prefix, const char *name)
{
	size_t n = strlen(prefix);
	for (size_t i = 0; i < s->n; i++)
		if (strncmp(s->v[i].name, prefix, n) == 0 && strcmp(s->v[i].name + n, name) == 0)
			return (struct set_entry *)&s->v[i];
	return NULL;
}

void set_add(struct set *s, const char *prefix, const char *name, int fd)
{
	struct set_entry *e = find(s, prefix, name);

	if (e) {
		close(e->fd);
	} else if (s->n < ARRAY_SIZE(s->v)) {
		e = &s->v[s->n++];
		snprintf(e->name, sizeof(e->name), "%s%s", prefix, name);
	} else {
		close(fd);
		return;
	}
	e->fd = fd;
}

int set_fd(const struct set *s, const char *prefix, const char *name)
{
	const struct set_entry *e = find(s, prefix, name);
	return e ? e->fd : -1;
}

int set_map(const struct set *s, const char *name)
{
	return set_fd(s, "map_", name);
}

void set_drop(struct set *s, const char *prefix, const char *name)
{
	struct set_entry *e = find(s, prefix, name);
	if (!e)
		return;
	close(e->fd);
	*e = s->v[--s->n];
}

void set_close(struct set *s)
{
	/* The last come first: the links, of which the packets' come last (attach_all). */
	while (s->n)
		close(s->v[--s->n].fd);
	layout_free(s->layout);
	*s = (struct set){0};
}

struct bpf_map_info set_map_info(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return (struct bpf_map_info){0};
	return info;
}

uint64_t set_random(void)
{
	uint64_t v;
	/* Early at boot: it only has to be hard to guess. */
	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != sizeof(v))
		v = 0x5deece66d1234567ull ^ clock_mono_ns();
	return v;
}

int set_keep_identity(const struct set *s)
{
	uint32_t zero = 0;
	return bpf_map_update_elem(set_map(s, "identity"), &zero, &s->id, BPF_ANY) ? -errno : 0;
}

int set_make_identity(struct set *s)
{
	uint32_t zero = 0;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rt_identity", sizeof(zero), sizeof(s->id), 1, NULL);
	if (fd < 0)
		return -errno;
	set_add(s, "map_", "identity", fd);
	s->id.magic = SET_MAGIC;
	s->id.version = SET_VERSION;
	s->id.id = set_random();
	snprintf(s->id.made_by, sizeof(s->id.made_by), "%s", REQTALLY_VERSION);
	int err = set_keep_identity(s);
	if (err)
		return err;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rt_layout", sizeof(zero), LAYOUT_TEXT_MAX, 1, NULL);
	if (fd < 0)
		return -errno;
	set_add(s, "map_", "layout", fd);
	_cleanup_free_ char *text = xcalloc(1, LAYOUT_TEXT_MAX);
	strncpy(text, s->layout->text, LAYOUT_TEXT_MAX - 1);
	return bpf_map_update_elem(fd, &zero, text, BPF_ANY) ? -errno : 0;
}

int set_pin(const struct set *s, const struct pin_root *root, const char *name)
{
	int err = pin_set_make(root, name);

	for (size_t i = 0; i < s->n && !err; i++)
		if (bpf_obj_pin(s->v[i].fd, pin_path(root, name, s->v[i].name).s))
			err = -errno;
	if (err)
		pin_set_remove(root, name, NULL);
	return err;
}

int set_repin(const struct set *s, const struct pin_root *root, const char *set, const char *prefix, const char *name, int fd)
{
	char pin[80], new[80];
	snprintf(pin, sizeof(pin), "%s%s", prefix, name);
	snprintf(new, sizeof(new), "%s%s_new", prefix, name);
	struct pin_path to = pin_path(root, set, pin), from = pin_path(root, set, new);
	unlink(from.s);
	if (bpf_obj_pin(fd, from.s))
		return -errno;
	if (rename(from.s, to.s)) {
		int err = -errno;
		unlink(from.s);
		return err;
	}
	return 0;
}

/* Reads the set's own two maps. */
static int read_identity(struct set *s, char **why)
{
	struct bpf_map_info id = set_map_info(set_map(s, "identity")), text = set_map_info(set_map(s, "layout"));
	uint32_t zero = 0;

	if (set_map(s, "identity") < 0 || set_map(s, "layout") < 0) {
		*why = xasprintf("map_%s is missing", set_map(s, "identity") < 0 ? "identity" : "layout");
		return -EINVAL;
	}
	if (id.type != BPF_MAP_TYPE_ARRAY || id.value_size != sizeof(s->id) || text.type != BPF_MAP_TYPE_ARRAY ||
	    text.value_size != LAYOUT_TEXT_MAX || bpf_map_lookup_elem(set_map(s, "identity"), &zero, &s->id) || s->id.magic != SET_MAGIC ||
	    s->id.version != SET_VERSION) {
		*why = xstrdup("map_identity is not what this version writes");
		return -EINVAL;
	}
	s->id.made_by[sizeof(s->id.made_by) - 1] = 0;
	_cleanup_free_ char *words = xcalloc(1, LAYOUT_TEXT_MAX + 1);
	if (!bpf_map_lookup_elem(set_map(s, "layout"), &zero, words))
		s->layout = layout_parse(words);
	if (!s->layout) {
		*why = xstrdup("map_layout makes no sense");
		return -EINVAL;
	}
	return 0;
}

/* Are all maps there that the layout names, and as it says? */
static int check_maps(const struct set *s, char **why)
{
	_cleanup_free_ char *copy = xstrdup(s->layout->text);
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned type, key, value, max, flags;
		char name[40];
		if (sscanf(line, "map %39s %u %u %u %u %u", name, &type, &key, &value, &max, &flags) != 6)
			continue;
		struct bpf_map_info i = set_map_info(set_map(s, name));
		if (set_map(s, name) < 0) {
			*why = xasprintf("map_%s is missing", name);
			return -EINVAL;
		}
		if (i.type != type || i.key_size != key || i.value_size != value || i.max_entries != max) {
			*why = xasprintf("map_%s is another kind of map", name);
			return -EINVAL;
		}
	}
	if (set_map_info(set_map(s, "closing")).value_size != 4) {
		*why = xstrdup("map_closing is missing, or another kind of map");
		return -EINVAL;
	}
	return 0;
}

int set_open(const struct pin_root *root, const char *name, struct set *out, char **why)
{
	struct set s = {0};
	int err = 0, fd = openat(root->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)) && s.n < ARRAY_SIZE(s.v)) {
		size_t n = strlen(e->d_name);
		if (e->d_name[0] == '.' || n >= sizeof(s.v[0].name))
			continue;
		/* Left between two steps of set_repin(). */
		if (n > 4 && strcmp(e->d_name + n - 4, "_new") == 0) {
			unlinkat(fd, e->d_name, 0);
			continue;
		}
		struct pin_path path = pin_path(root, name, e->d_name);
		int pin = bpf_obj_get(path.s);
		if (pin < 0) {
			*why = xasprintf("%s cannot be opened: %s", e->d_name, strerror(errno));
			err = -errno;
			break;
		}
		set_add(&s, "", e->d_name, pin);
	}
	closedir(d);
	if (!err)
		err = read_identity(&s, why);
	if (!err)
		err = check_maps(&s, why);
	if (err) {
		set_close(&s);
		return err == -ENOENT ? -EINVAL : err;
	}
	*out = s;
	return 0;
}

bool set_alive(const struct set *s, const char *name, uint64_t cgroup)
{
	struct bpf_link_info link = {0};
	struct bpf_prog_info prog = {0};
	uint32_t link_len = sizeof(link), prog_len = sizeof(prog);
	int link_fd = set_fd(s, "link_", name), prog_fd = set_fd(s, "prog_", name);

	if (link_fd < 0 || prog_fd < 0 || bpf_obj_get_info_by_fd(link_fd, &link, &link_len) ||
	    bpf_obj_get_info_by_fd(prog_fd, &prog, &prog_len) || link.prog_id != prog.id)
		return false;
	return !cgroup || (link.type == BPF_LINK_TYPE_CGROUP && link.cgroup.cgroup_id == cgroup);
}
