// SPDX-License-Identifier: GPL-2.0-or-later
#include "discovery/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

/* include/linux/exportfs.h and magic.h of the kernel */
#define FILEID_KERNFS 0xfe
#define CGROUP2_MAGIC 0x63677270

/* A node of 500 pods has some 3,000 cgroups; what is past the bound stays without a name. */
#define TREE_MAX_DIRS 65536
#define TREE_MAX_DEPTH 32
#define MOUNTINFO_MAX ((size_t)16 << 20)

struct tree_dir {
	uint64_t id;
	char *path;
};

struct cgroup_tree {
	char *root;
	int root_fd;
	bool no_handles; /* the kernel or our rights do not let us open by id */
	bool walked;
	struct tree_dir *dirs; /* sorted by id once walked */
	size_t n_dirs, cap_dirs;
};

/* ---- the mount ---- */

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static char *unescape(const char *s, size_t n)
{
	char *out = xmalloc(n + 1), *q = out;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\\' && i + 3 < n && s[i + 1] >= '0' && s[i + 1] <= '3' && s[i + 2] >= '0' && s[i + 2] <= '7' &&
		    s[i + 3] >= '0' && s[i + 3] <= '7') {
			*q++ = (char)((s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 + (s[i + 3] - '0'));
			i += 3;
		} else {
			*q++ = s[i];
		}
	}
	*q = 0;
	return out;
}

/* "id parent major:minor root mountpoint options [optional...] - type source superoptions" */
static bool parse_mount_line(const char *line, size_t len, struct sv *point)
{
	struct sv rest = sv_make(line, len), field = {0};
	for (int i = 0; i < 5; i++) {
		const char *end = memchr(rest.p, ' ', rest.n);
		if (!end)
			return false;
		field = sv_make(rest.p, (size_t)(end - rest.p));
		rest = sv_make(end + 1, rest.n - field.n - 1);
	}
	const char *dash = memmem(rest.p, rest.n, " - ", 3);
	if (!dash)
		return false;
	rest = sv_make(dash + 3, rest.n - (size_t)(dash + 3 - rest.p));
	*point = field;
	return sv_starts_with(rest, SV("cgroup2 "));
}

size_t mountinfo_cgroup2(const char *mountinfo, char **paths, size_t max)
{
	size_t n = 0;
	for (const char *line = mountinfo; *line && n < max;) {
		size_t len = strcspn(line, "\n");
		struct sv point;
		if (parse_mount_line(line, len, &point))
			paths[n++] = unescape(point.p, point.n);
		line += len + (line[len] != 0);
	}
	return n;
}

bool cgroup2_is_root(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && st.st_ino == 1; /* kernfs numbers the root of a hierarchy 1 */
}

static int read_mountinfo(struct buf *b, char **error)
{
	_cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int e = errno;
		*error = xasprintf("/proc/self/mountinfo: %s (is /proc mounted?)", strerror(e));
		return -e;
	}
	for (;;) {
		if (!buf_reserve(b, 65536)) {
			*error = xstrdup("/proc/self/mountinfo: too many mounts");
			return -E2BIG;
		}
		ssize_t n = read(fd, b->p + b->n, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int e = errno;
			*error = xasprintf("/proc/self/mountinfo: %s", strerror(e));
			return -e;
		}
		if (n == 0)
			return 0;
		b->n += (size_t)n;
		b->p[b->n] = 0;
	}
}

int find_cgroup2_mount(char **path, char **error)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(MOUNTINFO_MAX);
	int rc = read_mountinfo(&b, error);
	if (rc < 0)
		return rc;

	char *found[64];
	size_t n = mountinfo_cgroup2(buf_str(&b), found, ARRAY_SIZE(found));
	char *best = NULL;
	bool best_is_root = false;
	for (size_t i = 0; i < n; i++) {
		struct statfs fs;
		/* another mount may lie on top of it */
		bool visible = statfs(found[i], &fs) == 0 && (unsigned long)fs.f_type == CGROUP2_MAGIC;
		bool is_root = visible && cgroup2_is_root(found[i]);
		if (visible && (!best || (is_root && !best_is_root))) {
			free(best);
			best = take(found[i]);
			best_is_root = is_root;
		}
		free(found[i]);
	}
	if (best) {
		*path = best;
		return 0;
	}
	*error = xstrdup("no cgroup2 file system is mounted, and the programs are attached to its root: mount it with "
			 "`mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified`, or boot with "
			 "`systemd.unified_cgroup_hierarchy=1`; in a container mount the host's /sys/fs/cgroup");
	return -ENOENT;
}

/* ---- id to path ---- */

