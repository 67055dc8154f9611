/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_EXPOSITION_WEB_METRICS_H
#define RT_EXPOSITION_WEB_METRICS_H

#include "exposition/web.h"
#include "model/family.h"

/* Adds the families reqtally_web_* to a snapshot that is being built. */
void web_metrics(struct web *w, struct snapshot *s);

#endif
