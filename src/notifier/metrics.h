/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The notifier's counters as metric families. */
#ifndef RT_NOTIFIER_METRICS_H
#define RT_NOTIFIER_METRICS_H

#include "model/family.h"
#include "notifier/notifier.h"

/* Appends the reqtally_notifications_ families to S. */
void notifier_metrics(struct notifier *n, struct snapshot *s);

#endif
