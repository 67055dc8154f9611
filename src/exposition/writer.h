/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exposition writers: a snapshot as Prometheus text 0.0.4 (and 1.0.0, the same but for quoted names), OpenMetrics 1.0.0, protobuf.
 * A writer hands its text out piece by piece, so that a scrape of ten thousand endpoints needs no buffer of its own size. */
#ifndef RT_EXPOSITION_WRITER_H
#define RT_EXPOSITION_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "exposition/escape.h"
#include "model/family.h"

enum exposition_format {
	EXPOSITION_TEXT_004,
	EXPOSITION_TEXT_100,
	EXPOSITION_OPENMETRICS_001, /* the text of 1.0.0 under the older version */
	EXPOSITION_OPENMETRICS_100,
	EXPOSITION_PROTOBUF, /* delimited io.prometheus.client.MetricFamily */
};

struct writer;

/* Keeps a reference to SNAPSHOT until writer_free. */
struct writer *writer_new(struct snapshot *snapshot, enum exposition_format format, enum escaping escaping);
/* Appends whole metrics to OUT until it holds at least WANT bytes or all is written; false once all is. After the last
 * piece OUT may have got bytes as well. If OUT's ceiling is hit, OUT->failed is set. */
bool writer_more(struct writer *w, struct buf *out, size_t want);
void writer_free(struct writer *w);

/* The whole text at once. */
void exposition_write(struct snapshot *snapshot, enum exposition_format format, struct buf *out);

#endif
