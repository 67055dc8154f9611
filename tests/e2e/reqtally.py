# SPDX-License-Identifier: GPL-2.0-or-later
"""Running reqtally and comparing what it counted with what is known to have happened."""
import collections
import os
import shutil
import time

import exposition
from httpclient import ProtocolError, fetch
from procs import Failure, Process, Skip, free_port, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("RT_PROGRAM", os.path.abspath(os.path.join(HERE, "..", "..", "build", "out", "reqtally")))
KEYS = ("service", "method", "endpoint", "code")
NO_RESPONSE = ("000", "499")


def require_program():
	if not os.access(PROGRAM, os.X_OK):
		raise Skip("no %s (make build)" % os.path.relpath(PROGRAM))
	if os.geteuid() != 0:
		raise Skip("not root")


def use_copy(folder):
	"""From now on a copy of the program is used: a build in the middle of a run must not change what is tested."""
	global PROGRAM
	if os.access(PROGRAM, os.X_OK):
		PROGRAM = shutil.copy(PROGRAM, os.path.join(folder, "reqtally"))


class Reqtally:
	"""`reqtally run` on a free port, ready to be scraped."""

	def __init__(self, folder, name="reqtally", flags=(), config=None, prefix=()):
		require_program()
		self.port, self.features = free_port(), None
		argv = [*prefix, PROGRAM, "run", "--web.listen-address=127.0.0.1:%d" % self.port, *flags]
		if not any("pin" in flag for flag in flags):
			argv.append("--no-pin")  # a test leaves nothing behind, and two may run beside each other
		if config is not None:
			self.config_path = os.path.join(folder, name + ".yml")
			with open(self.config_path, "w") as f:
				f.write(config)
			argv.append("--config.file=" + self.config_path)
		begun = time.monotonic()
		self.process = Process(argv, folder, name)
		try:
			wait_for("reqtally ready", self._ready, 30, 0.005)
		except Failure:
			self.process.stop()
			raise
		self.seconds_to_ready = time.monotonic() - begun

	def _ready(self):
		if not self.process.running():
			raise Failure("reqtally ended with %d: %s"
					% (self.process.popen.returncode, self.process.log()))
		try:
			return fetch(self.port, "/-/ready", timeout=5).status == 200
		except (OSError, ProtocolError):
			return False

	def __enter__(self):
		return self

	def __exit__(self, *exc):
		self.process.stop()

	def stop(self):
		code = self.process.stop()
		if code != 0:
			raise Failure("reqtally ended with %d after SIGTERM: %s" % (code, self.process.log()))

	def has_feature(self, name):
		"""Whether this kernel has what feature NAME needs."""
		if self.features is None:
			lines = self._scrape(lambda line: line.startswith("reqtally_feature_enabled{"))
			self.features = {dict(k)["feature"]: v == 1 for k, v in lines.select("reqtally_feature_enabled").items()}
		return self.features[name]

	def scrape_ledger(self):
		"""The families of the ledger only."""
		return self._scrape(lambda line: line.startswith(("http_requests_in_flight{", "reqtally_requests_", "# ")))

	def scrape(self, port=None):
		"""A scrape; with PORT only the series of that port, and those of none, are looked at: much less to read."""
		mine = 'port="%s"' % port
		return self._scrape(lambda line: port is None or mine in line or 'port="' not in line)

	def _scrape(self, wanted):
		if not self.process.running():
			raise Failure("reqtally died (%s): %s" % (self.process.popen.returncode, self.process.log()))
		response = fetch(self.port, "/metrics", headers=[("Accept", "text/plain;version=0.0.4")])
		if response.status != 200 or "version=0.0.4" not in "".join(response.headers["content-type"]):
			raise Failure("scrape: %s %s" % (response.status, response.headers))
		return exposition.Scrape("\n".join(line for line in response.body.decode().split("\n") if wanted(line) or not line))


def text_of(counter):
	return ", ".join("%s: %g" % (" ".join(k), v) for k, v in sorted(counter.items())) or "nothing"


def difference(what, expected, got):
	"""One line on how two counters differ, or None."""
	expected, got = ({k: v for k, v in c.items() if v} for c in (expected, got))
	if expected == got:
		return None
	lines = ["%s: expected %.15g, got %.15g" % (" ".join(k), expected.get(k, 0), got.get(k, 0))
		 for k in sorted(set(expected) | set(got)) if expected.get(k, 0) != got.get(k, 0)]
	more = " (and %d more)" % (len(lines) - 12) if len(lines) > 12 else ""
	return "%s: %s%s" % (what, "; ".join(lines[:12]), more)


def ledger(scrape):
	"""seen, recorded, lost, in flight."""
	return (scrape.sum("reqtally_requests_seen_total"), scrape.sum("reqtally_requests_recorded_total"),
		scrape.sum("reqtally_requests_lost_total"), scrape.sum("http_requests_in_flight"))


