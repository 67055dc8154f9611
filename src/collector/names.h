/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts for the numbers of the kernel/user contract. */
#ifndef RT_COLLECTOR_NAMES_H
#define RT_COLLECTOR_NAMES_H

#include <stdint.h>

#include "base/buf.h"
#include "reqtally.h"

const char *method_name(uint8_t method);
/* `reason` of reqtally_requests_lost_total; WHAT from RT_LOST_FIRST to RT_LOST_LAST. */
const char *lost_reason(enum rt_ledger what);
/* `state` of reqtally_connections_reclaimed_total. */
const char *reclaimed_state(enum rt_reclaim_class what);
/* An endpoint's text as a label: a byte that is no part of valid UTF-8 is percent-encoded, as it would stand in a URL. */
void endpoint_label(const char *text, size_t len, struct buf *out);

#endif
