// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/yaml.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/yaml_keys.h"

#define ANCHORS_MAX 4096

/* An alias is a second pointer to the same node, so memory stays proportional to the text; `size` counts what a reader
 * that walks the tree will meet. */
struct owned_node {
	struct yaml_node node; /* first: a struct yaml_node * is also a struct owned_node * */
	struct owned_node *next;
	size_t size;
	bool merge; /* a plain or !!merge `<<` */
	bool open;  /* still being built: an alias to it would contain itself */
};

struct yaml_doc {
	struct yaml_node *root;
	struct owned_node *all;
};

struct anchor {
	char *name;
	struct owned_node *node;
};

/* Whose words and ways: our own, which are told with line and column; Go's two. */
enum dialect { DIALECT_OWN, DIALECT_GO_V3, DIALECT_GO_V2 };

struct composer {
	yaml_parser_t parser;
	struct yaml_doc *doc;
	struct anchor *anchors;
	size_t n_anchors, cap_anchors;
	size_t n_nodes;
	/* The first problem; it ends the reading. */
	char *problem;
	int line, col;
	int go_line; /* the line that Go's message names; 0: none */
	enum dialect dialect;
	/* Duplicate keys do not end it: the first one, told if nothing else is wrong. */
	char *duplicate;
	int duplicate_line, duplicate_col;
};

static struct owned_node *owned(const struct yaml_node *n)
{
	return (struct owned_node *)n;
}

static void fail_at(struct composer *c, int line, int col, char *problem)
{
	if (c->problem) {
		free(problem);
		return;
	}
	c->problem = problem;
	c->line = line;
	c->col = col;
}

static void fail_mark(struct composer *c, yaml_mark_t mark, char *problem)
{
	fail_at(c, (int)mark.line + 1, (int)mark.column + 1, problem);
}

/* The line in the message of Go's port: version 3 tells where the enclosing construct begins, version 2 where the problem is. It is
 * counted from 0 unless the scanner speaks; none where that is the first line, and none from the reader. */
static int go_line(const yaml_parser_t *p, enum dialect dialect)
{
	size_t first = p->context_mark.line, second = p->problem_mark.line;
	if (dialect == DIALECT_GO_V2) {
		first = p->problem_mark.line;
		second = p->context_mark.line;
		if (!first && second)
			return p->error == YAML_READER_ERROR ? 0 : (int)second;
	}
	size_t line = first ? first : second;
	return p->error == YAML_READER_ERROR || !line ? 0 : (int)line + (p->error == YAML_SCANNER_ERROR);
}

static void fail_parser(struct composer *c, const char *text, size_t len)
{
	const yaml_parser_t *p = &c->parser;
	char *problem = xstrdup(p->problem ? p->problem : "unknown problem parsing YAML content");
	if (!c->problem)
		c->go_line = go_line(p, c->dialect);
	if (p->error != YAML_READER_ERROR) {
		fail_mark(c, p->problem_mark, problem);
		return;
	}
	/* The reader only knows an offset. */
	size_t at = p->problem_offset < len ? p->problem_offset : len;
	int line = 1, col = 1;
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			line++;
			col = 1;
		} else {
			col++;
		}
	}
	fail_at(c, line, col, problem);
}

/* A limit that Go has not: its line is told. */
static void fail_limit(struct composer *c, yaml_mark_t mark, char *problem)
{
	if (!c->problem)
		c->go_line = (int)mark.line + 1;
	fail_mark(c, mark, problem);
}

static void fail_too_large(struct composer *c, yaml_mark_t mark)
{
	fail_limit(c, mark, xasprintf("document has more than %d nodes", YAML_MAX_NODES));
}

static struct owned_node *node_new(struct composer *c, enum yaml_kind kind, yaml_mark_t mark)
{
	struct owned_node *n = xcalloc(1, sizeof(*n));
	n->node.kind = kind;
	n->node.line = (int)mark.line + 1;
	n->node.col = (int)mark.column + 1;
	n->size = 1;
	n->next = c->doc->all;
	c->doc->all = n;
	if (++c->n_nodes > YAML_MAX_NODES)
		fail_too_large(c, mark);
	return n;
}

