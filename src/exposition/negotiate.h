/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Content negotiation of a scrape: which text format, which name escaping, gzip or not. */
#ifndef RT_EXPOSITION_NEGOTIATE_H
#define RT_EXPOSITION_NEGOTIATE_H

#include <stdbool.h>

#include "exposition/writer.h"

struct negotiated {
	enum exposition_format format;
	enum escaping escaping;
};

/* The supported type with the highest q in an Accept header (NULL: none sent); of equals the first. A wildcard, or nothing
 * that is supported, means text 0.0.4. Versions must match exactly; without one, text/plain is 0.0.4 and OpenMetrics 0.0.1. */
struct negotiated negotiate_accept(const char *accept);
/* May the body be gzip? An explicit q for gzip wins over that of `*`; identity is preferred only by a higher q. */
bool negotiate_gzip(const char *accept_encoding);
/* The Content-Type of the answer; static. */
const char *negotiated_content_type(struct negotiated n);

#endif
