// SPDX-License-Identifier: GPL-2.0-or-later
/* Templates against what Go's text/template gives for them, and Prometheus' functions against what they are
 * known to print. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "rules/template.h"

/* The result with its kind in front: OK text, PARSE error, EXEC error (without the words that Prometheus
 * adds). */
static char *run(struct sv text, const struct template_env *env)
{
	struct template *t;
	_cleanup_free_ char *error = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT;
	if (template_parse("__alert_A", text, &t, &error) < 0)
		return xasprintf("PARSE %s", error);
	int rc = template_expand(t, env, &out, &error);
	template_free(t);
	if (rc == 0)
		return xasprintf("OK %s", buf_str(&out));
	assert_int_equal(out.n, 0);
	const char *prefix = "error executing template __alert_A: ";
	assert_true(strncmp(error, prefix, strlen(prefix)) == 0);
	return xasprintf("EXEC %s", error + strlen(prefix));
}

static void expect(const char *text, const struct template_env *env, const char *want)
{
	_cleanup_free_ char *got = run(sv_of(text), env);
	if (strcmp(got, want))
		print_error("template: %s\n", text);
	assert_string_equal(got, want);
}

/* clang-format off */
/* Labels a=b, instance=h:1, job=j; external URL http://h/p; value 1.5. The answers are those of Go's text/template. */
static const struct {
	const char *text, *want;
} go_cases[] = {
	{"plain",
	 "OK plain"},
	{"{{ $labels }}",
	 "OK map[a:b instance:h:1 job:j]"},
	{"{{ $labels.a }}|{{ $labels.nope }}|{{ .Labels.instance }}",
	 "OK b||h:1"},
	{"{{ $value }} {{ .Value }} {{ . }}",
	 "OK 1.5 1.5 {map[a:b instance:h:1 job:j] map[] http://h/p 1.5}"},
	{"{{ printf \"%.2f\" $value }} {{ $value | printf \"%.1f\" }} {{ printf \"%d\" $value }} {{ printf \"%s\" $value }}",
	 "OK 1.50 1.5 %!d(float64=1.5) %!s(float64=1.5)"},
	{"{{ printf \"%5.1f|%-8s|%08.3f|%+d|%x|%q|%v|%t\" 1.25 \"ab\" 3.14159 5 255 \"q\\\"x\" \"s\" true }}",
	 "OK   1.2|ab      |0003.142|+5|ff|\"q\\\"x\"|s|true"},
	{"{{ printf \"%d %d\" 1 }} {{ printf \"%d\" 1 2 }} {{ printf \"%!\" }} {{ printf \"%\" }} {{ printf \"%z\" 1 }}",
	 "OK 1 %!d(MISSING) 1%!(EXTRA int=2) %!!(MISSING) %!(NOVERB) %!z(int=1)"},
	{"{{ printf \"%[2]d %[1]d\" 1 2 }} {{ printf \"%[3]d\" 1 }} {{ printf \"%*d|%-*d|\" 5 1 5 2 }} {{ printf \"%.*f\" 2 3.14159 }}",
	 "OK 2 1 %!d(BADINDEX)     1|2    | 3.14"},
	{"{{ printf \"%e %E %g %G %F\" 1234567.0 1234567.0 1234567.0 1e-7 1.5 }}",
	 "OK 1.234567e+06 1.234567E+06 1.234567e+06 1E-07 1.500000"},
	{"{{ printf \"%x %X %o %b %c %U %O\" 255 255 8 5 65 65 8 }} {{ printf \"%#x %#o %#b\" 255 8 5 }}",
	 "OK ff FF 10 101 A U+0041 0o10 0xff 010 0b101"},
	{"{{ printf \"%6.2f%%\" 12.345 }} {{ printf \"% d|% 05d|%05d|%-5d|\" 5 5 -5 5 }}",
	 "OK  12.35%  5| 0005|-0005|5    |"},
	{"{{ printf \"%s %s\" \"a\" }} {{ printf \"%v %v\" nil $labels }} {{ printf \"%T %T %T %T\" 1 1.0 \"x\" $labels }}",
	 "OK a %!s(MISSING) <nil> map[a:b instance:h:1 job:j] int float64 string map[string]string"},
	{"{{ printf \"%q\" 65 }} {{ printf \"%x\" \"abc\" }} {{ printf \"% x\" \"abc\" }} {{ printf \"%.2s\" \"abc\" }} {{ printf \"%5s|%-5s|%05s\" \"ä\" \"b\" \"c\" }}",
	 "OK 'A' 616263 61 62 63 ab     ä|b    |0000c"},
	{"{{ printf \"%t\" 1 }} {{ printf \"%d\" \"x\" }} {{ printf \"%s\" true }} {{ printf \"%08.3f\" -3.14159 }} {{ printf \"%+.2e\" 12345.678 }}",
	 "OK %!t(int=1) %!d(string=x) %!s(bool=true) -003.142 +1.23e+04"},
	{"{{ printf \"%3c|%-3c|\" 65 66 }} {{ printf \"%.3d|%8.3d|%+.3d\" 7 7 7 }} {{ printf \"%.0f\" 2.5 }} {{ printf \"%10.3v|\" 3.14159 }}",
	 "OK   A|B  | 007|     007|+007 2       3.14|"},
	{"{{ print 1 2 \"x\" 3 4 true }} {{ println 1 \"x\" }}{{ print \"a\" \"b\" }} {{ print }} {{ print nil }}",
	 "OK 1 2x3 4 true 1 x\nab  <nil>"},
	{"{{ if eq $value 1.5 }}y{{ else }}n{{ end }} {{ eq $value 3 }}",
	 "EXEC template: __alert_A:1:159: executing \"__alert_A\" at <eq $value 3>: error calling eq: incompatible types for comparison"},
	{"{{ eq 1 2 1 }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le 1.0 1.0 }} {{ gt \"b\" \"a\" }} {{ ge 1 2 }} {{ eq \"a\" \"a\" }}",
	 "OK true true true true true false true"},
	{"{{ eq 1 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <eq 1>: error calling eq: missing argument for comparison"},
	{"{{ eq true true }} {{ lt true false }}",
	 "EXEC template: __alert_A:1:134: executing \"__alert_A\" at <lt true false>: error calling lt: invalid type for comparison"},
	{"{{ eq nil nil }}",
	 "OK true"},
	{"{{ if and true 0 }}x{{ else if or 0 \"\" 5 }}y{{ end }} {{ and 1 0 2 }} {{ or 0 \"\" }} {{ not 1 }} {{ and }}",
	 "EXEC template: __alert_A:1:211: executing \"__alert_A\" at <and>: wrong number of args for and: want at least 1 got 0"},
	{"{{ and false (index $labels 3) }} {{ or true (len 3) }}",
	 "OK false true"},
	{"{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
	 "OK a=b;instance=h:1;job=j;"},
	{"{{ range $labels }}[{{ . }}]{{ else }}none{{ end }}",
	 "OK [b][h:1][j]"},
	{"{{ range $externalLabels }}x{{ else }}none{{ end }}",
	 "OK none"},
	{"{{ range $i, $e := $labels }}{{ if eq $i \"instance\" }}{{ continue }}{{ end }}{{ if eq $i \"job\" }}{{ break }}{{ end }}{{ $i }}{{ end }}",
	 "OK a"},
	{"{{ with $labels.a }}{{ . }}{{ end }}{{ with $labels.zz }}x{{ else }}no{{ end }}",
	 "OK bno"},
	{"{{ with $x := 3 }}{{ $x }}{{ end }} {{ $x }}",
	 "PARSE template: __alert_A:1: undefined variable \"$x\""},
	{"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 3 }}{{ end }}{{ $x }}",
	 "OK 2"},
	{"{{ $x = 1 }}",
	 "EXEC template: __alert_A:1:120: executing \"__alert_A\" at <1>: undefined variable: $x"},
	{"{{- /* comment */ -}}   a   {{- \" b \" -}}   c",
	 "OK a b c"},
	{"a {{/* c */}} b",
	 "OK a  b"},
	{"a {{- /* c */ -}} b",
	 "OK ab"},
	{"{{/* unclosed }}",
	 "PARSE template: __alert_A:1: unclosed comment"},
	{"{{/* c */ x}}",
	 "PARSE template: __alert_A:1: comment ends before closing delimiter"},
	{"{{ define \"t\" }}T:{{ . }}:{{ $ }}{{ end }}{{ template \"t\" $value }} {{ template \"t\" }}",
	 "OK T:1.5:1.5 T:<no value>:<no value>"},
	{"{{ block \"b\" 5 }}B{{ . }}{{ end }}",
	 "OK B5"},
	{"{{ define \"t\" }}{{ $value }}{{ end }}{{ template \"t\" . }}",
	 "PARSE template: __alert_A:1: undefined variable \"$value\""},
	{"{{ template \"nope\" }}",
	 "EXEC template: __alert_A:1:124: executing \"__alert_A\" at <{{template \"nope\"}}>: template \"nope\" not defined"},
	{"{{ define \"r\" }}{{ template \"q\" }}{{ end }}x{{ template \"r\" }}",
	 "EXEC template: __alert_A:1:140: executing \"r\" at <{{template \"q\"}}>: template \"q\" not defined"},
	{"{{ define \"a\" }}1{{ end }}{{ define \"a\" }}2{{ end }}",
	 "PARSE template: __alert_A:1: template: multiple definition of template \"a\""},
	{"{{ index $labels \"a\" }} {{ index $labels \"zz\" }} {{ index \"abc\" 1 }} {{ len $labels }} {{ len \"abc\" }}",
	 "OK b  98 3 3"},
	{"{{ index $labels 3 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <index $labels 3>: error calling index: value has type int; should be string"},
	{"{{ index \"abc\" 9 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <index \"abc\" 9>: error calling index: index out of range: 9"},
	{"{{ index nil 1 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <index nil 1>: error calling index: index of untyped nil"},
	{"{{ slice \"abcdef\" 1 3 }} {{ slice \"abc\" }} {{ slice \"abc\" 1 }}",
	 "OK bc abc bc"},
	{"{{ slice \"abc\" 5 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <slice \"abc\" 5>: error calling slice: index out of range: 5"},
	{"{{ slice \"abc\" 2 1 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <slice \"abc\" 2 1>: error calling slice: invalid slice index: 2 > 1"},
	{"{{ \"a\" | printf \"%s-%s\" \"b\" }} {{ (printf \"%s\" \"x\") | len }}",
	 "OK b-a 1"},
	{"{{ 'a' }} {{ 0x1F }} {{ 1e3 }} {{ 1_000 }} {{ 010 }} {{ 0b11 }} {{ -5 }} {{ +5 }} {{ .5 }} {{ 1. }} {{ 0x1p4 }}",
	 "OK 97 31 1000 1000 8 3 -5 5 0.5 1 16"},
	{"{{ \"esc \\t \\u00e9 \\x41 \\101\" }} {{ `raw \\n` }}",
	 "OK esc \t é A A raw \\n"},
	{"{{ true }} {{ false }} {{ nil }}",
	 "EXEC template: __alert_A:1:138: executing \"__alert_A\" at <nil>: nil is not a command"},
	{"{{ nil | print }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <nil>: nil is not a command"},
	{"{{ .Nope }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <.Nope>: can't evaluate field Nope in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"},
	{"{{ .Labels.a.b }}",
	 "EXEC template: __alert_A:1:122: executing \"__alert_A\" at <.Labels.a.b>: can't evaluate field b in type string"},
	{"{{ $labels.a.b.c }}",
	 "EXEC template: __alert_A:1:122: executing \"__alert_A\" at <$labels.a.b.c>: can't evaluate field b in type string"},
	{"{{ $value.x }}",
	 "EXEC template: __alert_A:1:121: executing \"__alert_A\" at <$value.x>: can't evaluate field x in type float64"},
	{"{{ len $value }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <len $value>: error calling len: len of type float64"},
	{"{{ len 3 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <len 3>: error calling len: len of type int"},
	{"{{ $labels 3 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <$labels>: can't give argument to non-function $labels"},
	{"{{ 3 4 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <3>: can't give argument to non-function 3"},
	{"{{ \"x\" \"y\" }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <\"x\">: can't give argument to non-function \"x\""},
	{"{{ (len \"x\").y }}",
	 "EXEC template: __alert_A:1:120: executing \"__alert_A\" at <\"x\">: can't evaluate field y in type int"},
	{"{{ true.x }}",
	 "PARSE template: __alert_A:1: unexpected . after term \"true\""},
	{"{{ \"x\".y }}",
	 "PARSE template: __alert_A:1: unexpected . after term \"\\\"x\\\"\""},
	{"{{ 3 | 4 }}",
	 "PARSE template: __alert_A:1: non executable command in pipeline stage 2"},
	{"{{ $value | \"x\" }}",
	 "PARSE template: __alert_A:1: non executable command in pipeline stage 2"},
	{"{{ unknownfn 3 }}",
	 "PARSE template: __alert_A:1: function \"unknownfn\" not defined"},
	{"{{ $nope }}",
	 "PARSE template: __alert_A:1: undefined variable \"$nope\""},
	{"{{ if }}x{{ end }}",
	 "PARSE template: __alert_A:1: missing value for if"},
	{"{{ if true }}x",
	 "PARSE template: __alert_A:1: unexpected EOF"},
	{"{{ end }}",
	 "PARSE template: __alert_A:1: unexpected {{end}}"},
	{"{{ else }}",
	 "PARSE template: __alert_A:1: unexpected {{else}}"},
	{"{{ if true }}{{ else }}{{ else }}{{ end }}",
	 "PARSE template: __alert_A:1: expected end; found {{else}}"},
	{"{{ break }}",
	 "PARSE template: __alert_A:1: {{break}} outside {{range}}"},
	{"{{ range $labels }}{{ end",
	 "PARSE template: __alert_A:1: unclosed action"},
	{"{{",
	 "PARSE template: __alert_A:1: unclosed action"},
	{"{{ }}",
	 "PARSE template: __alert_A:1: missing value for command"},
	{"{{ | }}",
	 "PARSE template: __alert_A:1: unexpected \"|\" in command"},
	{"{{ 3 | }}",
	 "OK 3"},
	{"{{ ( }}",
	 "PARSE template: __alert_A:1: unclosed left paren"},
	{"{{ (1 }}",
	 "PARSE template: __alert_A:1: unclosed left paren"},
	{"{{ \"abc }}",
	 "PARSE template: __alert_A:1: unterminated quoted string"},
	{"{{ `abc }}",
	 "PARSE template: __alert_A:1: unterminated raw quoted string"},
	{"{{ 'ab' }}",
	 "PARSE template: __alert_A:1: malformed character constant: 'ab'"},
	{"{{ 3x }}",
	 "PARSE template: __alert_A:1: bad number syntax: \"3x\""},
	{"{{ 3i5 }}",
	 "PARSE template: __alert_A:1: bad number syntax: \"3i5\""},
	{"{{ $x := }}",
	 "PARSE template: __alert_A:1: missing value for command"},
	{"{{ $x, $y := 3 }}",
	 "PARSE template: __alert_A:1: too many declarations in command"},
	{"{{ range $a, $b, $c := $labels }}{{ end }}",
	 "PARSE template: __alert_A:1: too many declarations in range"},
	{"{{ range $a, 3 := $labels }}{{ end }}",
	 "PARSE template: __alert_A:1: range can only initialize variables"},
	{"{{ a := 3 }}",
	 "PARSE template: __alert_A:1: function \"a\" not defined"},
	{"{{ # }}",
	 "PARSE template: __alert_A:1: unexpected \"#\" in command"},
	{"{{ ü }}",
	 "PARSE template: __alert_A:1: function \"ü\" not defined"},
	{"{{ $labels. }}",
	 "PARSE template: __alert_A:1: unexpected <.> in operand"},
	{"{{ $labels.a! }}",
	 "PARSE template: __alert_A:1: bad character U+0021 '!'"},
	{"{{ .a!b }}",
	 "PARSE template: __alert_A:1: bad character U+0021 '!'"},
	{"{{ printf \"%d\" 3 } }",
	 "PARSE template: __alert_A:1: unexpected \"}\" in operand"},
	{"{{ : }}",
	 "PARSE template: __alert_A:1: expected :="},
	{"{{ , }}",
	 "PARSE template: __alert_A:1: unexpected \",\" in command"},
	{"{{ template }}",
	 "PARSE template: __alert_A:1: unexpected \"}}\" in template clause"},
	{"{{ template \"x\" 3 4 }}",
	 "EXEC template: __alert_A:1:124: executing \"__alert_A\" at <{{template \"x\" 3 4}}>: template \"x\" not defined"},
	{"{{ define x }}{{ end }}",
	 "PARSE template: __alert_A:1: unexpected \"x\" in define clause"},
	{"{{ define \"x\" }}",
	 "PARSE template: __alert_A:1: unexpected EOF"},
	{"{{ end }}{{ end }}",
	 "PARSE template: __alert_A:1: unexpected {{end}}"},
	{"{{ if true }}{{ define \"x\" }}{{ end }}{{ end }}",
	 "PARSE template: __alert_A:1: unexpected <define> in command"},
	{"{{ printf }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <printf>: wrong number of args for printf: want at least 1 got 0"},
	{"{{ printf 3 }}",
	 "EXEC template: __alert_A:1:122: executing \"__alert_A\" at <3>: expected string; found 3"},
	{"{{ printf $value }}",
	 "EXEC template: __alert_A:1:122: executing \"__alert_A\" at <$value>: wrong type for value; expected string; got float64"},
	{"{{ not 1 2 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <not>: wrong number of args for not: want 1 got 2"},
	{"{{ call 3 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <call 3>: error calling call: non-function 3 of type int"},
	{"{{ call nil }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <call nil>: error calling call: call of nil"},
	{"{{ $labels.a | len }} {{ len ($labels.a) }} {{ (index $labels \"a\") | printf \"%s%s\" $labels.job }}",
	 "OK 1 1 jb"},
	{"{{ range 3 4 }}{{ end }}",
	 "EXEC template: __alert_A:1:121: executing \"__alert_A\" at <3>: can't give argument to non-function 3"},
	{"{{ range $value }}{{ end }}",
	 "EXEC template: __alert_A:1:121: executing \"__alert_A\" at <$value>: range can't iterate over 1.5"},
	{"{{ range \"abc\" }}x{{ end }}",
	 "EXEC template: __alert_A:1:121: executing \"__alert_A\" at <\"abc\">: range can't iterate over abc"},
	{"{{ with 0 }}x{{ end }}|{{ with \"\" }}x{{ else }}e{{ end }}",
	 "OK |e"},
	{"line1\\n  {{ .Foo }}",
	 "EXEC template: __alert_A:1:124: executing \"__alert_A\" at <.Foo>: can't evaluate field Foo in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"},
	{"x\\ny {{ printf \\n 3 }}",
	 "PARSE template: __alert_A:1: unexpected \"\\\\\" in operand"},
	{"{{ $labels.instance -}} | {{- $labels.job }}",
	 "OK h:1|j"},
	{"{{ 99999999999999999999 }}",
	 "PARSE template: __alert_A:1: integer overflow: \"99999999999999999999\""},
	{"{{ 9223372036854775808 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <9223372036854775808>: 9223372036854775808 overflows int"},
	{"{{ 1e400 }}",
	 "PARSE template: __alert_A:1: illegal number syntax: \"1e400\""},
	{"{{ -0.0 }} {{ 100000.0 }} {{ 1000000.0 }} {{ 123456789.0 }} {{ 0.00001 }}",
	 "OK -0 100000 1e+06 1.23456789e+08 1e-05"},
	{"{{ eq 'a' 97 }} {{ eq 1 1.0 }}",
	 "EXEC template: __alert_A:1:131: executing \"__alert_A\" at <eq 1 1.0>: error calling eq: incompatible types for comparison"},
	{"{{ $ }} {{ $.Value }} {{ $.Labels.a }}",
	 "OK {map[a:b instance:h:1 job:j] map[] http://h/p 1.5} 1.5 b"},
	{"{{ if $labels }}yes{{ end }}{{ if $externalLabels }}no{{ end }}{{ if not $labels.zz }}empty{{ end }}",
	 "OK yesempty"},
	{"{{ $x := $labels.a }}{{ range $labels }}{{ $x }}{{ $x = \"z\" }}{{ end }}{{ $x }}",
	 "OK bzzz"},
	{"{{ range $v := $labels }}{{ $v }},{{ end }}",
	 "OK b,h:1,j,"},
	{"{{ printf \"%s\" (print 1 2) }} {{ print (1) ((2)) }}",
	 "OK 1 2 1 2"},
	{"{{ (1) 2 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <(1) 2>: can't give argument to non-function 1"},
	{"{{ .Labels \"x\" }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <.Labels>: Labels has arguments but cannot be invoked as function"},
	{"{{ .Value \"x\" }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <.Value>: Value has arguments but cannot be invoked as function"},
	{"{{ $labels.a \"x\" }}",
	 "EXEC template: __alert_A:1:122: executing \"__alert_A\" at <$labels.a>: a is not a method but has arguments"},
	{"{{ 1 | .Labels }}",
	 "EXEC template: __alert_A:1:119: executing \"__alert_A\" at <.Labels>: Labels has arguments but cannot be invoked as function"},
	{"{{ printf \"%v\" . }}",
	 "OK {map[a:b instance:h:1 job:j] map[] http://h/p 1.5}"},
	{"{{ printf \"%s %d\" $labels $labels }}",
	 "OK map[a:b instance:h:1 job:j] map[%!d(string=a):%!d(string=b) %!d(string=instance):%!d(string=h:1) %!d(string=job):%!d(string=j)]"},
	{"{{ printf \"%6d|%6v|%-6v|%06d\" 42 42 42 42 }} {{ printf \"%t %v\" false true }}",
	 "OK     42|    42|42    |000042 false true"},
	{"{{ lt 1 1.5 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <lt 1 1.5>: error calling lt: incompatible types for comparison"},
	{"{{ lt \"a\" 1 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <lt \"a\" 1>: error calling lt: incompatible types for comparison"},
	{"{{ le $labels 1 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <le $labels 1>: error calling le: invalid type for comparison"},
	{"{{ \"a\" }}{{ \"b\" }}{{- \"c\" }}",
	 "OK abc"},
	{"{{\"{{\"}} {{ \"}}\" }}",
	 "OK {{ }}"},
	{"{{ if true }}a{{ else if false }}b{{ else }}c{{ end }}",
	 "OK a"},
	{"{{ if false }}a{{ else if true }}b{{ else }}c{{ end }}",
	 "OK b"},
	{"{{ if false }}a{{ else if false }}b{{ else }}c{{ end }}",
	 "OK c"},
	{"{{ printf \"%s\"",
	 "PARSE template: __alert_A:1: unclosed action"},
	{" \"multi\" }}",
	 "OK  \"multi\" }}"},
	{"{{ printf \"%[1]s %[1]s %s\" \"a\" \"b\" }} {{ printf \"%[x]d\" 1 }} {{ printf \"%[1]\" 1 }} {{ printf \"%.[2]*f\" 1.234 2 }}",
	 "OK a a b %!d(BADINDEX) %!(NOVERB) %!f(MISSING)"},
	{"{{ printf \"%\" 1 }} {{ printf \"%-\" }} {{ printf \"100%\" }}",
	 "OK %!(NOVERB)%!(EXTRA int=1) %!(NOVERB) 100%!(NOVERB)"},
	{"{{ printf \"%+v %#v\" \"x\" \"y\" }} {{ printf \"%+q\" \"x\" }}",
	 "OK x \"y\" \"x\""},
	{"{{ end }}",
	 "PARSE template: __alert_A:1: unexpected {{end}}"},
	{"{{ printf \"%s\"\n \"multi\" }}",
	 "OK multi"},
	{"x\n{{ if true }}\n{{ foo }}",
	 "PARSE template: __alert_A:3: function \"foo\" not defined"},
	{"a\n{{ .X\n",
	 "PARSE template: __alert_A:3: unclosed action started at __alert_A:2"},
	{"{{ if true }}\n\n",
	 "PARSE template: __alert_A:3: unexpected EOF"},
	{"a\n{{ /* x",
	 "PARSE template: __alert_A:2: unexpected \"/\" in command"},
	{"\n\n{{ index $labels\n 3 }}",
	 "EXEC template: __alert_A:3:3: executing \"__alert_A\" at <index $labels 3>: error calling index: value has type int; should be string"},
	{"{{ range $labels }}\n{{ .y }}{{end}}",
	 "EXEC template: __alert_A:2:3: executing \"__alert_A\" at <.y>: can't evaluate field y in type string"},
	{"{{-  3 -}}\n\n x",
	 "OK 3x"},
	{"{{ 1 }}{{\n",
	 "PARSE template: __alert_A:2: unclosed action started at __alert_A:1"},
	{"a\n b {{- 3 }}",
	 "OK a\n b3"},
	{"{{ \"a\nb\" }}",
	 "PARSE template: __alert_A:1: unterminated quoted string"},
	{"{{ `a\nb` }}{{ .N }}",
	 "EXEC template: __alert_A:2:8: executing \"__alert_A\" at <.N>: can't evaluate field N in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"},
	{"{{  }}",
	 "PARSE template: __alert_A:1: unrecognized character in action: U+0001"},
	{"{{if true}}{{end}}{{ .Labels.x | len | printf \"%d\" }}",
	 "OK 0"},
	{"{{ printf \"%5.2f|%+d|%-6d|%c%U\" \"x\" 1.5 \"y\" 65 -2 }}",
	 "OK %!f(string=    x)|%!d(float64=+1.5)|%!d(string=y     )|AU+FFFFFFFFFFFFFFFE"},
	{"{{ 1i }} {{ 1+2i }} {{ printf \"%.1f %v %T\" 1.5-2i 0i 1i }} {{ eq 1i 1i }} {{ if 0i }}x{{ end }}",
	 "OK (0+1i) (1+2i) (1.5-2.0i) (0+0i) complex128 true "},
	{"{{ lt 1i 2i }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <lt 1i 2i>: error calling lt: invalid type for comparison"},
	{"{{ 3-}}",
	 "PARSE template: __alert_A:1: bad number syntax: \"3-\""},
	{"{{ 1_000 }} {{ 0x_ff }} {{ humanize \"1_000\" }} {{ 1__0 }}",
	 "PARSE template: __alert_A:1: illegal number syntax: \"1__0\""},
	{"{{ '' }}",
	 "PARSE template: __alert_A:1: invalid syntax"},
	{"{{ with 1 }}{{ else if }}{{ end }}",
	 "PARSE template: __alert_A:1: unexpected <if> in input"},
	{"{{ range 3 }}{{ . }}{{ end }}{{ range $x := 2 }}{{ $x }}{{ end }}",
	 "OK 01201"},
	{"{{ range $i, $x := 3 }}{{ end }}",
	 "EXEC template: __alert_A:1:131: executing \"__alert_A\" at <3>: can't use 3 to iterate over more than one variable"},
	{"{{ template `t` }}",
	 "EXEC template: __alert_A:1:124: executing \"__alert_A\" at <{{template \"t\"}}>: template \"t\" not defined"},
	{"{{ safeHtml \"<b>\" | printf \"%T %[1]s %[1]q\" }} {{ safeHtml \"b\" | len }} {{ eq (safeHtml \"b\") \"b\" }}",
	 "OK template.HTML <b> \"<b>\" 1 true"},
	{"{{ safeHtml \"b\" | toUpper }}",
	 "EXEC template: __alert_A:1:130: executing \"__alert_A\" at <toUpper>: wrong type for value; expected string; got template.HTML"},
	{"{{ range args 1 }}{{ .X }}{{ end }}",
	 "EXEC template: __alert_A:1:133: executing \"__alert_A\" at <.X>: can't evaluate field X in type interface {}"},
	{"{{ eq $labels . }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <eq $labels .>: error calling eq: non-comparable types map[a:b instance:h:1 job:j]: map[string]string, struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }: {map[a:b instance:h:1 job:j] map[] http://h/p 1.5}"},
	{"{{ printf \"%b %x %.0x %.3X %#v %#g %#.3f %x\" 1.5 1.5 1.9 -0.1 $labels 2.0 1.0 1e-320 }}",
	 "OK 6755399441055744p-52 0x1.8p+00 0x1p+01 -0X1.99AP-04 map[string]string{\"a\":\"b\", \"instance\":\"h:1\", \"job\":\"j\"} 2.00000 1.000 0x1.fap-1064"},
	{"{{ printf \"%#q %#q %+q %+q %U %#U %.3T|%5T|%#.5o\" \"a`b\" \"a\" \"é\" 233 233 233 1 nil 8 }}",
	 "OK \"a`b\" `a` \"\\u00e9\" '\\u00e9' U+00E9 U+00E9 'é' int|<nil>|00010"},
	{"{{ printf \"%#v %t\" (toTime 1.5) (toTime 1.5) }} {{ (toTime 1).Unix | printf \"%T\" }} {{ toTime 1 | len }}",
	 "EXEC template: __alert_A:1:210: executing \"__alert_A\" at <len>: error calling len: len of type time.Time"},
	{"{{ (toTime 1136214245.5).Format \"Monday Janus Jan 02 15:04:05,000 __2 _2006 -070000 Z07\" }}",
	 "OK Monday Janus Jan 02 15:04:05,500   2 _2006 +000000 Z"},
	{"{{ humanizeDuration 1e30 }} {{ title \"ǆ\" }} {{ urlquery 1 2 \"x\" }}",
	 "OK -106751991167300d -15h -30m -8s ǅ 1+2x"},
	{"{{ printf \"%q %q %q\" 0 39 34 }}",
	 "OK '\\x00' '\\'' '\"'"},
	{"{{ html nil 0 }} {{ urlquery nil \"a\" 1 }}",
	 "OK &lt;no value&gt;0 %3Cno+value%3Ea1"},
	{"{{ index \"abc\" 3 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <index \"abc\" 3>: error calling index: reflect: string index out of range"},
	{"{{ len nil }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <len nil>: error calling len: reflect: call of reflect.Value.Type on zero Value"},
	{"{{ range $e := and $labels.a \"\" }}{{ end }}",
	 "EXEC template: __alert_A:1:141: executing \"__alert_A\" at <\"\">: range can't iterate over "},
	{"{{ range lt 1 2 }}{{ end }}",
	 "EXEC template: __alert_A:1:126: executing \"__alert_A\" at <2>: range can't iterate over true"},
	{"{{ index (index \"abc\" 0) 1 }}",
	 "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <index (index \"abc\" 0) 1>: error calling index: can't index item of type uint8"},
	{"{{ printf \"%+v|%#v|%+v\" 1.5 \"x\" $labels }}",
	 "OK 1.5|\"x\"|map[a:b instance:h:1 job:j]"},
	{"{{ $labels.a | printf \"%s %q\" | printf \"%5.2f|%x\" }}",
	 "OK %!f(string=   b )|%!x(MISSING)"},
};