static void anchor_add(struct composer *c, const yaml_char_t *name, struct owned_node *node)
{
	if (!name)
		return;
	if (c->n_anchors == ANCHORS_MAX) {
		fail_at(c, node->node.line, node->node.col, xasprintf("document has more than %d anchors", ANCHORS_MAX));
		return;
	}
	for (size_t i = 0; i < c->n_anchors; i++) {
		if (strcmp(c->anchors[i].name, (const char *)name) == 0) {
			c->anchors[i].node = node; /* a later anchor of the same name counts from there on */
			return;
		}
	}
	array_grow(c->anchors, c->n_anchors, c->cap_anchors);
	c->anchors[c->n_anchors++] = (struct anchor){xstrdup((const char *)name), node};
}

static struct yaml_node *anchor_get(struct composer *c, const char *name, yaml_mark_t mark)
{
	for (size_t i = 0; i < c->n_anchors; i++) {
		if (strcmp(c->anchors[i].name, name) != 0)
			continue;
		if (!c->anchors[i].node->open)
			return &c->anchors[i].node->node;
		fail_mark(c, mark, xasprintf("anchor '%s' value contains itself", name));
		return NULL;
	}
	fail_mark(c, mark, xasprintf("unknown anchor '%s' referenced", name));
	return NULL;
}

static bool is_null_text(const char *s)
{
	return !*s || strcmp(s, "~") == 0 || strcmp(s, "null") == 0 || strcmp(s, "Null") == 0 || strcmp(s, "NULL") == 0;
}

/* "!!int" for what libyaml spells out; "!" says nothing. */
static char *short_tag(const char *tag)
{
	static const char prefix[] = "tag:yaml.org,2002:";
	if (!tag || !strcmp(tag, "!"))
		return NULL;
	return strncmp(tag, prefix, sizeof(prefix) - 1) ? xstrdup(tag) : xasprintf("!!%s", tag + sizeof(prefix) - 1);
}

static struct yaml_node *compose_scalar(struct composer *c, const yaml_event_t *e)
{
	const char *tag = (const char *)e->data.scalar.tag;
	const char *text = (const char *)e->data.scalar.value;
	struct owned_node *n = node_new(c, YAML_SCALAR, e->start_mark);
	n->node.len = e->data.scalar.length;
	n->node.text = xmemdup(text, n->node.len);
	n->node.plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (!tag || strcmp(tag, YAML_STR_TAG) != 0);
	n->node.quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	n->node.tag = short_tag(tag);
	n->merge = (n->node.plain && !tag && strcmp(text, "<<") == 0) || (tag && strcmp(tag, "tag:yaml.org,2002:merge") == 0);
	if ((n->node.plain && !tag && is_null_text(text)) || (tag && strcmp(tag, YAML_NULL_TAG) == 0))
		n->node.kind = YAML_NULL;
	anchor_add(c, e->data.scalar.anchor, n);
	return &n->node;
}

static void check_duplicates(struct composer *c, const struct yaml_node *map)
{
	size_t n;
	struct yaml_key_ref *refs = yaml_sorted_keys(map, &n);
	for (size_t i = 1; i < n && !c->duplicate; i++) {
		if (yaml_key_cmp(refs[i].key, refs[i - 1].key) != 0)
			continue;
		c->duplicate = yaml_duplicate_text(refs[i].key, refs[i - 1].key);
		c->duplicate_line = refs[i].key->line;
		c->duplicate_col = refs[i].key->col;
	}
	free(refs);
}

