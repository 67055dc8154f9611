# SPDX-License-Identifier: GPL-2.0-or-later
"""Random expressions, mostly valid, many too long for a line."""
import random


class Expressions:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def c(self, *v):
        return self.r.choice(v)

    def labels(self):
        return "(" + ",".join(self.r.sample(["a", "b", "instance", "job", "a_long_label_name"], self.r.randint(0, 3))) + ")"

    def selector(self):
        s = self.c("foo", "up", "http_requests_total", "a_rather_long_metric_name_seconds_bucket", "x:y:z")
        pairs = [self.c("job", "instance", "a", "le") + self.c("=", "!=", "=~", "!~") + self.c('"x"', '"prod"', '"a.*b"', '"some longer value"')
                 for _ in range(self.r.randint(0, 3))]
        return s + ("{" + ",".join(pairs) + "}" if pairs else "")

    def offset(self):
        return self.c("", "", "", " offset 5m", " @ 100", " offset -1m", " @ start()")

    def binary(self, d):
        op = self.c("+", "-", "*", "/", "%", "^", "and", "or", "unless", "==", "> bool", "<", "!= bool", "atan2")
        match = self.c("", "", " on " + self.labels(), " ignoring " + self.labels())
        return f"{self.vector(d)} {op}{match} {self.vector(d)}"

    def grouped(self, d):
        return f"{self.vector(d)} {self.c('+', '*', '==')} on (a) {self.c('group_left', 'group_right')} {self.c('', '(b)', '()')} {self.vector(d)}"

    def aggregation(self, d):
        by = self.c("", " by " + self.labels(), " without " + self.labels())
        if self.c(True, True, False):
            return f"{self.c('sum', 'max', 'avg', 'count', 'stddev', 'group')}{by}({self.vector(d)})"
        return f"{self.c('topk', 'bottomk', 'quantile')}{by}({self.c('5', '0.9', 'scalar(foo)')}, {self.vector(d)})"

    def over_range(self, d):
        what = self.c(f"{self.selector()}[5m]{self.offset()}", f"({self.vector(d)})[1h:5m]{self.offset()}", f"{self.selector()}[10m:]")
        return f"{self.c('rate', 'increase', 'irate', 'delta', 'sum_over_time', 'last_over_time')}({what})"

    def other(self, d):
        return self.c(f"({self.vector(d)})", f"-({self.vector(d)})", f"+{self.selector()}",
                      f'label_replace({self.vector(d)}, "dst", "$1-{"x" * self.r.randint(0, 30)}", "src", "(.*)")',
                      f"histogram_quantile(0.9, {self.vector(d)})",
                      f"{self.vector(d)} {self.c('+', '>', '*', '% on ()')} {self.c('1', '1e3', '0x10', 'time()', '-1.5', 'Inf')}")

    def vector(self, depth):
        if depth <= 0:
            return self.selector() + self.offset()
        return self.c(self.binary, self.grouped, self.aggregation, self.aggregation, self.over_range, self.other)(depth - 1)
