// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/yaml.h"

static struct yaml_doc *parse_ok(const char *text)
{
	struct yaml_doc *doc = NULL;
	char *error = NULL;
	int r = yaml_parse(text, strlen(text), &doc, &error);
	if (r < 0)
		fail_msg("%s: %s", text, error);
	return doc;
}

static void expect_error(const char *text, const char *want)
{
	struct yaml_doc *doc = NULL;
	char *error = NULL;
	assert_int_equal(yaml_parse(text, strlen(text), &doc, &error), -EINVAL);
	assert_null(doc);
	assert_string_equal(error, want);
	free(error);
}

static void test_tree(void **state)
{
	struct yaml_doc *doc = parse_ok("a: 1\nb:\n  - x\n  - 'y'\n  - ~\nc: |\n  text\n  more\nd: {e: [], f: null}\n");
	const struct yaml_node *root = yaml_root(doc), *b, *c;
	assert_int_equal(root->kind, YAML_MAP);
	assert_int_equal(root->n, 4);
	assert_string_equal(yaml_get(root, "a")->text, "1");
	assert_true(yaml_get(root, "a")->plain);
	b = yaml_get(root, "b");
	assert_int_equal(b->kind, YAML_SEQ);
	assert_int_equal(b->n, 3);
	assert_int_equal(b->values[1]->line, 4);
	assert_int_equal(b->values[1]->col, 5);
	assert_false(b->values[1]->plain);
	assert_int_equal(b->values[2]->kind, YAML_NULL);
	assert_string_equal(b->values[2]->text, "~");
	c = yaml_get(root, "c");
	assert_string_equal(c->text, "text\nmore\n");
	assert_int_equal(c->len, 10);
	assert_false(c->plain);
	assert_int_equal(yaml_get(yaml_get(root, "d"), "e")->kind, YAML_SEQ);
	assert_int_equal(yaml_get(yaml_get(root, "d"), "f")->kind, YAML_NULL);
	assert_null(yaml_get(root, "nope"));
	assert_null(yaml_get(b, "a"));
	assert_null(yaml_get(NULL, "a"));
	yaml_doc_free(doc);
	yaml_doc_free(NULL);
}

static void test_empty(void **state)
{
	static const char *const empty[] = {"", "# only a comment\n", "---\n", "\n\n", "--- ~\n"};
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		struct yaml_doc *doc = parse_ok(empty[i]);
		assert_int_equal(yaml_root(doc)->kind, YAML_NULL);
		yaml_doc_free(doc);
	}
}

static void test_first_document_only(void **state)
{
	struct yaml_doc *doc = parse_ok("a: 1\n---\na: 2\n");
	assert_string_equal(yaml_get(yaml_root(doc), "a")->text, "1");
	yaml_doc_free(doc);
}

static void test_scalars(void **state)
{
	struct yaml_doc *doc = parse_ok("[!!str 5, \"a\\0b\", !!null x, '', ~, yes, 'yes', OFF, maybe]");
	const struct yaml_node *r = yaml_root(doc);
	bool v;
	assert_false(r->values[0]->plain);
	assert_int_equal(r->values[1]->len, 3);
	assert_memory_equal(r->values[1]->text, "a\0b", 4);
	assert_int_equal(r->values[2]->kind, YAML_NULL);
	assert_int_equal(r->values[3]->kind, YAML_SCALAR);
	assert_int_equal(r->values[4]->kind, YAML_NULL);
	assert_true(yaml_bool(r->values[5], &v) && v);
	assert_false(yaml_bool(r->values[6], &v));
	assert_true(yaml_bool(r->values[7], &v) && !v);
	assert_false(yaml_bool(r->values[8], &v));
	assert_false(yaml_bool(r, &v) || yaml_bool(NULL, &v));
	yaml_doc_free(doc);
}

