// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/stats.h"

static void add(struct snapshot *s, const char *name, const char *unit, const char *help, double v)
{
	family_add_value(snapshot_family(s, name, FAMILY_COUNTER, unit, help), labels_empty(), v);
}

static void add_labelled(struct family *f, const char *label, const char *value, uint64_t v)
{
	family_add_value(f, labels_from(label, value, NULL), (double)v);
}

void scrape_stats_families(const struct scrape_stats *st, struct snapshot *s)
{
	struct family *f = snapshot_family(s, "reqtally_scrape_targets", FAMILY_GAUGE, NULL, "Targets of scrape_configs by their health.");
	add_labelled(f, "health", "up", st->targets[SCRAPE_UP]);
	add_labelled(f, "health", "down", st->targets[SCRAPE_DOWN]);
	add_labelled(f, "health", "unknown", st->targets[SCRAPE_UNKNOWN]);
	add_labelled(f, "health", "dropped", st->dropped);
	add(s, "reqtally_scrapes_total", NULL, "Scrapes of targets.", (double)st->scrapes);
	add(s, "reqtally_scrape_failures_total", NULL, "Scrapes of targets that failed.", (double)st->failures);
	add(s, "reqtally_scrape_seconds_total", "seconds", "Time from the beginning of scrapes to their end.", (double)st->duration_ns / 1e9);
	add(s, "reqtally_scrape_body_bytes_total", "bytes", "Bodies of scrapes, decompressed.", (double)st->body_bytes);
	add(s, "reqtally_scrape_samples_total", NULL, "Samples of scrapes that succeeded, after relabelling.", (double)st->samples);
	f = snapshot_family(s, "reqtally_scrape_samples_left_out_total", FAMILY_COUNTER, NULL, "Samples of scrapes that were not stored.");
	add_labelled(f, "reason", "out_of_order", st->out_of_order);
	add_labelled(f, "reason", "duplicate", st->duplicate);
	add_labelled(f, "reason", "out_of_bounds", st->out_of_bounds);
	add_labelled(f, "reason", "no_room", st->no_room);
	add(s, "reqtally_scrape_file_sd_errors_total", NULL, "Failures to read a file of file_sd_configs or a URL of http_sd_configs.", (double)st->file_errors);
}
