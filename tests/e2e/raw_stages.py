# SPDX-License-Identifier: GPL-2.0-or-later
"""Byte-level cases by rule instead of by hand: the end of a connection at every stage of a request, from either side and in every way;
and the first bytes of other protocols."""
from raw import Case, request, response
from raw_cases import AGAIN, CHUNKED, CHUNKS, EVENTS, EVENTS_CHUNKED, FINE, GET, OK, SWITCH, UPGRADE, UPLOAD, pieces

HEAD = request("POST", "/up/1", None, "Expect: 100-continue", "Content-Length: 10")
BODY = b"0123456789"
CONTINUE = response(100, length=False)
ANSWER = response(201, b"created")

# (name, steps so far, is the request line complete, has the status of the final response left, is the response complete)
STAGES = (
	("nothing", [], False, False, False),
	("method", [("c", HEAD[:2])], False, False, False),
	("target", [("c", HEAD[:9])], False, False, False),
	("version", [("c", HEAD[:20])], False, False, False),
	("line", [("c", HEAD[:HEAD.index(b"\n") + 1])], True, False, False),
	("field", [("c", HEAD[:40])], True, False, False),
	("head", [("c", HEAD)], True, False, False),
	("continue", [("c", HEAD), ("s", CONTINUE)], True, False, False),
	("body", [("c", HEAD), ("s", CONTINUE), ("c", BODY[:4])], True, False, False),
	("sent", [("c", HEAD), ("s", CONTINUE), ("c", BODY)], True, False, False),
	("status-line", [("c", HEAD), ("s", CONTINUE), ("c", BODY), ("s", ANSWER[:11])], True, False, False),
	("status", [("c", HEAD), ("s", CONTINUE), ("c", BODY), ("s", ANSWER[:16])], True, True, False),
	("answer-head", [("c", HEAD), ("s", CONTINUE), ("c", BODY), ("s", ANSWER[:-7])], True, True, False),
	("answer-body", [("c", HEAD), ("s", CONTINUE), ("c", BODY), ("s", ANSWER[:-3])], True, True, False),
	("early-answer", [("c", HEAD), ("s", ANSWER)], True, True, True),
	("done", [("c", HEAD), ("s", CONTINUE), ("c", BODY), ("s", ANSWER)], True, True, True),
)
ENDS = (
	("client-closes", ["c.close"], "499"),
	("client-resets", ["c.rst"], "499"),
	("client-half-closes", ["c.shut", "s.eof", "s.close", "c.eof"], "499"),
	("server-closes", ["s.close", "c.eof"], None),
	("server-resets", ["s.rst"], None),
	("server-half-closes", ["s.shut", "c.eof", "c.close"], None),
)


def stages():
	for stage, steps, line, status, done in STAGES:
		for end, script, client in ENDS:
			name = "end-%s-%s" % (stage, end)
			if not line:
				# With a method and the beginning of a target it can be nothing but HTTP.
				yield Case(name, [[*steps, *script]], [], lost=1 if stage in ("target", "version") else 0)
				continue
			code = "201" if done else client or ("201" if status else "000")
			yield Case(name, [[*AGAIN, *steps, *script]], [FINE, "POST /up/{id} %s ?" % code])
		# The next request has begun when the connection ends.
		if done and stage != "early-answer":
			for end, script, _ in ENDS:
				yield Case("end-next-" + end, [[*steps, ("c", GET[:6]), *script]], ["POST /up/{id} 201 10>7"], lost=1)


CHUNKED_HEAD = CHUNKED[:-len(CHUNKS)]
TO_CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
# (name, steps so far, what of the answer is still to come); all of them in the middle of something.
CHUNK_STAGES = (
	("upload-size", [("c", UPLOAD[:-len(CHUNKS) + 1])], CHUNKED),
	("upload-data", [("c", UPLOAD[:-len(CHUNKS) + 6])], CHUNKED),
	("upload-trailer", [("c", UPLOAD[:-6])], CHUNKED),
	("chunk-size", [("c", UPLOAD), ("s", CHUNKED[:-len(CHUNKS) + 1])], CHUNKED[-len(CHUNKS) + 1:]),
	("chunk-data", [("c", UPLOAD), ("s", CHUNKED[:-len(CHUNKS) + 6])], CHUNKED[-len(CHUNKS) + 6:]),
	("chunk-last", [("c", UPLOAD), ("s", CHUNKED[:-12])], CHUNKED[-12:]),
	("chunk-trailer", [("c", UPLOAD), ("s", CHUNKED[:-4])], CHUNKED[-4:]),
	("chunk-end", [("c", UPLOAD), ("s", CHUNKED[:-1])], CHUNKED[-1:]),
)


def chunk_stages():
	for stage, steps, rest in CHUNK_STAGES:
		for end, script, client in ENDS:
			code = client or ("000" if rest is CHUNKED else "200")
			yield Case("end-%s-%s" % (stage, end), [[*AGAIN, *steps, *script]], [FINE, "POST /up %s ?" % code])


