// SPDX-License-Identifier: GPL-2.0-or-later
#include "discovery/pods.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/sv.h"

/* Entries read of one folder: a node runs some hundred containers, dead ones keep their log for a while. */
#define POD_MAX_ENTRIES 65536

static void closedir_(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_dir_ _cleanup_(closedir_)

/* Copies S if it is a name that Kubernetes allows and that fits. */
static bool copy_name(char *out, size_t size, struct sv s)
{
	if (!s.n || s.n >= size)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!islower((unsigned char)s.p[i]) && !isdigit((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	memcpy(out, s.p, s.n);
	out[s.n] = 0;
	return true;
}

/* Cuts the text before the first C off S. */
static bool cut(struct sv *s, char c, struct sv *head)
{
	const char *at = memchr(s->p, c, s->n);
	if (!at)
		return false;
	*head = sv_make(s->p, (size_t)(at - s->p));
	*s = sv_make(at + 1, s->n - head->n - 1);
	return true;
}

static DIR *open_below(const char *root, const char *folder)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", root, folder);
	return opendir(path);
}

/* The first entry of DIR that ends with SUFFIX; what stands before it goes to *HEAD, which lives until the next readdir. */
static bool find_by_suffix(DIR *dir, const char *suffix, struct sv *head)
{
	size_t n = strlen(suffix);
	struct dirent *e;
	for (int i = 0; i < POD_MAX_ENTRIES && (e = readdir(dir)); i++) {
		size_t len = strlen(e->d_name);
		if (len > n && memcmp(e->d_name + len - n, suffix, n) == 0) {
			*head = sv_make(e->d_name, len - n);
			return true;
		}
	}
	return false;
}

static bool by_container(const char *log_root, const char *container_id, struct pod_names *names)
{
	_cleanup_dir_ DIR *dir = open_below(log_root, "containers");
	if (!dir || !container_id[0])
		return false;
	char suffix[80];
	snprintf(suffix, sizeof(suffix), "-%s.log", container_id);
	struct sv rest, pod, namespace;
	if (!find_by_suffix(dir, suffix, &rest) || !cut(&rest, '_', &pod) || !cut(&rest, '_', &namespace))
		return false;
	return copy_name(names->pod, sizeof(names->pod), pod) &&
	       copy_name(names->namespace, sizeof(names->namespace), namespace) &&
	       copy_name(names->container, sizeof(names->container), rest);
}

/* The name of the only folder in DIR. */
static void only_container(DIR *parent, const char *name, struct pod_names *names)
{
	int fd = openat(dirfd(parent), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	_cleanup_dir_ DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	struct dirent *e;
	int n = 0;
	while (n < 2 && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || e->d_type != DT_DIR)
			continue;
		if (n++ || !copy_name(names->container, sizeof(names->container), sv_of(e->d_name)))
			names->container[0] = 0;
	}
}

static bool by_pod(const char *log_root, const char *pod_uid, struct pod_names *names)
{
	_cleanup_dir_ DIR *dir = open_below(log_root, "pods");
	if (!dir || !pod_uid[0])
		return false;
	char suffix[48], whole[400];
	snprintf(suffix, sizeof(suffix), "_%s", pod_uid);
	struct sv rest, namespace;
	if (!find_by_suffix(dir, suffix, &rest))
		return false;
	snprintf(whole, sizeof(whole), "%.*s%s", SV_ARG(rest), suffix);
	if (!cut(&rest, '_', &namespace) || !copy_name(names->namespace, sizeof(names->namespace), namespace) ||
	    !copy_name(names->pod, sizeof(names->pod), rest))
		return false;
	only_container(dir, whole, names);
	return true;
}

bool pod_names_find(const char *log_root, const char *pod_uid, const char *container_id, struct pod_names *names)
{
	struct pod_names found = {0};
	found.exact = by_container(log_root, container_id, &found);
	if (!found.exact) {
		found = (struct pod_names){0};
		if (!by_pod(log_root, pod_uid, &found))
			return false;
	}
	*names = found;
	return true;
}
