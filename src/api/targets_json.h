/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the status page and /api/v1/metadata take from the targets. */
#ifndef RT_API_TARGETS_JSON_H
#define RT_API_TARGETS_JSON_H

#include "api/api.h"
#include "base/json.h"

/* Those of the job POOL (NULL: all), as in activeTargets. */
json_t *active_targets_json(const struct api *api, const char *pool);
/* Adds the families of all targets (METRIC: that one only) to OUT, the object of /api/v1/metadata, at most MOST descriptions of each. */
void scraped_metadata_json(const struct api *api, const char *metric, size_t most, json_t *out);

#endif
