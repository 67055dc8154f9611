# SPDX-License-Identifier: GPL-2.0-or-later
"""Random templates of Go's text/template with Prometheus' functions: Wild ones, most of which do not parse, Valid ones, which mostly run, and
Times, layouts of times. Nothing in them depends on the order of series, which is nobody's promise."""
import random

STR = ['"a"', '""', '"a b"', '`raw`', '"1.5"', '"123456"', '"x:9090"', '"[::1]:80"', '"a.b.example.com"', '"10.0.0.1:90"',
    '"(.*)b"', '"^a"', '"$1-x"', '"${1}y"', '"5m"', '"1h30m"', '"-1d"', '"<a&b>\\"\'"', '"ünï"', '"\\u00e9\\t"', '"%v"', '"%5.2f|"',
    '"NaN"', '"+Inf"', '"-3"', '"0x1F"', '"1e3"', '"1_000"', '"instance"', '"up"', '"m"', '"m{a=\\"1\\"}"', '"sum(m)"', '"nope"',
    '"m + 1"', '"vector(1)"', '"scalar(m)"', '"m["', '"1"', '"sort_desc(m)"', '"__value__"', '"__name__"', '"a/b c?d=e&f"', '"\\xff"',
    '"hello wORLD foo_bar x-y"', '"http://x.y/z"', '"javascript:alert(1)"', '"\x01"', '"tab\\tnl\\n"', '"\\""']
INT = ['0', '1', '2', '-1', '10', '1000', '123456789', '0x10', '0b11', '0o17', '017', '1_000', '-0', '+3', '9223372036854775807', '9223372036854775808',
    '18446744073709551615', '18446744073709551616']
FLOAT = ['1.5', '0.0', '-2.5', '1e3', '1e100', '.5', '5.', '1e-7', '0x1p-2', '1000000.0', '123456.789', '1e21', '1e20', '0.1', '1i', '1+2i', '-0.0', '1.0', '3.0', '1e400', '59.99', '0.00012', '86400.5', '-90.0', '1600000000.123']
CHAR = ["'a'", "'\\n'", "'é'", "'\\u1234'", "'ab'", "''", "'\\''", "'\\x41'"]
OTHER = ['true', 'false', 'nil', '.', '$', '$value', '$labels', '$externalLabels', '$externalURL', '.Labels', '.Value', '.ExternalLabels', '.ExternalURL',
    '$labels.a', '$labels.b', '$labels.nope', '.Labels.a', '$externalLabels.region', '.Nope', '$labels.a.b', '$x', '$y', '$i', '$.Value', '$.Labels.b', '.a', '.Labels.__name__', '$value.Foo', '$labels.instance']
VERBS = list('vdsqxXotTeEfFgGbcU') + ['%', 'z', '!']
FUNCS = ['and', 'or', 'not', 'len', 'index', 'slice', 'print', 'printf', 'println', 'html', 'js', 'urlquery', 'call', 'eq', 'ne', 'lt', 'le', 'gt', 'ge',
    'query', 'first', 'value', 'label', 'strvalue', 'sortByLabel', 'args', 'reReplaceAll', 'match', 'title', 'toUpper', 'toLower', 'graphLink', 'tableLink',
    'stripPort', 'stripDomain', 'humanize', 'humanize1024', 'humanizeDuration', 'humanizePercentage', 'humanizeTimestamp', 'toTime', 'parseDuration',
    'externalURL', 'pathPrefix', 'safeHtml', 'tmpl', 'nofunc']
ARITY = dict(and_=2, len=1, index=2, slice=2, html=1, js=1, urlquery=1, eq=2, ne=2, lt=2, le=2, gt=2, ge=2, query=1, first=1, value=1, label=2, strvalue=1, sortByLabel=2,
    args=2, reReplaceAll=3, match=2, title=1, toUpper=1, toLower=1, graphLink=1, tableLink=1, stripPort=1, stripDomain=1, humanize=1, humanize1024=1,
    humanizeDuration=1, humanizePercentage=1, humanizeTimestamp=1, toTime=1, parseDuration=1, externalURL=0, pathPrefix=0, safeHtml=1, tmpl=2, print=2, println=2, printf=2, call=1)
