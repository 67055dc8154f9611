// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/rule_decode.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"

#define PROBLEMS_SHOWN 100
#define LATE_LOOKED_AT 10000 /* keys of a map in which one is there twice */

static void problem(struct decoder *d, char *s)
{
	if (d->problems.n < PROBLEMS_SHOWN)
		strings_take(&d->problems, s);
	else
		free(s);
}

static void fail(struct decoder *d, char *s)
{
	if (d->fatal)
		free(s);
	else
		d->fatal = s;
}

/* False: its tag does not fit, which ends the decoding. */
static bool resolve(struct decoder *d, const struct yaml_node *n, struct yaml_value *v)
{
	_cleanup_free_ char *error = NULL;
	if (yaml_resolve(n, d->version, v, &error) == 0)
		return true;
	fail(d, xasprintf("yaml: %s", error));
	return false;
}

void rule_decode_mismatch(struct decoder *d, const struct yaml_node *n, const char *type)
{
	struct yaml_value v = {.tag = n->kind == YAML_MAP ? "!!map" : "!!seq"};
	bool scalar = n->kind == YAML_SCALAR || n->kind == YAML_NULL;
	if (scalar && !resolve(d, n, &v))
		return;
	const char *tag = n->tag ? n->tag : v.tag;
	if (!strcmp(tag, "!!map") || !strcmp(tag, "!!seq")) {
		problem(d, xasprintf("line %d: cannot unmarshal %s into %s", n->line, tag, type));
		return;
	}
	bool longer = scalar && n->len > 10;
	problem(d, xasprintf("line %d: cannot unmarshal %s `%.*s%s` into %s", n->line, tag, scalar ? longer ? 7 : (int)n->len : 0,
			     scalar ? n->text : "", longer ? "..." : "", type));
}

bool rule_decode_unique(struct decoder *d, const struct yaml_node *map)
{
	struct strings found = {0};
	yaml_duplicates(map, &found);
	bool unique = !found.n;
	for (size_t i = 0; i < found.n; i++)
		problem(d, xstrdup(found.v[i]));
	strings_free(&found);
	return unique;
}

/* What the package says once it comes to a << it cannot follow. */
static void check_merge(struct decoder *d, const struct yaml_node *map)
{
	if (map->bad_merge)
		fail(d, xstrdup("yaml: map merge requires map or sequence of maps as the value"));
}

/* A key's text. False: the pair is passed over. */
static bool decode_key(struct decoder *d, const struct yaml_node *key, const char **text)
{
	struct yaml_value v;
	if (key->kind == YAML_MAP || key->kind == YAML_SEQ) {
		rule_decode_mismatch(d, key, "string");
		return false;
	}
	if (!resolve(d, key, &v) || (v.type == YAML_T_NULL && d->version == YAML_V3))
		return false;
	*text = v.type == YAML_T_NULL ? "" : key->text;
	return true;
}

bool rule_decode_struct(struct decoder *d, const struct yaml_node *node, const char *type,
			const struct decode_field *fields, void *out)
{
	struct yaml_value v;
	uint64_t done = 0; /* a bit for each of FIELDS */
	if (node->kind == YAML_NULL)
		return resolve(d, node, &v);
	/* Before it looks what the map is to become, version 3 looks for keys that are there twice. */
	if (d->version == YAML_V3 && node->kind == YAML_MAP && !rule_decode_unique(d, node))
		return false;
	if (node->kind != YAML_MAP) {
		rule_decode_mismatch(d, node, type);
		return false;
	}
	for (size_t i = 0; i < node->n && !d->fatal; i++) {
		const struct yaml_node *key = node->keys[i];
		const struct decode_field *f = fields;
		const char *name;
		if (!decode_key(d, key, &name))
			continue;
		while (f->key && strcmp(f->key, name))
			f++;
		if (!f->key) {
			if (!d->ignore_unknown)
				problem(d, xasprintf("line %d: field %s not found in type %s", key->line, name, type));
			continue;
		}
		uint64_t bit = 1ull << (f - fields);
		if (done & bit)
			problem(d, xasprintf("line %d: field %s already set in type %s", key->line, name, type));
		else
			f->decode(d, node->values[i], (char *)out + f->offset);
		done |= bit;
	}
	check_merge(d, node);
	return true;
}

