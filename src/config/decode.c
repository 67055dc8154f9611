// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static char *message(const struct decoder *d, const struct yaml_node *node, const char *fmt, va_list ap)
{
	struct buf b = BUF_LIMIT((size_t)1 << 20);
	buf_addf(&b, "%s:%d:%d: ", d->file, node->line, node->col);
	buf_vaddf(&b, fmt, ap);
	return buf_steal(&b);
}

void decode_fail(struct decoder *d, const struct yaml_node *node, const char *fmt, ...)
{
	if (d->error)
		return;
	va_list ap;
	va_start(ap, fmt);
	d->error = message(d, node, fmt, ap);
	va_end(ap);
}

void decode_warn(struct decoder *d, const struct yaml_node *node, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	strings_take(d->warnings, message(d, node, fmt, ap));
	va_end(ap);
}

/* Changes of one letter, and two neighbours swapped, that lead from A to B; names longer than the table are far apart. */
static size_t distance(const char *a, const char *b)
{
	enum { MAX = 48 };
	size_t n = strlen(a), m = strlen(b), rows[3][MAX + 1];
	if (n > MAX || m > MAX)
		return MAX;
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	for (size_t j = 0; j <= m; j++)
		last[j] = j;
	for (size_t i = 1; i <= n; i++) {
		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		size_t *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[m];
}

static void fail_unknown(struct decoder *d, const struct yaml_node *key, const struct field *fields, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT((size_t)64 << 10);
	const struct field *nearest = NULL;
	size_t best = strlen(key->text) / 3 + 1;
	for (size_t i = 0; i < n; i++) {
		size_t far = distance(key->text, fields[i].name);
		if (far <= best && (!nearest || far < best)) {
			nearest = &fields[i];
			best = far;
		}
	}
	if (nearest)
		buf_addf(&b, "did you mean \"%s\"? ", nearest->name);
	buf_adds(&b, "Accepted:");
	bool first = true;
	for (size_t i = 0; i < n; i++) {
		if (fields[i].flags & FIELD_UNLISTED)
			continue;
		buf_addf(&b, "%s %s", first ? "" : ",", fields[i].name);
		first = false;
	}
	decode_fail(d, key, "unknown key \"%s\" in %s; %s", key->text, d->path.n ? buf_str(&d->path) : "the configuration",
		    buf_str(&b));
}

static size_t path_push(struct decoder *d, const char *key)
{
	size_t n = d->path.n;
	buf_addf(&d->path, "%s%s", n ? "." : "", key);
	return n;
}

static void path_pop(struct decoder *d, size_t n)
{
	d->path.n = n;
	if (d->path.p)
		d->path.p[n] = 0;
}

/* The path without list indices. */
static void note_inert(struct decoder *d)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *p = buf_str(&d->path);
	if (d->quiet)
		return;
	while (*p) {
		if (*p == '[')
			p += strcspn(p, "]") + 1;
		else
			buf_addc(&b, *p++);
	}
	strings_add_once(d->not_acted_on, buf_str(&b));
}

static void decode_field(struct decoder *d, const struct yaml_node *value, void *obj, const struct field *f)
{
	size_t at = path_push(d, f->name);
	if (f->flags & FIELD_INERT) {
		note_inert(d);
		d->quiet++;
	}
	f->decode(d, value, obj ? (char *)obj + f->offset : NULL);
	if (f->flags & FIELD_INERT)
		d->quiet--;
	path_pop(d, at);
}

void decode_map(struct decoder *d, const struct yaml_node *node, void *obj, const struct field *fields, size_t n)
{
	if (node->kind != YAML_MAP && node->kind != YAML_NULL) {
		decode_fail(d, node, "%s: want a map of keys and values, got %s", d->path.n ? buf_str(&d->path) : "the configuration",
			    node->kind == YAML_SEQ ? "a list" : "a single value");
		return;
	}
	for (size_t i = 0; i < node->n && !d->error; i++) {
		const struct yaml_node *key = node->keys[i];
		size_t k = 0;
		if (!key->text) {
			decode_fail(d, key, "%s: a key must be a plain name", d->path.n ? buf_str(&d->path) : "the configuration");
			return;
		}
		while (k < n && strcmp(fields[k].name, key->text) != 0)
			k++;
		if (k == n)
			fail_unknown(d, key, fields, n);
		else
			decode_field(d, node->values[i], obj, &fields[k]);
	}
	for (size_t k = 0; k < n && !d->error; k++) {
		if (!(fields[k].flags & FIELD_REQUIRED))
			continue;
		const struct yaml_node *value = yaml_get(node, fields[k].name);
		if (!value || value->kind == YAML_NULL)
			decode_fail(d, value ? value : node, "%s needs a value for \"%s\"", buf_str(&d->path), fields[k].name);
	}
}

bool decode_is_list(struct decoder *d, const struct yaml_node *node)
{
	if (node->kind == YAML_SEQ)
		return true;
	if (node->kind != YAML_NULL)
		decode_fail(d, node, "%s: want a list, got %s", buf_str(&d->path), node->kind == YAML_MAP ? "a map" : "a single value");
	return false;
}

void decode_item(struct decoder *d, const struct yaml_node *list, size_t i, decode_fn *fn, void *to)
{
	size_t at = d->path.n;
	buf_addf(&d->path, "[%zu]", i);
	if (list->values[i]->kind == YAML_NULL)
		decode_fail(d, list->values[i], "%s: empty item", buf_str(&d->path));
	else
		fn(d, list->values[i], to);
	path_pop(d, at);
}

void decode_list(struct decoder *d, const struct yaml_node *list, decode_fn *fn, void *to)
{
	if (!decode_is_list(d, list))
		return;
	for (size_t i = 0; i < list->n && !d->error; i++)
		decode_item(d, list, i, fn, to);
}
