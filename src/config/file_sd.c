// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/file_sd.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static void entry_free(struct file_sd_entry *e)
{
	free(e->path);
	target_groups_free(&e->groups);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static struct file_sd_entry *find(struct file_sd_entry *v, size_t n, size_t block, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].path && v[i].block == block && strcmp(v[i].path, path) == 0)
			return &v[i];
	return NULL;
}

void file_sd_begin(struct file_sd_cache *c)
{
	c->old = c->v;
	c->n_old = c->n;
	c->v = NULL;
	c->n = c->cap = 0;
	c->changed = false;
}

/* Takes PATH over from the old round, reading it if it changed. */
static void visit(struct file_sd_cache *c, size_t block, const char *path)
{
	struct file_sd_entry e = {.block = block}, *old = find(c->old, c->n_old, block, path);
	struct stat st;
	if (c->n == FILE_SD_FILES_MAX || stat(path, &st) < 0 || find(c->v, c->n, block, path))
		return; /* a file that vanished under us shows as such next time */
	bool changed = !old || !same_file(&old->st, &st);
	if (old) {
		e = *old;
		*old = (struct file_sd_entry){0};
	} else {
		e.path = xstrdup(path);
	}
	if (changed) {
		struct target_groups groups = {0};
		char *why = NULL;
		if (targets_read_file(path, &groups, &why) < 0) {
			c->errors++;
			free(c->error);
			c->error = why;
		} else {
			target_groups_free(&e.groups);
			e.groups = groups;
		}
		e.st = st;
	}
	array_grow(c->v, c->n, c->cap);
	c->v[c->n++] = e;
	c->changed |= changed;
}

void file_sd_look(struct file_sd_cache *c, size_t block, const struct config_file_sd *sd)
{
	for (size_t k = 0; k < sd->files.n; k++) {
		glob_t g = {0};
		if (glob(sd->files.v[k], 0, NULL, &g) == 0)
			for (size_t m = 0; m < g.gl_pathc; m++)
				visit(c, block, g.gl_pathv[m]);
		globfree(&g);
	}
}

bool file_sd_end(struct file_sd_cache *c)
{
	for (size_t i = 0; i < c->n_old; i++) {
		c->changed |= c->old[i].path != NULL; /* left over: it is gone */
		entry_free(&c->old[i]);
	}
	free(c->old);
	c->old = NULL;
	c->n_old = 0;
	return c->changed;
}

void file_sd_free(struct file_sd_cache *c)
{
	for (size_t i = 0; i < c->n; i++)
		entry_free(&c->v[i]);
	free(c->v);
	free(c->error);
	*c = (struct file_sd_cache){0};
}
