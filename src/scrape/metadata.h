/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a target says of its families: type, help, unit. Internal to scrape. */
#ifndef RT_SCRAPE_METADATA_H
#define RT_SCRAPE_METADATA_H

#include "scrape/parse.h"

#define METADATA_FAMILIES_MAX 20000 /* of one target */
#define METADATA_KEPT 10	    /* scrapes after which a family is forgotten that is gone */
#define METADATA_TEXT_MAX 4096	    /* bytes of a help text that are kept */

struct metadata_entry {
	struct metadata_entry *next; /* in its hash bucket */
	uint64_t hash;
	char *name, *help, *unit; /* the last two: NULL is empty */
	enum metric_type type;
	uint32_t seen; /* the scrape that spoke of it last */
};

struct metadata {
	struct metadata_entry **buckets;
	size_t n, n_buckets;
};

void metadata_type(struct metadata *m, uint32_t scrape, struct sv name, enum metric_type type);
void metadata_help(struct metadata *m, uint32_t scrape, struct sv name, struct sv text);
void metadata_unit(struct metadata *m, uint32_t scrape, struct sv name, struct sv unit);
/* Lets go of what the last METADATA_KEPT scrapes did not speak of. */
void metadata_trim(struct metadata *m, uint32_t scrape);
void metadata_free(struct metadata *m);

#endif
