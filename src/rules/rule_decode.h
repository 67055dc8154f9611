/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict decoding of YAML nodes in the way and words of Go's yaml packages: type errors are collected, anything else ends it. */
#ifndef RT_RULES_RULE_DECODE_H
#define RT_RULES_RULE_DECODE_H

#include "base/buf.h"
#include "base/strings.h"
#include "base/yaml.h"
#include "rules/yaml_resolve.h"

struct decoder {
	struct strings problems; /* "line N: ..." */
	bool ignore_unknown;	 /* fields are passed over */
	enum yaml_version version;
	char *fatal;		 /* heap: the first error of another kind; the only one then told */
};

/* An option table: what a map may hold. */
struct decode_field {
	const char *key;
	void (*decode)(struct decoder *d, const struct yaml_node *value, void *out);
	size_t offset; /* into the struct */
};

/* Every key of MAP must be in FIELDS (ended by a NULL key), every value fit; TYPE is Go's name for the
 * struct. False if NODE is no map; a null is an empty one. */
bool rule_decode_struct(struct decoder *d, const struct yaml_node *node, const char *type,
			const struct decode_field *fields, void *out);
/* Checks a map[string]string. False if NODE is none, or not to be read. */
bool rule_decode_pairs(struct decoder *d, const struct yaml_node *node);
/* False, and the problems are noted, if MAP has a key twice; version 3 does not decode it then. */
bool rule_decode_unique(struct decoder *d, const struct yaml_node *map);
/* NODE's items, each handed to FN; version 3 leaves out nulls. */
void rule_decode_list(struct decoder *d, const struct yaml_node *node, const char *type,
		      void (*fn)(struct decoder *d, const struct yaml_node *item, void *arg), void *arg);
/* A scalar's text, which lives as long as the document; NULL if NODE is none (for a null ""). */
const struct yaml_node *rule_decode_scalar(struct decoder *d, const struct yaml_node *node, const char *type);
void rule_decode_mismatch(struct decoder *d, const struct yaml_node *node, const char *type);

/* For the table. */
void rule_decode_text(struct decoder *d, const struct yaml_node *value,
		      void *out); /* char *: heap, NULL stays NULL for null */
void rule_decode_string(struct decoder *d, const struct yaml_node *value,
			void *out); /* const struct yaml_node *: a scalar */
void rule_decode_duration(struct decoder *d, const struct yaml_node *value, void *out); /* int64_t ms */
void rule_decode_int(struct decoder *d, const struct yaml_node *value, void *out);	/* int64_t */
void rule_decode_bool(struct decoder *d, const struct yaml_node *value, void *out);	/* bool */
void rule_decode_float(struct decoder *d, const struct yaml_node *value, void *out);	/* double */

/* 0, or -EINVAL and the one message that tells everything. Frees what D holds. */
int decoder_finish(struct decoder *d, char **error);

#endif
