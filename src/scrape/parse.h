/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parsers of what targets expose: the text formats, OpenMetrics, protobuf. They accept and refuse what Prometheus 3 accepts and refuses,
 * hand over one sample after the other, and keep nothing. The body must not change while one of them runs. */
#ifndef RT_SCRAPE_PARSE_H
#define RT_SCRAPE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/labels.h"

struct histogram;

enum metric_type {
	METRIC_UNKNOWN,
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
	METRIC_GAUGEHISTOGRAM,
	METRIC_SUMMARY,
	METRIC_INFO,
	METRIC_STATESET,
	N_METRIC_TYPES,
};

/* As OpenMetrics and the API spell it. */
const char *metric_type_name(enum metric_type type);

/* Of one sample. A body of megabytes may hold little else, and each takes ten times its bytes here. */
#define PARSED_LABELS_MAX 1000

struct parsed_label {
	struct sv name, value;
	bool escaped; /* as text: backslashes in either */
};

/* One sample, valid during the call. */
struct parsed_sample {
	struct sv key; /* bytes that are the same for the same name and labels in the same order: for caches */
	struct sv name;
	bool name_escaped;
	const struct parsed_label *labels;
	size_t n_labels; /* at most PARSED_LABELS_MAX + 1: a bound may come besides */
	const char *bound; /* "le" or "quantile": its value is a number to be put into the canonical spelling; NULL: none */
	double v;
	const struct histogram *h; /* a native histogram; V means nothing then. NULL: a float */
	bool has_t;
	int64_t t; /* ms */
};

struct parse_sink {
	/* A negative errno ends the parsing with it; the callee then has set what *ERROR shall be. */
	int (*sample)(void *arg, const struct parsed_sample *s, char **error);
	/* What was said of the family NAME; each part as it comes. NULL if nobody wants to know. */
	void (*type)(void *arg, struct sv name, enum metric_type type);
	void (*help)(void *arg, struct sv name, struct sv text);
	void (*unit)(void *arg, struct sv name, struct sv unit);
	void *arg;
};

struct parse_options {
	bool native; /* protobuf: hand over native histograms */
	bool classic; /* and the classic part of such ones too */
	uint64_t max_buckets; /* of a native histogram: resolution is lowered until they fit, or the body is refused; 0: any number */
	double min_factor; /* buckets that grow slower are merged: the finest resolution is the one next below this factor; 0: any */
};

/* 0, or -EBADMSG and *ERROR (what, where), or what SINK returned. Nothing is read past the end of BODY. */
int parse_text(struct sv body, const struct parse_sink *sink, char **error);
int parse_openmetrics(struct sv body, const struct parse_sink *sink, char **error);
int parse_protobuf(struct sv body, const struct parse_options *opt, const struct parse_sink *sink, char **error);

/* The labels of S with the name as __name__ first, as they stand (empty ones too): N_LABELS + 1 of them in OUT, views into S and TEXT,
 * which is reset. */
void parsed_labels(const struct parsed_sample *s, struct buf *text, struct label *out);

#endif
