/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking back the states of connections when their budget is short: which ones. bpf/budget.h does it. */
#ifndef RT_LOADER_RECLAIM_H
#define RT_LOADER_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "reqtally.h"

struct reclaimer_options {
	int link; /* of the iterator */
	int usage, orders, pressure; /* maps */
	uint32_t budget;
};

struct reclaimer;

/* 0 and *OUT, or a negative errno. The descriptors stay the caller's and must outlive it. */
int reclaimer_new(const struct reclaimer_options *opt, struct reclaimer **out);
void reclaimer_free(struct reclaimer *r);
int reclaimer_fd(const struct reclaimer *r);
/* As loader_reclaim(). */
bool reclaimer_run(struct reclaimer *r);

/* At so many of BUDGET states it begins, and so many it leaves. */
uint32_t reclaim_mark(uint32_t budget);
uint32_t reclaim_target(uint32_t budget);

/* From the ages of the states found in ORDERS: which ones to take, so that NEED go. */
void reclaim_plan(struct rt_reclaim *orders, uint64_t need);

#endif
