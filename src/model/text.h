/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text forms shared by PromQL, templates, exposition and the API: Go quoting, Go float text, Prometheus durations, names. */
#ifndef RT_MODEL_TEXT_H
#define RT_MODEL_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sv.h"

/* Go's strconv.Quote. */
void text_go_quote(struct sv s, struct buf *out);
/* [a-zA-Z_:][a-zA-Z0-9_:]* */
bool text_is_legacy_metric_name(struct sv s);
/* [a-zA-Z_][a-zA-Z0-9_]* */
bool text_is_legacy_label_name(struct sv s);
bool text_is_utf8(struct sv s);

/* Go's strconv.FormatFloat(v, FMT, -1, 64), the shortest digits that read back as V: 'f' plain decimal, 'e' exponent with
 * at least two digits, 'g' exponent iff it is < -4 or >= 6 (as in exposition, `{{ $value }}`, le labels). NaN, +Inf, -Inf. */
void text_float(double v, char fmt, struct buf *out);
/* A float as Prometheus' API writes it, to TO, which has room for TEXT_JSON_FLOAT bytes; where it ends: 'f', 'e' below 1e-6 and from 1e21 on. */
#define TEXT_JSON_FLOAT 48
char *text_write_json_float(double v, char *to);
/* A bound as Prometheus 3 stores it in `le` and `quantile`, the OpenMetrics spelling: 'g', and ".0" behind it if it has neither
 * '.' nor 'e'. */
void text_canonical_bound(double v, struct buf *out);
/* Go's strconv.ParseFloat / Prometheus' number text incl. inf, nan, hex: false unless all of S is a number. */
bool text_parse_float(struct sv s, double *v);
/* The same with what Go's literals allow besides: underscores between digits. -EINVAL: no number; -ERANGE: too large for one. */
int text_parse_go_float(struct sv s, double *v);
/* Go's strconv.ParseUint with base 0 (0x, 0b, 0o, 0), of what has no underscores. */
bool text_parse_go_uint(const char *s, uint64_t *u);
/* S, a number, without its underscores into OUT. False: one of them stands where Go allows none, or OUT is too small. */
bool text_strip_underscores(struct sv s, char *out, size_t size);

/* Prometheus duration text, in ms: 0, or y w d h m s ms each at most once in this order. False if invalid. */
bool text_parse_duration(struct sv s, int64_t *ms);
/* Is what text_parse_duration refuses well written, and only longer than 292 years? */
bool text_duration_too_long(struct sv s);
/* Prometheus' model.Duration.String(): 90s -> 1m30s, 0 -> 0s. */
void text_duration(int64_t ms, struct buf *out);

#endif
