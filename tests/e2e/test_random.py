# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversations made by chance from parts of which all is known: methods, paths, framings, interim responses, pipelining, cut anywhere,
with pauses anywhere. Because both ends are in one hand, the begin, the first read, the first byte of the answer and the end of each
request lie between two readings of the clock, so that counts must be equal and each sum of seconds must lie in its window.
RT_SEED=N makes other conversations; a failure names the one that made these."""
import collections
import os
import random
import time

import raw
import reqtally
from exposition import growth
from procs import Failure, Skip
from raw_times import queued
from test_servers import started

CONNECTIONS, GROUPS = 24, 5
PATHS = (("/", "/"), ("/a?x=/b/1", "/a"), ("/users/%d/orders", "/users/{id}/orders"), ("/items/f47ac10b-58cc-4372-a567-0e02b2c3d479", "/items/{id}"),
	("http://host/abs/%d?q", "/abs/{id}"), ("/long/" + "w" * 150, "/long/" + "w" * 150))
INSIDE = b"GET /inside HTTP/1.1\r\nHost: x\r\n\r\nHTTP/1.1 500 x\r\nContent-Length: 3\r\n\r\n"


class Request:
	"""One request with its answer as bytes, and what must be counted for it."""

	def __init__(self, rng):
		self.method = rng.choice(("GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "FROB"))
		target, endpoint = rng.choice(PATHS)
		if "%d" in target:
			target %= rng.randrange(10 ** 9)
		body, fields = self.body(rng, self.method in ("POST", "PUT", "PATCH"))
		self.received = len(body)
		self.bytes = self.message(rng, "%s %s HTTP/1.1" % (self.method, target), body, fields)
		self.code = rng.choice((200, 200, 200, 201, 204, 301, 304, 400, 404, 500, 503))
		body, fields = self.body(rng, True)
		bare = self.method == "HEAD" or self.code in (204, 304)
		if not fields:
			fields = ["Content-Length: %d" % len(body)]
		final = self.message(rng, "HTTP/1.1 %d Because" % self.code, body, fields, bare)
		self.interim = b"".join(b"HTTP/1.1 %d\r\nX: y\r\n\r\n" % rng.choice((100, 102, 103)) for _ in range(rng.choice((0, 0, 0, 1, 3))))
		self.answer = self.interim + final
		self.key = (self.method if self.method != "FROB" else "_OTHER", endpoint, "%03d" % self.code)
		self.sent = 0 if bare else len(body)

	@staticmethod
	def body(rng, wanted):
		"""A body and the fields that frame it."""
		if not wanted:
			return b"", []
		body = rng.choice((b"", b"x", INSIDE, INSIDE * 40, bytes(rng.randrange(256) for _ in range(rng.randrange(3000)))))
		return body, [rng.choice(("Content-Length: %d" % len(body), "content-length:%d" % len(body), "Transfer-Encoding: chunked"))]

	@staticmethod
	def message(rng, line, body, fields, bare=False):
		fields = fields + ["Host: raw"] + ["X-%d: %s" % (i, "v" * rng.randrange(60)) for i in range(rng.choice((0, 2, 20)))]
		rng.shuffle(fields)
		out = ("\r\n".join([line, *fields]) + "\r\n\r\n").encode()
		if bare:
			return out
		if not any("chunked" in f for f in fields):
			return out + body
		while body:
			n = rng.randrange(1, len(body) + 1)
			out += b"%x%s\r\n%s\r\n" % (n, rng.choice((b"", b";x=1")), body[:n])
			body = body[n:]
		return out + b"0\r\n" + rng.choice((b"", b"Content-Length: 7\r\n")) + b"\r\n"


def pieces(rng, data):
	"""DATA cut where chance wants: [(offset, piece)]."""
	cuts = rng.choice((0, 0, 1, 3, 12))
	at = sorted({0, len(data), *(rng.randrange(len(data)) for _ in range(cuts))})
	if rng.random() < 0.05 and len(data) < 600:
		at = range(len(data) + 1)
	return [(a, data[a:b]) for a, b in zip(at, at[1:])]


def arrived(sock, n):
	"""When all N bytes are known to have come, or None."""
	end = time.monotonic() + 0.05
	while time.monotonic() < end:
		if queued(sock) >= n:
			return time.monotonic()
	return None


def carry(rng, source, target, data, pause):
	"""Sends DATA in pieces. Returns [(offset, sent after, sent before, read after, read before)]."""
	marks = []
	for at, piece in pieces(rng, data):
		first = time.monotonic()
		source.sendall(piece)
		second = third = arrived(target, len(piece))
		if pause and rng.random() < 0.2:
			time.sleep(rng.random() * 0.004)
			third = third and time.monotonic()
		raw.read_exactly(target, len(piece))
		marks.append((at, first, second or time.monotonic(), third or first, time.monotonic()))
		if rng.random() < 0.1:
			time.sleep(rng.random() * 0.003)
	return marks


def mark_of(marks, offset):
	return [m for m in marks if m[0] <= offset][-1]


def converse(rng, listener, counts, windows):
	client, server = listener.pair()
	with client, server:
		for _ in range(GROUPS):
			group = [Request(rng) for _ in range(rng.choice((1, 1, 1, 2, 5, 16)))]
			marks = carry(rng, client, server, b"".join(r.bytes for r in group), True)
			at, begins = 0, []
			for r in group:
				begins.append(mark_of(marks, at))
				at += len(r.bytes)
			together = rng.random() < 0.3 # all answers as one stream of bytes, cut anywhere
			if together:
				marks = carry(rng, server, client, b"".join(r.answer for r in group), False)
			at = 0
			for r, (_, arrived, arrival, reading, been_read) in zip(group, begins):
				if not together:
					marks, at = carry(rng, server, client, r.answer, False), 0
				first, last = mark_of(marks, at + len(r.interim)), mark_of(marks, at + len(r.answer) - 1)
				at += len(r.answer)
				counts[r.key] += 1
				for name, low, high in (("duration", last[1] - arrival, last[2] - arrived), ("ttfb", first[1] - arrival, first[2] - arrived),
						("queue", reading - arrival, been_read - arrived)):
					window = windows[name][r.key]
					window[0] += max(0, low)
					window[1] += high
				windows["received"][r.key][0] += r.received
				windows["sent"][r.key][0] += r.sent


def test_conversations(context):
	rt, before = started(context)
	if rt is None:
		raise Skip(before)
	seed = int(os.environ.get("RT_SEED", "20261122"))
	rng, listener = random.Random(seed), raw.Listener("127.0.0.1")
	counts = collections.Counter()
	windows = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
	try:
		for _ in range(CONNECTIONS):
			converse(rng, listener, counts, windows)
		after = reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, *k): n for k, n in counts.items()})
		problems = []

		def grown(name):
			return growth(before, after, name, ("method", "endpoint", "code"), port=str(listener.port))

		for name in ("duration", "ttfb", "queue"):
			problems.append(reqtally.difference(name, counts, grown("http_requests_%s_seconds_count" % name)))
			for key, got in grown("http_requests_%s_seconds_sum" % name).items():
				low, high = windows[name][key]
				if not low - 1e-6 <= got <= high + 1e-6:
					problems.append("%s of %s: %.6f s, expected %.6f to %.6f s" % (name, " ".join(key), got, low, high))
		for what, name in (("received", "http_request_body_bytes_total"), ("sent", "http_response_body_bytes_total")):
			problems.append(reqtally.difference(name, {k: w[0] for k, w in windows[what].items()}, grown(name)))
		problems = [p for p in problems if p]
		if problems:
			raise Failure("RT_SEED=%d: %s" % (seed, "\n    ".join(problems[:12])))
		reqtally.check_ledger(rt)
	except Failure as e:
		raise Failure("RT_SEED=%d: %s" % (seed, e)) from None
	finally:
		listener.close()
