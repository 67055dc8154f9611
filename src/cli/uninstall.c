// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "loader/loader.h"

static struct flag flags[] = {
	{.name = "bpf.pin-path", .arg = "FOLDER", .initial = LOADER_PIN_PATH, .help = "what `run` was given"},
	HELP_FLAG,
};

static int uninstall(const char *path)
{
	struct loader_removed r;
	char *error = NULL;
	int err = loader_uninstall(path, &r, &error);

	if (err == -ENOENT) {
		printf("nothing to remove: there is no %s\n", path);
		free(error);
		return EXIT_OK;
	}
	if (err) {
		fprintf(stderr, "reqtally: %s\n", error);
		free(error);
		return EXIT_FAILED;
	}
	printf("removed %zu links, %zu programs, %zu maps from %s%s\n", r.links, r.programs, r.maps, path,
	       r.folder ? ", and the folder" : "; the folder stays, it holds something else");
	return EXIT_OK;
}

int cmd_uninstall(int argc, char **argv)
{
	_cleanup_free_ char **rest = xcalloc((size_t)argc + 1, sizeof(*rest));
	int n_rest, code;

	if (flags_parse(flags, ARRAY_SIZE(flags), argc, argv, rest, &n_rest)) {
		code = EXIT_USAGE;
	} else if (flags_help_given(flags, ARRAY_SIZE(flags),
				    "reqtally uninstall [FLAGS]\n\nRemoves the programs, links and maps that `reqtally run` has pinned.")) {
		code = EXIT_OK;
	} else if (n_rest) {
		fprintf(stderr, "reqtally: unexpected argument \"%s\" (see reqtally uninstall --help)\n", rest[0]);
		code = EXIT_USAGE;
	} else {
		code = uninstall(flag_get(flags, ARRAY_SIZE(flags), "bpf.pin-path"));
	}
	flags_free(flags, ARRAY_SIZE(flags));
	return code;
}