def to_close():
	"""A response that ends with the connection: the server's end is its end, also where the client has said before that it sends no more.
	(All that was sent had come: on the wire a client that has closed is none that has gone before something is sent to it.)"""
	for end, script, client in ENDS:
		code = client if end == "client-resets" else "200"
		yield Case("end-to-close-" + end, [[*AGAIN, ("c", GET), ("s", TO_CLOSE + b"some"), *script]], [FINE, "GET /a %s ?" % code])


def stream_stages():
	for stage, steps, expect in (("events", [("c", GET), ("s", EVENTS + b"data: 1\n\n")], "GET /a 200 ?"),
			("events-chunk", [("c", GET), ("s", EVENTS_CHUNKED + CHUNKS[:7])], "GET /a 200 ?"),
			("tunnel", [("c", UPGRADE), ("s", SWITCH), ("c", b"hello"), ("s", b"hello")], "GET /ws 101"),
			("connect", [("c", request("CONNECT", "far.example:443")), ("s", response(200, length=False)), ("c", b"\x16"), ("s", b"\x16")],
				"CONNECT {authority} 200")):
		for end, script, _ in ENDS:
			yield Case("end-%s-%s" % (stage, end), [[*AGAIN, *steps, ("sleep", 0.01), *script]], [FINE, expect], streams=1)


def pipelined_stages():
	"""Three requests wait; the connection ends at each stage of the first one's answer, or of the second one's."""
	three = [("c", GET + request("HEAD", "/h") + request("POST", "/up", b"abc"))]
	for stage, steps, code, answered in (("none", [], "000", 0), ("status", [("s", OK[:20])], "200", 0), ("body", [("s", OK[:-2])], "200", 0),
			("second", [("s", OK + OK[:20])], "200", 1), ("third", [("s", OK + OK[:-5])], "000", 2)):
		for end, script, client in ENDS:
			waiting = [("GET /a", FINE), ("HEAD /h", "HEAD /h 200"), ("POST /up", None)]
			expect = [fine for _, fine in waiting[:answered]]
			for i, (name, _) in enumerate(waiting[answered:]):
				expect.append("%s %s ?" % (name, client or (code if i == 0 else "000")))
			yield Case("end-pipelined-%s-%s" % (stage, end), [[*three, *steps, *script]], expect)


def gone():
	"""The client has closed, half or altogether, before the answer is sent; it takes it, or answers with a reset."""
	for stage, at in (("before", 0), ("status", 16), ("body", len(ANSWER) - 3)):
		steps = [("c", HEAD + BODY)] + ([("s", ANSWER[:at])] if at else [])
		yield Case("gone-half-%s" % stage, [[*steps, "c.shut", "s.eof", ("sleep", 0.01), ("s", ANSWER[at:]), ("sleep", 0.01), "s.close", "c.eof"]],
				["POST /up/{id} 201 10>7"])
		yield Case("gone-half-%s-client-ends" % stage, [[*steps, "c.shut", "s.eof", ("s", ANSWER[at:]), ("sleep", 0.01), "c.close", "s.close"]],
				["POST /up/{id} 201 10>7"])
		yield Case("gone-half-%s-reset-behind" % stage, [[*steps, "c.shut", "s.eof", ("s", ANSWER[at:]), "c.rst", "s.close"]],
				["POST /up/{id} 201 10>7"])
		yield Case("gone-%s" % stage, [[*steps, "c.close", ("sleep", 0.01), ("s!", ANSWER[at:]), ("sleep", 0.01), "s.close"]],
				["POST /up/{id} 499 ?"])
		yield Case("gone-%s-unread" % stage, [[*steps, ("s!", ANSWER[at:-1]), ("sleep", 0.01), "c.close", "s.close"]], ["POST /up/{id} 499 ?"])
	yield Case("gone-chunks", [[("c", GET), ("s", CHUNKED_HEAD), "c.close", ("s!", CHUNKS[:10]), ("sleep", 0.02), "s.close"]], ["GET /a 499 ?"])
	yield Case("gone-pipelined", [[("c", GET * 3), ("s", OK), "c.close", ("s!", OK), "s.close"]], [FINE, "GET /a 499 ?", "GET /a 499 ?"])
	yield Case("gone-pipelined-half", [[("c", GET * 3), ("s", OK), "c.shut", "s.eof", ("s", OK), ("sleep", 0.01), ("s", OK), "s.close", "c.eof"]],
			[FINE] * 3)


def unread():
	yield Case("unread-request", [[("c!", GET), "s.close"]], ["GET /a 000"], read=False)
	yield Case("unread-pipelined", [[("c!", GET * 4), ("s?", len(GET)), ("s", OK), "s.close", "c.eof"]], [FINE] + ["GET /a 000"] * 3)
	yield Case("unread-pipelined-reset", [[("c!", GET * 4), ("s?", len(GET)), ("s", OK), "s.rst"]], [FINE] + ["GET /a 000"] * 3)
	yield Case("unread-answer", [[("c", GET), ("s!", response(200, b"x" * 3000)), "c.close"]], ["GET /a 200 0>3000"])
	yield Case("unread-upload-refused", [[("c!", request("PUT", "/up", b"u" * 200000)[:100000]), ("s", response(413, b"no", "Connection: close")),
			"s.close"]], ["PUT /up 413 ?"], read=False)
	yield Case("answer-before-it-is-read", [[("c!", GET), ("sleep", 0.05), ("s", OK), ("s?", len(GET)), *AGAIN]], [FINE] * 2, read=False)


