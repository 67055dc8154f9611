// SPDX-License-Identifier: GPL-2.0-or-later
#include <malloc.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
#ifdef __GLIBC__
	/* A scrape takes megabytes for a moment. They are to go back to the system, which glibc stops doing once it has seen such blocks come and
	 * go, unless it is told where to draw the line. Few threads allocate much: an arena for each would keep what each once needed. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 128 << 10);
	mallopt(M_ARENA_MAX, 2);
#endif
	return cli_main(argc, argv);
}
