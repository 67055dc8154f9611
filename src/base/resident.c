// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/resident.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"

void resident_forget_code(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
	char line[4352], access[8];
	unsigned long from, to;

	while (f && fgets(line, sizeof(line), f)) {
		/* Executable and not writable, of a file: never changed, so nothing is lost. (What the dynamic linker has written to is not
		 * executable.) */
		if (sscanf(line, "%lx-%lx %7s", &from, &to, access) == 3 && strcmp(access, "r-xp") == 0 && strchr(line, '/'))
			madvise((void *)(uintptr_t)from, to - from, MADV_DONTNEED);
	}
}
