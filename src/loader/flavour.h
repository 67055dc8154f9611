/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel programs as the features of this kernel want them: opened, not yet loaded. For the loader, and for the tool that measures
 * what the verifier makes of them. */
#ifndef RT_LOADER_FLAVOUR_H
#define RT_LOADER_FLAVOUR_H

#include "loader/features.h"

struct reqtally;

/* Opens the flavour of the programs that FEATURES allow, and keeps those programs from loading that they do not. The skeleton, or NULL
 * and errno. */
struct reqtally *flavour_open(const struct loader_feature features[LOADER_FEATURES]);

#endif
