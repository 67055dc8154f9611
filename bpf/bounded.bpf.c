// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* The same programs and maps, for kernels without bpf_loop(): bounded.h. */
#define RT_BOUNDED
#include "reqtally.bpf.c"
