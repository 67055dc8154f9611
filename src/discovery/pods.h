/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of pods from what the kubelet writes on each node: the folders and links of the containers' logs. No right at the
 * API server is needed, and the kubelet makes a pod's folder before it starts the pod. */
#ifndef RT_DISCOVERY_PODS_H
#define RT_DISCOVERY_PODS_H

#include <stdbool.h>

struct pod_names {
	char namespace[64]; /* DNS label */
	char pod[254];	    /* DNS subdomain */
	char container[64]; /* DNS label; "" if unknown */
	bool exact;	    /* by the container's own link; else another container may yet appear beside it */
};

/* LOG_ROOT is /var/log. Looks for containers/<pod>_<namespace>_<container>-<container id>.log, then for
 * pods/<namespace>_<pod>_<uid>/ (whose only folder, if there is only one, names the container). True if the pod was found. */
bool pod_names_find(const char *log_root, const char *pod_uid, const char *container_id, struct pod_names *names);

#endif