/* clang-format on */

static void test_go(void **state)
{
	_cleanup_labels_ struct labels *ls = labels_from("a", "b", "instance", "h:1", "job", "j", NULL);
	struct template_env env = {.labels = ls, .external_url = "http://h/p", .value = 1.5, .now_ms = 1000};
	for (size_t i = 0; i < ARRAY_SIZE(go_cases); i++)
		expect(go_cases[i].text, &env, go_cases[i].want);
}

/* clang-format off */
#define TOO_LATE "can't evaluate field Nope in type struct { Labels map[string]string; ExternalLabels map[string]string; " \
		 "ExternalURL string; Value interface {} }"
#define AT115(node) "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <" node ">: "

static const struct {
	const char *text, *want;
} prom_cases[] = {
	{"{{ humanize 1234567 }} {{ humanize 999.95 }} {{ humanize -0.5 }} {{ humanize 0 }} {{ humanize \"1e30\" }}",
	 "OK 1.235M 1000 -500m 0 1e+06Y"},
	{"{{ humanize 0.00001234 }} {{ humanize 1000 }} {{ humanize -1e-30 }} {{ humanize \"NaN\" }} {{ humanize \"-Inf\" }}",
	 "OK 12.34u 1k -1e-06y NaN -Inf"},
	{"{{ humanize \"abc\" }}", AT115("humanize \"abc\"") "error calling humanize: strconv.ParseFloat: parsing \"abc\": invalid syntax"},
	{"{{ humanize true }}", AT115("humanize true") "error calling humanize: can't convert bool to float"},
	{"{{ humanize }}", AT115("humanize") "wrong number of args for humanize: want 1 got 0"},
	{"{{ humanize1024 1048576 }} {{ humanize1024 1 }} {{ humanize1024 1023 }} {{ humanize1024 1536 }} {{ humanize1024 0.5 }}",
	 "OK 1Mi 1 1023 1.5ki 0.5"},
	{"{{ humanizeDuration 0 }} {{ humanizeDuration 59.99 }} {{ humanizeDuration 60 }} {{ humanizeDuration 0.0001 }} {{ humanizeDuration -90 }}",
	 "OK 0s 59.99s 1m 0s 100us -1m 30s"},
	{"{{ humanizeDuration 86400 }}|{{ humanizeDuration 3661.9 }}|{{ humanizeDuration 100000.5 }}|{{ humanizeDuration -0.5 }}|{{ humanizeDuration \"NaN\" }}",
	 "OK 1d 0h 0m 0s|1h 1m 1s|1d 3h 46m 40s|-500ms|NaN"},
	{"{{ humanizePercentage 0.1234567 }} {{ humanizePercentage 100000 }} {{ humanizePercentage 1 }}", "OK 12.35% 1e+07% 100%"},
	{"{{ humanizeTimestamp 999.95 }}|{{ humanizeTimestamp 0 }}|{{ humanizeTimestamp \"+Inf\" }}|{{ humanizeTimestamp -1.5 }}",
	 "OK 1970-01-01 00:16:39.95 +0000 UTC|1970-01-01 00:00:00 +0000 UTC|+Inf|1969-12-31 23:59:58.5 +0000 UTC"},
	{"{{ humanizeTimestamp 1435065584.128 }}", "OK 2015-06-23 13:19:44.128 +0000 UTC"},
	{"{{ humanizeTimestamp 1e30 }}", AT115("humanizeTimestamp 1e30")
	 "error calling humanizeTimestamp: 1e+30 cannot be represented as a nanoseconds timestamp since it overflows int64"},
	{"{{ (1435065584 | toTime).Unix }} {{ (1435065584 | toTime).Year }} {{ (toTime 0).Format \"2006-01-02T15:04:05Z07:00\" }} {{ toTime 1.5 }}",
	 "OK 1435065584 2015 1970-01-01T00:00:00Z 1970-01-01 00:00:01.5 +0000 UTC"},
	{"{{ toDuration 90 }} {{ toDuration 0.0015 }} {{ (toDuration 90).Minutes }} {{ toDuration 3600.25 }}", "OK 1m30s 1.5ms 1.5 1h0m0.25s"},
	{"{{ parseDuration \"1h30m\" }} {{ parseDuration \"0\" }}", "OK 5400 0"},
	{"{{ parseDuration \"xx\" }}", AT115("parseDuration \"xx\"") "error calling parseDuration: not a valid duration string: \"xx\""},
	{"{{ now }}", "OK 61.5"},
	{"{{ title \"hello wORLD-of x_y\" }} {{ toUpper \"aä1\" }} {{ toLower \"AÄ1\" }}", "OK Hello WORLD-Of X_y AÄ1 aä1"},
	{"{{ reReplaceAll \"(\\\\w+):(\\\\d+)\" \"$2/$1\" \"host:80 b:1\" }} {{ match \"a.c\" \"xabcx\" }} {{ match \"^b\" \"ab\" }}",
	 "OK 80/host 1/b true false"},
	{"{{ reReplaceAll \"[\" \"x\" \"y\" }}", AT115("reReplaceAll \"[\" \"x\" \"y\"")
	 "error calling reReplaceAll: regexp: Compile(`[`): error parsing regexp: missing closing ]: `[`"},
	{"{{ match \"[\" \"x\" }}", AT115("match \"[\" \"x\"") "error calling match: error parsing regexp: missing closing ]: `[`"},
	{"{{ graphLink \"up{a='b'}\" }} {{ tableLink \"a b\" }}",
	 "OK /graph?g0.expr=up%7Ba%3D%27b%27%7D&g0.tab=0 /graph?g0.expr=a+b&g0.tab=1"},
	{"{{ stripPort \"host.x:80\" }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"host\" }} {{ stripPort \"::1\" }}", "OK host.x ::1 host ::1"},
	{"{{ stripDomain \"foo.example.com\" }} {{ stripDomain \"foo.example.com:80\" }} {{ stripDomain \"10.0.0.1:80\" }} {{ stripDomain \"[::1]:80\" }} {{ stripDomain \"h\" }}",
	 "OK foo foo:80 10.0.0.1:80 [::1]:80 h"},
	{"{{ externalURL }} {{ pathPrefix }} {{ $externalURL }} {{ $externalLabels.region }} {{ safeHtml \"<b>\" }} {{ urlQueryEscape \"a b/c\" }}",
	 "OK http://h/p /p http://h/p eu <b> a+b%2Fc"},
	{"{{ args 1 \"x\" }} {{ (args 1).arg0 }} {{ (args 1).arg1 }} {{ (args 1).arg0 | printf \"%03d\" }}", "OK map[arg0:1 arg1:x] 1 <no value> 001"},
	{"{{ define \"t\" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template \"t\" (args $value \"b\") }}", "OK 1e+06-b"},
	{"{{ toUpper $value }}", "EXEC template: __alert_A:1:123: executing \"__alert_A\" at <$value>: wrong type for value; expected string; got float64"},
	{"{{ first $value }}", "EXEC template: __alert_A:1:121: executing \"__alert_A\" at <$value>: wrong type for value; expected template.queryResult; got float64"},
	{"{{ first 3 }}", "EXEC template: __alert_A:1:121: executing \"__alert_A\" at <3>: can't handle 3 for arg of type template.queryResult"},
	{"{{ label 3 4 }}", "EXEC template: __alert_A:1:121: executing \"__alert_A\" at <3>: expected string; found 3"},
	{"{{ query \"many\" | first | value }} {{ query \"many\" | len }} {{ (query \"many\" | first).Labels.instance }}", "OK 2 2 z"},
	{"{{ range query \"many\" | sortByLabel \"instance\" }}{{ .Labels.instance }}={{ .Value }} {{ end }}{{ query \"many\" | first | label \"instance\" }}",
	 "OK a=1 z=2 z"},
	{"{{ range $i, $s := query \"many\" }}{{ $i }}{{ . }}{{ end }}", "OK 0{map[__name__:m instance:z] 2}1{map[__name__:m instance:a] 1}"},
	{"{{ with query \"none\" }}{{ . | first | value }}{{ else }}nothing{{ end }}", "OK nothing"},
	{"{{ first (query \"none\") }}", AT115("first (query \"none\")") "error calling first: first() called on vector with no elements"},
	{"{{ query \"scalar\" | first | value | humanize }} {{ (index (query \"scalar\") 0).Value }}", "OK 42 42"},
	{"{{ query \"1 +\" }}", AT115("query \"1 +\"") "error calling query: 1:4: parse error: unexpected end of input"},
	{"{{ query \"string\" }}", AT115("query \"string\"") "error calling query: rule result is not a vector or scalar"},
	{"{{ index (query \"many\") 4 }}", AT115("index (query \"many\") 4") "error calling index: index out of range: 4"},
	{"{{ range query \"many\" }}{{ .Nope }}{{ end }}",
	 "EXEC template: __alert_A:1:139: executing \"__alert_A\" at <.Nope>: can't evaluate field Nope in type *template.sample"},
	{"{{ $value }} {{ $value | humanize }} {{ printf \"%g\" $value }}", "OK 1e+06 1M 1e+06"},
	{"{{ .Nope }}", "EXEC template: __alert_A:1:115: executing \"__alert_A\" at <.Nope>: " TOO_LATE},
};

