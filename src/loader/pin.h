/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The folder in the BPF file system that keeps programs and maps alive while no reqtally runs, and makes sure that only one at a time uses
 * them. In it, sets of pins in folders of their own (set.h); `owner`, a symbolic link whose text says who uses them; and the lock, which is
 * on the folder itself and ends with the process that has it. */
#ifndef RT_LOADER_PIN_H
#define RT_LOADER_PIN_H

#include <stdbool.h>
#include <stddef.h>

/* The folders of sets. A set is made in PIN_NEXT and counts from the moment it is PIN_CURRENT, a rename. PIN_ELDER has handed over and
 * finishes what it has begun. */
#define PIN_CURRENT "current"
#define PIN_NEXT "next"
#define PIN_ELDER "elder"

struct pin_root {
	char *path;
	int fd; /* of the folder; it carries the lock */
};

/* Makes PATH if it is missing, mounts the BPF file system at /sys/fs/bpf if it is not there, and takes the lock. 0; -EBUSY if another
 * process has it; -ENOTSUP if nothing can be pinned here; another negative errno. *ERROR is for the user. */
int pin_root_open(const char *path, struct pin_root *root, char **error);
/* The same without making or mounting anything: -ENOENT if there is no such folder. */
int pin_root_open_existing(const char *path, struct pin_root *root, char **error);
/* Gives the lock up. */
void pin_root_close(struct pin_root *root);

bool pin_set_exists(const struct pin_root *root, const char *set);
int pin_set_make(const struct pin_root *root, const char *set);
int pin_set_rename(const struct pin_root *root, const char *from, const char *to);

/* "ROOT/SET/NAME", in a buffer of one's own. */
struct pin_path {
	char s[4096];
};
struct pin_path pin_path(const struct pin_root *root, const char *set, const char *name);

struct pin_removed {
	size_t links, programs, maps;
};

/* Removes a set: links first, so that nothing counts any more. What is not ours stays, and the folder then. Adds to *N (may be NULL).
 * 0 also if there is none. */
int pin_set_remove(const struct pin_root *root, const char *set, struct pin_removed *n);

#endif
