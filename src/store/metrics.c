// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/metrics.h"

static void add_value(struct snapshot *s, const char *name, enum family_type type, const char *unit, const char *help, uint64_t v)
{
	family_add_value(snapshot_family(s, name, type, unit, help), labels_empty(), (double)v);
}

static void add_reason(struct family *f, const char *reason, uint64_t v)
{
	family_add_value(f, labels_from("reason", reason, NULL), (double)v);
}

void store_metrics(struct store *store, struct snapshot *s)
{
	struct store_stats st;
	store_stats(store, &st);
	add_value(s, "reqtally_window_series", FAMILY_GAUGE, NULL, "Series in the window of own samples.", st.series);
	add_value(s, "reqtally_window_samples", FAMILY_GAUGE, NULL, "Samples in the window.", st.samples);
	add_value(s, "reqtally_window_bytes", FAMILY_GAUGE, "bytes", "Memory of the window.", st.bytes);
	add_value(s, "reqtally_window_limit_bytes", FAMILY_GAUGE, "bytes", "Memory that the window may take.", st.budget);
	family_add_value(snapshot_family(s, "reqtally_window_retention_seconds", FAMILY_GAUGE, "seconds",
					 "How long samples are kept, if there is room."),
			 labels_empty(), (double)st.retention_ms / 1e3);
	add_value(s, "reqtally_window_samples_appended_total", FAMILY_COUNTER, NULL, "Samples that were taken in.", st.appended_total);
	struct family *f = snapshot_family(s, "reqtally_window_samples_refused_total", FAMILY_COUNTER, NULL, "Samples that were not taken in.");
	add_reason(f, "out_of_order", st.out_of_order_total);
	add_reason(f, "duplicate", st.duplicate_total);
	add_reason(f, "no_room", st.refused_series_total);
	f = snapshot_family(s, "reqtally_window_samples_removed_total", FAMILY_COUNTER, NULL,
			    "Samples that left the window: old enough, or early for want of room.");
	add_reason(f, "age", st.expired_total);
	add_reason(f, "no_room", st.dropped_total);
}
