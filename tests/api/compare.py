#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: compare.py APISERVE -- each request goes to our API and to Debian's prometheus over the same samples; status, type and
JSON must be the same, field by field. What Prometheus 3 answers otherwise than 2.42 is named where it is let pass."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from expressions import Expressions  # noqa: E402
from peers import Peers, missing, request  # noqa: E402

T0 = 1700000000
RULES = """groups:
- name: records
  interval: 1s
  rules:
  - {record: "job:requests:sum", expr: 'sum by (job) (requests_total @ 1700000600)', labels: {kind: x}}
  - {record: "bad", expr: 'requests_total @ 1700000600 * on(job) group_left() (requests_total @ 1700000600)'}
- name: alerts
  limit: 50
  rules:
  - alert: High
    expr: sum  by  (job)  (requests_total @ 1700000600) > 3
    labels: {severity: "{{ if gt $value 40.0 }}page{{ end }}", job2: "{{ $labels.job }}"}
    annotations: {summary: "<{{ $value }}> & {{ $labels.job | toUpper }}"}
  - {alert: Slow, expr: 'vector(-1.5)', for: 1h30m}
  - {alert: Never, expr: 'vector(1) > 2', for: 5m, keep_firing_for: 90s}
"""

QUERIES = [
    "requests_total", 'requests_total{code="200"}', 'requests_total{code=~"[45].*",instance!="h1:80"}', "nope", "odd", "wave", "1", "-0.0",
    "1e21", "1e-7", "-0", "0/0", "1/0", "5e-324", "time()", '"text <&> \\" é"', "requests_total[1m]", "odd[5m]", "requests_total offset 1m",
    "requests_total @ 1700000300", "requests_total @ start()", "requests_total @ end()", "-requests_total", "rate(requests_total[2m])",
    "increase(requests_total[2m])", "irate(requests_total[2m])", "delta(wave[2m])", "deriv(wave[3m])", "resets(requests_total[10m])",
    "changes(odd[10m])", "sum(requests_total)", "sum by (job) (requests_total)", "sum without (instance) (requests_total)",
    "topk(2, requests_total)", "bottomk(3, requests_total)", "count_values(\"v\", requests_total)", "quantile(0.3, requests_total)",
    "stddev(wave)", "avg_over_time(wave[5m])", "quantile_over_time(0.9, wave[5m])", "histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))",
    "histogram_quantile(0.5, sum by (le) (latency_seconds_bucket))", "requests_total and on(job) info", "requests_total unless on(instance) info",
    "requests_total * on(instance, job) group_left(version) info", "requests_total == 3", "requests_total > bool 3", "requests_total % 7",
    "2 ^ wave", "absent(nope{a=\"b\"})", "absent(requests_total)", "scalar(wave)", "vector(1)", "label_replace(info, \"x\", \"$1-y\", \"version\", \"(.*)\")",
    "label_join(info, \"x\", \"/\", \"job\", \"version\")", "sort_desc(requests_total)", "clamp(wave, -0.5, 0.5)", "round(wave, 0.1)",
    "max_over_time(rate(requests_total[1m])[5m:30s])", "sum_over_time(wave[5m:])", "timestamp(wave)", "day_of_week()", "hour(vector(1e9))",
    "predict_linear(wave[5m], 600)", "sgn(wave)", "min(requests_total) by (code)", "group(requests_total)", "last_over_time(gone[1h])", "gone",
    "present_over_time(gone[20m])", "absent_over_time(gone[5m])", "count(requests_total) or vector(0)", "pi()", "exp(wave)", "{__name__=~\"in.*\"}",
    'odd{path="/a\\"b\\\\ é<&>"}', "requests_total or wave", "max(odd)",  # in 3.x a sum of -0 is 0
]
BROKEN = [
    "", "requests_total{", "1 +", "foo bar", "sum(", "rate(requests_total)", "requests_total[5m", "nofunc(1)", "{}", '{a=~"("}', "1 == 2", "sum by (a",
    "requests_total * on(job) requests_total", "requests_total + on(job) group_left() info * on() group_right() info", '"\\q"',
    "label_replace(info, \"0x\", \"\", \"\", \"(\")", "topk(scalar(odd), wave)",
    "label_replace(requests_total, \"instance\", \"\", \"\", \"\")",
]