static int key_cmp(const void *a, const void *b)
{
	const struct yaml_node *x = *(const struct yaml_node *const *)a, *y = *(const struct yaml_node *const *)b;
	return sv_cmp(sv_make(x->text, x->len), sv_make(y->text, y->len));
}

/* In version 2 a map keeps what a key had first; told is the line of the value that comes too late. */
static void tell_late_values(struct decoder *d, const struct yaml_node *map)
{
	const struct yaml_node **keys = xcalloc(map->n + 1, sizeof(*keys));
	size_t n = 0;
	bool twice = false;
	for (size_t i = 0; i < map->n; i++)
		if (map->keys[i]->text)
			keys[n++] = map->keys[i];
	if (n)
		qsort(keys, n, sizeof(*keys), key_cmp);
	for (size_t i = 1; i < n && !twice; i++)
		twice = key_cmp(&keys[i - 1], &keys[i]) == 0;
	free(keys);
	for (size_t i = 0; twice && i < map->n && i < LATE_LOOKED_AT; i++)
		for (size_t k = 0; k < i && map->keys[i]->text; k++) {
			if (!map->keys[k]->text || key_cmp(&map->keys[i], &map->keys[k]))
				continue;
			_cleanup_buf_ struct buf q = BUF_INIT;
			text_go_quote(sv_make(map->keys[i]->text, map->keys[i]->len), &q);
			problem(d, xasprintf("line %d: key %s already set in map", map->values[i]->line, buf_str(&q)));
			break;
		}
}

bool rule_decode_pairs(struct decoder *d, const struct yaml_node *node)
{
	struct yaml_value v;
	if (node->kind == YAML_NULL) {
		resolve(d, node, &v);
		return false;
	}
	if (d->version == YAML_V3 && node->kind == YAML_MAP && !rule_decode_unique(d, node))
		return false;
	if (node->kind != YAML_MAP) {
		rule_decode_mismatch(d, node, "map[string]string");
		return false;
	}
	for (size_t i = 0; i < node->n && !d->fatal; i++) {
		const char *name;
		if (decode_key(d, node->keys[i], &name))
			rule_decode_scalar(d, node->values[i], "string");
	}
	if (d->version == YAML_V2)
		tell_late_values(d, node);
	check_merge(d, node);
	return true;
}

void rule_decode_list(struct decoder *d, const struct yaml_node *node, const char *type,
		      void (*fn)(struct decoder *d, const struct yaml_node *item, void *arg), void *arg)
{
	struct yaml_value v;
	if (node->kind == YAML_NULL) {
		resolve(d, node, &v);
		return;
	}
	if (d->version == YAML_V3 && node->kind == YAML_MAP && !rule_decode_unique(d, node))
		return;
	if (node->kind != YAML_SEQ) {
		rule_decode_mismatch(d, node, type);
		return;
	}
	for (size_t i = 0; i < node->n && !d->fatal; i++)
		if (node->values[i]->kind != YAML_NULL || (resolve(d, node->values[i], &v) && d->version == YAML_V2))
			fn(d, node->values[i], arg);
}

/* The document is the decoder's own, and a base64 text is decoded where it stands, once. */
static bool decode_binary(struct decoder *d, struct yaml_node *n)
{
	size_t len;
	char *text = yaml_binary(n, &len);
	if (!text) {
		fail(d, xstrdup("yaml: !!binary value contains invalid base64 data"));
		return false;
	}
	free(n->text);
	free(n->tag);
	n->text = text;
	n->len = len;
	n->tag = NULL;
	n->quoted = true;
	return true;
}

const struct yaml_node *rule_decode_scalar(struct decoder *d, const struct yaml_node *node, const char *type)
{
	struct yaml_value v;
	if (node->kind != YAML_SCALAR && node->kind != YAML_NULL) {
		if (d->version == YAML_V2 || node->kind != YAML_MAP || rule_decode_unique(d, node))
			rule_decode_mismatch(d, node, type);
		return NULL;
	}
	if (!resolve(d, node, &v) || (v.type == YAML_T_BINARY && !decode_binary(d, (struct yaml_node *)node)))
		return NULL;
	return node;
}

void rule_decode_text(struct decoder *d, const struct yaml_node *value, void *out)
{
	char **text = out;
	const struct yaml_node *n = rule_decode_scalar(d, value, "string");
	if (!n || n->kind == YAML_NULL)
		return;
	free(*text);
	*text = xmemdup(n->text, n->len);
}

