/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_RULES_URL_H
#define RT_RULES_URL_H

#include "base/buf.h"
#include "base/sv.h"

/* Go's url.QueryEscape: unreserved characters stay, a blank becomes `+`, the rest %XX. */
void url_query_escape(struct sv s, struct buf *out);
/* The path of an absolute URL, "" if it has none. */
struct sv url_path(struct sv url);

#endif
