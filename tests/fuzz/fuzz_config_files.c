// SPDX-License-Identifier: GPL-2.0-or-later
/* The other files that are read while running: --web.config.file and those of file_sd_configs (YAML and JSON). The first byte chooses. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/targets.h"
#include "config/web.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char folder[64];

static void clean_up(void)
{
	rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	snprintf(folder, sizeof(folder), "/tmp/fuzz-files-XXXXXX");
	if (!mkdtemp(folder))
		abort();
	atexit(clean_up);
	return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	static const char *const names[] = {"web.yml", "targets.yml", "targets.json"};
	char path[96], *error = NULL;
	int err;
	if (!n)
		return 0;
	int kind = data[0] % 3;
	/* A name with a slash would let the input choose which files of this machine are read. */
	if (kind == 0 && memchr(data, '/', n))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", folder, names[kind]);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data + 1, n - 1) != (ssize_t)(n - 1))
		abort();
	close(fd);
	if (kind == 0) {
		struct config_web *web = NULL;
		err = config_web_load(path, &web, &error);
		if ((err == 0) != (web != NULL))
			abort();
		config_web_free(web);
	} else {
		struct target_groups groups = {0};
		err = targets_read_file(path, &groups, &error);
		if (err && groups.n)
			abort();
		target_groups_free(&groups);
	}
	if ((err != 0) != (error != NULL))
		abort();
	free(error);
	unlink(path);
	return 0;
}
