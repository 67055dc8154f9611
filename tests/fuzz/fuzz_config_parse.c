// SPDX-License-Identifier: GPL-2.0-or-later
/* Configuration and YAML: whatever the text, an error or a configuration, and never both. What it is printed as is YAML of the same shape. */
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "config/config.h"

static size_t count(const struct yaml_node *n)
{
	size_t all = 1;
	for (size_t i = 0; i < n->n; i++)
		all += (n->kind == YAML_MAP ? 1 : 0) + count(n->values[i]);
	return all;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct config *cfg = NULL;
	struct yaml_doc *doc = NULL, *printed = NULL;
	char *error = NULL;
	int line, col, err = config_parse("f.yml", "/nonexistent", (const char *)data, n, &cfg, &error);
	if ((err == 0) != (cfg != NULL) || (err < 0) != (error != NULL))
		abort();
	if (cfg && !cfg->yaml.failed) {
		if (yaml_parse_at(cfg->yaml.p, cfg->yaml.n, &printed, &error, &line, &col) || yaml_parse_at((const char *)data, n, &doc, &error, &line, &col))
			abort();
		/* All but global, to which its defaults are added. */
		const struct yaml_node *a = yaml_root(doc), *b = yaml_root(printed);
		for (size_t i = 0; i < a->n; i++) {
			const struct yaml_node *other = yaml_get(b, a->keys[i]->text);
			if (!other || (strcmp(a->keys[i]->text, "global") != 0 && count(a->values[i]) != count(other)))
				abort();
		}
	}
	yaml_doc_free(doc);
	yaml_doc_free(printed);
	config_free(cfg);
	free(error);
	return 0;
}
