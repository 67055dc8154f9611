/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of file_sd_configs and what they held: looked at again and again, read when they changed. */
#ifndef RT_CONFIG_FILE_SD_H
#define RT_CONFIG_FILE_SD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "config/scrape.h"
#include "config/targets.h"

#define FILE_SD_FILES_MAX 1024 /* of one cache */

struct file_sd_entry {
	size_t block; /* the caller's: which job */
	char *path;
	struct stat st;		     /* as of the last reading */
	struct target_groups groups; /* what it held when it last could be read */
};

struct file_sd_cache {
	struct file_sd_entry *v;
	size_t n, cap;
	/* While a round is under way: what it has not come across yet. */
	struct file_sd_entry *old;
	size_t n_old;
	bool changed;
	uint64_t errors; /* files that could not be read, since the beginning */
	char *error;	 /* the last such one; the caller may take it away */
};

/* A round: begin, one look for every file_sd_config, end. A file that cannot be read keeps the targets it had; one that is gone loses
 * them. True if the targets may be others than before. */
void file_sd_begin(struct file_sd_cache *c);
void file_sd_look(struct file_sd_cache *c, size_t block, const struct config_file_sd *sd);
bool file_sd_end(struct file_sd_cache *c);
void file_sd_free(struct file_sd_cache *c);

#endif