/* clang-format on */

/* The queries that the tests know. */
static int fake_query(void *arg, struct sv expr, int64_t t, struct promql_value *out, char **error)
{
	assert_int_equal(t, 61500);
	(*(int *)arg)++;
	if (sv_eqs(expr, "1 +")) {
		*error = xstrdup("1:4: parse error: unexpected end of input");
		return -22;
	}
	struct promql_expr *e;
	struct sv text = sv_eqs(expr, "many") ? SV("label_replace(label_replace(vector(2), '__name__', 'm', "
						   "'', ''), 'instance', 'z', '', '') or "
						   "label_replace(label_replace(vector(1), '__name__', 'm', "
						   "'', ''), 'instance', 'a', '', '')")
			 : sv_eqs(expr, "none")	  ? SV("vector(1) > 2")
			 : sv_eqs(expr, "scalar") ? SV("42")
						  : SV("'text'");
	if (promql_parse(text, &e, error) < 0)
		return -22;
	struct sample_source none = {0};
	int rc = promql_eval_instant(&(struct promql_options){0}, e, &none, t, out, error);
	promql_expr_free(e);
	return rc;
}

static void test_prometheus(void **state)
{
	_cleanup_labels_ struct labels *ls = labels_from("a", "b", NULL),
				       *ext = labels_from("region", "eu", NULL);
	int calls = 0;
	struct template_env env = {.labels = ls,
				   .external_labels = ext,
				   .external_url = "http://h/p",
				   .value = 1000000,
				   .now_ms = 61500,
				   .query = fake_query,
				   .query_arg = &calls};
	for (size_t i = 0; i < ARRAY_SIZE(prom_cases); i++)
		expect(prom_cases[i].text, &env, prom_cases[i].want);
	assert_int_equal(calls, 14);
}