/* Adds to MAP the pairs of FROM whose keys it lacks. */
static void merge_map(struct yaml_node *map, size_t *cap, size_t *cap_values, const struct yaml_node *from)
{
	size_t n;
	struct yaml_key_ref *refs = yaml_sorted_keys(map, &n);
	for (size_t i = 0; i < from->n; i++) {
		if (from->keys[i]->text && yaml_has_key(refs, n, from->keys[i]))
			continue;
		array_grow(map->keys, map->n, *cap);
		array_grow(map->values, map->n, *cap_values);
		map->keys[map->n] = from->keys[i];
		map->values[map->n++] = from->values[i];
		owned(map)->size += owned(from->keys[i])->size + owned(from->values[i])->size;
	}
	free(refs);
}

static void check_size(struct composer *c, const struct yaml_node *n)
{
	if (owned(n)->size > YAML_MAX_NODES)
		fail_too_large(c, (yaml_mark_t){.line = (size_t)n->line - 1, .column = (size_t)n->col - 1});
}

/* A merge gives way to the map's own keys; of several merged maps the first one that has a key decides. */
static void apply_merges(struct composer *c, struct yaml_node *map, size_t *cap, size_t *cap_values, struct yaml_node **merges,
			 size_t n_merges)
{
	for (size_t i = 0; i < n_merges && !c->problem; i++) {
		const struct yaml_node *m = merges[i];
		if (m->kind == YAML_MAP) {
			merge_map(map, cap, cap_values, m);
			check_size(c, map);
			continue;
		}
		bool ok = m->kind == YAML_SEQ;
		for (size_t j = 0; ok && j < m->n && !c->problem; j++) {
			ok = m->values[j]->kind == YAML_MAP;
			if (ok) {
				merge_map(map, cap, cap_values, m->values[j]);
				check_size(c, map);
			}
		}
		map->bad_merge |= !ok;
		if (!ok && c->dialect == DIALECT_OWN)
			fail_at(c, m->line, m->col, xstrdup("map merge requires map or sequence of maps as the value"));
	}
}

static struct yaml_node *compose(struct composer *c, yaml_event_t *e, int depth);

static bool next_event(struct composer *c, yaml_event_t *e)
{
	return !c->problem && yaml_parser_parse(&c->parser, e);
}

/* The node that begins with the next event; NULL with *END set if that event ends the collection. */
static struct yaml_node *compose_next(struct composer *c, int depth, bool *end)
{
	yaml_event_t e;
	struct yaml_node *n = NULL;
	if (!next_event(c, &e))
		return NULL;
	if (e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT)
		*end = true;
	else
		n = compose(c, &e, depth);
	yaml_event_delete(&e);
	return n;
}

static struct yaml_node *compose_seq(struct composer *c, const yaml_event_t *e, int depth)
{
	struct owned_node *o = node_new(c, YAML_SEQ, e->start_mark);
	struct yaml_node *seq = &o->node, *item;
	size_t cap = 0;
	bool end = false;
	o->open = true;
	seq->tag = short_tag((const char *)e->data.sequence_start.tag);
	anchor_add(c, e->data.sequence_start.anchor, o);
	while ((item = compose_next(c, depth + 1, &end))) {
		array_grow(seq->values, seq->n, cap);
		seq->values[seq->n++] = item;
		o->size += owned(item)->size;
		check_size(c, seq);
	}
	o->open = false;
	return end ? seq : NULL;
}

static struct yaml_node *compose_map(struct composer *c, const yaml_event_t *e, int depth)
{
	struct owned_node *o = node_new(c, YAML_MAP, e->start_mark);
	struct yaml_node *map = &o->node, *key, *value, **merges = NULL;
	size_t cap = 0, cap_values = 0, n_merges = 0, cap_merges = 0;
	bool end = false;
	o->open = true;
	map->tag = short_tag((const char *)e->data.mapping_start.tag);
	anchor_add(c, e->data.mapping_start.anchor, o);
	while ((key = compose_next(c, depth + 1, &end)) && (value = compose_next(c, depth + 1, &end))) {
		if (owned(key)->merge) {
			if (map->merge_line && !map->merge_again_line)
				map->merge_again_line = key->line;
			if (!map->merge_line)
				map->merge_line = key->line;
			array_grow(merges, n_merges, cap_merges);
			merges[n_merges++] = value;
			continue;
		}
		array_grow(map->keys, map->n, cap);
		array_grow(map->values, map->n, cap_values);
		map->keys[map->n] = key;
		map->values[map->n++] = value;
		o->size += owned(key)->size + owned(value)->size;
		check_size(c, map);
	}
	o->open = false;
	if (end) {
		if (c->dialect == DIALECT_OWN)
			check_duplicates(c, map);
		apply_merges(c, map, &cap, &cap_values, merges, n_merges);
	}
	free(merges);
	return end ? map : NULL;
}

