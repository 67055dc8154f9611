/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer to a scrape: negotiation, writer and gzip joined to a web response. */
#ifndef RT_EXPOSITION_SCRAPE_H
#define RT_EXPOSITION_SCRAPE_H

#include "exposition/negotiate.h"
#include "exposition/web.h"
#include "model/family.h"

/* The body of a scrape as a stream. Keeps a reference to SNAPSHOT. */
struct scrape;
struct scrape *scrape_new(struct snapshot *snapshot, struct negotiated n, bool gzip);
/* Writes at most MAX bytes at P: their number, 0 at the end, a negative errno on failure. */
ssize_t scrape_read(void *scrape, char *p, size_t max);
void scrape_free(void *scrape);

/* Answers REQ with SNAPSHOT in the format and coding it asks for. The caller keeps its own reference. */
void scrape_respond(struct web_request *req, struct web_response *res, struct snapshot *snapshot);

#endif
