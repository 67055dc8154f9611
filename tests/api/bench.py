#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: bench.py APISERVE [SERIES SAMPLES [WORD]] -- the same queries over the same series, by our API and by Debian's prometheus, in
alternation. What is compared is the CPU time of the processes over all repetitions, and their resident memory 10 s later;
each as a ratio measured in this run. Without SERIES and SAMPLES: all of SHAPES. WORD: only queries that have it in them."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import Peers, cpu_seconds, missing, request, rss_bytes  # noqa: E402

T0, STEP = 1700000000, 15
SECONDS = float(os.environ.get("SECONDS_EACH", 0.5))  # of repetitions of each query, for each of the two
SHAPES = ((5000, 240), (50, 5760), (20000, 20))
GOAL = 0.25

WINDOWS = ["sum", "avg", "min", "max", "count", "last", "present", "stddev", "stdvar"]
INSTANT = [
    "bench_total",
    "bench_gauge",
    'bench_total{instance="h7"}',
    'bench_total{instance=~"h1.*",path!~"/p1.*"}',
    '{__name__=~"bench_(gauge|info)"}',
    "rate(bench_total[5m])",
    "irate(bench_total[5m])",
    "increase(bench_total[30m])",
    "deriv(bench_gauge[30m])",
    "sum by (instance) (rate(bench_total[5m]))",
    "topk(10, rate(bench_total[5m]))",
    "sum(rate(bench_total[5m])) / count(bench_total)",
    'histogram_quantile(0.9, sum by (le) (label_replace(rate(bench_total[5m]), "le", "$1", "path", "/p(.*)")))',
    "histogram_quantile(0.99, sum by (le, instance) (rate(bench_seconds_bucket[5m])))",
    "max_over_time(bench_total[30m])",
    "avg_over_time(bench_gauge[1h])",
    "quantile_over_time(0.5, bench_gauge[30m])",
    "bench_total / on (instance, path) group_left () bench_total > 0",
    "bench_gauge * on (instance) group_left (zone) bench_info",
    "bench_total and on (instance) bench_info > 0",
    'bench_total unless bench_total{instance="h3"}',
    'bench_total{instance="h3"} or bench_total',
    "bench_total + bench_total",
    "-bench_total * 2 + 1",
    "sort_desc(bench_total)",
    "count by (instance) (bench_total > 100)",
    'count_values("v", bench_total)',
    "quantile by (instance) (0.9, bench_gauge)",
    'label_join(bench_gauge, "both", "-", "instance", "disk")',
    "absent(bench_total)",
    'absent(nonesuch{job="a"})',
    "max_over_time(rate(bench_total[5m])[10m:1m])",
    "bench_total offset 5m",
    "changes(bench_gauge[30m])",
    "bench_gauge[10m]",
    "1 + 1",
]
RANGE = [
    "bench_total",
    "bench_gauge",
    'bench_total{instance="h7"}',
    "rate(bench_total[5m])",
    "irate(bench_total[5m])",
    "increase(bench_total[10m])",
    "delta(bench_gauge[5m])",
    "idelta(bench_gauge[5m])",
    "deriv(bench_gauge[5m])",
    "predict_linear(bench_gauge[10m], 3600)",
    "changes(bench_gauge[5m])",
    "resets(bench_total[5m])",
    *(f"{f}_over_time(bench_gauge[10m])" for f in WINDOWS),
    "sum_over_time(bench_total[5m])",
    "avg_over_time(bench_total[5m])",
    "max_over_time(bench_total[5m])",
    "quantile_over_time(0.9, bench_gauge[10m])",
    "quantile_over_time(0.9, bench_total[10m])",
    "sum by (instance) (rate(bench_total[5m]))",
    "sum(rate(bench_total[5m]))",
    "sum without (path) (rate(bench_total[5m]))",
    "avg by (instance) (bench_gauge)",
    "max(bench_gauge)",
    "stddev by (instance) (bench_gauge)",
    "quantile by (instance) (0.9, bench_gauge)",
    "topk(5, bench_gauge)",
    "topk by (instance) (3, rate(bench_total[5m]))",
    "bottomk(3, bench_gauge)",
    'count_values("v", bench_info)',
    "count(bench_total)",
    "histogram_quantile(0.9, rate(bench_seconds_bucket[5m]))",
    "histogram_quantile(0.99, sum by (le) (rate(bench_seconds_bucket[5m])))",
    "bench_gauge * on (instance) group_left (zone) bench_info",
    "sum by (instance) (bench_gauge) / on (instance) bench_info",
    "bench_total / bench_total",
    "rate(bench_total[5m]) > 3",
    "bench_gauge > 100 and bench_gauge < 140",
    'bench_gauge unless bench_gauge{disk="sd0"}',
    'bench_gauge or bench_info',
    "abs(bench_gauge - 100)",
    "round(bench_gauge, 0.1)",
    "clamp_max(bench_gauge, 120)",
    "bench_gauge - bench_gauge offset 5m",
    "bench_gauge / bench_gauge @ end()",
    "timestamp(bench_gauge)",
    'label_replace(bench_gauge, "host", "$1", "instance", "h(.*)")',
    "absent(bench_gauge)",
    "absent_over_time(nonesuch[5m])",
    "max_over_time(rate(bench_total[2m])[5m:30s])",
    "avg_over_time(bench_gauge[5m:30s])",
    "max_over_time(deriv(rate(bench_total[1m])[2m:30s])[2m:30s])",
    "sum(bench_total) by (instance) > bool 10",
    "scalar(sum(bench_gauge)) + time()",
    "hour(vector(time()))",
]


