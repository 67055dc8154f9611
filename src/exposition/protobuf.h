/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The io.prometheus.client messages (EXPOSITION: delimited protobuf): what a server asks for that scrapes native histograms. Ours
 * are classic: the kernel counts in the configured bounds. */
#ifndef RT_EXPOSITION_PROTOBUF_H
#define RT_EXPOSITION_PROTOBUF_H

#include "base/buf.h"
#include "exposition/escape.h"
#include "model/family.h"

void protobuf_varint(uint64_t v, struct buf *out);
/* Appends the fields of a MetricFamily but its metrics: name, help, type, unit. */
void protobuf_family(const struct family *f, struct sv name, struct buf *out);
/* Appends one Metric as a field of a MetricFamily. SCRATCH is any buffer; its content is lost. */
void protobuf_metric(const struct family *f, const struct metric *m, enum escaping escaping, struct buf *scratch, struct buf *out);

#endif