ARITY['and'] = ARITY['or'] = 2; ARITY['not'] = 1

class Wild:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.depth = 0
    def c(self, l): return self.r.choice(l)
    def p(self, x): return self.r.random() < x
    def sp(self): return self.c([' ']*12 + ['  ', '\n', '\t', '', ' /*c*/ '] if self.p(.15) else [' '])
    def fmt(self):
        out = ''
        for _ in range(self.r.randint(0, 3)):
            out += self.c(['', 'x', ' ', 'é', '%%'])
            out += '%' + ''.join(self.c(['', '', '', '+', '-', '#', '0', ' ']) for _ in range(2)) + self.c(['', '', '5', '12', '*', '[1]', '[2]', '[9]', '3']) \
                + self.c(['', '', '.2', '.0', '.', '.*', '.10', '.[1]*']) + self.c(VERBS)
        return '"' + out.replace('\\', '\\\\').replace('"', '\\"') + '"'
    def const(self):
        k = self.r.random()
        if k < .4: return self.c(STR)
        if k < .6: return self.c(INT)
        if k < .8: return self.c(FLOAT)
        if k < .83: return self.c(CHAR)
        return self.c(OTHER)
    def typed(self, f, i):
        """A plausible argument."""
        if self.p(.12): return self.arg()
        if f in ('query', 'graphLink', 'tableLink'): return self.c(['"sort(m)"', '"m{a=\\"1\\"}"', '"sum(m)"', '"m + 1"', '"vector(1)"', '"sort_desc(m)"', '"nope"', '"scalar(m)"', '`m{b=~".*"}`', '"m * 1000"', '"time()"', '"m["', '"\\"s\\""', '"m[5m]"'])
        if f in ('first',): return self.c(['(query "sort(m)")', '(query "nope")', '(query "sort(m)")', '$q', '(query "sort_desc(m)" | sortByLabel "a")'])
        if f in ('value', 'strvalue'): return self.c(['(query "sum(m) by (a,b) == 1234.5" | first)', '(query "sum(m)" | first)', '(first (query "sort(m)"))', '.', '(query `label_replace(m == 1234.5, "__value__", "zz", "", "")` | first)'])
        if f == 'label': return self.c(['"a"', '"b"', '"nope"']) if i == 0 else '(query "sum(m) by (a,b) == 1234.5" | first)'
        if f == 'sortByLabel': return self.c(['"a"', '"b"', '"nope"']) if i == 0 else '(query "sort(m)")'
        if f in ('reReplaceAll', 'match'): return self.c(['"a"', '"(.*):.*"', '"$1"', '"${1}"', '"b+"', '$labels.a', '$labels.b', '"[a-z]"', '""', '"x*"', '"(?P<n>.)"', '"$n"', '"${n}_"', '"("', '"\\\\d+"', '"^.."', '"abc:123 é"', '"$0$0"', '"$$"', '"(?i)A"', '"\\\\bfoo"', '"$1x"'])
        if f.startswith('humanize') or f in ('toTime',): return self.c(FLOAT + INT + ['$value', '"1.5"', '"x"', '.Value', '"NaN"', '"+Inf"', '"1e10"', '(query "m{a=\\"1\\"}" | first | value)', '1234567', '"-90"', '0.001', '1e-9', '999.95', '1023.9', '1e27', '1e30', '1e-25', '3600', '86399.9', '59.999', '0.9999', '60', '3661.5'])
        if f == 'parseDuration': return self.c(['"5m"', '"1h30m"', '"1d"', '"x"', '""', '"0"', '"1y2w"', '"5ms"', '"60"', '"-5m"', '"1.5h"'])
        if f in ('len', 'index', 'slice') and i == 0: return self.c(['$labels', '"abcdef"', '(query "sort(m)")', '.Labels', '(args 1 2)', '$labels.b', '""', 'nil', '1', '`é1`', '(query "sum(m) by (a,b) == 1234.5" | first).Labels', '$externalLabels'])
        if f in ('index', 'slice'): return self.c(['0', '1', '2', '3', '-1', '"a"', '"arg0"', '"b"', '99', 'nil', '1.0', "'a'", '"nope"', '4', '$i', '(len $labels)'])
        if f == 'printf' and i == 0: return self.fmt()
        if f in ('eq', 'ne', 'lt', 'le', 'gt', 'ge'): return self.c(['$value', '1', '1.0', '"a"', '2', '3.0', '$labels.a', '"1"', 'true', 'false', 'nil', '(len $labels)', '.Value', "'a'", '-1', '$labels', '(query "sort(m)")', '1.5', '.Labels.b', '(query "sum(m) by (a,b) == 1234.5" | first)'])
        return self.arg()
    def arg(self):
        self.depth += 1
        try:
            if self.depth < 4 and self.p(.3):
                s = '(' + self.c(['', '', ' ']) + self.pipe() + self.c(['', '', ' ']) + ')'
                if self.p(.2): s += self.c(['.Labels', '.Value', '.a', '.Labels.a', '.Nope', '.b', '.String', '.Unix', '.Year', '.Format "2006"', '.Seconds', '.UTC', '.Minutes', '.Labels.b'])
                return s
            return self.const()
        finally:
            self.depth -= 1
    def call(self, final=False):
        f = self.c(FUNCS)
        n = ARITY.get(f, 1) - (1 if final else 0)
        if self.p(.07): n += self.r.randint(-1, 2)
        if f in ('and', 'or', 'print', 'printf', 'println', 'eq', 'index', 'args', 'html', 'js', 'urlquery') and self.p(.4): n += self.r.randint(0, 2)
        return ' '.join([f] + [self.typed(f, i) for i in range(max(n, 0))])
    def cmd(self, final=False):
        if final:
            return self.call(True) if self.p(.95) else self.const()
        k = self.r.random()
        if k < .6: return self.call()
        if k < .95: return self.arg()
        return self.const() + ' ' + self.const()
    def pipe(self):
        self.depth += 1
        s = self.cmd()
        while self.p(.3) and self.depth < 6:
            s += self.c([' | ', ' | ', '|']) + self.cmd(True)
        self.depth -= 1
        return s
    def lr(self):
        return self.c(['{{'] * 6 + ['{{ ', '{{- ', '{{-', '{{-\n']), self.c(['}}'] * 6 + [' }}', ' -}}', '-}}', '\n-}}'])
    def act(self, s):
        l, r = self.lr()
        if l.endswith('-') and not (s[:1].isspace()) and self.p(.9): l += ' '
        if r.startswith('-') and not (s[-1:].isspace()) and self.p(.9): r = ' ' + r
        return l + s + r
    def decl(self):
        return self.c(['$x := ', '$y := ', '$q := ', '$x = ', '$i := ', '$x, $y := ', '$value := ', '$x:=', '$nope = ', '$labels = '])
    def text(self):
        return self.c(['', '', 'x', ' ', '\n', 'text ', ' a b ', '{', '}', '}}', '"', "'", '\\', 'é', '{ {', '\t', '$x', '%v', '-'])
    def item(self):
        self.depth += 1
        try:
            k = self.r.random()
            if k < .5 or self.depth > 3: return self.act(self.pipe())
            if k < .6: return self.act(self.decl() + self.pipe())
            if k < .7:
                s = self.act('if ' + (self.decl() if self.p(.15) else '') + self.pipe()) + self.body()
                while self.p(.25): s += self.act('else if ' + self.pipe()) + self.body()
                if self.p(.4): s += self.act('else') + self.body()
                return s + self.act('end')
            if k < .82:
                e = self.c(['query "sort_desc(m)"', 'query "sort(m)"', '$labels', 'args 1 2 3', '(query "nope")', 'nil', '.Labels', '"abc"', '$externalLabels', 'query "sort(m)" | sortByLabel "a"', self.pipe()])
                d = self.c(['', '', '$i, $e := ', '$e := ', '$i := ', '$x, $y = ', '$i, $e, $z := ', '$i,$e:='])
                s = self.act('range ' + d + e) + self.body(loop=True)
                if self.p(.3): s += self.act('else') + self.body()
                return s + self.act('end')
            if k < .9:
                s = self.act('with ' + (self.c(['$x := ', '$y := ']) if self.p(.3) else '') + self.pipe()) + self.body()
                if self.p(.3): s += self.act('else') + self.body()
                return s + self.act('end')
            if k < .93: return self.act('define ' + self.c(['"t"', '"u"', '"a"', '`t`', 't', ''])) + self.body() + self.act('end')
            if k < .96: return self.act('template ' + self.c(['"t"', '"u"', '"nope"', '`t`', 't', '']) + self.c(['', ' .', ' ' + self.pipe()]))
            if k < .98: return self.act('block ' + self.c(['"t"', '"u"', '']) + self.c(['', ' .', ' ' + self.pipe()])) + self.body() + self.act('end')
            return self.c(['{{/* c */}}', '{{- /* c */ -}}', '{{/* a */ }}', '{{ /* a */}}', '{{/*', '{{end}}', '{{else}}', '{{break}}', '{{continue}}', '{{}}', '{{', '{{.', '{{"', '{{`', "{{'", '{{(', '{{|}}', '{{.}}', '{{$}}', '{{ - }}', '{{3-}}', '{{-3}}', '{{- 3 -}}', '{{#}}', '{{.a.}}', '{{..}}', '{{$x := }}', '{{else if}}', '{{1 | 2}}'])
        finally:
            self.depth -= 1
    def body(self, loop=False):
        s = ''
        for _ in range(self.r.randint(0, 2)):
            s += self.text()
            if loop and self.p(.5): s += self.c(['{{.}}', '{{.Value}}', '{{.Labels.a}}', '{{$i}}={{$e}},', '{{$i}}', '{{break}}', '{{continue}}', '{{if .}}{{break}}{{end}}', '{{$e}}', '{{. | value | humanize}}', '{{. | label "a"}}', '{{.Labels}}'])
            elif self.p(.7): s += self.item()
        return s + self.text()
    def mutate(self, s):
        toks = ['{{', '}}', '(', ')', '|', ' ', '"', '`', '.', '$', '-', 'end', 'else', ',', ':=', '=', '\\', "'", '/*', '*/', 'é', '\n', '1', 'a', '%', '#', '@', '{{end}}', '{{- ', ' -}}', 'nil', '.x']
        s = list(s)
        for _ in range(self.r.randint(1, 2)):
            i = self.r.randint(0, len(s))
            k = self.r.random()
            if k < .4 and s: 
                j = min(len(s), i + self.r.randint(1, 4)); del s[i:j]
            elif k < .8: s[i:i] = list(self.c(toks))
            elif s:
                j = self.r.randint(0, len(s)); a, b = sorted((i, j)); s[i:i] = s[a:b][:12]
        return ''.join(s)
    def template(self):
        s = ''
        for _ in range(self.r.randint(1, 3)): s += self.text() + self.item()
        s += self.text()
        if self.p(.15): s = self.mutate(s)
        return s

