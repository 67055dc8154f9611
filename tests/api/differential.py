#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: differential.py APISERVE [N [SEED]] -- N random expressions, each as an instant and as a range query, by our engine and by
Debian's prometheus over the same random series (floats with NaN, infinities, stale markers and gaps, counters with resets, classic and
native histograms); values, labels and errors must be the same. The series go to prometheus by remote write, which can carry stale
markers and native histograms. Where 2.42 differs from 3.x on purpose the generator does not go: times never meet the closed edge of a
window, functions that jump get exact operands only."""
import json
import math
import os
import random
import struct
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import OPENER, Peers, free_port, missing, request  # noqa: E402

T0, STEP, STEPS = 1700000000, 15, 80
STALE = 0x7FF0000000000002
NAN = 0x7FF8000000000001


# --- series ---

def labels_text(name, labels):
    return name + "{" + ",".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}"


def value_text(v):
    if v is None:
        return "_"
    if isinstance(v, str):
        return v
    if isinstance(v, dict):
        return "{{schema:%d sum:%r count:%d z_bucket:%d z_bucket_w:%r buckets:[%s] offset:%d}}" % (
            v["schema"], v["sum"], v["count"], v["zero"], v["width"], " ".join(map(str, v["buckets"])), v["offset"])
    return {math.inf: "Inf", -math.inf: "-Inf"}.get(v, "NaN" if v != v else repr(v))


def random_series(r):
    """(name, labels, values) of all series. g: gauges with everything odd; w: finite ones in quarters; u: no two values are equal;
    c_total: counters; h_bucket: classic, n: native histograms; i: to join with."""
    out = []
    for a in "xyz":
        for b in "12":
            for name in ("g", "w", "u", "v"):
                if name == "v" and a == "z" or name == "g" and a + b == "y2":
                    continue
                values, x = [], r.randrange(-400, 400) / 4
                for i in range(STEPS):
                    x = r.randrange(-400, 400) / 4 if name != "w" or r.random() < 0.1 else x + r.randrange(-8, 9) / 4
                    v = x
                    if name == "u":
                        v = r.uniform(-100, 100)
                    elif name == "g":
                        k = r.random()
                        v = math.nan if k < 0.04 else math.inf if k < 0.06 else -math.inf if k < 0.07 else 0.0 if k < 0.1 else v
                        v = None if 0.1 < k < 0.2 else "stale" if 0.2 < k < 0.23 else v
                        if a + b == "z1" and 30 < i < 60:
                            v = None
                    values.append(v)
                out.append((name, {"a": a, "b": b, "job": "j" + b}, values))
            values, x, resets = [], 1e6 + r.randrange(1000), r.sample(range(10, STEPS), 2 if b == "2" else 0)
            for i in range(STEPS):
                x = 1e6 + r.randrange(500) if i in resets else x + r.choice([0, 1, 2, 5, 20])
                values.append(None if a == "z" and r.random() < 0.15 else x)
            out.append(("c_total", {"a": a, "b": b, "job": "j" + b}, values))
    for b in "12":
        # Far from zero, as the counters: how far back 2.42 extends a rate to where it began is another rule.
        total = {le: 10000 * (k + 1) for k, le in enumerate(("0.1", "0.5", "1.0", "5", "+Inf"))}
        rows = {le: [] for le in total}
        for i in range(STEPS):
            more = 0
            for le in total:
                more += r.randrange(4)
                total[le] += more
                rows[le].append(float(total[le]))
        for le in total:
            out.append(("h_bucket", {"b": b, "le": le}, rows[le]))
        out.append(("i", {"b": b, "job": "j" + b, "version": "v" + b}, [1.0] * STEPS))
        values, buckets, zero, total = [], [1, 2, 0, 3], 0, 0.0
        for i in range(STEPS):
            buckets = [n + r.randrange(3) for n in buckets]
            zero += r.randrange(2)
            total += r.randrange(40) / 4
            h = {"schema": 1, "sum": total, "count": sum(buckets) + zero, "zero": zero, "width": 0.001, "buckets": buckets, "offset": -1}
            values.append(None if r.random() < 0.1 else h)
        out.append(("n", {"b": b, "job": "j" + b}, values))
    return out


# --- remote write: the few messages it takes, and snappy without compressing ---

def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def zigzag(n):
    return varint(n << 1 ^ n >> 63)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number(number_, payload):
    return varint(number_ << 3) + payload


def double(number_, v):
    return varint(number_ << 3 | 1) + (struct.pack("<Q", v) if isinstance(v, int) else struct.pack("<d", v))


def histogram_message(h, t):
    deltas = [h["buckets"][0]] + [b - a for a, b in zip(h["buckets"], h["buckets"][1:])]
    span = field(11, number(1, zigzag(h["offset"])) + number(2, varint(len(h["buckets"]))))
    return (number(1, varint(h["count"])) + double(3, h["sum"]) + number(4, zigzag(h["schema"])) + double(5, h["width"]) +
            number(6, varint(h["zero"])) + span + field(12, b"".join(map(zigzag, deltas))) + number(15, varint(t)))


def write_request(series, i):
    out, t = b"", T0 * 1000 + 517 + i * STEP * 1000
    for name, labels, values in series:
        v = values[i]
        if v is None:
            continue
        body = b"".join(field(1, field(1, k.encode()) + field(2, x.encode())) for k, x in sorted({"__name__": name, **labels}.items()))
        if isinstance(v, dict):
            body += field(4, histogram_message(v, t))
        else:
            v = STALE if v == "stale" else NAN if v != v else v
            body += field(2, double(1, v) + number(2, varint(t)))
        out += field(1, body)
    return out


def snappy(data):
    out = varint(len(data))
    for i in range(0, len(data), 65536):
        part = data[i:i + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return out


class WrittenPeers(Peers):
    """Both over the same random series."""

    def __init__(self, tool, series):
        super().__init__(tool, None, None)
        self.series = series

    def start(self):
        path = f"{self.folder}/series"
        with open(path, "w") as f:
            for name, labels, values in self.series:
                f.write(labels_text(name, labels) + " " + " ".join(map(value_text, values)) + "\n")
        self.start_both(f"{self.folder}/data", ["file", path], "--web.enable-remote-write-receiver", "--enable-feature=native-histograms")
        for i in range(STEPS):
            r = urllib.request.Request(self.theirs + "/api/v1/write", data=snappy(write_request(self.series, i)), headers={
                "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"})
            OPENER.open(r, timeout=30).read()


# --- expressions ---

class Node:
    """Text of a vector expression. exact: both engines compute the same bits; finite: no NaN, no infinity; labels: those it may have."""

    def __init__(self, text, exact, finite, labels, plain=False, name=None):
        self.text, self.exact, self.finite, self.labels, self.plain, self.name = text, exact, finite, frozenset(labels), plain, name


class Generator:
    def __init__(self, r):
        self.r = r

    def pick(self, *options):
        return self.r.choice(options)

    def duration(self):
        return self.pick("31s", "1m", "2m", "3m7s", "5m", "7m", "45s")

    def modifiers(self):
        k = self.r.random()
        if k < 0.8:
            return ""
        at = f" @ {T0 + self.r.randrange(0, STEP * STEPS)}.003"
        off = f" offset {self.pick('-', '')}{self.pick('1m', '47s', '3m')}"
        return {0: at, 1: off, 2: off + at, 3: at + off, 4: " @ end()", 5: " @ start()"}[self.r.randrange(6)]

    def matchers(self):
        if self.r.random() < 0.5:
            return ""
        m = [self.pick('a="x"', 'a!="x"', 'a=~"x|y"', 'a!~"[xy]"', 'b="1"', 'b=~".+"', 'a=~".*"', 'job=~"j[0-9]"', 'nope=""', 'a="nope"')
             for _ in range(self.r.randrange(1, 3))]
        return "{" + ",".join(m) + "}"

    def name(self):
        return self.pick("g", "w", "w", "u", "v", "c_total")

    def selector(self):
        name = self.name()
        labels = ("a", "b", "job")
        return Node(name + self.matchers() + self.modifiers(), True, name != "g", labels, True, name)

    def matrix(self, depth, names=None):
        """Text, exact, finite, labels."""
        name = self.pick(*names) if names else self.name()
        if depth > 0 and self.r.random() < 0.2 and not names:
            v = self.vector(depth - 1)
            step = self.pick("10s", "30s", "1m", "")
            off = f" offset {self.r.randrange(1, 90)}s{self.r.randrange(1, 900)}ms"  # no window ends where one of another begins
            return f"({v.text})[{self.duration()}:{step}]{off}", v.exact, v.finite, v.labels
        duration = self.pick("2m", "3m7s", "5m", "10m") if name == "c_total" else self.duration()
        return f"{name}{self.matchers()}[{duration}]{self.modifiers()}", True, name != "g", ("a", "b", "job")

    def number(self):
        return self.pick("0", "1", "2", "-1", "0.5", "10", "100", "-3.25", "NaN", "Inf", "-Inf", "7")

    def scalar(self, depth):
        k = self.r.random()
        if depth <= 0 or k < 0.6:
            return self.number()
        if k < 0.7:
            return f"scalar({self.vector(depth - 1).text})"
        if k < 0.8:
            return f"({self.scalar(depth - 1)} {self.pick('+', '-', '*', '/', '%', '^')} {self.scalar(depth - 1)})"
        if k < 0.85:
            return f"({self.scalar(depth - 1)} {self.pick('==', '!=', '<', '>', '<=', '>=')} bool {self.scalar(depth - 1)})"
        if k < 0.9:
            return f"(time() - {T0})"
        if k < 0.95:
            return f"-{self.number().lstrip('-')}"
        return "pi()"

    def grouping(self):
        names = self.r.sample(["a", "b", "job", "nope"], self.r.randrange(0, 3))
        return self.pick("", f" {self.pick('by', 'without')} ({', '.join(names)})")

    def range_call(self, depth):
        k = self.pick("over", "over", "over", "rate", "rate", "linear", "quantile", "last", "smooth", "absent")
        if k == "rate":
            fn = self.pick("rate", "increase", "irate", "resets", "changes", "delta", "idelta")
            names = ("c_total",) if fn in ("rate", "increase", "irate") else None
            m, exact, finite, labels = self.matrix(depth, names)
            return Node(f"{fn}({m})", exact and fn in ("resets", "changes", "idelta"), finite, labels)
        if k == "linear":
            m, exact, _, labels = self.matrix(depth, ("w", "u"))
            return Node(f"deriv({m})" if self.r.random() < 0.5 or "@" in m else f"predict_linear({m}, {self.pick('60', '-30', '600')})", False, True, labels)
        if k == "quantile":
            m, exact, finite, labels = self.matrix(depth)
            # 2.42 moves a window that @ fixes if another argument changes with time.
            q = self.pick("0", "0.5", "0.9", "1", "-1", "2", "NaN", "0.3" if "@" in m else 'scalar(w{a="x",b="1"})')
            return Node(f"quantile_over_time({q}, {m})", False, False, labels)
        if k == "smooth":
            m, _, _, labels = self.matrix(0, ("w", "u"))
            return Node(f"double_exponential_smoothing({m}, {self.pick('0.1', '0.5')}, {self.pick('0.2', '0.9')})", False, True, labels)
        if k == "absent":
            m, _, _, labels = self.matrix(0)
            return Node(f"absent_over_time({m})", True, True, ("a", "b", "job", "nope"))
        m, exact, finite, labels = self.matrix(depth)
        if k == "last":
            return Node(f"last_over_time({m})", exact, finite, labels)
        fn = self.pick("sum", "avg", "min", "max", "count", "present", "stddev", "stdvar")
        if not finite and fn in ("stddev", "stdvar"):
            fn = "count"
        return Node(f"{fn}_over_time({m})", exact and fn in ("min", "max", "count", "present"), finite, labels)

    def aggregation(self, depth):
        v = self.vector(depth - 1)
        k = self.pick("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile", "topk", "count_values")
        g = self.grouping()
        if k in ("stddev", "stdvar") and not v.finite:
            k = "sum"
        if k == "topk":
            return Node(f"{self.pick('topk', 'bottomk')}{g} ({self.pick('1', '2', '0', '-1', '3.7', '100')}, u{self.matchers()}{self.modifiers()})",
                        True, True, ("a", "b", "job"))
        if k == "quantile":
            return Node(f"quantile{g} ({self.pick('0.5', '0', '1', '0.25', '-1', 'NaN', self.scalar(1))}, {v.text})", False, False, v.labels)
        if k == "count_values":
            if not v.exact:
                k = "count"
            else:
                label = self.pick("val", "a", "new")
                return Node(f'count_values{g} ("{label}", {v.text})', True, True, v.labels)
        return Node(f"{k}{g} ({v.text})", v.exact and k in ("min", "max", "count", "group"), v.finite, v.labels)

    def binary(self, depth):
        left, right = self.vector(depth - 1), self.vector(depth - 1)
        exact = left.exact and right.exact
        op = self.pick("+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">=", "and", "or", "unless")
        jumps = op in ("%", "==", "!=", "<", ">", "<=", ">=")
        if jumps and not exact:
            op = self.pick("+", "and", "or", "*", "unless", "-")
            jumps = False
        if self.r.random() < 0.35 and op not in ("and", "or", "unless"):
            s = self.scalar(depth - 1)
            if jumps and any(x in s for x in ("scalar", "/", "^", "pi")):
                s = self.number()
            a, b = (left.text, s) if self.r.random() < 0.5 else (s, left.text)
            b_ = " bool" if jumps and op != "%" and self.r.random() < 0.4 else ""
            return Node(f"({a}) {op}{b_} ({b})", left.exact and op not in ("/", "^"), False, left.labels)
        matching = ""
        if self.r.random() < 0.6:
            names = self.r.sample(["a", "b", "job", "nope"], self.r.randrange(0, 4))
            matching = f" {self.pick('on', 'ignoring')} ({', '.join(names)})"
            if op not in ("and", "or", "unless") and self.r.random() < 0.4:
                extra = self.r.choice(["a", "b", "version", "job"])
                ok = extra not in names or "ignoring" in matching
                matching += f" {self.pick('group_left', 'group_right')} ({extra if ok and self.r.random() < 0.5 else ''})"
        b_ = " bool" if op in ("==", "!=", "<", ">", "<=", ">=") and self.r.random() < 0.4 else ""
        return Node(f"({left.text}) {op}{b_}{matching} ({right.text})", exact and op not in ("/", "^"), False, left.labels | right.labels)

    def call(self, depth):
        v = self.vector(depth - 1)
        smooth = ("abs", "exp", "sqrt", "ln", "log2", "log10", "deg", "rad", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
                  "asinh", "acosh", "atanh")
        k = self.r.random()
        if k < 0.3:
            fn = self.r.choice(smooth)
            if fn in ("sin", "cos", "tan") and not v.exact:
                fn = "atan"  # the last digit of something large is everything to a wave
            return Node(f"{fn}({v.text})", v.exact and fn == "abs", False, v.labels)
        if k < 0.4 and v.exact:
            fn = self.pick("ceil", "floor", "sgn", "round", "round2")
            text = f"round({v.text}, {self.pick('0.5', '10', '0', '-2')})" if fn == "round2" else f"{fn}({v.text})"
            return Node(text, fn != "round2", False, v.labels)
        if k < 0.5:
            return Node(self.pick(f"clamp({v.text}, {self.scalar(0)}, {self.scalar(0)})", f"clamp_min({v.text}, {self.scalar(0)})",
                                  f"clamp_max({v.text}, {self.scalar(0)})"), v.exact, False, v.labels)
        if k < 0.6:
            dst, src = self.pick("a", "new", "b", "job"), self.pick("a", "b", "job", "nope")
            to, pattern = self.pick("$1", "x$1y", "", "${1}z", "fix"), self.pick("(.*)", "(.)", "x(.*)", "(x|y)", "")
            return Node(f'label_replace({v.text}, "{dst}", "{to}", "{src}", "{pattern}")', v.exact, v.finite, v.labels)
        if k < 0.65:
            dst, between = self.pick("a", "new"), self.pick("-", "")
            return Node(f'label_join({v.text}, "{dst}", "{between}", "a", "b")', v.exact, v.finite, v.labels)
        if k < 0.7:
            return Node(f"absent({v.text})", True, True, v.labels)
        if k < 0.75:
            if "@" in v.text and "offset" in v.text:
                return v  # with both 2.42 forgets the offset
            return Node(f"timestamp({v.text}) - {T0}", v.plain, True, v.labels)
        if k < 0.8:
            return Node(f"vector({self.scalar(depth - 1)})", False, False, ())
        if k < 0.85:
            return Node(f"{self.pick('minute', 'hour', 'day_of_week', 'day_of_month', 'day_of_year', 'days_in_month', 'month', 'year')}"
                        f"({self.pick('', 'w * 1e6', 'c_total * 1000', 'w * 1e8')})", True, True, ("a", "b", "job"))
        if k < 0.9:
            q = self.pick("0.5", "0.9", "0", "1", "-1", "2", "NaN", "0.01")
            arg = self.pick("h_bucket", "rate(h_bucket[2m])", "sum by (le) (h_bucket)", "sum by (le, b) (increase(h_bucket[5m]))",
                            'h_bucket{le!="0.5"}')
            return Node(f"histogram_quantile({q}, {arg})", False, False, ("b",))
        if k < 0.96:
            arg = self.pick("n", "n offset 1m", "sum(n)", "sum by (b) (n)", 'n{b="1"} @ end()')
            return Node(f"{self.pick('histogram_count', 'histogram_sum')}({arg})", False, True, ("b", "job"))
        return Node(f"-({v.text})", v.exact, v.finite, v.labels)

    def vector(self, depth):
        if depth <= 0:
            return self.selector() if self.r.random() < 0.75 else self.range_call(0)
        kind = self.pick(self.aggregation, self.aggregation, self.binary, self.binary, self.call, self.range_call)
        return kind(depth)

    def expression(self):
        if self.r.random() < 0.05:
            return self.scalar(3)
        v = self.vector(self.r.randrange(0, 4))
        return v.text


# --- comparison ---

def equal(a, b):
    a, b = float(a), float(b)
    if a != a or b != b:
        return a != a and b != b
    if a == b:
        return True
    if math.isinf(a) or math.isinf(b):
        return False
    return abs(a - b) <= 1e-7 * max(abs(a), abs(b)) + 1e-7  # what sums without compensation lose


def parsed(body):
    data = json.loads(body)["data"]
    if data["resultType"] == "scalar":
        return "scalar", {(): [data["result"]]}
    out = {}
    for s in data["result"]:
        key = tuple(sorted(s["metric"].items()))
        out[key] = s["values"] if "values" in s else [s["value"]] if "value" in s else s.get("histograms", s.get("histogram"))
    return data["resultType"], out


def difference(expr, ours, theirs):
    """None if they are the same."""
    (st, _, body), (st2, _, body2) = ours, theirs
    if st != 200 or st2 != 200:
        # 3.9 and later say so even where the comparison filters the samples out.
        if st == st2 or b"multiple matches for labels" in body:
            return None
        return f"status {st} {body[:300]} / {st2} {body2[:300]}"
    (kind, a), (kind2, b) = parsed(body), parsed(body2)
    read, read2 = (json.loads(x)["data"]["stats"]["samples"]["totalQueryableSamples"] for x in (body, body2))
    # Histograms 2.42 weighs otherwise, and what a fixed parameter has read it counts once.
    if read != read2 and "histogram_" not in expr and "scalar(" not in expr:
        return f"samples read: {read} / {read2}"
    if kind != kind2:
        return f"type {kind} / {kind2}"
    if set(a) != set(b):
        return f"series only ours {sorted(set(a) - set(b))[:3]}, only theirs {sorted(set(b) - set(a))[:3]}"
    for key in a:
        if not isinstance(a[key][0][1], str):
            continue  # a native histogram: 2.42 writes its buckets otherwise
        if [p[0] for p in a[key]] != [p[0] for p in b[key]]:
            return f"{dict(key)}: times differ: {len(a[key])} / {len(b[key])} points"
        for p, q in zip(a[key], b[key]):
            if not equal(p[1], q[1]):
                return f"{dict(key)} at {p[0]}: {p[1]} / {q[1]}"
    return None


def theirs_text(expr):
    return expr.replace("double_exponential_smoothing", "holt_winters")


def main():
    tool = os.path.abspath(sys.argv[1])
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 1500
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if missing():
        print(f"SKIP promql-differential: {', '.join(missing())} is not installed")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    r = random.Random(seed)
    generator = Generator(r)
    passed = failed = 0
    with WrittenPeers(tool, random_series(r)) as peers:
        for _ in range(n):
            expr = generator.expression()
            t = T0 + r.randrange(60, STEP * STEPS + 200) + 0.003
            start = T0 + r.randrange(0, STEP * STEPS - 300) + 0.003
            ranged = [("start", f"{start:.3f}"), ("end", f"{start + r.randrange(60, 900):.3f}"), ("step", r.choice(["17", "30", "60", "7", "113"])), ("stats", "all")]
            for path, params in (("/api/v1/query", [("time", f"{t:.3f}"), ("stats", "all")]), ("/api/v1/query_range", ranged)):
                ours = request(peers.ours, path, [("query", expr)] + params)
                theirs = request(peers.theirs, path, [("query", theirs_text(expr))] + params)
                why = difference(expr, ours, theirs)
                if why:
                    failed += 1
                    print(f"FAIL seed {seed}: {path} {expr}\n     {params}\n     {why}", flush=True)
                else:
                    passed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
