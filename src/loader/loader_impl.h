/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_LOADER_LOADER_IMPL_H
#define RT_LOADER_LOADER_IMPL_H

#include "loader/features.h"
#include "loader/loader.h"
#include "loader/programs.h"
#include "loader/set.h"

struct loader {
	struct loader_options opt; /* what it points to holds while loader_open() runs, but for report and arg */
	struct pin_root root;	   /* path NULL: nothing is pinned */
	struct set set;		   /* counts what is new */
	struct set elder;	   /* n 0: there is none. Finishes what it has begun */
	uint64_t elder_since_ns;
	uint32_t base_max;
	struct reclaimer *reclaimer;
	struct loader_feature features[LOADER_FEATURES];
};

__attribute__((format(printf, 3, 4))) void loader_report(const struct loader *l, bool warning, const char *fmt, ...);

/* handover.c */

/* Puts the folder in order after a crash: at most PIN_CURRENT and PIN_ELDER are left. */
void handover_recover(struct loader *l);
/* A first set. */
int handover_begin(struct loader *l, struct programs *p, const struct loader_options *opt, char **error);
/* OLD has the same maps: its programs are replaced by P's, and P runs with its maps. OLD becomes l->set, or is closed. */
int handover_replace(struct loader *l, struct programs *p, const struct loader_options *opt, struct set *old, char **error);
/* OLD has other maps: P's programs take over from it. OLD becomes l->elder, or is closed. */
int handover_take_over(struct loader *l, struct programs *p, const struct loader_options *opt, struct set *old, char **error);
/* Adds the elder's figures to the set's base and removes it. -EAGAIN: something of it is in flight. */
int handover_finish(struct loader *l);

#endif