class Valid(Wild):
    """Mostly valid: functions with arguments of their kind, printf with matching values."""
    def num(self): return self.c(FLOAT[:8] + ['$value', '.Value', '1.5', '123456.789', '-0.25', '1e21', '0.1', '(query "m{a=\\"1\\"}" | first | value)', '(toTime 1600000000.123).Unix', '12', '255', '-7', '0x10', '(len $labels)', "'a'", '1+2i', '0.00001', '1e6', '1e-7', '123456789.0', '-1e100', '(index $labels.b 1)', 'true', '"str"', '"é€\\n"', '$labels', '$labels.b', '(query "nope")', 'nil', '(args 1 "b" 2.5)', '(safeHtml "<b>")', '(query "m{a=\\"1\\"}" | first)', '(toTime 1e9)', '.', '(args $value (args 1))', '$externalLabels', '9223372036854775807', '(humanizeDuration 3661)', '(index (args nil) "arg0")', '(index (query "m{a=\\"1\\"}") 0).Labels.a', '(slice $labels.b 1 3)', '(parseDuration "1m")', '(match "x" $labels.b)', '(eq 1 1)'])
    def typed(self, f, i):
        if self.p(.03): return self.arg()
        if f == 'printf' and i > 0: return self.num()
        if f in ('print', 'println', 'html', 'js', 'urlquery', 'args', 'and', 'or', 'not', 'len', 'eq', 'ne') and self.p(.8): return self.num()
        if f in ('title', 'toUpper', 'toLower', 'stripPort', 'stripDomain', 'safeHtml', 'graphLink', 'tableLink'): return self.c(STR + ['$labels.a', '$labels.b', '$labels.instance', '$externalURL', '(print $value)', '(humanize 1e5)', '"ǆ ß ŉ i̇ straße ÉCOLE éa-b_c.d9e İ"', '"a:b:c"', '"[::1]"', '"::1"', '"[::1"', '"x.y:z"', '"1.2.3.4"', '"1.2.3"', '"a.b:1:2"', '":80"', '"[fe80::1%eth0]:80"', '"ex.am.ple.:80"'])
        return Wild.typed(self, f, i)
    def cmd(self, final=False):
        return self.call(final)
    def template(self):
        out = ''
        k = self.r.random()
        if k < .3:
            n = self.r.randint(1, 3)
            fmt = ''.join(self.c(['', 'a', '|']) + '%' + ''.join(self.c(['', '', '', '+', '-', '#', '0', ' ']) for _ in range(2)) + self.c(['', '', '', '5', '12', '*', '[1]', '[2]']) + self.c(['', '', '', '.2', '.0', '.', '.*', '.10', '.20', '.[1]*']) + self.c(VERBS + list('vvdgfsqxXeEGbo')) for _ in range(n))
            return '{{printf "%s" %s}}' % (fmt, ' '.join(self.num() for _ in range(n + self.r.randint(-1, 1) * (self.r.random() < .2))))
        if k < .7: return '{{' + self.call() + self.c(['', '', ' | print', ' | html', ' | printf "%q"', ' | printf "%T %v"', ' | len', ' | humanize', ' | js', ' | toUpper', ' | title']) + '}}'
        return '{{range $i, $e := ' + self.c(["query `sort(m == 1234.5)`", "$labels", "args 1 `b` nil", "query `sort(m)` | sortByLabel `a`", '.Labels', '(args $value (args 1 2))']) + '}}' + self.c(['{{$i}}={{$e}};', '{{.}} ', '{{$e.Labels.a}}', '{{. | value | humanize}}', '{{$e | len}}', '{{if $i}}{{break}}{{end}}x', '{{if eq $i 1}}{{continue}}{{end}}{{$i}}', '{{with $e}}{{.}}{{end}}', '{{$e.Value}}', '{{template "t" .}}', '{{template "t" args $i .}}', '{{$x := $i}}{{$x}}', '{{%s}}' % self.call()]) + self.c(['', '{{else}}none']) + '{{end}}' + '{{define "t"}}' + self.c(['[{{.}}]', '{{.arg0}}-{{.arg1}}', '{{range .}}{{.}}{{end}}', '{{$.}}', '{{if .}}{{.}}{{end}}']) + '{{end}}'


