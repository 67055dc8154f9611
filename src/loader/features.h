/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel programs would like to have and a kernel may lack. What is missing is switched off by its
 * name before the load, and whoever asks (the metrics, `reqtally doctor`) is told the reason and what the gap
 * costs. The kernel is asked by trying, never by its version: distributions carry features back. */
#ifndef RT_LOADER_FEATURES_H
#define RT_LOADER_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

enum loader_feature_id {
	FEATURE_BPF_LOOP,	     /* a helper; without it the second flavour of the programs is loaded */
	FEATURE_QUEUE_TIME,	     /* http_requests_queue_seconds */
	FEATURE_PROCESS_IDENTITY,    /* the service is that of the process that read the request */
	FEATURE_CLOSE_EVENTS,	     /* the end of every connection is seen when it happens */
	FEATURE_IN_FLIGHT_ENDPOINTS, /* requests in flight have the endpoint also if they wait behind another
				      */
	FEATURE_RECLAIM,	     /* states of idle connections are taken back */
	LOADER_FEATURES,
};

struct loader_feature {
	const char *name; /* "queue_time": the value of the label of reqtally_feature_enabled */
	const char *cost; /* what is missing or worse without it; one clause, for the user */
	bool available;
	const char *reason; /* why not, one clause; NULL if available */
};

/* Asks the kernel: loads a few programs of some instructions and lets go of them. Needs CAP_BPF and
 * CAP_PERFMON; takes some milliseconds. Without the rights everything is said to be available, since that is
 * not known to be otherwise. REQTALLY_WITHOUT="name name" in the environment switches features off that the
 * kernel has (for tests, and to save their cost). */
void loader_probe_features(struct loader_feature features[LOADER_FEATURES]);

struct loader;

/* What the loaded programs were given: LOADER_FEATURES of them, as they were at loader_open(); the loader's.
 */
const struct loader_feature *loader_features(const struct loader *l);

#endif
