# SPDX-License-Identifier: GPL-2.0-or-later
"""Segments in any order, cut anew, twice, or so late that what came behind them could not be kept: segments.py."""
import functools
import json
import os
import subprocess
import sys
import time

import exposition
import raw
import reqtally
import segments
from procs import Failure, Skip, find_program

HERE = os.path.dirname(os.path.abspath(__file__))
LOSES = {"hole_in_pipeline"}  # more requests behind a hole than can be kept: counted or lost by name


def tests():
	return [(name, functools.partial(run, name)) for name in segments.CASES]


def run(name, context):
	unshare = find_program("unshare", package="util-linux")
	if not os.path.exists("/dev/net/tun"):
		raise Skip("no /dev/net/tun")
	rt = context.reqtally()
	before = rt.scrape()
	done = subprocess.run([unshare, "--net", sys.executable, os.path.join(HERE, "segments.py"), name], capture_output=True, text=True,
			      timeout=100)
	if done.returncode:
		raise Failure(done.stderr[-1500:])
	told = json.loads(done.stdout)
	expected = {(raw.SERVICE, *key): n for key, n in told["counts"]}
	if name in LOSES:
		time.sleep(1)
		after = rt.scrape()
		got = exposition.growth(before, after, "http_requests_total", reqtally.KEYS, port=str(told["port"]))
		lost = sum(exposition.growth(before, after, "reqtally_requests_lost_total", ("reason",)).values())
		if set(got) != set(expected) or got[raw.SERVICE, "GET", "/after", "200"] != 2 or sum(got.values()) + lost != sum(expected.values()):
			raise Failure("expected %s, got %s and %d lost by name" % (expected, reqtally.text_of(got), lost))
	else:
		after = reqtally.wait_counts(rt, before, told["port"], expected)
		lost = exposition.growth(before, after, "reqtally_requests_lost_total", ("reason",))
		if sum(lost.values()):
			raise Failure("lost: %s" % reqtally.text_of(lost))
	unsolicited = after.sum("reqtally_responses_unsolicited_total") - before.sum("reqtally_responses_unsolicited_total")
	if unsolicited:
		raise Failure("%d responses with no request before them" % unsolicited)
	reqtally.check_ledger(rt)
