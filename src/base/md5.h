/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MD5 is nettle's; this is the one place that includes it. Relabelling's hashmod is defined by it; it protects nothing. */
#ifndef RT_BASE_MD5_H
#define RT_BASE_MD5_H

#include <stdint.h>

#include "base/sv.h"

void md5_sum(struct sv s, uint8_t digest[16]);

#endif
