// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/resident.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"

/* "7f2c10a00000-7f2c10b00000 r-xp 00000000 08:01 1234   /usr/lib/x.so": where, if it is of a file and cannot be written to. */
static bool read_mapping(const char *line, uintptr_t *from, uintptr_t *to)
{
	char access[8];
	return sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", from, to, access) == 3 && access[1] == '-' && strchr(line, '/');
}

void resident_forget_code(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/smaps", "re");
	char line[4352];
	uintptr_t from = 0, to = 0;
	unsigned long changed = 0, swapped;

	while (f && fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && !strstr(line, "kB") && !strstr(line, "VmFlags:")) {
			if (!read_mapping(line, &from, &to))
				from = to = 0;
			changed = 1;
		} else if (sscanf(line, "Anonymous: %lu kB", &changed) == 1) {
			continue;
		} else if (sscanf(line, "Swap: %lu kB", &swapped) == 1 && from && !changed && !swapped) {
			/* No page of it was ever changed, as the dynamic linker changes some before it makes them read-only: nothing is lost. */
			madvise((void *)from, to - from, MADV_DONTNEED);
		}
	}
}
