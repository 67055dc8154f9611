/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must outlive the process for `for` to go on after a restart: since when each alert is active, and when that was last
 * known; Prometheus keeps the same in its series ALERTS_FOR_STATE. Here it is a small JSON file, replaced as a whole. */
#ifndef RT_RULES_ALERT_STATES_H
#define RT_RULES_ALERT_STATES_H

#include <stddef.h>
#include <stdint.h>

#include "model/labels.h"

#define ALERT_STATES_MAX 10000		      /* alerts that are kept; those beyond start anew */
#define ALERT_STATES_MAX_BYTES ((size_t)8 << 20) /* of the file */

struct alert_states {
	struct {
		struct labels *labels; /* of the alert, alertname included; a reference */
		int64_t active_at;     /* s */
		int64_t seen;	       /* ms: when the alert was last evaluated */
	} * v;
	size_t n, cap;
	size_t left_out; /* did not fit, or cannot be written as JSON */
};

/* Takes a reference. Past ALERT_STATES_MAX it only counts. */
void alert_states_add(struct alert_states *s, struct labels *labels, int64_t active_at, int64_t seen);
void alert_states_clear(struct alert_states *s);

/* Replaces PATH by one that holds S: written beside it, synced, renamed. Its folder is made if only that is missing. Nothing to hold:
 * the file is removed. 0, or a negative errno and *ERROR (heap). */
int alert_states_save(const char *path, struct alert_states *s, char **error);
/* Reads PATH into S, which is empty before. 0, also if there is no such file. A file that is broken is renamed to PATH.broken, so
 * that the next save does not destroy it: -EBADMSG and *ERROR says what was wrong and where the file is now. */
int alert_states_load(const char *path, struct alert_states *s, char **error);

#endif
