// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/pin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define BPFFS "/sys/fs/bpf"
/* A process that was killed a moment ago may not be gone yet. */
#define LOCK_WAIT_MS 2000

static bool on_bpffs(const char *path)
{
	struct statfs s;
	return statfs(path, &s) == 0 && s.f_type == BPF_FS_MAGIC;
}

static int mount_bpffs(const char *path, char **error)
{
	size_t n = strlen(BPFFS);

	if (strncmp(path, BPFFS, n) || (path[n] && path[n] != '/') || on_bpffs(BPFFS))
		return 0;
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700")) {
		*error = xasprintf("no BPF file system at " BPFFS ", and it cannot be mounted: %s", strerror(errno));
		return -ENOTSUP;
	}
	return 0;
}

/* The folder with those above it, but never on another file system: an empty folder there would stay behind. */
static int make_folder(const char *path, char **error)
{
	struct pin_path at;

	for (size_t n = 1;; n++) {
		if (path[n] && path[n] != '/')
			continue;
		if (n >= sizeof(at.s)) {
			*error = xasprintf("the path to pin in is too long");
			return -ENAMETOOLONG;
		}
		memcpy(at.s, path, n);
		at.s[n] = 0;
		if (access(at.s, F_OK)) {
			char parent[sizeof(at.s)];
			strcpy(parent, at.s);
			char *slash = strrchr(parent, '/');
			slash[slash == parent] = 0;
			if (!on_bpffs(parent))
				break;
			if (mkdir(at.s, 0700) && errno != EEXIST) {
				int err = -errno;
				*error = xasprintf("cannot make %s: %s%s", at.s, strerror(-err),
						   err == -EPERM && strchr(at.s, '.') ? " (no dots are allowed there)" : "");
				return err == -EPERM || err == -EACCES || err == -EROFS ? -ENOTSUP : err;
			}
		}
		if (!path[n])
			break;
	}
	if (!on_bpffs(path)) {
		*error = xasprintf("%s is not on a BPF file system (mount -t bpf bpf FOLDER makes one)", path);
		return -ENOTSUP;
	}
	return 0;
}

static void tell_owner(struct pin_root *root)
{
	char text[128];

	snprintf(text, sizeof(text), "process %d (reqtally %s)", (int)getpid(), REQTALLY_VERSION);
	unlinkat(root->fd, "owner", 0);
	if (symlinkat(text, root->fd, "owner")) /* only words for the one who finds the lock taken */
		return;
}

static int lock(struct pin_root *root, char **error)
{
	uint64_t end = clock_mono_ns() + LOCK_WAIT_MS * 1000000ull;
	char owner[256] = "another process";

	while (flock(root->fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			int err = -errno;
			*error = xasprintf("cannot lock %s: %s", root->path, strerror(-err));
			return err;
		}
		if (clock_mono_ns() > end) {
			ssize_t n = readlinkat(root->fd, "owner", owner, sizeof(owner) - 1);
			if (n > 0)
				owner[n] = 0;
			*error = xasprintf("%s uses %s: only one at a time can (run --no-pin, or another --bpf.pin-path, counts on its own)", owner,
					   root->path);
			return -EBUSY;
		}
		usleep(20000);
	}
	tell_owner(root);
	return 0;
}

int pin_root_open_existing(const char *path, struct pin_root *root, char **error)
{
	struct pin_root r = {.path = xstrdup(path)};
	int err = 0;

	r.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r.fd < 0) {
		err = -errno;
		*error = xasprintf("cannot open %s: %s", path, strerror(-err));
	} else if (!on_bpffs(path)) {
		err = -ENOTSUP;
		*error = xasprintf("%s is not on a BPF file system", path);
	}
	if (!err)
		err = lock(&r, error);
	if (err) {
		if (r.fd >= 0)
			close(r.fd);
		free(r.path);
		return err;
	}
	*root = r;
	return 0;
}

int pin_root_open(const char *path, struct pin_root *root, char **error)
{
	if (path[0] != '/') {
		*error = xasprintf("--bpf.pin-path: \"%s\" is no absolute path", path);
		return -EINVAL;
	}
	int err = mount_bpffs(path, error);
	if (!err)
		err = make_folder(path, error);
	return err ? err : pin_root_open_existing(path, root, error);
}

void pin_root_close(struct pin_root *root)
{
	if (!root->path)
		return;
	unlinkat(root->fd, "owner", 0);
	close(root->fd);
	free(root->path);
	*root = (struct pin_root){.fd = -1};
}

struct pin_path pin_path(const struct pin_root *root, const char *set, const char *name)
{
	struct pin_path p;
	snprintf(p.s, sizeof(p.s), "%s/%s/%s", root->path, set, name);
	return p;
}

bool pin_set_exists(const struct pin_root *root, const char *set)
{
	struct stat st;
	return fstatat(root->fd, set, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int pin_set_make(const struct pin_root *root, const char *set)
{
	return mkdirat(root->fd, set, 0700) ? -errno : 0;
}

int pin_set_rename(const struct pin_root *root, const char *from, const char *to)
{
	return renameat(root->fd, from, root->fd, to) ? -errno : 0;
}

/* Entries of one kind, by the beginning of their names. */
static size_t remove_kind(int dir, const char *prefix)
{
	int fd = dup(dir);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t n = 0;

	if (!d)
		return 0;
	rewinddir(d);
	while ((e = readdir(d)))
		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && unlinkat(dir, e->d_name, 0) == 0)
			n++;
	closedir(d);
	return n;
}

int pin_set_remove(const struct pin_root *root, const char *set, struct pin_removed *n)
{
	struct pin_removed none = {0};

	if (!n)
		n = &none;
	_cleanup_close_ int dir = openat(root->fd, set, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	n->links += remove_kind(dir, "link_");
	n->programs += remove_kind(dir, "prog_");
	n->maps += remove_kind(dir, "map_");
	return unlinkat(root->fd, set, AT_REMOVEDIR) ? -errno : 0;
}
