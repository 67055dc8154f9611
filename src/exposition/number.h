/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers as text, fast: most of an exposition is integers. */
#ifndef RT_EXPOSITION_NUMBER_H
#define RT_EXPOSITION_NUMBER_H

#include <stdint.h>

#include "base/buf.h"

#define NUMBER_U64_MAX 20 /* digits of 2^64-1 */

/* Writes the decimal digits of V at P, which has room for NUMBER_U64_MAX bytes; returns the end. */
char *number_u64(char *p, uint64_t v);
/* Appends V so that it reads back as the same double: plain decimal for whole numbers below 2^53 and for multiples of a
 * nanosecond, else the shortest %g form; NaN, +Inf, -Inf. */
void number_double(double v, struct buf *out);

#endif