class Comparison:
    def __init__(self, peers):
        self.peers, self.n, self.failed = peers, 0, 0

    def check(self, path, params=(), post=False, clean=None):
        def ask(base):
            status, headers, body = request(base, path, params, post)
            try:
                body = json.loads(body)
            except ValueError:
                body = body.decode(errors="replace")
            return status, headers.get("Content-Type", "").split(";")[0], (clean or (lambda x: x))(body)

        self.n += 1
        ours, theirs = ask(self.peers.ours), ask(self.peers.theirs)
        if ours != theirs:
            self.failed += 1
            print(f"FAIL {path} {dict(params) if params else ''}\n  prometheus: {str(theirs)[:900]}\n  reqtally:   {str(ours)[:900]}")


def notes(body):
    """2.42 has no annotations; the order of a vector is nobody's promise."""
    if isinstance(body, dict):
        body.pop("warnings", None)
        body.pop("infos", None)
        data = body.get("data")
        if isinstance(data, dict) and data.get("resultType") == "vector":
            data["result"].sort(key=lambda s: json.dumps(s, sort_keys=True))
    return body


def volatile(body):
    """Times of evaluations. Unlike 2.42, 3.x has no lastError for a rule that is well."""
    def walk(x):
        if isinstance(x, dict):
            for key in ("evaluationTime", "lastEvaluation", "activeAt"):
                if key in x:
                    x[key] = type(x[key]).__name__ if key != "evaluationTime" else "number"
            if "lastError" in x:
                x["lastError"] = any_order(x["lastError"])
            for v in x.values():
                walk(v)
        elif isinstance(x, list):
            for v in x:
                walk(v)
            if x and isinstance(x[0], dict) and "labels" in x[0] and "activeAt" in x[0]:
                x.sort(key=lambda a: json.dumps(a, sort_keys=True))
    walk(body)
    return body


def any_order(error):
    """Which of two duplicate series is told first is another thing in 3.x."""
    return re.sub(r"\[(\{.*?\}), (\{.*?\})\]", lambda m: f"[{', '.join(sorted(m.groups()))}]", error)


def words_of_3(body):
    """Error texts that 3.x words otherwise: the parameter is always named, a regular expression is shown as written."""
    body = notes(body)
    if isinstance(body, dict) and body.get("status") == "error":
        e = body["error"].removeprefix('invalid parameter "query": ')
        e = any_order(e)
        body["error"] = re.sub(r"`\^\(\?:(.*)\)\$`", r"`\1`", e)
    return body


def float_noise(body):
    """3.x adds with compensation, 2.42 does not: sample values are compared to 12 digits."""
    def walk(x):
        if isinstance(x, list):
            if len(x) == 2 and isinstance(x[0], (int, float)) and isinstance(x[1], str):
                try:
                    x[1] = f"{float(x[1]):.12g}" if x[1] not in ("NaN", "+Inf", "-Inf") and abs(float(x[1])) < 1e20 else x[1]
                except ValueError:
                    pass
            else:
                for v in x:
                    walk(v)
        elif isinstance(x, dict):
            for v in x.values():
                walk(v)
    walk(body)
    return notes(body)


def queries(c):
    for q in QUERIES:
        # not on a sample: windows are closed on the left in 2.42 and open in 3.x
        c.check("/api/v1/query", [("query", q), ("time", "1700000607.123")], clean=float_noise)
        if not q.endswith("]") and not q.startswith('"'):
            c.check("/api/v1/query_range", [("query", q), ("start", "1700000301.5"), ("end", "1700000901.5"), ("step", "45")], clean=float_noise)
    for q in BROKEN:
        c.check("/api/v1/query", [("query", q), ("time", "1700000607")], clean=words_of_3)
        c.check("/api/v1/query_range", [("query", q), ("start", T0 + 307), ("end", T0 + 607), ("step", "1m")], clean=words_of_3)


