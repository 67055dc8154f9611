/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The envelope of Prometheus' HTTP API and the values inside it. Strings are made UTF-8; `<`, `>` and `&` are written as \u003c ...,
 * as Prometheus does, so that an answer is harmless inside HTML. */
#ifndef RT_API_REPLY_H
#define RT_API_REPLY_H

#include "base/json.h"
#include "exposition/web.h"
#include "model/labels.h"

enum reply_error { REPLY_BAD_DATA, REPLY_EXECUTION, REPLY_CANCELED, REPLY_TIMEOUT, REPLY_INTERNAL, REPLY_NOT_FOUND };

/* {"status":"error","errorType":..,"error":..} with its HTTP status. */
void reply_error(struct web_response *res, enum reply_error type, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* {"status":"success","data": -- what the caller appends to res->body -- */
void reply_begin(struct web_response *res);
/* -- and the end, with the first ten of each list. */
void reply_end(struct web_response *res, char *const *warnings, size_t n_warnings, char *const *infos, size_t n_infos);
/* All at once; DATA is consumed. */
void reply_json(struct web_response *res, json_t *data);

/* The same without a tree, for results with millions of points: a string in quotes, a set of labels as an object. */
void reply_add_text(struct sv s, struct buf *out);
void reply_add_labels(const struct labels *ls, struct buf *out);
/* Seconds with up to three decimals to TO, which has room for 24 bytes; where they end. */
char *reply_write_seconds(int64_t ms, char *to);
/* Appends V, which is consumed. */
void reply_dump(json_t *v, struct buf *out);
json_t *reply_text(struct sv s);
json_t *reply_string(const char *s);
json_t *reply_labels(const struct labels *ls);
/* A time or length in seconds from ms: whole ones without a fraction. */
json_t *reply_seconds(int64_t ms);
/* A sample value as text: plain decimal unless < 1e-6 or >= 1e21 in magnitude. */
json_t *reply_value(double v);
/* UTC, RFC 3339 with milliseconds; INT64_MIN, never, is Go's zero time. */
json_t *reply_time(int64_t ms);

#endif
