# SPDX-License-Identifier: GPL-2.0-or-later
"""Heads that come again and again, compared with the one that is kept, among all that is otherwise: straight.py. RT_SEED=N makes other
conversations, RT_STRAIGHT=N so many times more of them; a failure names the seed."""
import collections
import os
import random
import time

import raw
import reqtally
from exposition import growth
from pinned import Pinned
from procs import Failure
from straight import Conversation, Endpoint, Reader, Tally

CONNECTIONS, DEVIATIONS = 8, 60
LEAST, SECONDS = 2, 3 # so many connections, and no new one after so long: emulated kernels are slow
MORE = int(os.environ.get("RT_STRAIGHT", "1"))
SEED = int(os.environ.get("RT_SEED", "20261128"))


class Noise(Failure):
	"""Only what is counted for the whole machine is wrong: that may have been somebody else's connection."""


def compare(rt, before, port, tally):
	after = reqtally.wait_counts(rt, before, port, tally.counts)
	problems = []

	def grown(name):
		return growth(before, after, name, reqtally.KEYS, port=str(port))

	for name in ("duration", "ttfb", "queue"):
		family, windows = "http_requests_%s_seconds" % name, {k[1]: w for k, w in tally.windows.items() if k[0] == name}
		if name == "queue" and not rt.has_feature("queue_time"):
			continue
		if name != "duration":
			streams = {k for k, n in tally.counts.items() if n != tally.timed[k]}
			problems.append(reqtally.difference(family + "_count", {k: w[2] for k, w in windows.items() if k not in streams},
							    {k: n for k, n in grown(family + "_count").items() if k not in streams}))
		else:
			problems.append(reqtally.difference(family + "_count", tally.timed, grown(family + "_count")))
			streams = ()
		for key, got in grown(family + "_sum").items():
			low, high, _ = windows.get(key, (0, 0, 0))
			if key not in streams and not low - 1e-6 <= got <= high + 1e-6:
				problems.append("%s of %s: %.6f s, expected %.6f to %.6f s" % (name, " ".join(key), got, low, high))
	for name, expected in (("http_request_body_bytes_total", tally.bytes_in), ("http_response_body_bytes_total", tally.bytes_out)):
		problems.append(reqtally.difference(name, expected, grown(name)))
	problems = [p for p in problems if p]
	if problems:
		raise Failure("\n    ".join(problems[:12]))
	lost = growth(before, after, "reqtally_requests_lost_total", ("reason",))
	unsolicited = after.sum("reqtally_responses_unsolicited_total") - before.sum("reqtally_responses_unsolicited_total")
	if unsolicited < tally.unsolicited:
		raise Failure("%d responses to nobody, expected %d" % (unsolicited, tally.unsolicited))
	if sum(lost.values()) or unsolicited != tally.unsolicited:
		raise Noise("lost: %s; %d responses to nobody, expected %d" % (reqtally.text_of(lost), unsolicited, tally.unsolicited))
	reqtally.check_ledger(rt)


def conversations(rt, seed, endpoint_of=Endpoint):
	rng, tally, listener = random.Random(seed), Tally(), raw.Listener("127.0.0.1")
	# Without queue time nobody knows who has read a request.
	before, reader, begun = rt.scrape(listener.port), Reader() if rt.has_feature("queue_time") else None, time.monotonic()
	try:
		for i in range(CONNECTIONS * MORE):
			if i >= LEAST and time.monotonic() > begun + SECONDS * MORE:
				break
			c = Conversation(rng, listener, tally, reader, endpoint_of)
			try:
				c.run(DEVIATIONS)
				c.finish()
			finally:
				c.close()
		compare(rt, before, listener.port, tally)
	except Noise:
		raise
	except Failure as e:
		raise Failure("RT_SEED=%d: %s" % (seed, e)) from None
	finally:
		if reader:
			reader.close()
		listener.close()


def with_patience(run, *args):
	for _ in range(2):
		try:
			return run(*args)
		except Noise:
			time.sleep(1)
	return run(*args)


def test_conversations(context):
	with_patience(conversations, context.reqtally(), SEED)