def parameters(c):
    for time_ in ("1700000607", "1700000607.1234", "2023-11-14T22:23:27Z", "2023-11-14T22:23:27.5+01:00", "x", "2023-11-14", "1e9x", "-1"):
        c.check("/api/v1/query", [("query", "time()"), ("time", time_)], clean=notes)
    for timeout in ("5s", "1.5", "x", "1m30s"):
        c.check("/api/v1/query", [("query", "1"), ("time", "1"), ("timeout", timeout)], clean=notes)
    c.check("/api/v1/query", [("query", "wave"), ("time", "1700000607")], post=True)
    c.check("/api/v1/query_range", [("query", "wave"), ("start", T0), ("end", T0 + 100), ("step", 15)], post=True)
    for start, end, step in ((T0, T0 - 1, 1), (T0, T0 + 1, 0), (T0, T0 + 1, -1), (T0, T0 + 1, "x"), ("x", T0, 1), (T0, "y", 1), ("", T0, 1),
                             (T0, "", 1), (T0, T0, ""), (T0 - 20000, T0 - 8999, 1), (T0 - 20000, T0 - 9000, 1), (T0, T0, 1), (T0, T0 + 60, "20s"),
                             (T0 + 0.5, T0 + 3, 0.25)):
        c.check("/api/v1/query_range", [("query", "wave"), ("start", start), ("end", end), ("step", step)], clean=notes)
    c.check("/api/v1/query_range", [("query", "wave[5m]"), ("start", T0), ("end", T0), ("step", 1)])
    c.check("/api/v1/query_range", [("query", '"a"'), ("start", T0), ("end", T0), ("step", 1)])


def metadata(c):
    window = [("start", T0), ("end", T0 + 1200)]
    for match in (["requests_total"], ["wave", "info"], ['{job="a"}'], ['{__name__=~".+"}'], ["nope"], [], ["x +"], ["{}"], ["rate(wave[5m])"], ['{job=""}'],
                  ["wave", "wave"]):
        params = [("match[]", m) for m in match] + window
        c.check("/api/v1/series", params)
        c.check("/api/v1/series", params, post=True)
        if match:  # without any, prometheus also tells of the series that the rules have recorded since
            c.check("/api/v1/labels", params)
        c.check("/api/v1/label/job/values", params)
        if match:
            c.check("/api/v1/label/__name__/values", params)
    c.check("/api/v1/label/nope/values", window)
    c.check("/api/v1/series", [("match[]", "wave"), ("start", "x")])
    c.check("/api/v1/labels", [("end", "x")])
    c.check("/api/v1/format_query", [("query", "sum(rate(requests_total{job='a'}[5m]))by(code)>0.5")])
    c.check("/api/v1/format_query", [("query", "sum(")])
    made = Expressions(int(os.environ.get("SEED", "1")))
    for depth in range(2, 7):
        for _ in range(40):
            c.check("/api/v1/format_query", [("query", made.vector(depth))], clean=words_of_3)
    c.check("/api/v1/query_exemplars", [("query", "wave"), ("start", T0), ("end", T0 + 60)])


def rules(c):
    def recent(body):
        if isinstance(body, dict) and isinstance(body.get("data"), dict):
            for g in body["data"].get("groups", []):
                g["file"] = "FILE"
                for r in g["rules"]:
                    r.setdefault("labels", {})  # 2.42 leaves them out of records without
        return volatile(body)
    for params in ([], [("type", "x")]):
        c.check("/api/v1/rules", params, clean=recent)
    c.check("/api/v1/alerts", clean=recent)


def federation(c):
    """What the rules have recorded, but for its times, one of which is a value."""
    def without_times(body):
        return re.sub(r"( 1\.\d+e\+09)? \d{13}$", "", body, flags=re.M) if isinstance(body, str) else body
    for match in (["{__name__=~'job:.*|ALERTS'}"], ["job:requests:sum", "ALERTS", '{job="a"}'], ["nope"], [], ["x +"], ["{}"],
                  ["ALERTS_FOR_STATE{alertname='Slow'}"]):
        c.check("/federate", [("match[]", m) for m in match], clean=without_times)


def tsdb(c):
    def shape(body):
        """The figures are those of another store; what is told about which label is not."""
        d = body["data"]
        return sorted(d["headStats"]), [(k, [sorted(e) for e in d[k]][:1]) for k in sorted(d) if k != "headStats"]
    c.check("/api/v1/status/tsdb", clean=shape)


