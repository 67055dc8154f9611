/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A YAML document as a tree of nodes that know their line and column, on top of libyaml (the only place that includes
 * it). Aliases and merge keys (`<<`) are resolved. Trees are bounded: depth, nodes after alias expansion, bytes of input. */
#ifndef RT_BASE_YAML_H
#define RT_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strings.h"

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_MAP, YAML_SEQ };

struct yaml_node {
	enum yaml_kind kind;
	int line, col; /* from 1 */
	bool plain;    /* a scalar written without quotes and not as a block */
	bool quoted;   /* a scalar written otherwise */
	bool bad_merge; /* a map with a << whose value is no map */
	int merge_line, merge_again_line; /* where a map has a first and a second << */
	char *tag;     /* as written, `!!int` or `!x`; NULL: none */
	char *text;    /* scalar: NUL-terminated, len bytes; YAML_NULL keeps its text ("", "~", "null") */
	size_t len;
	size_t n;			/* map: pairs, seq: items */
	struct yaml_node **keys;	/* map only */
	struct yaml_node **values;	/* map values or sequence items */
};

struct yaml_doc;

#define YAML_MAX_BYTES ((size_t)16 << 20)
#define YAML_MAX_NODES 1000000 /* aliases counted as often as they are used */
#define YAML_MAX_DEPTH 200

/* Parses the first document of TEXT. 0 and *DOC (yaml_doc_free it); -EINVAL and *ERROR, a heap string in the wording of
 * Go's yaml.v3, "yaml: line 3: did not find expected key", with its lines too: that where the enclosing construct begins. Duplicate
 * keys stay in the maps (yaml_duplicates), and a map with a merge that cannot be is marked. An empty document has a YAML_NULL root. */
int yaml_parse(const char *text, size_t len, struct yaml_doc **doc, char **error);
/* The same with the lines that version 2 of the package tells: those where the problem is. */
int yaml_parse_v2(const char *text, size_t len, struct yaml_doc **doc, char **error);
/* The same, but *ERROR is the bare problem ("did not find expected key") and its own place goes to *LINE and *COL, from 1
 * (0: unknown). A duplicate key is an error. */
int yaml_parse_at(const char *text, size_t len, struct yaml_doc **doc, char **error, int *line, int *col);
void yaml_doc_free(struct yaml_doc *doc);
const struct yaml_node *yaml_root(const struct yaml_doc *doc);
/* Adds `line 4: mapping key "a" already defined at line 3` for each pair of equal keys. */
void yaml_duplicates(const struct yaml_node *map, struct strings *problems);
/* The value of KEY in a map, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* Plain scalars true/false and their YAML 1.1 kin; false if it is no boolean. */
bool yaml_bool(const struct yaml_node *node, bool *value);

#endif