CONFIG = """http:
  routes: ["/ac/**", "/a-/{x}"]
  streams: ["/zb", "/zb/**"]
"""


def routed(path):
	endpoint = Endpoint("/ac/**" if path.startswith("/ac/") else "/a-/{x}" if path.startswith("/a-/") else path)
	endpoint.stream = path == "/zb" or path.startswith("/zb/")
	return endpoint


def test_routes_and_streams(context):
	context.stop_shared()
	with reqtally.Reqtally(context.folder, config=CONFIG) as rt:
		with_patience(conversations, rt, SEED + 1, routed)


def test_met_in_the_middle(context):
	"""Connections that were there before, with heads that have come often."""
	context.stop_shared()
	rng, tally, listener = random.Random(SEED + 2), Tally(), raw.Listener("127.0.0.1")
	old = [Conversation(rng, listener, Tally()) for _ in range(4)]
	try:
		for c in old:
			c.run(3)
		with reqtally.Reqtally(context.folder) as rt:
			before = rt.scrape(listener.port)
			for c in old:
				c.tally = tally
				c.run(20)
				c.finish()
			compare(rt, before, listener.port, tally)
	except Failure as e:
		raise Failure("RT_SEED=%d: %s" % (SEED, e)) from None
	finally:
		for c in old:
			c.close()
		listener.close()


def client_of_two(rng, client, requests, answer):
	"""Sends up to eight requests ahead of their answers, wherever the server is with them."""
	waiting = 0
	for pieces in requests:
		for piece in pieces:
			client.sendall(piece)
			for _ in range(rng.choice((0, 0, 10, 300))):
				pass
		waiting += 1
		while waiting > rng.randrange(8):
			raw.read_exactly(client, answer)
			waiting -= 1
	raw.read_exactly(client, answer * waiting)


def test_two_cpus(context):
	"""Requests come in on one CPU while the answers to others leave on another; some bodies come when their answers have left."""
	rt, rng, listener = context.reqtally(), random.Random(SEED + 3), raw.Listener("127.0.0.1")
	cpus, before = sorted(os.sched_getaffinity(0)), rt.scrape(listener.port)
	get, answer, chunk = raw.request("GET", "/a"), raw.response(200, b"hello"), b"5\r\nhello\r\n"
	post = raw.request("POST", "/b", None, "Transfer-Encoding: chunked")
	counts, received = collections.Counter(), 0
	try:
		begun = time.monotonic()
		for i in range(4):
			if i and time.monotonic() > begun + SECONDS:
				break
			requests = []
			while len(requests) < 1000:
				if rng.randrange(4):
					requests += [[get]] * rng.choice((1, 2, 10))
				else:
					requests.append([post + chunk * 2, *[chunk] * rng.randrange(3), b"0\r\n\r\n"])
			pair = listener.pair()
			pid = os.fork()
			if not pid:
				try:
					os.sched_setaffinity(0, cpus[:1])
					client_of_two(rng, pair[0], requests, len(answer))
				finally:
					os._exit(0)
			pair[0].close()
			os.sched_setaffinity(0, cpus[-1:])
			with pair[1] as server:
				for pieces in requests:
					raw.read_exactly(server, len(pieces[0]))
					server.sendall(answer)
					raw.read_exactly(server, sum(map(len, pieces[1:])))
					key = (raw.SERVICE, *(("GET", "/a") if pieces == [get] else ("POST", "/b")), "200")
					counts[key] += 1
					received += sum(p.count(chunk) for p in pieces) * 5
			os.waitpid(pid, 0)
		after = reqtally.wait_counts(rt, before, listener.port, counts)
		for name, expected in (("http_request_body_bytes_total", received), ("http_response_body_bytes_total", 5 * sum(counts.values()))):
			got = sum(growth(before, after, name, ("method",), port=str(listener.port)).values())
			if got != expected:
				raise Failure("%s: expected %d, got %d" % (name, expected, got))
		got = growth(before, after, "http_requests_duration_seconds_count", reqtally.KEYS, port=str(listener.port))
		if got != counts:
			raise Failure(reqtally.difference("durations", counts, got))
		reqtally.check_ledger(rt)
	finally:
		os.sched_setaffinity(0, cpus)
		listener.close()