/* A template that would run or grow for ever ends with an error. */
static void test_bounds(void **state)
{
	_cleanup_labels_ struct labels *ls = labels_from("a", "b", NULL);
	struct template_env env = {.labels = ls};
	static const struct {
		const char *text, *error;
	} t[] = {
	    {"{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}",
	     "exceeded maximum template depth (1000)"},
	    {"{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}", "exceeded maximum of 2000000 steps"},
	    {"{{ range 2000 }}{{ printf \"%1000d\" 1 }}{{ end }}",
	     "exceeded maximum output of 1048576 bytes"},
	    {"{{ $x := \"ab\" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}",
	     "error calling print: exceeded maximum output of 1048576 bytes"},
	    {"{{ $x := \"ab\" }}{{ range 19 }}{{ $x = print $x $x }}{{ end }}{{ range 1000 }}{{ $y := print "
	     "$x }}{{ end }}",
	     "exceeded maximum memory of 67108864 bytes"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *got = run(sv_of(t[i].text), &env);
		if (!strstr(got, t[i].error) || strncmp(got, "EXEC", 4))
			fail_msg("%s: %.300s", t[i].text, got);
	}
	struct buf deep = BUF_INIT;
	buf_adds(&deep, "{{ ");
	for (int i = 0; i < 100000; i++)
		buf_addc(&deep, '(');
	_cleanup_free_ char *got = run(sv_make(deep.p, deep.n), &env);
	assert_string_equal(got, "PARSE template: __alert_A:1: exceeded maximum nesting depth (200)");
	buf_reset(&deep);
	for (int i = 0; i < 100000; i++)
		buf_adds(&deep, "{{if 1}}");
	_cleanup_free_ char *ifs = run(sv_make(deep.p, deep.n), &env);
	assert_string_equal(ifs, "PARSE template: __alert_A:1: exceeded maximum nesting depth (200)");
	buf_free(&deep);
}

/* Every prefix of every case, flush against a page that cannot be read: nothing reads past the end, nothing
 * crashes. */
static void test_prefixes(void **state)
{
	_cleanup_labels_ struct labels *ls = labels_from("a", "b", NULL);
	int calls = 0;
	struct template_env env = {
	    .labels = ls, .value = 1, .now_ms = 61500, .query = fake_query, .query_arg = &calls};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED && mprotect(p + page, page, PROT_NONE) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(go_cases) + ARRAY_SIZE(prom_cases); i++) {
		const char *text =
		    i < ARRAY_SIZE(go_cases) ? go_cases[i].text : prom_cases[i - ARRAY_SIZE(go_cases)].text;
		for (size_t n = 0; n <= strlen(text); n++) {
			memcpy(p + page - n, text, n);
			free(run(sv_make(p + page - n, n), &env));
		}
	}
	munmap(p, 2 * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_go), cmocka_unit_test(test_prometheus),
					   cmocka_unit_test(test_bounds), cmocka_unit_test(test_prefixes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
