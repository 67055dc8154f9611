/* SPDX-License-Identifier: GPL-2.0-or-later */
/* convert_classic_histograms_to_nhcb: between a parser and who takes its samples, classic histograms become native ones with custom
 * bounds. Internal to scrape. */
#ifndef RT_SCRAPE_NHCB_H
#define RT_SCRAPE_NHCB_H

#include "scrape/parse.h"

struct nhcb;

/* Hands over to TO, which must outlive it: what is no classic histogram as it comes, of each classic histogram the native one behind its
 * last sample, and with KEEP its samples too. One of more than MAX_BUCKETS is an error. */
struct nhcb *nhcb_new(const struct parse_sink *to, bool keep, size_t max_buckets);
const struct parse_sink *nhcb_sink(const struct nhcb *c);
/* Behind the last sample: hands over what is still being collected. As parse_sink.sample. */
int nhcb_end(struct nhcb *c, char **error);
void nhcb_free(struct nhcb *c);

#endif
