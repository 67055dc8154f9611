#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every expression of the dashboard is PromQL (promtool says so), and every metric in it is in docs/metrics.md."""
import json
import re
import subprocess
import sys
import tempfile

dashboard = json.load(open("deploy/grafana/reqtally.json"))
documented = set(re.findall(r"`((?:http|reqtally)_[a-z0-9_]+)`", open("docs/metrics.md").read()))
expressions = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
ids = [p["id"] for p in dashboard["panels"]]
if len(expressions) < 10 or len(set(ids)) != len(ids):
    sys.exit("too few expressions, or an id twice")
for expression in expressions:
    for name in re.findall(r"\b((?:http|reqtally)_[a-z0-9_]+)", expression):
        if name not in documented and re.sub(r"_(bucket|sum|count)$", "", name) not in documented:
            sys.exit(f"{name} is not in docs/metrics.md: {expression}")
with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
    rules = [{"record": f"dashboard:{i}", "expr": e.replace("$__rate_interval", "1m")} for i, e in enumerate(expressions)]
    json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, f)
    f.flush()
    sys.exit(subprocess.run(["promtool", "check", "rules", f.name]).returncode)
