/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Target groups: addresses with common labels, from static_configs or from the files of file_sd_configs. */
#ifndef RT_CONFIG_TARGETS_H
#define RT_CONFIG_TARGETS_H

#include <stddef.h>

#include "base/strings.h"
#include "base/sv.h"
#include "model/labels.h"

struct target_group {
	struct strings targets;
	struct labels *labels;
};

struct target_groups {
	struct target_group *v;
	size_t n, cap;
};

#define TARGETS_MAX 10000 /* of one file or list */

/* Reads a file of file_sd_configs, YAML or JSON by its name (.yml, .yaml, .json), and appends to GROUPS, whose labels get
 * __meta_filepath. 0, or a negative errno and *ERROR with GROUPS as it was. */
int targets_read_file(const char *path, struct target_groups *groups, char **error);
/* The same from TEXT, JSON that NAME told; the labels get META (`__meta_url`) with NAME. */
int targets_read_json(const char *name, struct sv text, const char *meta, struct target_groups *groups, char **error);
void target_groups_free(struct target_groups *groups);

#endif