def protocols():
	"""Requests and answers of protocols that begin with letters, as HTTP does, or with something else."""
	for name, script in (
			("rtsp", [("c", b"OPTIONS rtsp://cam/1 RTSP/1.0\r\nCSeq: 1\r\n\r\n"), ("s", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")]),
			("sip", [("c", b"INVITE sip:bob@host SIP/2.0\r\nVia: x\r\n\r\n"), ("s", b"SIP/2.0 100 Trying\r\n\r\n")]),
			("memcached", [("c", b"get /a\r\n"), ("s", b"END\r\n"), ("c", b"set a 0 0 5\r\nhello\r\n"), ("s", b"STORED\r\n")]),
			("redis-inline", [("c", b"GET key\r\n"), ("s", b"$-1\r\n"), ("c", b"SET key value\r\n"), ("s", b"+OK\r\n")]),
			("imap", [("s", b"* OK ready\r\n"), ("c", b"a1 LOGIN u p\r\n"), ("s", b"a1 OK\r\n")]),
			("pop3", [("s", b"+OK\r\n"), ("c", b"USER u\r\n"), ("s", b"+OK\r\n")]),
			("ftp", [("s", b"220 ftp\r\n"), ("c", b"USER u\r\n"), ("s", b"331 more\r\n")]),
			("irc", [("c", b"NICK n\r\nUSER n 0 * :n\r\n"), ("s", b":srv 001 n :hi\r\n")]),
			("nats", [("s", b"INFO {}\r\n"), ("c", b"CONNECT {}\r\nPING\r\n"), ("s", b"PONG\r\n")]),
			("zookeeper", [("c", b"ruok"), ("s", b"imok")]),
			("whois", [("c", b"example.org\r\n"), ("s", b"no match\r\n")]),
			("finger-gopher", [("c", b"/about\r\n"), ("s", b"text\r\n.\r\n")]),
			("postgres", [("c", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"), ("s", b"N"), ("c", b"\x00\x00\x00\x13\x00\x03\x00\x00user\x00x\x00\x00\x00"),
				("s", b"R\x00\x00\x00\x08\x00\x00\x00\x00"), ("c", b"Q\x00\x00\x00\x1eSELECT 'GET / HTTP/1.1';\x00"), ("s", b"C\x00\x00\x00\x04")]),
			("mysql", [("s", b"\x4a\x00\x00\x00\x0a8.0\x00"), ("c", b"\x05\x00\x00\x01\x0e\x00\x00\x00\x00"), ("s", b"\x07\x00\x00\x02")]),
			("mongodb", [("c", b"\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00"), ("s", bytes(16))]),
			("amqp", [("c", b"AMQP\x00\x00\x09\x01"), ("s", b"\x01\x00\x00")]),
			("mqtt", [("c", b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04abcd"), ("s", b"\x20\x02\x00\x00")]),
			("kafka", [("c", b"\x00\x00\x00\x14\x00\x12\x00\x03\x00\x00\x00\x01\x00\x04test\x00\x00\x00"), ("s", bytes(12))]),
			("proxy-v2", [("c", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12)), ("s", b"x")]),
			("socks5", [("c", b"\x05\x01\x00"), ("s", b"\x05\x00"), ("c", b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"), ("s", b"\x05\x00")]),
			("line-noise", [("c", b"abcdefghijklmnopqrstuvwxyz" * 50), ("s", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 50)] * 3),
			("grpc", [("c", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9) + b"GET / HTTP/1.1\r\n\r\n"), ("s", bytes(9) + OK)] * 2)):
		yield Case("protocol-" + name, [script, script], [])
	# What a load balancer puts in front of a client's bytes is no request, but what comes behind it is one.
	signature = b"\r\n\r\n\0\r\nQUIT\n"
	for name, header in (("v1", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n"), ("v1-unknown", b"PROXY UNKNOWN\r\n"),
			("v2", signature + b"\x21\x11\x00\x0c" + bytes(range(12))), ("v2-local", signature + b"\x20\x00\x00\x00"),
			("v2-long", signature + b"\x21\x11\x01\x0c" + bytes(range(12)) + b"GET /no HTTP/1.1" * 16)):
		yield Case("proxied-" + name, [[("c", header + GET), ("s", OK), *AGAIN], [("c", header), ("sleep", 0.02), *AGAIN]], [FINE] * 3)
		yield Case("proxied-%s-split" % name, [[*pieces("c", header + GET), ("s", OK), *AGAIN]], [FINE] * 2)
	yield Case("proxied-nothing", [[("c", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n"), "c.close"], [("c", signature), "c.close"]], [])


def all_cases():
	for group in (stages, chunk_stages, to_close, stream_stages, pipelined_stages, gone, unread, protocols):
		yield from group()
