/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the cgroup2 hierarchy is, and the path that belongs to a cgroup id (what bpf_get_current_cgroup_id() gives). */
#ifndef RT_DISCOVERY_CGROUP_TREE_H
#define RT_DISCOVERY_CGROUP_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where cgroup2 is mounted: /sys/fs/cgroup, or /sys/fs/cgroup/unified beside cgroup v1. The mount that shows the root of
 * the hierarchy is preferred over one that shows a part of it. 0 and *PATH (free it); -ENOENT and *ERROR, which says how
 * to mount it; another negative errno if the mounts cannot be read. */
int find_cgroup2_mount(char **path, char **error);
/* True if PATH is the root of the hierarchy and not a part of it, as in a container with a cgroup namespace. */
bool cgroup2_is_root(const char *path);
/* Pure part: the mount points of type cgroup2 in the text of /proc/self/mountinfo, in its order, unescaped. At most MAX of
 * them go to PATHS (free each); returns how many. */
size_t mountinfo_cgroup2(const char *mountinfo, char **paths, size_t max);

struct cgroup_tree;

struct cgroup_tree *cgroup_tree_new(const char *root);
void cgroup_tree_free(struct cgroup_tree *tree);
/* The path of ID below the root, "/" for the root itself; free() it. NULL if there is no such cgroup (any more). The kernel
 * is asked for it directly where it can (5.5, CAP_DAC_READ_SEARCH); else the tree is walked, once until cgroup_tree_forget(). */
char *cgroup_tree_path(struct cgroup_tree *tree, uint64_t id);
void cgroup_tree_forget(struct cgroup_tree *tree);

#endif
