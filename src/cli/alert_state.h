/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the file with the alerts' states is read and written: at start; while alerts are active, after evaluations, but not more often
 * than every few seconds, since each write waits for the disk; at the end. */
#ifndef RT_CLI_ALERT_STATE_H
#define RT_CLI_ALERT_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct rule_manager;

struct alert_state_keeper {
	const char *path; /* NULL: nothing is kept */
	uint64_t version; /* what the file holds */
	uint64_t saved_ns;
	bool failed, full; /* the last write: said once */
};

/* Reads PATH (NULL or empty: nothing is kept) and gives M what it holds. A failure is logged, and the alerts start anew. */
void alert_state_recall(struct alert_state_keeper *k, const char *path, struct rule_manager *m, int64_t outage_tolerance_ms,
			int64_t grace_ms);
/* Writes what has changed, if it is time or the END. A failure is logged. */
void alert_state_keep(struct alert_state_keeper *k, struct rule_manager *m, bool end);

#endif
