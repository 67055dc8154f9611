/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which Alertmanagers there are: static targets and the files of file_sd_configs, relabelled. Internal to notifier. */
#ifndef RT_NOTIFIER_DISCOVERY_H
#define RT_NOTIFIER_DISCOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "config/file_sd.h"

struct endpoint {
	size_t block;
	char *url;
};

struct endpoints {
	struct endpoint *v;
	size_t n, cap;
};

/* Looks at the files again and reads those that changed. True if the targets may be others than before. A file that cannot be
 * read keeps its targets; a file that is gone loses them. */
bool peer_discovery_refresh(struct file_sd_cache *d, const struct config_alerting *alerting);
/* The URLs to send to, each once in a block, at most MAX. */
void peer_discovery_endpoints(struct file_sd_cache *d, const struct config_alerting *alerting, size_t max, struct endpoints *out);
void endpoints_free(struct endpoints *e);

#endif
