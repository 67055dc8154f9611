/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Internal to model. */
#ifndef RT_MODEL_TEXT_IMPL_H
#define RT_MODEL_TEXT_IMPL_H

#include <stdbool.h>
#include <stdint.h>

/* D of the decimal D * 10^*EXP10 with the fewest digits that reads back as V, and of those the one nearest to V; V is finite and
 * positive. D may end in zeros. */
uint64_t text_shortest_decimal(double v, int *exp10);

#endif
