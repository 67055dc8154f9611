// SPDX-License-Identifier: GPL-2.0-or-later
#include "discovery/memory_limit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

/* A node with many pods has tens of thousands of mounts. */
#define TEXT_MAX ((size_t)16 << 20)

static uint64_t read_limit(const char *folder, const char *file)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, file);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	uint64_t v;

	if (!f || fscanf(f, "%" SCNu64, &v) != 1) /* "max" */
		return MEMORY_UNLIMITED;
	return v >= (uint64_t)1 << 60 ? MEMORY_UNLIMITED : v; /* version 1 says "none" with a number */
}

/* The lowest limit from MOUNT to PATH below it. */
static uint64_t lowest(const char *mount, const char *path, const char *file)
{
	_cleanup_free_ char *folder = xasprintf("%s%s", mount, path);
	size_t root = strlen(mount);
	uint64_t least = MEMORY_UNLIMITED;

	for (;;) {
		uint64_t v = read_limit(folder, file);
		if (v < least)
			least = v;
		char *slash = strrchr(folder, '/');
		if (strlen(folder) <= root || !slash || slash < folder + root)
			return least;
		*slash = 0;
	}
}

/* One line of mountinfo: where a hierarchy is mounted, and which part of it. */
struct mount {
	char root[1024], point[1024];
	bool v1_memory, v2;
};

static bool parse_mount(const char *line, struct mount *m)
{
	char type[32] = "", options[512] = "";
	const char *dash = strstr(line, " - ");

	if (!dash || sscanf(line, "%*s %*s %*s %1023s %1023s", m->root, m->point) != 2 ||
	    sscanf(dash, " - %31s %*s %511s", type, options) != 2)
		return false;
	m->v2 = strcmp(type, "cgroup2") == 0;
	m->v1_memory = false;
	if (strcmp(type, "cgroup") == 0)
		for (char *save = NULL, *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save))
			m->v1_memory |= strcmp(o, "memory") == 0;
	return m->v2 || m->v1_memory;
}

/* The path of the hierarchy in /proc/self/cgroup: "0::/a" or "4:memory:/a". False if it is not there. */
static bool own_path(const char *text, bool v2, char path[static 1024])
{
	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		const char *controllers = strchr(line, ':'), *at = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!at)
			continue;
		_cleanup_free_ char *list = xasprintf(",%.*s,", (int)(at - controllers - 1), controllers + 1);
		if (v2 ? at == controllers + 1 : strstr(list, ",memory,") != NULL) {
			snprintf(path, 1024, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
			return true;
		}
	}
	return false;
}

uint64_t memory_limit_from(const char *cgroup, const char *mountinfo)
{
	uint64_t least = MEMORY_UNLIMITED;
	char path[1024];

	for (const char *line = mountinfo; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		_cleanup_free_ char *one = xasprintf("%.*s", (int)strcspn(line, "\n"), line);
		struct mount m;
		if (!parse_mount(one, &m) || !own_path(cgroup, m.v2, path))
			continue;
		/* In a container a part of the hierarchy may be mounted, and the path be that outside. */
		const char *below = path;
		size_t n = strcmp(m.root, "/") ? strlen(m.root) : 0;
		if (n && strncmp(path, m.root, n) == 0)
			below = path + n;
		else if (n)
			below = "";
		uint64_t v = lowest(m.point, strcmp(below, "/") ? below : "", m.v2 ? "memory.max" : "memory.limit_in_bytes");
		if (v < least)
			least = v;
	}
	return least;
}

static bool read_all(const char *path, struct buf *b)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char piece[4096];
	size_t n;

	while (f && (n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(b, piece, n);
	return f && !b->failed;
}

uint64_t memory_limit(void)
{
	_cleanup_buf_ struct buf cgroup = BUF_LIMIT(TEXT_MAX), mounts = BUF_LIMIT(TEXT_MAX);

	if (!read_all("/proc/self/cgroup", &cgroup) || !read_all("/proc/self/mountinfo", &mounts))
		return MEMORY_UNLIMITED;
	return memory_limit_from(buf_str(&cgroup), buf_str(&mounts));
}
