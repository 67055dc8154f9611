/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_STORE_METRICS_H
#define RT_STORE_METRICS_H

#include "store/store.h"

/* Adds the families reqtally_window_* to a snapshot that is being built. */
void store_metrics(struct store *store, struct snapshot *s);

#endif
