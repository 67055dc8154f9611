/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which Alertmanagers there are: static targets and the files of file_sd_configs, relabelled. Internal to notifier. */
#ifndef RT_NOTIFIER_DISCOVERY_H
#define RT_NOTIFIER_DISCOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "config/file_sd.h"
#include "config/http_sd.h"

struct endpoint {
	size_t block;
	char *url;
};

struct endpoints {
	struct endpoint *v;
	size_t n, cap;
};

struct peer_discovery {
	struct file_sd_cache files;
	struct http_sd_cache https;
	uint64_t errors; /* of all, since the beginning */
	char *error;	 /* the last one */
};

/* Another configuration: what is known of the old one's files goes. */
void peer_discovery_configure(struct peer_discovery *d, const struct config_alerting *alerting);
/* Looks at the files again and reads those that changed, asks servers and takes in what they told. True if the targets may be others than
 * before. What cannot be read keeps its targets; a file that is gone loses them. */
bool peer_discovery_refresh(struct peer_discovery *d, const struct config_alerting *alerting, int64_t now);
/* The URLs to send to, each once in a block, at most MAX. */
void peer_discovery_endpoints(struct peer_discovery *d, const struct config_alerting *alerting, size_t max, struct endpoints *out);
void peer_discovery_free(struct peer_discovery *d);
void endpoints_free(struct endpoints *e);

#endif
