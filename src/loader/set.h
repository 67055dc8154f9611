/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set: programs, the links that attach them, and the maps that they share, by name. In memory it is file descriptors; pinned, a folder
 * with a pin each: prog_NAME, link_NAME, map_NAME. Three of the maps are user space's own:
 *
 *   map_identity  who made the set, and what with (struct set_identity)
 *   map_layout    what the maps look like (layout.h)
 *   map_base      figures of the sets before it (base.h)
 *   map_names     names of the services (names.c)
 */
#ifndef RT_LOADER_SET_H
#define RT_LOADER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

#include "loader/layout.h"
#include "loader/pin.h"

#define SET_MAGIC 0x796c6c6174716572u /* "reqtally" */
#define SET_VERSION 1		      /* of struct set_identity */
#define SET_PROGRAMS_MAX 16

/* Time and runs of the programs that were replaced, so that the counters go on. */
struct set_program {
	char name[32];
	uint64_t run_ns, runs;
};

struct set_identity {
	uint64_t magic;
	uint32_t version;
	uint32_t has_elder; /* the maps elder_* are another set's */
	uint64_t id;	    /* random */
	uint64_t seed;	    /* of the kernel's hashes: the same for ever, since keys are made with it */
	uint64_t programs;  /* hash of the BPF object; 0 while programs are being replaced */
	uint64_t settings;  /* hash of what is configured */
	int64_t created_ms; /* Unix time of the first set, whose figures are in this one's */
	char made_by[32];   /* version of reqtally */
	struct set_program replaced[SET_PROGRAMS_MAX];
	uint64_t reserved[32];
};

struct set_entry {
	char name[64]; /* with prefix */
	int fd;
};

struct set {
	struct set_entry v[96];
	size_t n;
	struct set_identity id;
	struct layout *layout;
};

/* Takes FD. A name that is there is replaced, and its old descriptor closed. */
void set_add(struct set *s, const char *prefix, const char *name, int fd);
/* -1 if there is none. */
int set_fd(const struct set *s, const char *prefix, const char *name);
int set_map(const struct set *s, const char *name);
void set_drop(struct set *s, const char *prefix, const char *name);
/* Closes everything; what is not pinned is gone then. */
void set_close(struct set *s);

/* Makes map_identity and map_layout of what S says of itself. 0 or a negative errno. */
int set_make_identity(struct set *s);
/* Writes s->id into map_identity. */
int set_keep_identity(const struct set *s);

/* Pins all of S in the new folder NAME. On failure nothing is left. */
int set_pin(const struct set *s, const struct pin_root *root, const char *name);
/* Pins FD in place of what has this name: a rename, so that there is always one. */
int set_repin(const struct set *s, const struct pin_root *root, const char *set, const char *prefix, const char *name, int fd);
/* Opens a pinned set. 0; or a negative errno with *WHY, what is wrong with it: something is missing, or not what it should be. -ENOENT:
 * there is no such folder. Links may be missing: set_alive(). */
int set_open(const struct pin_root *root, const char *name, struct set *out, char **why);

/* Is the program NAME attached by its link: to CGROUP (its id; 0: it is no packet program)? */
bool set_alive(const struct set *s, const char *name, uint64_t cgroup);

struct bpf_map_info set_map_info(int fd);
uint64_t set_random(void);

#endif
