// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/regex.h"

static struct regex *must(const char *p, int flags)
{
	struct regex *re = NULL;
	char *error = NULL;
	int rc = regex_new(sv_of(p), flags, &re, &error);
	if (rc)
		fail_msg("%s: %s", p, error);
	return re;
}

static int match(const char *p, struct sv text)
{
	struct regex *re = must(p, REGEX_ANCHORED | REGEX_DOTALL);
	int rc = regex_match(re, text);
	regex_free(re);
	return rc;
}

static void matches(void **state)
{
	static const struct {
		const char *p, *text;
		int want;
	} t[] = {
	    {"", "", 1},
	    {"", "x", 0},
	    {"foo", "foo", 1},
	    {"foo", "foobar", 0},
	    {"foo|bar", "bar", 1},
	    {"foo|bar", "foobar", 0},
	    {"(?i)FOO", "foo", 1},
	    {".*", "a\nb", 1},
	    {"(?-s).*", "a\nb", 0},
	    {"a$", "a\n", 0},
	    {"[[:alpha:]]+", "abc", 1},
	    {"[^a-c]", "d", 1},
	    {"[^a-c]", "b", 0},
	    {"[]a]+", "]a", 1},
	    {"[a-]+", "-a", 1},
	    {"\\d+", "123", 1},
	    {"\\d", "\xd9\xa1", 0},
	    {"\\s", "\v", 0},
	    {"\\S", "\v", 1},
	    {"[\\S]", "\v", 1},
	    {"[[:space:]]", "\v", 1},
	    {"\\Qa.b\\E.", "a.bc", 1},
	    {"\\Qa.b\\E", "axb", 0},
	    {"a{2,3}", "aaaa", 0},
	    {"a{2,3}", "aaa", 1},
	    {"a{,2}", "a{,2}", 1},
	    {"{", "{", 1},
	    {"\\101", "A", 1},
	    {"\\x41\\x{42}", "AB", 1},
	    {"\\pL+",
	     "\xc3\xa4"
	     "b",
	     1},
	    {"\\PL", "1", 1},
	    {"^*a", "a", 1},
	    {"(?:^)?x", "x", 1},
	    {".", "\xc3\xa4", 1},
	    {"5..", "503", 1},
	    {"(a*)*b", "aab", 1},
	    {"(?P<x>a)(?<y>b)", "ab", 1},
	    {"#", "#", 1},
	    {"a b", "a b", 1},
	    {"(?U)a+", "aaa", 1},
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (match(t[i].p, sv_of(t[i].text)) != t[i].want)
			fail_msg("`%s` on `%s`: not %d", t[i].p, t[i].text, t[i].want);
	assert_int_equal(match("a.b", SV("a\xff"
					 "b")),
			 1); /* a stray byte is one character */
	assert_int_equal(match("a.b", SV("a\0b")), 1);
}

static void refuses_what_go_refuses(void **state)
{
	static const struct {
		const char *p, *error;
	} t[] = {
	    {"(", "error parsing regexp: missing closing ): `(`"},
	    {"a)", "error parsing regexp: unexpected ): `a)`"},
	    {"[a", "error parsing regexp: missing closing ]: `[a`"},
	    {"*", "error parsing regexp: missing argument to repetition operator: `*`"},
	    {"a|*", "error parsing regexp: missing argument to repetition operator: `*`"},
	    {"a**", "error parsing regexp: invalid nested repetition operator: `**`"},
	    {"a++", "error parsing regexp: invalid nested repetition operator: `++`"},
	    {"a{2}{3}", "error parsing regexp: invalid nested repetition operator: `{2}{3}`"},
	    {"a{1001}", "error parsing regexp: invalid repeat count: `{1001}`"},
	    {"a{2,1}", "error parsing regexp: invalid repeat count: `{2,1}`"},
	    {"(?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
	    {"(?!a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?!`"},
	    {"(?>a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?>`"},
	    {"(?#a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?#`"},
	    {"(?i-)a", "error parsing regexp: invalid or unsupported Perl syntax: `(?i-)`"},
	    {"(?<=a)b", "error parsing regexp: invalid named capture: `(?<=a)b`"},
	    {"(a)\\1", "error parsing regexp: invalid escape sequence: `\\1`"},
	    {"\\C", "error parsing regexp: invalid escape sequence: `\\C`"},
	    {"\\K", "error parsing regexp: invalid escape sequence: `\\K`"},
	    {"\\Z", "error parsing regexp: invalid escape sequence: `\\Z`"},
	    {"a\\", "error parsing regexp: trailing backslash at end of expression: ``"},
	    {"[z-a]", "error parsing regexp: invalid character class range: `z-a`"},
	    {"[[:foo:]]", "error parsing regexp: invalid character class range: `[:foo:]`"},
	    {"(*UTF)a", "error parsing regexp: missing argument to repetition operator: `*`"},
	    {"\\p{Nope}", "error parsing regexp: invalid character class range: `\\p{Nope}`"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct regex *re = NULL;
		char *error = NULL;
		assert_int_equal(regex_new(sv_of(t[i].p), 0, &re, &error), -EINVAL);
		assert_string_equal(error, t[i].error);
		assert_null(re);
		free(error);
	}
}

static void check_expand(const char *p, const char *text, const char *template, const char *want)
{
	struct regex *re = must(p, REGEX_ANCHORED | REGEX_DOTALL);
	struct buf b = BUF_INIT;
	assert_int_equal(regex_expand(re, sv_of(text), sv_of(template), &b), 1);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
	regex_free(re);
}

static void expands(void **state)
{
	check_expand("(.*)-(?P<n>.*)", "ab-cd", "$2 ${1}x $n ${n} $$1 $3|$1x|$", "cd abx cd cd $1 ||$");
	check_expand("(a)|(b)", "a", "[$2]", "[]");
	check_expand("(.*)", "x", "${1", "${1");
	check_expand("(.*)", "x", "$01", "");
}

static void check_replace(const char *p, const char *text, const char *template, const char *want)
{
	struct regex *re = must(p, 0);
	struct buf b = BUF_INIT;
	assert_int_equal(regex_replace_all(re, sv_of(text), sv_of(template), &b), 0);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
	regex_free(re);
}

static void replaces_all(void **state)
{
	check_replace("a", "banana", "o", "bonono");
	check_replace("(a)(n)", "banana", "$2$1", "bnanaa");
	check_replace("x*", "abc", "-", "-a-b-c-");
	check_replace("a*", "baaac", "-", "-b-c-");
	check_replace("$", "ab", "!", "ab!");
	check_replace("z", "ab", "!", "ab");
	check_replace("", "\xc3\xa4", ".", ".\xc3\xa4.");
}

static void a_hard_pattern_ends(void **state)
{
	char text[64];
	memset(text, 'a', sizeof(text));
	assert_int_equal(match("(a|aa|a?)*b(a|aa)*c", sv_make(text, sizeof(text))),
			 0); /* no b: settled before any search */
	text[40] = 'b';
	int rc = match("((a+)+)+[bc]x", sv_make(text, 41));
	assert_true(rc == 0 || rc == -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(matches),
	    cmocka_unit_test(refuses_what_go_refuses),
	    cmocka_unit_test(expands),
	    cmocka_unit_test(replaces_all),
	    cmocka_unit_test(a_hard_pattern_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
