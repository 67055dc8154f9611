# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the table of byte-level cases (raw_cases.py) and compares what reqtally counted on each case's port."""
import collections
import time

import raw
import reqtally
from exposition import growth
from procs import Failure, Skip
import raw_cases
import raw_stages
import raw_syntax


def parse(expectation):
	"""("METHOD", "ENDPOINT", "CODE"), request bytes, response bytes; None is any."""
	method, endpoint, code, *size = expectation.split(" ")
	if not size:
		return (method, endpoint, code), 0, 0
	if size[0] == "?":
		return (method, endpoint, code), None, None
	sent, received = size[0].split(">")
	return (method, endpoint, code), int(sent), int(received)


def fold(keys, got):
	"""GOT by (method, endpoint, code), with `?` wherever KEYS say so for what matches no exact key."""
	out = collections.Counter()
	for key, n in got.items():
		if key not in keys:
			key = next((k for k in keys if all(w in ("?", g) for w, g in zip(k, key))), key)
		out[key] += n
	return out


class Watcher:
	"""The figures of one port since the case began."""

	def __init__(self, rt, port):
		self.rt, self.port, self.before = rt, port, rt.scrape(port)

	def grown(self, after, name):
		return growth(self.before, after, name, ("method", "endpoint", "code"), port=str(self.port))

	def lost(self, after):
		return sum(growth(self.before, after, "reqtally_requests_lost_total", ("reason",)).values())

	def wait(self, expectations, timeout):
		keys = [parse(e)[0] for e in expectations]
		want, end = collections.Counter(keys), time.monotonic() + timeout
		while True:
			after = self.rt.scrape(self.port)
			why = reqtally.difference("http_requests_total", want,
					fold(set(keys), self.grown(after, "http_requests_total")))
			if not why:
				return after
			if time.monotonic() > end:
				raise Failure(why)
			time.sleep(0.02)


class Noise(Failure):
	"""Only the losses of the whole machine are wrong: that may have been somebody else's connection."""


def run_case(context, case):
	for _ in range(2):
		try:
			return try_case(context, case)
		except Noise:
			pass  # once more: what comes back is the case's own
	return try_case(context, case)


def try_case(context, case):
	try:
		rt = context.reqtally()
	except Skip as reason:
		rt, missing = None, reason
	listener = raw.Listener(case.host, case.bind, case.late_accept, case.deferred)
	watch = Watcher(rt, listener.port) if rt else None
	begun = time.monotonic()
	try:
		for script in case.scripts:
			raw.play(listener, script, watch and (lambda expected: watch.wait(expected, 1.0)))
	finally:
		listener.close()
	took = time.monotonic() - begun
	if watch is None:
		raise Skip("%s; the script runs through" % missing)
	if case.either:
		check_either(watch, case)
	else:
		check_case(watch, case, took)
	reqtally.check_ledger(rt)


def check_either(watch, case):
	time.sleep(0.2)
	after = watch.rt.scrape(watch.port)
	counted, lost = sum(watch.grown(after, "http_requests_total").values()), watch.lost(after)
	if counted + lost != len(case.expect):
		raise Failure("%d counted and %d lost, expected %d in all" % (counted, lost, len(case.expect)))


def check_case(watch, case, took):
	watch.wait(case.expect, 3.0)
	time.sleep(0.05)
	after = watch.wait(case.expect, 0)
	parsed = [parse(e) for e in case.expect]
	keys = {k for k, _, _ in parsed}
	problems = []

	def same(what, want, name):
		problems.append(reqtally.difference(what, want, fold(keys, watch.grown(after, name))))

	services = growth(watch.before, after, "http_requests_total", ("service",), port=str(watch.port))
	strangers = [s for (s,) in services if s != raw.SERVICE]
	if strangers and case.read:
		problems.append("service %s, expected %s" % (", ".join(map(repr, strangers)), raw.SERVICE))
	timed = parsed[:len(parsed) - case.streams]
	if case.timed:
		same("http_requests_duration_seconds_count", collections.Counter(k for k, _, _ in timed),
				"http_requests_duration_seconds_count")
		same("http_streams_total", collections.Counter(k for k, _, _ in parsed[len(timed):]),
				"http_streams_total")
		same("http_streams_duration_seconds_count", collections.Counter(k for k, _, _ in parsed[len(timed):]),
		     "http_streams_duration_seconds_count")
	for index, name in ((1, "http_request_body_bytes_total"), (2, "http_response_body_bytes_total")):
		if all(p[index] is not None for p in parsed) and not case.streams and case.timed:
			want = collections.Counter()
			for p in parsed:
				want[p[0]] += p[index]
			same(name, want, name)
	flying = after.sum("http_requests_in_flight", port=str(watch.port))
	if flying:
		problems.append("%g still in flight" % flying)
	total = sum(watch.grown(after, "http_requests_duration_seconds_sum").values())
	if case.seconds and total < case.seconds:
		problems.append("durations sum up to %.4f s, the script slept %.4f s" % (total, case.seconds))
	if total > took * max(1, len(case.expect)):
		problems.append("durations sum up to %.4f s, the whole case took %.4f s" % (total, took))
	if case.idle and total >= case.idle:
		problems.append("durations sum up to %.4f s: idle time is in them" % total)
	queue, ttfb = (sum(watch.grown(after, "http_requests_%s_seconds_sum" % n).values()) for n in ("queue", "ttfb"))
	if case.queue and queue < case.queue and watch.rt.has_feature("queue_time"):
		problems.append("queue times sum up to %.4f s, the server read only after %.4f s" % (queue, case.queue))
	if case.ttfb_below and not 0 < ttfb < case.ttfb_below:
		problems.append("times to the first byte sum up to %.4f s, expected less than %.4f s"
				% (ttfb, case.ttfb_below))
	if ttfb < case.ttfb_at_least:
		problems.append("times to the first byte sum up to %.4f s, expected %.4f s and more" % (ttfb, case.ttfb_at_least))
	lost = watch.lost(after)
	problems = [p for p in problems if p]
	noise = not problems and lost > case.lost
	if lost != case.lost:
		reasons = growth(watch.before, after, "reqtally_requests_lost_total", ("reason",))
		problems.append("reqtally_requests_lost_total grew by %d, expected %d (%s)"
				% (lost, case.lost, reqtally.text_of(reasons)))
	if problems:
		raise (Noise if noise else Failure)("\n    ".join(problems))


def tests():
	names = set()
	for case in [*raw_cases.all_cases(), *raw_syntax.all_cases(), *raw_stages.all_cases()]:
		if case.name in names:
			raise ValueError("two cases named " + case.name)
		names.add(case.name)
		yield case.name, lambda context, case=case: run_case(context, case)