def cases(n_series, n_samples):
    last, end = (n_samples - 1) * STEP, T0 + (n_samples - 1) * STEP + 1
    for q in INSTANT:
        yield "instant", q, "/api/v1/query", [("query", q), ("time", end)]
    # Answers are to stay below the 32 MiB at which ours end.
    for steps in (8, 110, 300) if n_series <= 1000 else (8, 110) if n_series <= 5000 else (8, 20):
        span = max(last - 300, last // 2)
        step = max(1, span // (steps - 1))
        for q in RANGE:
            # The longest and the shortest are there to see how the cost grows; all queries in all sizes would take too long.
            if steps in (20, 110) or any(w in q for w in ("rate(", "avg", "group_left", "topk", "deriv")):
                yield f"{steps} steps", q, "/api/v1/query_range", [("query", q), ("start", end - (steps - 1) * step), ("end", end), ("step", step)]


def run(base, pid, path, params):
    """CPU seconds for one request, and how many were made."""
    begun, cpu, n = time.monotonic(), cpu_seconds(pid), 0
    while n < 3 or time.monotonic() - begun < SECONDS:
        status, _, body = request(base, path, params)
        if status != 200:
            sys.exit(f"{path} {params}: {status} {body[:300]}")
        n += 1
    return (cpu_seconds(pid) - cpu) / n, body


def size(body):
    return len(json.loads(body)["data"]["result"])


def bench(tool, n_series, n_samples, word):
    with Peers(tool, ["bench", str(n_series), str(n_samples)], ["bench-dump", str(n_series), str(n_samples)]) as peers:
        pids = {peers.ours: peers.program.pid, peers.theirs: peers.prometheus.pid}
        print(f"\n{n_series} counters and {n_series * 2 // 5 + 20} other series with {n_samples} samples each; CPU time per query; "
              f"resident {rss_bytes(peers.program.pid) / 1e6:.1f} MB and {rss_bytes(peers.prometheus.pid) / 1e6:.1f} MB before\n")
        print("| query | kind | reqtally | prometheus | ratio |\n|---|---|---|---|---|")
        total = {peers.ours: 0.0, peers.theirs: 0.0}
        above = []
        for kind, q, path, params in cases(n_series, n_samples):
            if word not in q:
                continue
            result = {}
            for base, pid in pids.items():
                result[base] = run(base, pid, path, params)
                total[base] += result[base][0]
            if not isinstance(json.loads(result[peers.ours][1])["data"]["result"], list) or \
                    size(result[peers.ours][1]) != size(result[peers.theirs][1]):
                sys.exit(f"{q}: not the same number of series")
            ours, theirs = result[peers.ours][0], result[peers.theirs][0]
            ratio = ours / max(theirs, 1e-9)
            if ratio > GOAL:
                above.append((ratio, kind, q))
            print(f"| `{q}` | {kind} | {ours * 1e3:.2f} ms | {theirs * 1e3:.2f} ms | {ratio:.3f} |", flush=True)
        print(f"| all of them | | {total[peers.ours] * 1e3:.1f} ms | {total[peers.theirs] * 1e3:.1f} ms "
              f"| **{total[peers.ours] / total[peers.theirs]:.3f}** |")
        time.sleep(10)
        ours, theirs = rss_bytes(peers.program.pid), rss_bytes(peers.prometheus.pid)
        print(f"| resident memory 10 s after them | | {ours / 1e6:.1f} MB | {theirs / 1e6:.1f} MB | **{ours / theirs:.3f}** |")
        print(f"\n{len(above)} above {GOAL}:")
        for ratio, kind, q in sorted(above, reverse=True):
            print(f"    {ratio:.3f} {kind}: {q}")


def main():
    tool = os.path.abspath(sys.argv[1])
    if missing():
        print(f"SKIP bench-promql: {', '.join(missing())} is not installed")
        return 0
    shapes = [(int(sys.argv[2]), int(sys.argv[3]))] if len(sys.argv) > 3 else SHAPES
    for n_series, n_samples in shapes:
        bench(tool, n_series, n_samples, sys.argv[4] if len(sys.argv) > 4 else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
