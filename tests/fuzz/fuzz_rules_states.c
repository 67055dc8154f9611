// SPDX-License-Identifier: GPL-2.0-or-later
/* The file that keeps the states of alerts: what could be read is the same after it was written and read again. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rules/alert_states.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char path[64], broken[80]; /* where a file that cannot be read is put */

static void clean_up(void)
{
	unlink(path);
	unlink(broken);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	snprintf(path, sizeof(path), "/tmp/fuzz-states-XXXXXX");
	int fd = mkstemp(path);
	if (fd < 0)
		abort();
	close(fd);
	snprintf(broken, sizeof(broken), "%s.broken", path);
	atexit(clean_up);
	return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct alert_states one = {0}, two = {0};
	char *error = NULL;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	close(fd);
	int err = alert_states_load(path, &one, &error);
	if ((err != 0) != (error != NULL))
		abort();
	if (!err && one.n) {
		if (alert_states_save(path, &one, &error) || one.left_out || alert_states_load(path, &two, &error) || one.n != two.n)
			abort();
		for (size_t i = 0; i < one.n; i++)
			if (!labels_equal(one.v[i].labels, two.v[i].labels) || one.v[i].active_at != two.v[i].active_at ||
			    one.v[i].seen != two.v[i].seen)
				abort();
	}
	free(error);
	alert_states_clear(&one);
	alert_states_clear(&two);
	return 0;
}
