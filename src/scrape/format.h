/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which format to ask a target for, and which one it has answered in. Internal to scrape. */
#ifndef RT_SCRAPE_FORMAT_H
#define RT_SCRAPE_FORMAT_H

#include "base/buf.h"
#include "config/scrape.h"

/* The value of Accept for the protocols in C. */
void format_accept(const struct config_scrape_common *c, struct buf *out);
/* What CONTENT_TYPE (NULL: none was sent) is to be read as: PROTOCOL_PROTO, PROTOCOL_OM_1 or PROTOCOL_TEXT_0. PROTOCOL_NONE and *ERROR if
 * it is nothing known and there is no FALLBACK. */
enum config_protocol format_of(const char *content_type, enum config_protocol fallback, char **error);

#endif
