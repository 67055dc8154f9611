/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the path of a cgroup says about whose processes are in it. Pure: a path in, names out. */
#ifndef RT_DISCOVERY_CGROUP_PATH_H
#define RT_DISCOVERY_CGROUP_PATH_H

#include <stddef.h>

#include "base/sv.h"

enum cgroup_kind {
	CGROUP_OTHER,	  /* root, slices, sessions, scopes with a made-up name */
	CGROUP_UNIT,	  /* a systemd service, or a scope somebody named */
	CGROUP_CONTAINER, /* a container outside Kubernetes */
	CGROUP_POD,	  /* a container of a pod, or the pod's own cgroup */
};

struct cgroup_owner {
	enum cgroup_kind kind;
	char pod_uid[37];      /* 8-4-4-4-12 with dashes; 32 digits for a static pod */
	char container_id[65]; /* hexadecimal digits, 64 as a rule */
	char unit[256];	       /* without its suffix; an instance keeps its name: "postgresql@15-main" */
};

/* PATH is relative to the root of the hierarchy ("/system.slice/nginx.service"). The innermost name wins: a container in
 * a container is the inner one. Anything not recognised is CGROUP_OTHER. */
void cgroup_path_parse(const char *path, struct cgroup_owner *owner);

/* The workload (Deployment, DaemonSet, StatefulSet, Job) a pod's name was made from: how many bytes of NAME it is, all of
 * them if the name does not end as a controller would end it. */
size_t pod_workload_length(struct sv name);

#endif
