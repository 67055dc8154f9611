// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/flavour.h"

#include <bpf/libbpf.h>

#include "reqtally.skel.h"

struct reqtally *flavour_open(const struct loader_feature features[LOADER_FEATURES])
{
	(void)features;
	return reqtally__open();
}
