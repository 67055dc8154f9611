/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the store share. The lock is held by the public functions; everything here expects it. */
#ifndef RT_STORE_IMPL_H
#define RT_STORE_IMPL_H

#include <pthread.h>

#include "store/chunk.h"
#include "store/store.h"

/* A series in the store. */
struct stored {
	struct labels *labels;
	struct stored *next; /* in its hash bucket */
	struct chunk *oldest, *newest; /* newest is the one being filled; NULL if there is none */
	struct chunk_tail tail;
	double *slots; /* of the newest histogram, if newest is a chunk of them */
	size_t in_name; /* its place in its name's list */
	struct name_list *name;
	uint32_t scraped;    /* flatten entries that refer to it: it must not go away */
	uint64_t generation; /* of the snapshot that appended to it last */
};

/* All series of one metric name. */
struct name_list {
	struct name_list *next; /* in its hash bucket */
	char *name;
	size_t name_len;
	struct stored **series;
	size_t n, cap;
};

/* One metric of one family of the last snapshot, and its series: what makes the next snapshot cheap. */
struct flat {
	struct flat *next; /* in its hash bucket */
	const char *family; /* static, see family.h */
	struct labels *labels;
	uint64_t hash, generation;
	uint32_t n;		/* slots: 1, or n_bounds + 3 */
	bool incomplete;	/* a series found no room: try again */
	struct stored *series[]; /* NULL: not wanted, or no room */
};

struct flat_table {
	struct flat **buckets;
	size_t n, n_buckets;
};

struct store {
	pthread_rwlock_t lock;
	struct store_options opt;
	struct sample_source source;
	struct stored **buckets; /* by labels->hash; a power of two */
	size_t n_buckets;
	struct name_list **names;
	size_t n_names, n_name_buckets;
	struct chunk *seal_oldest, *seal_newest; /* full chunks in the order they were filled */
	struct store_filter *filter;
	struct flat_table flat, former; /* FORMER: of before the filter or the extra labels changed; emptied by the next snapshot */
	struct labels *extra;
	uint64_t generation;
	int64_t newest_t, swept_t;
	struct store_stats stats;
};

/* Appends V, or H if that is not NULL, with all rules of store_append. */
int stored_append(struct store *s, struct stored *series, int64_t t, double v, const struct histogram *h);
struct stored *stored_find(struct store *s, const struct labels *labels);
/* Finds or creates; NULL if there is no room. */
struct stored *stored_get(struct store *s, const struct labels *labels);
/* Drops what is older than the retention, seen from T; cheap when there is nothing to do. */
void store_expire(struct store *s, int64_t t);

int store_select(void *self, const struct matcher *matchers, size_t n, int64_t mint, int64_t maxt, struct series_set *out, char **error);
/* The members of a sample_source with these names. */
int store_select_packed(void *self, const struct matcher *matchers, size_t n, int64_t mint, int64_t maxt, struct series_set *out, char **error);
size_t store_unpack(const struct series *s, int64_t mint, int64_t maxt, struct sample *out);

bool filter_wants_name(const struct store_filter *f, struct sv name);
bool filter_wants(const struct store_filter *f, const struct labels *labels);

size_t labels_size(const struct labels *ls);
void flat_table_free(struct flat_table *t);

#endif
