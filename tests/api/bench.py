#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: bench.py APISERVE [SERIES SAMPLES] -- the same queries over the same series, by our API and by Debian's prometheus, in
alternation. What is compared is the CPU time of the processes over all repetitions, and their resident memory 10 s later;
each as a ratio measured in this run."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import Peers, cpu_seconds, missing, request, rss_bytes  # noqa: E402

T0, STEP = 1700000000, 15
SECONDS = 3  # of repetitions of each query, for each of the two


def cases(n_samples):
    end = T0 + (n_samples - 1) * STEP + 1
    start = end - (n_samples - 1) * STEP + 300
    instant = [
        "bench_total",
        'bench_total{instance="h7"}',
        "rate(bench_total[5m])",
        "sum by (instance) (rate(bench_total[5m]))",
        "topk(10, rate(bench_total[5m]))",
        "sum(rate(bench_total[5m])) / count(bench_total)",
        'histogram_quantile(0.9, sum by (le) (label_replace(rate(bench_total[5m]), "le", "$1", "path", "/p(.*)")))',
        "max_over_time(bench_total[30m])",
        "bench_total / on (instance, path) group_left () bench_total > 0",
    ]
    ranges = ["bench_total", "sum by (instance) (rate(bench_total[5m]))", "quantile_over_time(0.9, bench_total[10m])"]
    for q in instant:
        yield "instant", q, "/api/v1/query", [("query", q), ("time", end)]
    for q in ranges:
        yield "range", q, "/api/v1/query_range", [("query", q), ("start", start), ("end", end), ("step", 30)]


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


def main():
    tool = os.path.abspath(sys.argv[1])
    n_series, n_samples = (int(x) for x in sys.argv[2:4]) if len(sys.argv) > 3 else (5000, 240)
    if missing():
        print(f"SKIP bench-promql: {', '.join(missing())} is not installed")
        return 0
    with Peers(tool, ["bench", str(n_series), str(n_samples)], ["bench-dump", str(n_series), str(n_samples)]) as peers:
        pids = {peers.ours: peers.program.pid, peers.theirs: peers.prometheus.pid}
        print(f"{n_series} series with {n_samples} samples each; CPU time per query\n")
        print("| query | kind | reqtally | prometheus | ratio |\n|---|---|---|---|---|")
        total = {peers.ours: 0.0, peers.theirs: 0.0}
        worst = 0
        for kind, q, path, params in cases(n_samples):
            result = {}
            for base, pid in pids.items():
                result[base] = run(base, pid, path, params)
                total[base] += result[base][0]
            if size(result[peers.ours][1]) != size(result[peers.theirs][1]):
                sys.exit(f"{q}: not the same number of series")
            ours, theirs = result[peers.ours][0], result[peers.theirs][0]
            worst = max(worst, ours / theirs)
            print(f"| `{q}` | {kind} | {ours * 1e3:.2f} ms | {theirs * 1e3:.2f} ms | {ours / theirs:.3f} |", flush=True)
        print(f"| all of them | | {total[peers.ours] * 1e3:.1f} ms | {total[peers.theirs] * 1e3:.1f} ms "
              f"| **{total[peers.ours] / total[peers.theirs]:.3f}** |")
        time.sleep(10)
        ours, theirs = rss_bytes(peers.program.pid), rss_bytes(peers.prometheus.pid)
        print(f"| resident memory 10 s after them | | {ours / 1e6:.1f} MB | {theirs / 1e6:.1f} MB | **{ours / theirs:.3f}** |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