def other(c):
    for params in ([("query", "wave"), ("start", 5), ("end", 4)], [("query", "(")], [("query", "1")], [], [("query", "wave"), ("start", "x")]):
        c.check("/api/v1/query_exemplars", params)
    for limit in ("0", "-1", "1", "x"):
        c.check("/api/v1/metadata", [("limit", limit)])
        c.check("/api/v1/targets/metadata", [("limit", limit)])
    for match in ("x +", '{job=""}', "rate(wave[5m])", "wave[5m]"):
        c.check("/api/v1/targets/metadata", [("match_target", match)])
    c.check("/api/v1/query", [("query", "1"), ("time", "1_0")])
    c.check("/api/v1/targets", [("state", "Dropped")], clean=lambda b: [b["data"].get(k) for k in ("activeTargets", "droppedTargets")])
    for path in ("/api/v1/nope", "/api/v1/label/x", "/api/v1/status/nope"):
        c.check(path, clean=lambda body: body if isinstance(body, dict) else "text")

    def keys(body):
        return sorted(body["data"]) if isinstance(body, dict) and body.get("status") == "success" else body
    # 3.x has these too
    c.check("/api/v1/status/runtimeinfo", clean=lambda b: [k for k in keys(b) if k not in ("serverTime", "hostname", "GOMEMLIMIT")])
    c.check("/api/v1/status/buildinfo", clean=keys)
    for header in ("http://other.example",):
        a, b = (request(base, "/api/v1/query?query=1", headers={"Origin": header})[1] for base in (c.peers.ours, c.peers.theirs))
        names = ["Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers"]
        c.n += 1
        if [a.get(n) for n in names] != [b.get(n) for n in names]:
            c.failed += 1
            print(f"FAIL CORS: {[a.get(n) for n in names]}, prometheus {[b.get(n) for n in names]}")


def command_line(c, program):
    """`reqtally query` against `promtool query instant`, on our server."""
    for q in ("requests_total", "odd", "wave[1m]", "1", "sum by (job) (requests_total)", "vector(1.5)", "nope"):
        c.n += 1
        ours = subprocess.run([program, "query", f"--url={c.peers.ours}", "--time=1700000607.5", q], capture_output=True, text=True)
        theirs = subprocess.run(["promtool", "query", "instant", "--time=1700000607.5", c.peers.ours, q], capture_output=True, text=True)
        if (ours.returncode, ours.stdout) != (theirs.returncode, theirs.stdout):
            c.failed += 1
            print(f"FAIL query {q}\n  promtool: {theirs.stdout[:400]}\n  reqtally: {ours.stdout[:400]} {ours.stderr[:200]}")
    c.n += 1
    bad = subprocess.run([program, "query", f"--url={c.peers.ours}", "1 +"], capture_output=True, text=True)
    if bad.returncode != 1 or "bad_data: invalid parameter \"query\": 1:4: parse error: unexpected end of input" not in bad.stderr:
        c.failed += 1
        print(f"FAIL query '1 +': {bad}")


def main():
    tool = os.path.abspath(sys.argv[1])
    if missing():
        print(f"SKIP the API against prometheus: {', '.join(missing())} is not installed")
        print("api: 0 ok, 0 failed, 1 skipped")
        return 0
    rules_file = f"/tmp/reqtally-api-{os.getpid()}.yml"
    with open(rules_file, "w") as f:
        f.write(RULES)
    try:
        with Peers(tool, ["serve", rules_file], ["dump"], rules_file) as peers:
            c = Comparison(peers)
            queries(c)
            parameters(c)
            metadata(c)
            other(c)
            program = os.path.join(os.path.dirname(tool), "reqtally")
            if os.access(program, os.X_OK):
                command_line(c, program)
            time.sleep(3)
            rules(c)
            federation(c)
            tsdb(c)
    finally:
        os.unlink(rules_file)
    if not c.failed:
        print(f"ok    {c.n} requests, the same answers as prometheus")
    print(f"api: {c.n - c.failed} ok, {c.failed} failed, 0 skipped")
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(main())
