/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON is jansson; this is the one place that includes it. */
#ifndef RT_BASE_JSON_H
#define RT_BASE_JSON_H

#include <jansson.h>

#endif
