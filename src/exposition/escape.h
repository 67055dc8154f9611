/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may stand in an exposition: label values of any bytes, help text, and names for servers that know only the old alphabet. */
#ifndef RT_EXPOSITION_ESCAPE_H
#define RT_EXPOSITION_ESCAPE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/sv.h"

/* How a name outside [a-zA-Z_:][a-zA-Z0-9_:]* is shown (the `escaping` parameter of Accept). */
enum escaping { ESCAPING_UNDERSCORES, ESCAPING_ALLOW_UTF8, ESCAPING_DOTS, ESCAPING_VALUES };

const char *escaping_name(enum escaping e);
bool escaping_parse(struct sv s, enum escaping *e);

/* Appends the inside of a quoted label value: `\\`, `\"`, `\n`. Bytes that are not UTF-8, and NUL, at which Prometheus'
 * lexer ends the input, become U+FFFD each: whoever must keep such values apart encodes them before (the collector does). */
void escape_label_value(struct sv s, struct buf *out);
/* Appends S with the same replacements, so that it is UTF-8, and nothing escaped. */
void escape_utf8(struct sv s, struct buf *out);
/* Appends a HELP text; OpenMetrics escapes the double quote too. */
void escape_help(struct sv s, bool openmetrics, struct buf *out);
/* Appends a metric or label name under scheme E; with allow-utf-8 it is left as it is. */
void escape_name(struct sv s, enum escaping e, struct buf *out);
/* Appends what NAME, `U__...` by the scheme of values, stands for; false (and what was appended is of no use) if it is no such name. */
bool unescape_values(struct sv name, struct buf *out);

#endif
