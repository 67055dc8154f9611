/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the API tells of configuration, flags and Alertmanagers. Without secrets: of the file only what the rules need. */
#ifndef RT_CLI_STATUS_H
#define RT_CLI_STATUS_H

#include "base/json.h"

/* For struct api; ARG is the app. */
json_t *status_data(void *app, const char *what);

#endif
