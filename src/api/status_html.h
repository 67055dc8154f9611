/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of the status page. Every text is escaped. Internal to api. */
#ifndef RT_API_STATUS_HTML_H
#define RT_API_STATUS_HTML_H

#include "base/buf.h"
#include "model/family.h"

void status_add_html(const char *s, struct buf *out);
void status_add_cell(const char *s, struct buf *out);
/* What services have answered since counting began, and the ledger; S may be NULL. */
void status_add_requests(const struct snapshot *s, struct buf *out);

#endif
