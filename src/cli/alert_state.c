// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/alert_state.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "rules/manager.h"

#define SAVE_INTERVAL_NS (5ull * 1000000000)

void alert_state_recall(struct alert_state_keeper *k, const char *path, struct rule_manager *m, int64_t outage_tolerance_ms,
			int64_t grace_ms)
{
	struct alert_states s = {0};
	char *error = NULL;

	*k = (struct alert_state_keeper){.path = path && *path ? path : NULL};
	if (k->path && alert_states_load(k->path, &s, &error))
		log_warn("%s; alerts start anew", error);
	if (s.n)
		log_info("%zu alerts of the former process from %s", s.n, k->path);
	free(error);
	rule_manager_remember(m, &s, outage_tolerance_ms, grace_ms);
}

void alert_state_keep(struct alert_state_keeper *k, struct rule_manager *m, bool end)
{
	struct alert_states s = {0};
	char *error = NULL;

	if (!k->path)
		return;
	uint64_t version = rule_manager_states_version(m), now = clock_mono_ns();
	if (version == k->version || (!end && k->saved_ns && now - k->saved_ns < SAVE_INTERVAL_NS))
		return;
	rule_manager_states(m, &s);
	if (alert_states_save(k->path, &s, &error)) {
		if (!k->failed)
			log_warn("%s; after a restart alerts will start anew", error);
		k->failed = true;
		free(error);
	} else {
		if (s.left_out && !k->full)
			log_warn("%zu alerts found no room in %s; after a restart they will start anew", s.left_out, k->path);
		k->failed = false;
		k->full = s.left_out > 0;
		k->version = version;
	}
	k->saved_ns = now;
	alert_states_clear(&s);
}