struct cgroup_tree *cgroup_tree_new(const char *root)
{
	struct cgroup_tree *tree = xcalloc(1, sizeof(*tree));
	tree->root = xstrdup(root);
	size_t n = strlen(tree->root);
	while (n > 1 && tree->root[n - 1] == '/')
		tree->root[--n] = 0;
	tree->root_fd = open(tree->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return tree;
}

void cgroup_tree_forget(struct cgroup_tree *tree)
{
	for (size_t i = 0; i < tree->n_dirs; i++)
		free(tree->dirs[i].path);
	free(tree->dirs);
	tree->dirs = NULL;
	tree->n_dirs = tree->cap_dirs = 0;
	tree->walked = false;
}

void cgroup_tree_free(struct cgroup_tree *tree)
{
	if (!tree)
		return;
	cgroup_tree_forget(tree);
	if (tree->root_fd >= 0)
		close(tree->root_fd);
	free(tree->root);
	free(tree);
}

/* The id is the whole file handle of a kernfs directory, so the kernel can open it at once. 0 and *PATH, -ENOENT if there
 * is no such cgroup, another negative errno if this way is not open to us. */
static int path_by_handle(const struct cgroup_tree *tree, uint64_t id, char **path)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = {.h = {.handle_bytes = sizeof(uint64_t), .handle_type = FILEID_KERNFS}};
	memcpy(u.room + offsetof(struct file_handle, f_handle), &id, sizeof(id));

	_cleanup_close_ int fd = open_by_handle_at(tree->root_fd, &u.h, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ESTALE ? -ENOENT : -errno;
	char link[64], target[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	/* outside what this mount shows (a part of the tree), or removed while we looked */
	size_t root_len = strlen(tree->root);
	static const char deleted[] = " (deleted)";
	if ((size_t)n > sizeof(deleted) && strcmp(target + n - (sizeof(deleted) - 1), deleted) == 0)
		return -ENOENT;
	if (strncmp(target, tree->root, root_len) != 0 || (target[root_len] && target[root_len] != '/'))
		return -EXDEV;
	*path = xstrdup(target[root_len] ? target + root_len : "/");
	return 0;
}

static void tree_add(struct cgroup_tree *tree, uint64_t id, const char *path)
{
	array_grow(tree->dirs, tree->n_dirs, tree->cap_dirs);
	tree->dirs[tree->n_dirs++] = (struct tree_dir){.id = id, .path = xstrdup(path)};
}

/* FD is closed. PATH holds the path of FD below the root ("" for the root). */
static void walk(struct cgroup_tree *tree, int fd, struct buf *path, int depth)
{
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	size_t here = path->n;
	struct dirent *e;
	while ((e = readdir(dir)) && tree->n_dirs < TREE_MAX_DIRS) {
		/* a file system may leave the type open; kernfs and tmpfs do not */
		if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		buf_addc(path, '/');
		buf_adds(path, e->d_name);
		if (!path->failed) {
			tree_add(tree, e->d_ino, path->p);
			int child = depth < TREE_MAX_DEPTH
					    ? openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
					    : -1;
			if (child >= 0)
				walk(tree, child, path, depth + 1);
		}
		path->n = here;
		path->p[here] = 0;
		path->failed = false;
	}
	closedir(dir);
}

static int by_id(const void *a, const void *b)
{
	const struct tree_dir *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void walk_all(struct cgroup_tree *tree)
{
	cgroup_tree_forget(tree);
	tree->walked = true;
	struct stat st;
	int fd = openat(tree->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0)
		tree_add(tree, st.st_ino, "/");
	_cleanup_buf_ struct buf path = BUF_LIMIT(PATH_MAX);
	buf_adds(&path, "");
	if (buf_reserve(&path, 1))
		walk(tree, fd, &path, 0);
	else
		close(fd);
	qsort(tree->dirs, tree->n_dirs, sizeof(*tree->dirs), by_id);
}

char *cgroup_tree_path(struct cgroup_tree *tree, uint64_t id)
{
	if (tree->root_fd < 0 || !id)
		return NULL;
	if (!tree->no_handles) {
		char *path = NULL;
		int rc = path_by_handle(tree, id, &path);
		if (rc == 0)
			return path;
		struct statfs fs;
		if (rc == -ENOENT && fstatfs(tree->root_fd, &fs) == 0 && (unsigned long)fs.f_type == CGROUP2_MAGIC)
			return NULL;
		if (rc != -EXDEV)
			tree->no_handles = true;
	}
	if (!tree->walked)
		walk_all(tree);
	const struct tree_dir key = {.id = id};
	const struct tree_dir *dir = tree->n_dirs ? bsearch(&key, tree->dirs, tree->n_dirs, sizeof(key), by_id) : NULL;
	return dir ? xstrdup(dir->path) : NULL;
}
