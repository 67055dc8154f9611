/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names that services were given, in the map `names` of user space's own, pinned with the set: after a restart a service whose cgroup
 * is gone meanwhile keeps the name, and so its series. */
#ifndef RT_LOADER_NAMES_H
#define RT_LOADER_NAMES_H

#include "loader/set.h"

/* Makes the map. 0 or a negative errno. */
int names_make(struct set *s);
/* Is the map of S one of this form? */
bool names_fit(const struct set *s);

#endif