def check_ledger(rt):
	"""seen == recorded + lost + in flight. Other traffic of the machine may move between two readings: a few tries."""
	for _ in range(20):
		scrape = rt.scrape_ledger()
		seen, recorded, lost, flying = ledger(scrape)
		if "reqtally_requests_seen_total" not in scrape.series:
			raise Failure("no reqtally_requests_seen_total")
		if seen == recorded + lost + flying:
			return scrape
		time.sleep(0.1)
	raise Failure("the ledger is not balanced: seen %d, recorded %d, lost %d, in flight %d: %+d" % (
		seen, recorded, lost, flying, seen - recorded - lost - flying))


def wait_counts(rt, before, port, expected, timeout=5):
	"""Waits until the growth of http_requests_total on PORT is EXPECTED, then looks again that it stays so; the scrape."""
	end = time.monotonic() + timeout
	while True:
		after = rt.scrape()
		why = difference("http_requests_total", expected,
				 exposition.growth(before, after, "http_requests_total", KEYS, port=str(port)))
		if not why:
			break
		if time.monotonic() > end:
			raise Failure(why)
		time.sleep(0.05)
	time.sleep(0.3)
	after = rt.scrape()
	why = difference("http_requests_total a moment later", expected,
			 exposition.growth(before, after, "http_requests_total", KEYS, port=str(port)))
	if why:
		raise Failure(why)
	return after


def check_durations(scrape, before, port, service, tally, known=()):
	"""The server's durations lie below the client's, and for the endpoints of KNOWN {endpoint: seconds slept} at most one
	bucket below. Every duration of the server is part of the client's, so its cumulative counts can only be higher."""
	problems = []
	for (method, endpoint, code), durations in tally.durations.items():
		labels = {"service": service, "method": method, "endpoint": endpoint, "code": code, "port": str(port)}
		if None in durations:
			continue
		now = scrape.buckets("http_requests_duration_seconds", **labels)
		was = dict(before.buckets("http_requests_duration_seconds", **labels))
		got = [(le, n - was.get(le, 0)) for le, n in now]
		mine = [(le, sum(d <= le for d in durations)) for le, _ in got]
		name = "%s %s %s" % (method, endpoint, code)
		for i, (le, n) in enumerate(got):
			if n < mine[i][1]:
				problems.append("%s: %d requests up to %g s, the client measured %d"
						% (name, n, le, mine[i][1]))
			elif endpoint in known and i + 1 < len(mine) and n > mine[i + 1][1]:
				problems.append("%s: %d requests up to %g s, the client measured only %d up to %g s" % (
					name, n, le, mine[i + 1][1], mine[i + 1][0]))
		total = (scrape.sum("http_requests_duration_seconds_sum", **labels)
			 - before.sum("http_requests_duration_seconds_sum", **labels))
		if total > sum(durations) + 1e-6:
			problems.append("%s: sum %.6f s, the client measured %.6f s" % (name, total, sum(durations)))
		least = known.get(endpoint, 0) * len(durations) if known else 0
		if total < least:
			problems.append("%s: sum %.6f s, the server slept %.6f s" % (name, total, least))
	return problems


def check(rt, before, port, service, tally, streams=(), known=None, queue=True):
	"""Everything that must agree with TALLY on PORT; STREAMS are the keys that are streams and no durations."""
	label = {"port": str(port)}
	expected = collections.Counter({(service, *k): v for k, v in tally.counts.items()})
	after = wait_counts(rt, before, port, expected)

	def grown(name):
		return exposition.growth(before, after, name, KEYS, **label)

	timed = collections.Counter({k: v for k, v in expected.items() if k[1:] not in set(streams)})
	answered = collections.Counter({k: v for k, v in timed.items() if k[3] not in NO_RESPONSE})
	problems = [
		difference("http_requests_duration_seconds_count", timed,
				grown("http_requests_duration_seconds_count")),
		difference("http_requests_ttfb_seconds_count", answered, collections.Counter({
			k: v for k, v in grown("http_requests_ttfb_seconds_count").items() if k[3] not in NO_RESPONSE and k in timed})),
		difference("http_request_body_bytes_total", {(service, *k): v for k, v in tally.request_bytes.items()},
			   grown("http_request_body_bytes_total")),
		difference("http_response_body_bytes_total",
				{(service, *k): v for k, v in tally.response_bytes.items()},
			   grown("http_response_body_bytes_total")),
	]
	if queue and rt.has_feature("queue_time"):
		problems.append(difference("http_requests_queue_seconds_count", timed, collections.Counter({
			k: v for k, v in grown("http_requests_queue_seconds_count").items() if k in timed})))
	flying = after.sum("http_requests_in_flight", **label)
	if flying:
		problems.append("http_requests_in_flight: %g, expected 0" % flying)
	problems += check_durations(after, before, port, service, tally, known or {})
	problems = [p for p in problems if p]
	if problems:
		raise Failure("\n    ".join(problems[:15]))
	check_ledger(rt)
	return after
