// SPDX-License-Identifier: GPL-2.0-or-later
/* Configuration and YAML: whatever the text, an error or a configuration, and never both. */
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct config *cfg = NULL;
	char *error = NULL;
	int err = config_parse("f.yml", "/nonexistent", (const char *)data, n, &cfg, &error);
	if ((err == 0) != (cfg != NULL) || (err < 0) != (error != NULL))
		abort();
	config_free(cfg);
	free(error);
	return 0;
}
