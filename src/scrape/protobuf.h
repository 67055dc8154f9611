/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wire form of protobuf, read. Internal to scrape. */
#ifndef RT_SCRAPE_PROTOBUF_H
#define RT_SCRAPE_PROTOBUF_H

#include "scrape/parse.h"

struct pb {
	const uint8_t *p, *end;
	bool broken; /* what was read is not protobuf */
};

struct pb_field {
	unsigned number, wire;
	uint64_t v;	  /* a varint, or the bits of a fixed width */
	struct pb bytes; /* wire type 2 */
};

static inline struct pb pb_of(struct sv s)
{
	return (struct pb){(const uint8_t *)s.p, (const uint8_t *)s.p + s.n, false};
}
/* False at the end, and where it is broken. */
bool pb_varint(struct pb *m, uint64_t *v);
bool pb_next(struct pb *m, struct pb_field *f);
struct sv pb_string(const struct pb_field *f);
double pb_double(const struct pb_field *f);
int64_t pb_zigzag(uint64_t v);

/* A message Histogram of io.prometheus.client. */
struct pb_histogram {
	struct pb message;
	uint64_t count;
	double count_float, sum;
	bool native, is_float;
};

bool pb_histogram_read(struct pb message, struct pb_histogram *h);
/* The native part; NULL and *ERROR if it contradicts itself. pb_histogram_free it. */
struct histogram *pb_histogram_native(const struct pb_histogram *h, bool gauge, const struct parse_options *opt, char **error);
void pb_histogram_free(struct histogram *h);

#endif
