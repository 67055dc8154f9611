/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a scalar of a YAML document is, as Go's yaml packages resolve it: Prometheus reads rule files with version 3 of the package,
 * unit tests of rules with version 2, and both tell the tag in their messages. */
#ifndef RT_RULES_YAML_RESOLVE_H
#define RT_RULES_YAML_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/yaml.h"

enum yaml_version { YAML_V3, YAML_V2 };

enum yaml_type { YAML_T_NULL, YAML_T_BOOL, YAML_T_INT, YAML_T_UINT, YAML_T_FLOAT, YAML_T_TIMESTAMP, YAML_T_BINARY, YAML_T_STRING };

struct yaml_value {
	enum yaml_type type;
	const char *tag; /* "!!int"; of the node, or static */
	union {
		bool b;
		int64_t i;
		uint64_t u; /* beyond int64 */
		double f;
	};
};

/* N: a scalar or null. -EINVAL and *ERROR (heap) where its tag does not fit its text: "cannot decode !!str `x` as a !!int". */
int yaml_resolve(const struct yaml_node *n, enum yaml_version version, struct yaml_value *v, char **error);
/* Decoded base64. NULL: it is none. */
char *yaml_binary(const struct yaml_node *n, size_t *len);

#endif