static void test_aliases_and_merges(void **state)
{
	struct yaml_doc *doc = parse_ok("base: &b {x: 1, y: 2}\n"
					"other: &o {y: 3, z: 4}\n"
					"one: {<<: *b, x: 9}\n"
					"many:\n  <<: [*b, *o]\n  w: 5\n"
					"inline: {<<: {q: 7}}\n"
					"text: {'<<': 1}\n"
					"same: *b\n");
	const struct yaml_node *r = yaml_root(doc), *one = yaml_get(r, "one"), *many = yaml_get(r, "many");
	assert_int_equal(one->n, 2);
	assert_string_equal(yaml_get(one, "x")->text, "9");
	assert_string_equal(yaml_get(one, "y")->text, "2");
	assert_int_equal(many->n, 4);
	assert_string_equal(yaml_get(many, "y")->text, "2");
	assert_string_equal(yaml_get(many, "z")->text, "4");
	assert_string_equal(yaml_get(yaml_get(r, "inline"), "q")->text, "7");
	assert_string_equal(yaml_get(yaml_get(r, "text"), "<<")->text, "1");
	assert_string_equal(yaml_get(yaml_get(r, "same"), "y")->text, "2");
	yaml_doc_free(doc);
	expect_error("a: *nope\n", "yaml: unknown anchor 'nope' referenced");
	expect_error("a: &a [*a]\n", "yaml: anchor 'a' value contains itself");
	/* For Go's packages it is wrong only once the map is decoded. */
	doc = parse_ok("a: {<<: 1}\nb: {<<: [{b: 1}, 2]}\nc: {<<: {d: 1}}\n");
	assert_true(yaml_get(yaml_root(doc), "a")->bad_merge);
	assert_true(yaml_get(yaml_root(doc), "b")->bad_merge);
	assert_false(yaml_get(yaml_root(doc), "c")->bad_merge);
	yaml_doc_free(doc);
	char *error;
	int line, col;
	assert_int_equal(yaml_parse_at("a: {<<: 1}\n", 11, &doc, &error, &line, &col), -EINVAL);
	assert_string_equal(error, "map merge requires map or sequence of maps as the value");
	free(error);
}

static void test_duplicates(void **state)
{
	struct yaml_doc *doc = parse_ok("a: 1\nb: 2\n\"a\": 3\na: 4\n");
	struct strings found = {0};
	yaml_duplicates(yaml_root(doc), &found);
	assert_int_equal(found.n, 3); /* each pair, as Go tells it */
	assert_string_equal(found.v[0], "line 3: mapping key \"a\" already defined at line 1");
	assert_string_equal(found.v[1], "line 4: mapping key \"a\" already defined at line 1");
	assert_string_equal(found.v[2], "line 4: mapping key \"a\" already defined at line 3");
	strings_free(&found);
	yaml_doc_free(doc);
	/* What cannot be read at all comes first. */
	expect_error("a: 1\na: 2\nb: [\n", "yaml: line 3: did not find expected node content");
	char *error;
	int line, col;
	const char *text = "a:\n  x: 1\n  x: 3\n";
	assert_int_equal(yaml_parse_at(text, strlen(text), &doc, &error, &line, &col), -EINVAL);
	assert_string_equal(error, "mapping key \"x\" already defined at line 2");
	assert_int_equal(line, 3);
	assert_int_equal(col, 3);
	free(error);
}

static void expect_error_v2(const char *text, const char *want)
{
	struct yaml_doc *doc;
	char *error;
	assert_int_equal(yaml_parse_v2(text, strlen(text), &doc, &error), -EINVAL);
	assert_string_equal(error, want);
	free(error);
}