static struct yaml_node *compose(struct composer *c, yaml_event_t *e, int depth)
{
	if (depth > YAML_MAX_DEPTH) {
		fail_limit(c, e->start_mark, xasprintf("exceeded max depth of %d", YAML_MAX_DEPTH));
		return NULL;
	}
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return compose_scalar(c, e);
	case YAML_SEQUENCE_START_EVENT:
		return compose_seq(c, e, depth);
	case YAML_MAPPING_START_EVENT:
		return compose_map(c, e, depth);
	case YAML_ALIAS_EVENT:
		return anchor_get(c, (const char *)e->data.alias.anchor, e->start_mark);
	default:
		fail_mark(c, e->start_mark, xstrdup("unknown problem parsing YAML content"));
		return NULL;
	}
}

static void compose_document(struct composer *c)
{
	for (;;) {
		yaml_event_t e;
		if (!next_event(c, &e))
			return;
		yaml_event_type_t type = e.type;
		yaml_mark_t mark = e.start_mark;
		const yaml_version_directive_t *version = type == YAML_DOCUMENT_START_EVENT ? e.data.document_start.version_directive : NULL;
		if (version && version->minor != 1 && c->dialect != DIALECT_OWN) { /* Go knows 1.1 only */
			c->go_line = (int)mark.line;
			fail_mark(c, mark, xstrdup("found incompatible YAML document"));
			yaml_event_delete(&e);
			return;
		}
		if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT && type != YAML_STREAM_END_EVENT)
			c->doc->root = compose(c, &e, 0);
		yaml_event_delete(&e);
		if (type == YAML_STREAM_END_EVENT) {
			struct owned_node *empty = node_new(c, YAML_NULL, mark);
			empty->node.text = xstrdup("");
			empty->node.plain = true;
			c->doc->root = &empty->node;
			return;
		}
		if (c->doc->root) {
			/* What follows the document must be a sound end of it. */
			if (next_event(c, &e))
				yaml_event_delete(&e);
			return;
		}
		if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT)
			return;
	}
}

/* Go's version 3 reads two tokens ahead of its parser, for the sake of comments, so that what the scanner finds there is told first,
 * also behind the end of the document. HEAD: the token the parser looks at. */
static void look_ahead(struct composer *c, const char *text, size_t len, size_t head)
{
	yaml_parser_t p;
	yaml_token_t t;
	if (!yaml_parser_initialize(&p))
		return;
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	bool more = true, ok = true, last = false;
	for (size_t i = 0; more && ok && i <= head + 2; i++) {
		last = i == head + 2;
		ok = yaml_parser_scan(&p, &t);
		more = ok && t.type != YAML_STREAM_END_TOKEN;
		if (ok)
			yaml_token_delete(&t);
	}
	/* Libyaml also looks whether the last of them is a key; Go does not yet. */
	bool key = last && !ok && p.problem && !strcmp(p.problem, "could not find expected ':'");
	if (!ok && !key && p.error == YAML_SCANNER_ERROR) {
		free(take(c->problem));
		c->go_line = go_line(&p, c->dialect);
		fail_mark(c, p.problem_mark, xstrdup(p.problem));
	}
	yaml_parser_delete(&p);
}