ROUTES = ((None, "/ab/cd"), ("http: {routes: ['/ab/{name}']}\n", "/ab/{name}"), ("http: {routes: ['/{all}/cd']}\n", "/{all}/cd"),
	  ("http: {streams: ['/ab/{x}']}\n", "/ab/cd"))


def test_routes_changed(context):
	"""The programs are replaced by others with other routes and streams: what comes again is named anew."""
	with Pinned(context) as pins:
		before, listener = pins.start().scrape(), raw.Listener("127.0.0.1")
		pair, counts = listener.pair(), collections.Counter()
		try:
			for config, endpoint in ROUTES:
				if config:
					pins.stop()
					pins.start(config)
					pins.expect("are replaced; all figures go on")
				for _ in range(5):
					raw.transfer(*pair, raw.request("GET", "/ab/cd"))
					raw.transfer(*pair[::-1], raw.response(200, b"hello"))
				counts[raw.SERVICE, "GET", endpoint, "200"] += 5
			after = reqtally.wait_counts(pins.rt, before, listener.port, counts)
			streams = sum(growth(before, after, "http_streams_total", ("method",), port=str(listener.port)).values())
			if streams != 5:
				raise Failure("%d streams, expected 5" % streams)
		finally:
			for end in pair:
				end.close()
			listener.close()


NO_HTTP = (b"\x16\x03\x01\x00\x05hello", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"*1\r\n$4\r\nPING\r\n", b"hello there\r\n", b"\x00\x01\x02\x03")


def stranger(rng, listener):
	"""A connection that speaks something else, or first something else. Returns (pair, lost, GETs on it that count)."""
	client, server = listener.pair()
	if not rng.randrange(4):
		raw.transfer(server, client, b"220 hello\r\n")
		raw.transfer(client, server, raw.request("GET", "/greeted"))
		raw.transfer(server, client, raw.response(200, b"x"))
		return (client, server), 0, 0
	raw.transfer(client, server, rng.choice(NO_HTTP))
	if rng.randrange(2):
		raw.transfer(server, client, rng.choice((b"\x15\x03\x01\x00", b"+PONG\r\n", b"HTTPS\r\n")))
		raw.transfer(client, server, raw.request("GET", "/deaf"))
		raw.transfer(server, client, raw.response(200, b"x"))
		return (client, server), 0, 0
	raw.transfer(server, client, raw.response(400, b"bad"))
	n = rng.randrange(3)
	for _ in range(n):
		raw.transfer(client, server, raw.request("GET", "/after"))
		raw.transfer(server, client, raw.response(200, b"x"))
	return (client, server), 1, n


def mixed_port(rt):
	rng, tally, listener = random.Random(SEED + 4), Tally(), raw.Listener("127.0.0.1")
	before, lost, after, pairs = rt.scrape(listener.port), 0, 0, []
	old = []
	try:
		for _ in range(60):
			if rng.randrange(2):
				pair, more, n = stranger(rng, listener)
				lost, after = lost + more, after + n
				pairs.append(pair)
			else:
				old.append(Conversation(rng, listener, tally))
			for c in rng.sample(old, min(len(old), 3)):
				c.run(1)
			if len(old) > 4:
				old.pop(0).finish()
			for pair in pairs[:-3]:
				for end in rng.sample(pair, 2):
					end.close()
			del pairs[:-3]
		for c in old:
			c.finish()
		expected = collections.Counter(tally.counts)
		expected[raw.SERVICE, "GET", "/after", "200"] += after
		now = reqtally.wait_counts(rt, before, listener.port, expected)
		got = growth(before, now, "reqtally_requests_lost_total", ("reason",))
		if got["malformed",] != lost:
			raise Noise("RT_SEED=%d: %d malformed, expected %d" % (SEED, got["malformed",], lost))
		reqtally.check_ledger(rt)
	finally:
		for end in (end for pair in pairs for end in pair):
			end.close()
		for c in old:
			c.close()
		listener.close()


def test_mixed_port(context):
	"""HTTP, TLS, HTTP/2, a greeting, noise: on one port, in any order and at the same time."""
	with_patience(mixed_port, context.reqtally())
