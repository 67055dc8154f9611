// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/targets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "config/decode.h"

static void group_free(struct target_group *g)
{
	strings_free(&g->targets);
	labels_unref(g->labels);
}

void target_groups_free(struct target_groups *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		group_free(&groups->v[i]);
	free(groups->v);
	*groups = (struct target_groups){0};
}

static struct target_group *group_add(struct target_groups *groups)
{
	array_grow(groups->v, groups->n, groups->cap);
	struct target_group *g = &groups->v[groups->n++];
	*g = (struct target_group){.labels = labels_empty()};
	return g;
}

static void decode_group(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"targets", decode_strings, offsetof(struct target_group, targets), 0},
		{"labels", decode_labels, offsetof(struct target_group, labels), 0},
	};
	decode_map(d, node, group_add(to), fields, ARRAY_SIZE(fields));
}

void decode_target_groups(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct target_groups *groups = to;
	decode_list(d, node, decode_group, groups);
	size_t n = 0;
	for (size_t i = 0; i < groups->n; i++)
		n += groups->v[i].targets.n;
	if (n > TARGETS_MAX)
		decode_fail(d, node, "%s: %zu targets are more than %d", buf_str(&d->path), n, TARGETS_MAX);
}

static int read_yaml(const char *path, const struct buf *text, struct target_groups *groups, char **error)
{
	struct yaml_doc *doc;
	_cleanup_free_ char *why = NULL;
	int line, col, err = yaml_parse_at(buf_str(text), text->n, &doc, &why, &line, &col);
	if (err) {
		*error = xasprintf("%s:%d:%d: %s", path, line, col, why);
		return err;
	}
	struct decoder d = {.file = path, .dir = ".", .path = BUF_LIMIT(4096)};
	buf_adds(&d.path, "targets");
	decode_target_groups(&d, yaml_root(doc), groups);
	buf_free(&d.path);
	yaml_doc_free(doc);
	*error = d.error;
	return d.error ? -EINVAL : 0;
}

/* The string in an item of `targets` or the value of a label; NULL after setting *WHY. */
static const char *json_text(const json_t *v, const char *what, char **why)
{
	if (json_is_string(v))
		return json_string_value(v);
	*why = xasprintf("%s must be strings", what);
	return NULL;
}

static char *group_from_json(const json_t *item, struct target_group *g)
{
	const char *key;
	json_t *value;
	char *why = NULL;
	if (!json_is_object(item))
		return xstrdup("want a list of objects with \"targets\" and \"labels\"");
	json_object_foreach((json_t *)item, key, value) {
		if (strcmp(key, "targets") != 0 && strcmp(key, "labels") != 0)
			return xasprintf("unknown key \"%s\"; accepted: targets, labels", key);
	}
	json_t *targets = json_object_get(item, "targets"), *labels = json_object_get(item, "labels");
	if (targets && !json_is_array(targets))
		return xstrdup("\"targets\" must be a list");
	if (labels && !json_is_object(labels))
		return xstrdup("\"labels\" must be an object");
	for (size_t i = 0; i < json_array_size(targets); i++) {
		const char *s = json_text(json_array_get(targets, i), "targets", &why);
		if (!s)
			return why;
		strings_add(&g->targets, s);
	}
	struct labels_builder b;
	labels_builder_init(&b, NULL);
	json_object_foreach(labels, key, value) {
		const char *s = json_text(value, "label values", &why);
		if (!s)
			break;
		labels_builder_set(&b, sv_of(key), sv_of(s));
	}
	if (!why) {
		labels_unref(g->labels);
		g->labels = labels_builder_build(&b);
	}
	labels_builder_free(&b);
	return why;
}

static int read_json(const char *path, struct sv text, struct target_groups *groups, char **error)
{
	json_error_t je;
	json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &je);
	if (!root) {
		*error = xasprintf("%s:%d:%d: %s", path, je.line, je.column, je.text);
		return -EINVAL;
	}
	char *why = json_is_array(root) ? NULL : xstrdup("want a list of target groups");
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(root) && !why; i++) {
		struct target_group *g = group_add(groups);
		why = group_from_json(json_array_get(root, i), g);
		n += g->targets.n;
		if (!why && n > TARGETS_MAX)
			why = xasprintf("more than %d targets", TARGETS_MAX);
	}
	json_decref(root);
	if (!why)
		return 0;
	*error = xasprintf("%s: %s", path, why);
	free(why);
	return -EINVAL;
}

/* What was read without ERR goes to GROUPS, with the label META that says where it comes from. */
static int hand_over(struct target_groups *mine, int err, const char *meta, const char *name, struct target_groups *groups)
{
	for (size_t i = 0; i < mine->n && !err; i++) {
		struct labels_builder b;
		labels_builder_init(&b, mine->v[i].labels);
		labels_builder_set(&b, sv_of(meta), sv_of(name));
		struct labels *with_name = labels_builder_build(&b);
		labels_builder_free(&b);
		labels_unref(mine->v[i].labels);
		mine->v[i].labels = with_name;
		array_grow(groups->v, groups->n, groups->cap);
		groups->v[groups->n++] = mine->v[i];
	}
	if (!err)
		mine->n = 0; /* they are in GROUPS now */
	target_groups_free(mine);
	return err;
}

int targets_read_file(const char *path, struct target_groups *groups, char **error)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct target_groups mine = {0};
	size_t len = strlen(path);
	int err = config_read_file(path, &text, error);
	if (!err) {
		bool json = len > 5 && strcmp(path + len - 5, ".json") == 0;
		err = json ? read_json(path, sv_make(buf_str(&text), text.n), &mine, error) : read_yaml(path, &text, &mine, error);
	}
	return hand_over(&mine, err, "__meta_filepath", path, groups);
}

int targets_read_json(const char *name, struct sv text, const char *meta, struct target_groups *groups, char **error)
{
	struct target_groups mine = {0};
	int err = read_json(name, text, &mine, error);
	return hand_over(&mine, err, meta, name, groups);
}
