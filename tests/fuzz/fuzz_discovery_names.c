// SPDX-License-Identifier: GPL-2.0-or-later
/* Paths of cgroups, mount tables, and names of the kubelet's log files: whatever stands there, names of a known form come out. The first
 * byte chooses which. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discovery/cgroup_path.h"
#include "discovery/cgroup_tree.h"
#include "discovery/pods.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static char root[64];

static void clean_up(void)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/containers", root);
	rmdir(path);
	rmdir(root);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[96];
	snprintf(root, sizeof(root), "/tmp/fuzz-pods-XXXXXX");
	if (!mkdtemp(root))
		abort();
	snprintf(path, sizeof(path), "%s/containers", root);
	if (mkdir(path, 0700))
		abort();
	atexit(clean_up);
	return 0;
}

static void check_name(const char *s, size_t size)
{
	if (!memchr(s, 0, size))
		abort();
	for (; *s; s++)
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '-' && *s != '.')
			abort();
}

static void try_path(const char *text)
{
	struct cgroup_owner o;
	memset(&o, 0x5a, sizeof(o));
	cgroup_path_parse(text, &o);
	if (!memchr(o.pod_uid, 0, sizeof(o.pod_uid)) || !memchr(o.container_id, 0, sizeof(o.container_id)) ||
	    !memchr(o.unit, 0, sizeof(o.unit)))
		abort();
	for (const char *p = o.container_id; *p; p++)
		if (!isxdigit((unsigned char)*p))
			abort();
	if (o.kind == CGROUP_POD && !o.pod_uid[0])
		abort();
	if (o.kind == CGROUP_UNIT && !o.unit[0])
		abort();
	if (pod_workload_length(sv_of(text)) > strlen(text))
		abort();
}

static void try_mounts(const char *text)
{
	char *paths[4];
	size_t got = mountinfo_cgroup2(text, paths, 4);
	if (got > 4)
		abort();
	while (got)
		free(paths[--got]);
}

static void try_log(const char *text)
{
	struct pod_names names = {0};
	char path[512];
	if (strlen(text) > 160 || strchr(text, '/'))
		return;
	snprintf(path, sizeof(path), "%s/containers/%s-" CONTAINER ".log", root, text);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	close(fd);
	if (pod_names_find(root, "", CONTAINER, &names)) {
		if (!names.pod[0] || !names.namespace[0])
			abort();
		check_name(names.pod, sizeof(names.pod));
		check_name(names.namespace, sizeof(names.namespace));
		check_name(names.container, sizeof(names.container));
	}
	unlink(path);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	if (!n)
		return 0;
	char *text = malloc(n);
	memcpy(text, data + 1, n - 1);
	text[n - 1] = 0;
	if (data[0] % 3 == 0)
		try_path(text);
	else if (data[0] % 3 == 1)
		try_mounts(text);
	else
		try_log(text);
	free(text);
	return 0;
}
