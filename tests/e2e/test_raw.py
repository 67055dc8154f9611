# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the tables of byte-level cases (raw_cases.py, raw_stages.py, raw_syntax.py) and compares what reqtally counted on each case's
port: requests by method, endpoint and code with the table; the number, the sum and the buckets of each request's duration, time to the
first byte and queue time, and of streams' durations, with the bounds that the script's own clock gives (raw_times.py, raw_model.py)."""
import collections
import time

import raw
import reqtally
from exposition import growth
from procs import Failure, Skip
import raw_cases
import raw_stages
import raw_syntax
from raw_model import Conversation

FAMILIES = {"duration": "http_requests_duration_seconds", "ttfb": "http_requests_ttfb_seconds", "queue": "http_requests_queue_seconds",
	"stream": "http_streams_duration_seconds"}
ROUNDING = 1e-6
RENEWED = 80  # cases with one reqtally: each has series of its own, and all of them are in each scrape


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


def run_case(context, case, renew=False):
	if renew:
		context.stop_shared()
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
	watch, conversations = Watcher(rt, listener.port) if rt else None, []
	try:
		for script in case.scripts:
			tape = raw.play(listener, script, watch and (lambda expected: watch.wait(expected, 1.0)))
			conversations.append(Conversation(tape))
	finally:
		listener.close()
	if watch is None:
		raise Skip("%s; the script runs through" % missing)
	check_case(watch, case, known_times(case, conversations))
	reqtally.check_ledger(rt)


def known_times(case, conversations):
	"""{name: {(method, endpoint, code): [(least, most) seconds of one request]}}. The table names the requests, the model times them."""
	left = collections.defaultdict(list)
	for conversation in conversations:
		for request in conversation.requests:
			left[request.key()].append(conversation.windows(request))
	times = {name: collections.defaultdict(list) for name in FAMILIES}
	for expectation in case.expect:
		key = parse(expectation)[0]
		if not left[key[0], key[2]]:
			raise Failure("the table has a %s more than the model" % expectation)
		for name, window in left[key[0], key[2]].pop(0).items():
			times[name][key].append(window)
	more = [" ".join(k) for k, windows in left.items() for _ in windows]
	lost = sum(c.lost for c in conversations)
	if more or lost > case.lost or sum(map(len, times["stream"].values())) != case.streams:
		raise Failure("the model has %s more than the table; %d lost" % (", ".join(more) or "nothing", lost))
	return times


def check_case(watch, case, times):
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
	same("http_streams_total", {k: len(v) for k, v in times["stream"].items()}, "http_streams_total")
	for name, family in FAMILIES.items():
		if name != "queue" or watch.rt.has_feature("queue_time"):
			problems += check_times(watch, after, keys, times[name], family)
	for index, name in ((1, "http_request_body_bytes_total"), (2, "http_response_body_bytes_total")):
		if all(p[index] is not None for p in parsed) and not case.streams:
			want = collections.Counter()
			for p in parsed:
				want[p[0]] += p[index]
			same(name, want, name)
	flying = after.sum("http_requests_in_flight", port=str(watch.port))
	if flying:
		problems.append("%g still in flight" % flying)
	lost = watch.lost(after)
	problems = [p for p in problems if p]
	noise = not problems and lost > case.lost
	if lost != case.lost:
		reasons = growth(watch.before, after, "reqtally_requests_lost_total", ("reason",))
		problems.append("reqtally_requests_lost_total grew by %d, expected %d (%s)"
				% (lost, case.lost, reqtally.text_of(reasons)))
	if problems:
		raise (Noise if noise else Failure)("\n    ".join(problems))


def check_times(watch, after, keys, windows, family):
	"""How often FAMILY was observed, the sum, and the buckets: as many at least as must be in them, as many at most as may."""
	problems = [reqtally.difference(family + "_count", {k: len(v) for k, v in windows.items()},
			fold(keys, watch.grown(after, family + "_count")))]
	if problems[0]:
		return problems
	sums = fold(keys, watch.grown(after, family + "_sum"))
	buckets = growth(watch.before, after, family + "_bucket", ("method", "endpoint", "code", "le"), port=str(watch.port))
	by_bound = collections.defaultdict(collections.Counter)
	for (*key, le), n in buckets.items():
		by_bound[le][tuple(key)] += n
	bounds = {dict(k)["le"] for k in after.select(family + "_bucket", port=str(watch.port))}
	for key, wanted in windows.items():
		least, most = (sum(w[i] for w in wanted) for i in (0, 1))
		if not least - ROUNDING <= sums[key] <= most + ROUNDING:
			problems.append("%s_sum of %s: %.6f s, expected %.6f to %.6f s" % (family, " ".join(key), sums[key], least, most))
		for le in bounds:
			got = fold(keys, by_bound[le])[key]
			must, may = sum(w[1] <= float(le) for w in wanted), sum(w[0] <= float(le) for w in wanted)
			if not must <= got <= may:
				problems.append("%s_bucket of %s up to %s s: %d, expected %d to %d" % (family, " ".join(key), le, got, must, may))
	return problems


def tests():
	names = set()
	for number, case in enumerate([*raw_cases.all_cases(), *raw_syntax.all_cases(), *raw_stages.all_cases()], 1):
		if case.name in names:
			raise ValueError("two cases named " + case.name)
		names.add(case.name)
		yield case.name, lambda context, case=case, renew=number % RENEWED == 0: run_case(context, case, renew)