/* Version 2 names the line of the problem, version 3 that of what it is in; and version 3 scans two tokens ahead. */
static void test_versions(void **state)
{
	const char *text = "top:\n  a:\n    - b\n    - c\n    d: 1\n";
	expect_error(text, "yaml: line 2: did not find expected '-' indicator");
	expect_error_v2(text, "yaml: line 4: did not find expected '-' indicator");
	expect_error_v2("a: 1\n b: 2\n", "yaml: line 2: mapping values are not allowed in this context");
	expect_error_v2("a: b: c\n", "yaml: mapping values are not allowed in this context");
	text = "x:\n  a: *nope b: 1\n";
	expect_error(text, "yaml: line 2: mapping values are not allowed in this context");
	expect_error_v2(text, "yaml: unknown anchor 'nope' referenced");
	text = "a: 1\n--- x\nb: 2\n";
	expect_error(text, "yaml: line 3: mapping values are not allowed in this context");
	struct yaml_doc *doc;
	char *error;
	assert_int_equal(yaml_parse_v2(text, strlen(text), &doc, &error), 0);
	yaml_doc_free(doc);
	doc = parse_ok("a: 1\n---\nx: [\n");
	yaml_doc_free(doc);
	doc = parse_ok("[!!int '1', !foo x, ! y, \"z\", !!set {a: b}]\n");
	const struct yaml_node *r = yaml_root(doc);
	assert_string_equal(r->values[0]->tag, "!!int");
	assert_true(r->values[0]->quoted);
	assert_string_equal(r->values[1]->tag, "!foo");
	assert_false(r->values[1]->quoted);
	assert_null(r->values[2]->tag);
	assert_null(r->values[3]->tag);
	assert_true(r->values[3]->quoted);
	assert_string_equal(r->values[4]->tag, "!!set");
	yaml_doc_free(doc);
}

static void test_syntax_errors(void **state)
{
	expect_error("a: b: c\n", "yaml: mapping values are not allowed in this context");
	expect_error("a: [1, 2\nb: 3\n", "yaml: line 1: did not find expected ',' or ']'");
	expect_error("a: 1\n b: 2\n", "yaml: line 2: mapping values are not allowed in this context");
	expect_error("a: 1\n- b\n", "yaml: line 1: did not find expected key");
	expect_error("a: \"x\n", "yaml: line 2: found unexpected end of stream");
	expect_error("a: @x\n", "yaml: found character that cannot start any token");
	expect_error("ok: 1\na: \x01\n", "yaml: control characters are not allowed");
	expect_error("ok: 1\na: \xff\n", "yaml: invalid leading UTF-8 octet");
}

static void test_bounds(void **state)
{
	struct buf b = BUF_LIMIT((size_t)64 << 20);
	for (int i = 0; i < 300; i++)
		buf_adds(&b, "[");
	expect_error(buf_str(&b), "yaml: line 1: exceeded max depth of 200");
	/* A billion laughs. */
	buf_reset(&b);
	buf_adds(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 10; i++) {
		buf_addf(&b, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			buf_addf(&b, "*a%d,", i - 1);
		buf_adds(&b, "]\n");
	}
	expect_error(buf_str(&b), "yaml: line 6: document has more than 1000000 nodes");
	buf_reset(&b);
	while (b.n <= YAML_MAX_BYTES)
		buf_adds(&b, "# filler filler filler filler filler filler filler filler\n");
	struct yaml_doc *doc;
	char *error;
	assert_int_equal(yaml_parse(b.p, b.n, &doc, &error), -EINVAL);
	assert_non_null(strstr(error, "is larger than 16777216"));
	free(error);
	buf_free(&b);
}

/* Every prefix of a document full of features either reads or is refused; under the sanitizers this is the fuzzer's seed. */
static void test_every_prefix(void **state)
{
	static const char text[] = "%YAML 1.1\n---\na: &x {b: [1, \"q\\x41\", 'r'], <<: {z: !!str 1}}\nc: |-\n  l1\n\n  l2\n? k\n: >\n  f\n"
				   "d: *x\ne:\n- - 1\n  - 2\n...\n";
	for (size_t n = 0; n < sizeof(text); n++) {
		struct yaml_doc *doc = NULL;
		char *error = NULL;
		char *copy = xmalloc(n);
		memcpy(copy, text, n);
		if (yaml_parse(copy, n, &doc, &error) < 0)
			assert_non_null(error);
		else
			assert_non_null(yaml_root(doc));
		free(copy);
		free(error);
		yaml_doc_free(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),	     cmocka_unit_test(test_empty),
		cmocka_unit_test(test_first_document_only), cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_aliases_and_merges),  cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_versions),
	    cmocka_unit_test(test_syntax_errors),	    cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_every_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