void rule_decode_string(struct decoder *d, const struct yaml_node *value, void *out)
{
	const struct yaml_node *n = rule_decode_scalar(d, value, "string");
	if (n && n->kind == YAML_SCALAR)
		*(const struct yaml_node **)out = n;
}

void rule_decode_duration(struct decoder *d, const struct yaml_node *value, void *out)
{
	const struct yaml_node *n = rule_decode_scalar(d, value, "string");
	if (!n)
		return;
	if (n->kind == YAML_NULL) {
		/* Version 2 knows these spellings of null only once it has a string to decode. */
		if (d->version == YAML_V2 && (!strcmp(n->text, "Null") || !strcmp(n->text, "NULL")))
			fail(d, xstrdup("empty duration string"));
		return;
	}
	struct sv text = sv_make(n->text, n->len);
	if (text_parse_duration(text, out))
		return;
	_cleanup_buf_ struct buf q = BUF_INIT;
	text_go_quote(text, &q);
	fail(d, !n->len				? xstrdup("empty duration string")
		: text_duration_too_long(text) ? xstrdup("duration out of range")
						: xasprintf("not a valid duration string: %s", buf_str(&q)));
}

/* A scalar resolved. False: it is none, which has been told, or it is null or bad. */
static bool decode_value(struct decoder *d, const struct yaml_node *value, const char *type, struct yaml_value *v)
{
	if (value->kind == YAML_SCALAR || value->kind == YAML_NULL)
		return resolve(d, value, v) && v->type != YAML_T_NULL;
	if (d->version == YAML_V2 || value->kind != YAML_MAP || rule_decode_unique(d, value))
		rule_decode_mismatch(d, value, type);
	return false;
}

void rule_decode_int(struct decoder *d, const struct yaml_node *value, void *out)
{
	struct yaml_value v;
	if (!decode_value(d, value, "int", &v))
		return;
	if (v.type == YAML_T_INT)
		*(int64_t *)out = v.i;
	else if (v.type == YAML_T_FLOAT && v.f <= 0x1p63)
		*(int64_t *)out = v.f < -0x1p63 || v.f >= 0x1p63 ? INT64_MIN : (int64_t)v.f; /* as Go converts */
	else
		rule_decode_mismatch(d, value, "int");
}

void rule_decode_bool(struct decoder *d, const struct yaml_node *value, void *out)
{
	static const char *const yes[] = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"};
	static const char *const no[] = {"n", "N", "no", "No", "NO", "off", "Off", "OFF"};
	struct yaml_value v;
	if (!decode_value(d, value, "bool", &v))
		return;
	if (v.type == YAML_T_BOOL) {
		*(bool *)out = v.b;
		return;
	}
	/* Version 3 takes the words of YAML 1.1 where a bool is wanted, in quotes too. */
	for (size_t i = 0; d->version == YAML_V3 && v.type == YAML_T_STRING && i < ARRAY_SIZE(yes); i++)
		if (!strcmp(value->text, yes[i]) || !strcmp(value->text, no[i])) {
			*(bool *)out = !strcmp(value->text, yes[i]);
			return;
		}
	rule_decode_mismatch(d, value, "bool");
}

void rule_decode_float(struct decoder *d, const struct yaml_node *value, void *out)
{
	struct yaml_value v;
	if (!decode_value(d, value, "float64", &v))
		return;
	if (v.type == YAML_T_FLOAT)
		*(double *)out = v.f;
	else if (v.type == YAML_T_INT || v.type == YAML_T_UINT)
		*(double *)out = v.type == YAML_T_INT ? (double)v.i : (double)v.u;
	else
		rule_decode_mismatch(d, value, "float64");
}

int decoder_finish(struct decoder *d, char **error)
{
	if (d->fatal) {
		*error = d->fatal;
		strings_free(&d->problems);
		return -EINVAL;
	}
	if (!d->problems.n)
		return 0;
	struct buf b = BUF_INIT;
	buf_adds(&b, "yaml: unmarshal errors:");
	for (size_t i = 0; i < d->problems.n; i++)
		buf_addf(&b, "\n  %s", d->problems.v[i]);
	strings_free(&d->problems);
	*error = buf_steal(&b);
	return -EINVAL;
}