/* As yaml_parse_at; *GO is the line of Go's message. */
static int parse(const char *text, size_t len, struct yaml_doc **doc, char **error, enum dialect dialect, int *line, int *col, int *go)
{
	struct composer c = {.doc = xcalloc(1, sizeof(*c.doc)), .dialect = dialect};
	size_t head = 0;
	if (!yaml_parser_initialize(&c.parser)) {
		fail_at(&c, 0, 0, xstrdup("cannot set up the YAML parser"));
	} else if (len > YAML_MAX_BYTES) {
		fail_at(&c, 0, 0, xasprintf("document of %zu bytes is larger than %zu", len, YAML_MAX_BYTES));
	} else {
		yaml_parser_set_input_string(&c.parser, (const unsigned char *)text, len);
		compose_document(&c);
		if (c.parser.error != YAML_NO_ERROR)
			fail_parser(&c, text, len);
		/* An event has gone by its last token; the parser's own complaint is about the one it still looks at. */
		head = c.parser.tokens_parsed - (c.problem && c.parser.error == YAML_NO_ERROR && c.parser.tokens_parsed);
		bool documents = memmem(text, len, "\n---", 4) || memmem(text, len, "\n...", 4) || memmem(text, len, "\n%", 2);
		bool by_scanner = c.parser.error == YAML_SCANNER_ERROR || c.parser.error == YAML_READER_ERROR;
		if (dialect == DIALECT_GO_V3 && (c.problem ? !by_scanner : documents))
			look_ahead(&c, text, len, head);
	}
	yaml_parser_delete(&c.parser);
	for (size_t i = 0; i < c.n_anchors; i++)
		free(c.anchors[i].name);
	free(c.anchors);
	if (c.duplicate && !c.problem)
		fail_at(&c, c.duplicate_line, c.duplicate_col, take(c.duplicate));
	free(c.duplicate);
	if (!c.problem) {
		*doc = c.doc;
		return 0;
	}
	yaml_doc_free(c.doc);
	*error = c.problem;
	*line = c.line;
	*col = c.col;
	*go = c.go_line;
	return -EINVAL;
}

int yaml_parse_at(const char *text, size_t len, struct yaml_doc **doc, char **error, int *line, int *col)
{
	int go;
	return parse(text, len, doc, error, DIALECT_OWN, line, col, &go);
}

static int parse_go(const char *text, size_t len, struct yaml_doc **doc, char **error, enum dialect dialect)
{
	int line, col, go;
	char *problem;
	int r = parse(text, len, doc, &problem, dialect, &line, &col, &go);
	if (r < 0) {
		*error = go > 0 ? xasprintf("yaml: line %d: %s", go, problem) : xasprintf("yaml: %s", problem);
		free(problem);
	}
	return r;
}

int yaml_parse(const char *text, size_t len, struct yaml_doc **doc, char **error)
{
	return parse_go(text, len, doc, error, DIALECT_GO_V3);
}

int yaml_parse_v2(const char *text, size_t len, struct yaml_doc **doc, char **error)
{
	return parse_go(text, len, doc, error, DIALECT_GO_V2);
}

void yaml_doc_free(struct yaml_doc *doc)
{
	if (!doc)
		return;
	for (struct owned_node *n = doc->all, *next; n; n = next) {
		next = n->next;
		free(n->node.text);
		free(n->node.tag);
		free(n->node.keys);
		free(n->node.values);
		free(n);
	}
	free(doc);
}

const struct yaml_node *yaml_root(const struct yaml_doc *doc)
{
	return doc->root;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	size_t len = strlen(key);
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_node *k = map->keys[i];
		if (k->text && k->len == len && memcmp(k->text, key, len) == 0)
			return map->values[i];
	}
	return NULL;
}

bool yaml_bool(const struct yaml_node *node, bool *value)
{
	static const char *const yes[] = {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"};
	static const char *const no[] = {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"};
	if (!node || node->kind != YAML_SCALAR || !node->plain)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcmp(node->text, yes[i]) == 0 || strcmp(node->text, no[i]) == 0) {
			*value = strcmp(node->text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}
