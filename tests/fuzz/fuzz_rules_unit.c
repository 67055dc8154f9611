// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of rule unit tests, as they are read: decoded or refused with a message. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rules/unit_test.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char path[64];

static void clean_up(void)
{
	unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	snprintf(path, sizeof(path), "/tmp/fuzz-unit-XXXXXX");
	int fd = mkstemp(path);
	if (fd < 0)
		abort();
	close(fd);
	atexit(clean_up);
	return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct unit_file f = {0};
	char *error = NULL;
	/* Names of rule files are globs: they shall not walk through this machine. */
	if (memchr(data, '/', n) || memchr(data, '*', n))
		return 0;
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	close(fd);
	int err = unit_file_load(path, n & 1, &f, &error);
	if ((err != 0) != (error != NULL))
		abort();
	unit_file_clear(&f);
	free(error);
	return 0;
}
