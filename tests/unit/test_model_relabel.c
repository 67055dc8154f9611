// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/relabel.h"

struct spec {
	enum relabel_action action;
	const char *source, *regex, *target, *replacement, *separator; /* NULL: the default; source names split at blanks */
	uint64_t modulus;
	bool legacy;
};

static void rule_from(struct relabel_rule *r, struct spec s)
{
	relabel_rule_init(r);
	r->action = s.action;
	r->modulus = s.modulus;
	r->legacy_names = s.legacy;
	if (s.source) {
		char *copy = xstrdup(s.source), *save, *t;
		for (t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
			strings_add(&r->source_labels, t);
		free(copy);
	}
	struct {
		const char *from;
		char **to;
	} set[] = {{s.regex, &r->pattern}, {s.target, &r->target_label}, {s.replacement, &r->replacement}, {s.separator, &r->separator}};
	for (size_t i = 0; i < ARRAY_SIZE(set); i++) {
		if (set[i].from) {
			free(*set[i].to);
			*set[i].to = xstrdup(set[i].from);
		}
	}
}

static struct labels *input(void)
{
	return labels_from("__name__", "up", "a", "foo", "b", "bar", "c", "Fo\xc3\xb6", "__meta_x", "1", "__meta_y", "2", NULL);
}

/* Applies one rule to the input; WANT is the printed result, NULL if dropped. */
static void expect(struct spec s, const char *want)
{
	struct relabel_rules rules = {0};
	char *error = NULL;
	array_grow(rules.v, rules.n, rules.cap);
	rule_from(&rules.v[rules.n++], s);
	if (relabel_rule_finish(&rules.v[0], &error))
		fail_msg("%s", error);
	_cleanup_labels_ struct labels *in = input(), *out = relabel_labels(&rules, in);
	relabel_rules_free(&rules);
	if (!want) {
		assert_null(out);
		return;
	}
	assert_non_null(out);
	_cleanup_buf_ struct buf b = BUF_INIT;
	labels_print(out, &b);
	assert_string_equal(buf_str(&b), want);
}

#define REST_C "c=\"Fo\xc3\xb6\""
#define META "__meta_x=\"1\", __meta_y=\"2\", "
#define SAME "up{" META "a=\"foo\", b=\"bar\", " REST_C "}"

static void test_replace(void **state)
{
	expect((struct spec){.source = "a", .target = "d"}, "up{" META "a=\"foo\", b=\"bar\", " REST_C ", d=\"foo\"}");
	expect((struct spec){.source = "a b", .regex = "f(.*);(?P<x>.*)r", .target = "d", .replacement = "${1}-$x-$$"},
	       "up{" META "a=\"foo\", b=\"bar\", " REST_C ", d=\"oo-ba-$\"}");
	expect((struct spec){.source = "a b", .separator = "", .target = "d"},
	       "up{" META "a=\"foo\", b=\"bar\", " REST_C ", d=\"foobar\"}");
	/* The regex is anchored: no match, no change. */
	expect((struct spec){.source = "a", .regex = "o+", .target = "d", .replacement = "x"}, SAME);
	/* An empty result deletes the target. */
	expect((struct spec){.source = "a", .regex = "foo", .target = "b", .replacement = ""}, "up{" META "a=\"foo\", " REST_C "}");
	expect((struct spec){.source = "nope", .target = "b"}, "up{" META "a=\"foo\", " REST_C "}");
	/* The target is a template, too. */
	expect((struct spec){.source = "a", .regex = "(f)(.*)", .target = "t_$1", .replacement = "$2"},
	       "up{" META "a=\"foo\", b=\"bar\", " REST_C ", t_f=\"oo\"}");
	/* A template that gives no label name changes nothing. */
	expect((struct spec){.source = "a", .regex = "(x)?.*", .target = "$1", .replacement = "v"}, SAME);
	expect((struct spec){.target = "b", .replacement = "const"}, "up{" META "a=\"foo\", b=\"const\", " REST_C "}");
	expect((struct spec){.source = "a", .target = "my.label"},
	       "up{" META "a=\"foo\", b=\"bar\", " REST_C ", \"my.label\"=\"foo\"}");
}

static void test_keep_drop(void **state)
{
	expect((struct spec){.action = RELABEL_KEEP, .source = "a", .regex = "fo+"}, SAME);
	expect((struct spec){.action = RELABEL_KEEP, .source = "a", .regex = "f"}, NULL);
	expect((struct spec){.action = RELABEL_DROP, .source = "a b", .regex = "foo;bar"}, NULL);
	expect((struct spec){.action = RELABEL_DROP, .source = "a", .regex = "f"}, SAME);
	expect((struct spec){.action = RELABEL_DROP, .source = "nope", .regex = ""}, NULL);
	expect((struct spec){.action = RELABEL_KEEPEQUAL, .source = "a", .target = "b"}, NULL);
	expect((struct spec){.action = RELABEL_DROPEQUAL, .source = "a", .target = "b"}, SAME);
	expect((struct spec){.action = RELABEL_DROPEQUAL, .source = "a", .target = "a"}, NULL);
}

static void test_hashmod(void **state)
{
	/* The last 8 bytes of md5("foo") are 0xedef654fccc4a4d8. */
	expect((struct spec){.action = RELABEL_HASHMOD, .source = "a", .target = "h", .modulus = 8},
	       "up{" META "a=\"foo\", b=\"bar\", " REST_C ", h=\"0\"}");
	expect((struct spec){.action = RELABEL_HASHMOD, .source = "a", .target = "h", .modulus = 1000},
	       "up{" META "a=\"foo\", b=\"bar\", " REST_C ", h=\"696\"}");
}

static void test_names(void **state)
{
	expect((struct spec){.action = RELABEL_LABELMAP, .regex = "__meta_(.+)"},
	       "up{" META "a=\"foo\", b=\"bar\", " REST_C ", x=\"1\", y=\"2\"}");
	expect((struct spec){.action = RELABEL_LABELMAP, .regex = "__meta_(.+)", .replacement = "m_${1}"},
	       "up{" META "a=\"foo\", b=\"bar\", " REST_C ", m_x=\"1\", m_y=\"2\"}");
	expect((struct spec){.action = RELABEL_LABELDROP, .regex = "__meta_.*|c"}, "up{a=\"foo\", b=\"bar\"}");
	expect((struct spec){.action = RELABEL_LABELKEEP, .regex = "a|b"}, "{a=\"foo\", b=\"bar\"}");
}

static void test_case(void **state)
{
	expect((struct spec){.action = RELABEL_LOWERCASE, .source = "c", .target = "c"},
	       "up{" META "a=\"foo\", b=\"bar\", c=\"fo\xc3\xb6\"}");
	expect((struct spec){.action = RELABEL_UPPERCASE, .source = "c a", .target = "c"},
	       "up{" META "a=\"foo\", b=\"bar\", c=\"FO\xc3\x96;FOO\"}");
}

static void test_order(void **state)
{
	struct relabel_rules rules = {0};
	struct spec specs[] = {{.source = "a", .target = "t"},
			       {.source = "t b", .target = "t"},
			       {.action = RELABEL_LABELDROP, .regex = "__.*|a|b|c"}};
	char *error;
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		array_grow(rules.v, rules.n, rules.cap);
		rule_from(&rules.v[rules.n++], specs[i]);
		assert_int_equal(relabel_rule_finish(&rules.v[i], &error), 0);
	}
	_cleanup_labels_ struct labels *in = input(), *out = relabel_labels(&rules, in), *want = labels_from("t", "foo;bar", NULL);
	assert_true(labels_equal(out, want));
	relabel_rules_free(&rules);
	_cleanup_labels_ struct labels *same = relabel_labels(&rules, in);
	assert_true(labels_equal(in, same));
}

