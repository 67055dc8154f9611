# SPDX-License-Identifier: GPL-2.0-or-later
"""A rule file and a unit test of it, and what can go wrong with their lines."""
import random

SCALARS = ['x', '""', "''", '1', '0', '-1', '1.5', '1e3', 'true', 'no', 'null', '~', '', '5m', '1h30m', '60', '-5m', '1.5h', '0s', '"5m"', '[]', '{}', '[a]', '{a: b}', '[[x]]',
    '"{{ $value }}"', "'{{'", '"{{ $labels.a }}"', 'up', 'up == 0', 'sum(', '"a b"', '"é"', '"\\xff"', '|\n  a\n  b', '>-\n  a\n  b', '*a', '&a x', '!!str 1', '!!int "1"', '!!float 1', '!!bool "yes"', '!!null x', '!!binary YQ==', '!foo bar', '0x1F', '0o17', '017', '0b11', '1_000', '.inf', '-.inf', '.nan', '2026-01-01', '2026-01-01T00:00:00Z', '12:30', '<<', '=', '"a\\nb"', '1000y', '9223372036854775807', '9223372036854775808', 'on', 'Off', 'Yes', 'NULL', '"x" y', '- a', '? a', 'a: b: c', '%x', '@x', '`x`', '[a, b', '{a: b', '"unclosed', "'unclosed", '\t x', '#c', 'x #c', 'a:b', '__name__', 'a-b', '1a', '{__name__: x}', '1m1m', '1s1m', 'm', '1 m', '5M', '+5m', '0x10', '1e400', '-0', '+1', '0.0', '1.', '.5', '"0"', '99999999999999999999']
RULES = '''groups:
  - name: g
    interval: 30s
    limit: 5
    rules:
      - record: a:b
        expr: sum(up) by (job)
        labels:
          a: b
      - alert: A
        expr: up == 0
        for: 5m
        keep_firing_for: 1m
        labels: {severity: page, l: "{{ $labels.job }}"}
        annotations:
          summary: "{{ $labels.instance }} down"
          d: 'x'
  - name: h
    rules:
      - {alert: B, expr: vector(1)}
      - record: c
        expr: |
          a:b
          + 1
'''
UNIT = '''rule_files:
  - r.yml
evaluation_interval: 1m
group_eval_order: [g, h]
tests:
  - interval: 1m
    name: n
    external_labels: {region: eu}
    external_url: http://x/
    input_series:
      - series: 'up{job="a",instance="i"}'
        values: '0 1+1x3 _ stale 5x2'
      - {series: 'm{a="1"}', values: '1-1x4 _x2 NaN'}
    alert_rule_test:
      - eval_time: 3m
        alertname: B
        exp_alerts:
          - exp_labels: {a: b}
            exp_annotations: {x: "y"}
      - eval_time: 1m
        alertname: A
        exp_alerts: []
    promql_expr_test:
      - expr: up
        eval_time: 2m
        exp_samples:
          - labels: 'up{job="a",instance="i"}'
            value: 2
      - expr: sum(m)
        eval_time: 90s
        exp_samples:
          - labels: '{}'
            value: 1
'''

class Mutations:
    def __init__(self, seed, base):
        self.r = random.Random(seed); self.base = base
        self.keys = ['groups', 'name', 'interval', 'limit', 'labels', 'rules', 'record', 'alert', 'expr', 'for', 'keep_firing_for', 'annotations', 'query_offset', 'nope', 'Name', '"name"', '<<', '1', 'null', 'evaluation_interval', 'tests', 'values', 'series', 'eval_time', 'alertname', 'exp_alerts', 'exp_labels', 'exp_annotations', 'exp_samples', 'value', 'input_series', 'rule_files', 'group_eval_order', 'external_labels', 'true', 'x', '? y', '[a]', '{a: b}', '__name__', '""', 'a b', 'promql_expr_test', 'alert_rule_test']
    def c(self, l): return self.r.choice(l)
    def one(self, lines):
        i = self.r.randrange(len(lines)); k = self.r.random(); l = lines[i]
        ind = l[:len(l) - len(l.lstrip(' '))]
        if k < .14: del lines[i]
        elif k < .24: lines.insert(i, l)
        elif k < .50 and ':' in l:
            head, sep, _ = l.partition(':')
            if head.count("'") % 2 == 0 and '{' not in head: lines[i] = head + ': ' + self.c(SCALARS)
        elif k < .58 and ':' in l: 
            dash = '- ' if l.lstrip().startswith('- ') else ''
            lines[i] = ind + dash + self.c(self.keys) + ':' + l.partition(':')[2]
        elif k < .64: lines[i] = (ind + ' ' * self.r.randint(1, 3) if self.r.random() < .5 else ind[:max(0, len(ind) - self.r.randint(1, 3))]) + l.lstrip()
        elif k < .70: lines.insert(i, ind + self.c(self.keys) + ': ' + self.c(SCALARS))
        elif k < .74: lines.insert(i, ind + '- ' + self.c(SCALARS))
        elif k < .78:
            j = self.r.randrange(len(lines)); lines[i], lines[j] = lines[j], lines[i]
        elif k < .86:
            s = list(l); j = self.r.randint(0, len(s))
            if self.r.random() < .5 and s: del s[max(0, j - 1):j + self.r.randint(0, 2)]
            else: s[j:j] = list(self.c(['"', "'", '{', '}', '[', ']', ':', ': ', ',', '- ', '&a ', '*a', '!', '|', '>', '#', ' #', '%', '@', '`', '?', '? ', '\t', '{{', '}}', '\\', '$', '=', '\x01', '\x7f', 'é', '\u2028', '\ufeff', '---', '...', '<<: *a', '\r', '&', '*']))
            lines[i] = ''.join(s)
        elif k < .90: lines[i:i] = self.c([['---'], ['...'], ['--- x'], ['# c'], [''], ['%YAML 1.1', '---'], ['%TAG ! x'], ['\t'], ['&a a: b'], ['<<: {a: b}'], ['<<: [a]'], ['<<: x'], ['? a', ': b'], ['- - a']])
        elif k < .94 and i + 1 < len(lines):
            j = min(len(lines), i + self.r.randint(2, 5)); lines[i:i] = lines[i:j]
        elif k < .97:
            j = min(len(lines), i + self.r.randint(2, 6)); del lines[i:j]
        else: del lines[i + 1:]
    def text(self):
        lines = self.base.split('\n')
        for _ in range(self.c([1, 1, 1, 1, 2, 2, 3])): 
            if lines: self.one(lines)
        return '\n'.join(lines)