class Times:
    """Formats of times, and what a time tells of itself."""
    PARTS = ['January', 'Jan', 'Monday', 'Mon', 'MST', '2006', '-07:00', '-0700', '-07', 'Z07:00', 'Z0700', '002', '01', '02', '03', '04', '05', '06',
        '15', 'PM', 'pm', '_2', '__2', '1', '2', '3', '4', '5', '.000', '.999', '.0', ',00', 'Z07', 'Z07:00:00', '-07:00:00', '-070000', 'Janus', 'Mondays',
        'Month', ' ', '-', ':', '/', 'T', 'x', 'é', '.', '00', '0', '_2006', '_20', '7', 'Z', 'P', 'p', 'J', 'M', '.9', '05.000', '05,999', '.0001', 'AM']

    def __init__(self, seed):
        self.r = random.Random(seed)

    def template(self):
        layout = ''.join(self.r.choice(self.PARTS) for _ in range(self.r.randint(1, 6)))
        at = self.r.choice(['1600000000.123', '0', '-1.5', '1e9', '1735689599.999', '951782400', '4102444800', '-86400.001', '1136214245'])
        what = self.r.choice(['Unix', 'UnixMilli', 'Year', 'Month', 'Day', 'Hour', 'Weekday', 'YearDay', 'String', 'Nanosecond', 'IsZero', 'UTC', 'UnixMicro'])
        return '{{(toTime %s).Format "%s"}}|{{(toTime %s).%s}}' % (at, layout, at, what)