static void expect_invalid(struct spec s, const char *want)
{
	struct relabel_rule r;
	char *error = NULL;
	rule_from(&r, s);
	assert_int_equal(relabel_rule_finish(&r, &error), -EINVAL);
	assert_string_equal(error, want);
	free(error);
	relabel_rule_free(&r);
}

static void test_invalid(void **state)
{
	expect_invalid((struct spec){.source = "a"}, "relabel configuration for replace action requires 'target_label' value");
	expect_invalid((struct spec){.action = RELABEL_HASHMOD, .target = "h"},
		       "relabel configuration for hashmod requires non-zero modulus");
	expect_invalid((struct spec){.target = "a b", .legacy = true}, "\"a b\" is invalid 'target_label' for replace action");
	expect_invalid((struct spec){.target = "a${", .legacy = true}, "\"a${\" is invalid 'target_label' for replace action");
	expect_invalid((struct spec){.action = RELABEL_LOWERCASE, .target = "a", .replacement = "x"},
		       "'replacement' can not be set for lowercase action");
	expect_invalid((struct spec){.action = RELABEL_LABELDROP, .regex = "a", .source = "b"},
		       "labeldrop action requires only 'regex', and no other fields");
	expect_invalid((struct spec){.action = RELABEL_KEEPEQUAL, .target = "a", .regex = "b"},
		       "keepequal action requires only 'source_labels' and 'target_label', and no other fields");
	expect_invalid((struct spec){.target = "a", .regex = "("}, "error parsing regexp: missing closing ): `(`");
	enum relabel_action a;
	assert_true(relabel_action_parse("LabelMap", &a) && a == RELABEL_LABELMAP);
	assert_false(relabel_action_parse("map", &a));
	assert_string_equal(relabel_action_name(RELABEL_DROPEQUAL), "dropequal");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace), cmocka_unit_test(test_keep_drop), cmocka_unit_test(test_hashmod),
		cmocka_unit_test(test_names),	cmocka_unit_test(test_case),	  cmocka_unit_test(test_order),
		cmocka_unit_test(test_invalid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
