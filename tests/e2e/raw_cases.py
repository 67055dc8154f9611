# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of byte-level cases: what each connection carries and what must be counted for it."""
from raw import Case, request, response

GET = request("GET", "/a")
OK = response(200, b"hello")
AGAIN = [("c", GET), ("s", OK)]  # a plain request behind, to show that the framing held
FINE = "GET /a 200 0>5"
CHUNKS = b"5\r\nhello\r\n6;note=\"x\"\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"
CHUNKED = response(200, b"", "Transfer-Encoding: chunked", length=False) + CHUNKS
UPLOAD = request("POST", "/up", None, "Transfer-Encoding: chunked") + CHUNKS
EVENTS = response(200, b"", "Content-Type: text/event-stream", "Cache-Control: no-cache", length=False)
EVENTS_CHUNKED = response(200, b"", "content-type:Text/Event-Stream; charset=utf-8",
	   "Transfer-Encoding: chunked", length=False)
UPGRADE = request("GET", "/ws", None, "Connection: Upgrade", "Upgrade: websocket")
SWITCH = response(101, b"", "Connection: Upgrade", "Upgrade: websocket", length=False)
INSIDE = b"GET /inside HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER_INSIDE = b"HTTP/1.1 500 Inside\r\nContent-Length: 3\r\n\r\nend"


def split(data, at):
	return data[:at], data[at:]


def pieces(who, data, size=1):
	return [(who, data[i:i + size]) for i in range(0, len(data), size)]


def both_halves(who, data, rest):
	"""One script for each way to cut DATA in two segments."""
	return [[*((who, part) for part in split(data, i)), *rest] for i in range(1, len(data))]


def segmentation():
	head = request("GET", "/split/123?q=1")
	yield Case("simple", [AGAIN], [FINE])
	yield Case("keep-alive", [AGAIN * 5], [FINE] * 5)
	yield Case("request-split-everywhere", both_halves("c", head, [("s", OK)]),
		   ["GET /split/{id} 200 0>5"] * (len(head) - 1))
	yield Case("response-split-everywhere", [[("c", GET), *s] for s in both_halves("s", OK, [])],
		   [FINE] * (len(OK) - 1))
	yield Case("upload-split-everywhere", both_halves("c", UPLOAD, [("s", OK)]),
		   ["POST /up 200 11>5"] * (len(UPLOAD) - 1))
	yield Case("chunked-split-everywhere", [[("c", GET), *s] for s in both_halves("s", CHUNKED, [])],
		   ["GET /a 200 0>11"] * (len(CHUNKED) - 1))
	yield Case("byte-by-byte", [[*pieces("c", UPLOAD), *pieces("s", CHUNKED)] * 2], ["POST /up 200 11>11"] * 2)
	yield Case("three-byte-segments", [[*pieces("c", UPLOAD, 3), *pieces("s", CHUNKED, 3)] * 2],
		   ["POST /up 200 11>11"] * 2)
	yield Case("head-end-split-from-next", [[("c", GET[:-1]), ("c", GET[-1:]), ("s", OK[:-1]),
		   ("s", OK[-1:])] * 3], [FINE] * 3)
	for size in (2000, 9000, 40000, 70000):
		big = request("GET", "/big", None, "Cookie: " + "c" * size)
		yield Case("long-head-%d" % size, [[("c", big), ("s", OK), *AGAIN]], ["GET /big 200 0>5", FINE])
	many = request("GET", "/many", None, *("X-Field-%d: %d" % (i, i) for i in range(300)))
	yield Case("many-fields", [[("c", many), ("s", response(200, b"ab", *("X-%d: y" % i for i in range(300)))),
		   *AGAIN]],
		   ["GET /many 200 0>2", FINE])
	yield Case("fields-in-many-segments", [[*pieces("c", many, 100), ("s", OK)] * 2], ["GET /many 200 0>5"] * 2)
	yield Case("ipv6", [AGAIN * 2], [FINE] * 2, host="::1")
	yield Case("ipv4-mapped", [AGAIN * 2], [FINE] * 2, bind="::")
	yield Case("late-accept", [[("c", GET), ("s", OK), *AGAIN]] * 3, [FINE] * 6, late_accept=True)
	yield Case("deferred-accept", [[("c", GET), ("s", OK), *AGAIN]] * 3, [FINE] * 6, deferred=True)
	yield Case("deferred-accept-part", [[("c", GET[:9]), ("c", GET[9:]), ("s", OK)]] * 3,
		   [FINE] * 3, deferred=True)
	yield Case("deferred-accept-ipv6", [AGAIN] * 3, [FINE] * 3, deferred=True, host="::1")
	megabytes = bytes(3 << 20)
	yield Case("large-bodies", [[("c", request("POST", "/up", megabytes)), ("s", response(200, megabytes)),
		   *AGAIN]],
		   ["POST /up 200 3145728>3145728", FINE])
	chunk = b"%x\r\n%s\r\n" % (len(megabytes), megabytes)
	yield Case("large-chunk", [[("c", GET), ("s", CHUNKED[:-len(CHUNKS)] + chunk * 2 + b"0\r\n\r\n"), *AGAIN]],
		   ["GET /a 200 0>6291456", FINE])
	yield Case("small-chunks", [[("c", GET), ("s", CHUNKED[:-len(CHUNKS)] + b"1\r\nx\r\n" * 3000 + b"0\r\n\r\n"),
		   *AGAIN]],
		   ["GET /a 200 0>3000", FINE])


def pipelining():
	yield Case("pipelined-one-segment", [[("c", GET * 3), ("s", OK * 3)]], [FINE] * 3)
	yield Case("pipelined-different", [[("c", GET + UPLOAD + request("HEAD", "/h")), ("s", response(404)),
		   ("s", OK), ("s", response(200, b"", "Content-Length: 9", length=False))]],
		   ["GET /a 404", "POST /up 200 11>5", "HEAD /h 200"])
	yield Case("pipelined-16", [[("c", GET * 16), *[("s", OK)] * 16]], [FINE] * 16)
	yield Case("pipelined-40", [[("c", GET * 40), *[("s", OK)] * 40]],
		   [FINE] * 16, lost=24)  # the stated depth is 16
	yield Case("pipelined-after-body", [[("c", request("POST", "/up", b"12345") + GET[:7]), ("c", GET[7:]),
		   ("s", OK), ("s", OK)]],
		   ["POST /up 200 5>5", FINE])
	yield Case("pipelined-while-answering", [[("c", GET), ("s", OK[:10]), ("c", request("GET", "/b")),
		   ("s", OK[10:] + OK)]],
		   [FINE, "GET /b 200 0>5"])
	yield Case("pipelined-client-gone", [[("c", GET * 3), ("s", OK), "c.rst"]], [FINE, "GET /a 499",
		   "GET /a 499"])
	yield Case("pipelined-server-closes", [[("c", GET * 2), ("s", OK), "s.close", "c.eof"]], [FINE, "GET /a 000"])


def bodies():
	yield Case("post-empty", [[("c", request("POST", "/up", b"")), ("s", OK)] * 2], ["POST /up 200 0>5"] * 2)
	yield Case("post-no-length", [[("c", request("POST", "/up")), ("s", OK)] * 2], ["POST /up 200 0>5"] * 2)
	yield Case("body-is-http", [[("c", request("POST", "/up", INSIDE)), ("s", response(200, ANSWER_INSIDE))] * 2],
		   ["POST /up 200 %d>%d" % (len(INSIDE), len(ANSWER_INSIDE))] * 2)
	post = request("POST", "/up", None, "Content-Length: %d" % len(INSIDE))
	answer = response(200, b"", "Content-Length: %d" % len(ANSWER_INSIDE), length=False)
	yield Case("body-is-http-own-segment", [[("c", post), ("c", INSIDE), ("s", answer),
		   ("s", ANSWER_INSIDE)] * 2],
		   ["POST /up 200 %d>%d" % (len(INSIDE), len(ANSWER_INSIDE))] * 2)
	yield Case("chunk-is-http", [[("c", request("POST", "/up", None, "Transfer-Encoding: chunked")
		   + b"%x\r\n%s\r\n0\r\n\r\n" % (len(INSIDE), INSIDE)),
				      ("s", OK)] * 2], ["POST /up 200 %d>5" % len(INSIDE)] * 2)
	yield Case("chunk-extensions-trailers", [[("c", UPLOAD), ("s", CHUNKED), *AGAIN]],
		   ["POST /up 200 11>11", FINE])
	yield Case("chunk-size-forms", [[("c", GET), ("s", CHUNKED[:-len(CHUNKS)]
		   + b"0005\r\nhello\r\nA ;x\r\n0123456789\r\n00\r\n\r\n"), *AGAIN]],
		   ["GET /a 200 0>15", FINE])
	yield Case("field-forms", [[("c", b"POST /up HTTP/1.1\r\nHOST:raw\r\ncontent-LENGTH:   4  \r\n\r\nabcd"),
				    ("s", b"HTTP/1.1 200 OK\r\ntransfer-encoding:CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), *AGAIN]],
		   ["POST /up 200 4>3", FINE])
	yield Case("transfer-encoding-list", [[("c", GET),
		   ("s", response(200, b"", "Transfer-Encoding: gzip, chunked", length=False) + CHUNKS), *AGAIN]],
		   ["GET /a 200 0>11", FINE])
	yield Case("length-and-chunked", [[("c", GET),
		   ("s", response(200, b"", "Content-Length: 3", "Transfer-Encoding: chunked", length=False)
		   + CHUNKS),
					   ("c", GET), ("s", OK)]], ["GET /a 200 0>11", FINE])
	yield Case("look-alike-fields",
		   [[("c", request("POST", "/up", b"abc", "X-Content-Length: 99", "X-Transfer-Encoding: chunked", "Trailer: Content-Length")),
					  ("s", OK), *AGAIN]], ["POST /up 200 3>5", FINE])
	head = request("HEAD", "/h")
	yield Case("head", [[("c", head), ("s", response(200, b"", "Content-Length: 1000", length=False)), *AGAIN]],
		   ["HEAD /h 200", FINE])
	yield Case("head-chunked", [[("c", head),
		   ("s", response(200, b"", "Transfer-Encoding: chunked", length=False)), *AGAIN]],
		   ["HEAD /h 200", FINE])
	yield Case("head-no-length", [[("c", head), ("s", response(200, length=False)), ("now", ["HEAD /h 200"]),
		   *AGAIN]],
		   ["HEAD /h 200", FINE])
	yield Case("204", [[("c", GET), ("s", response(204, length=False)), ("now", ["GET /a 204"]), *AGAIN]],
		   ["GET /a 204", FINE])
	yield Case("304-with-length", [[("c", GET), ("s", response(304, b"", "Content-Length: 77", length=False)),
		   *AGAIN]],
		   ["GET /a 304", FINE])
	yield Case("early-response", [[("c", request("POST", "/up", None, "Content-Length: 10") + b"12345"),
		   ("s", response(413, b"big")), ("c", b"67890"), *AGAIN]],
		   ["POST /up 413 10>3", FINE])
	yield Case("early-response-close", [[("c", request("POST", "/up", None, "Content-Length: 1000") + b"1234"),
		   ("s", response(413, b"big", "Connection: close")), "s.close", "c.eof"]],
		   ["POST /up 413 4>3"])
	yield Case("unread-body", [[("c!", request("POST", "/up", b"x" * 5000)), ("sleep", 0.05),
		   ("s", response(401)), "s.close"]], ["POST /up 401 5000>0"], read=False)


def plain(code, n):
	"""Heads of different answers, all of the same length."""
	return b"HTTP/1.1 %03d X\r\nContent-Length: %d\r\n\r\n" % (code, n) + b"x" * n


def same_heads():
	"""A head that is the same as the one before is not read again: what it means depends on more than its bytes."""
	paths, codes = "aaaabaabbbbabababaa", [200, 200, 200, 404, 404, 404, 404, 404, 200, 500, 500, 500, 500, 200, 404, 200, 200, 200, 200]
	sizes = [5, 5, 5, 5, 5, 5, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 5, 5, 5]
	yield Case("same-heads", [[step for p, c, n in zip(paths, codes, sizes) for step in (("c", request("GET", "/" + p)), ("s", plain(c, n)))]],
		   ["GET /%s %d 0>%d" % row for row in zip(paths, codes, sizes)])
	runs = "".join(c * n for c, n in zip("ababbaab", (3, 1, 20, 19, 2, 1, 25, 4)))  # another head is not kept for a while
	yield Case("same-heads-runs", [[step for p in runs for step in (("c", request("GET", "/" + p)), ("s", plain(200 + ord(p), ord(p) - 96)))]],
		   ["GET /%s %d 0>%d" % (p, 200 + ord(p), ord(p) - 96) for p in runs])
	ids = [("c", request("GET", "/item/%d" % i)) for i in (42, 42, 42, 42, 43, 43, 43, 43, 42)]
	yield Case("same-heads-ids", [[step for c in ids for step in (c, ("s", OK))]], ["GET /item/{id} 200 0>5"] * len(ids))
	get, head, answer = request("GET", "/ab"), request("HEAD", "/a"), plain(200, 5)
	mixed = [get, get, get, head, head, head, get, head, get, get]
	yield Case("same-heads-head", [[step for m in mixed for step in (("c", m), ("s", answer[:-5] if m is head else answer))]],
		   ["HEAD /a 200" if m is head else "GET /ab 200 0>5" for m in mixed])
	yield Case("same-heads-pipelined", [[*AGAIN * 4, ("c", GET * 5), *[("s", OK)] * 5, ("c", GET + request("GET", "/b") + GET), ("s", OK * 3),
		   *AGAIN * 2]], [FINE] * 11 + ["GET /b 200 0>5"] + [FINE] * 2)
	yield Case("same-heads-pipelined-40", [[*AGAIN * 4, ("c", GET * 40), *[("s", OK)] * 40, *AGAIN * 2]], [FINE] * 22, lost=24)
	yield Case("same-heads-in-parts", [[*AGAIN * 3, ("c", GET[:9]), ("c", GET[9:]), ("s", OK[:9]), ("s", OK[9:]), *AGAIN * 4,
		   ("c", request("GET", "/b")), ("s", OK[:-2]), ("s", OK[-2:]), *AGAIN * 3]],
		   [FINE] * 8 + ["GET /b 200 0>5"] + [FINE] * 3)
	yield Case("same-heads-longer", [[*AGAIN * 3, ("c", GET[:-2] + b"A: b\r\n\r\n"), ("s", OK[:-7] + b"A: b\r\n\r\nhello"), *AGAIN]], [FINE] * 5)
	yield Case("same-heads-chunked", [[step for i in range(5) for step in (("c", GET), ("s", CHUNKED))]], ["GET /a 200 0>11"] * 5)
	yield Case("same-heads-upload", [[step for i in range(5) for step in (("c", UPLOAD), ("s", OK))]], ["POST /up 200 11>5"] * 5)
	post = request("POST", "/up", b"12345")
	yield Case("same-heads-post", [[step for i in range(5) for step in (("c", post), ("s", OK))]], ["POST /up 200 5>5"] * 5)
	yield Case("same-heads-304", [[step for i in range(5) for step in (("c", GET), ("s", response(304, b"", "Content-Length: 77", length=False)))]],
		   ["GET /a 304"] * 5)
	going_on = response(100, length=False)
	yield Case("same-heads-interim", [[step for i in range(5) for step in (("c", GET), ("s", going_on), ("s", going_on + OK))]], [FINE] * 5)
	yield Case("same-heads-early", [[*AGAIN * 3, ("c", GET[:12]), ("s", OK), ("c", GET[12:]), *AGAIN * 3]], [FINE] * 3 + ["GET {incomplete} 200 0>5"]
		   + [FINE] * 3)
	yield Case("same-heads-to-the-end", [[*AGAIN * 3, ("c", GET), ("s", OK[:-1]), "s.close", "c.eof"]], [FINE] * 3 + ["GET /a 200 0>4"])


def interim():
	yield Case("100-continue", [[("c", request("POST", "/up", None, "Expect: 100-continue", "Content-Length: 3")),
		   ("s", response(100, length=False)),
				     ("c", b"abc"), ("s", OK)] * 2], ["POST /up 200 3>5"] * 2)
	yield Case("100-and-final-together", [[("c", request("POST", "/up", b"abc", "Expect: 100-continue")),
		   ("s", response(100, length=False) + OK)] * 2],
		   ["POST /up 200 3>5"] * 2)
	hints = response(103, b"", "Link: </x.css>; rel=preload", length=False)
	yield Case("103-several", [[("c", GET), ("s", hints), ("s", hints), ("s", response(102, length=False)
		   + OK)] * 2], [FINE] * 2)
	yield Case("103-split-everywhere", [[("c", GET), *s] for s in both_halves("s", hints + OK, [])],
		   [FINE] * (len(hints + OK) - 1))
	yield Case("expectation-failed",
		   [[("c", request("POST", "/up", None, "Expect: 100-continue", "Content-Length: 3")),
		   ("s", response(417)), "c.close"]],
		   ["POST /up 417"])
	yield Case("414-before-the-line-ends", [[("c", b"GET /" + b"x" * 3000),
		   ("s", response(414, b"no", "Connection: close")), "s.close", "c.eof"]],
		   ["GET ? 414 0>2"])
	yield Case("408-unasked", [[("c", GET), ("s", OK),
		   ("s", response(408, b"", "Connection: close")), "s.close", "c.eof"]], [FINE])
	yield Case("response-before-request", [[("s", response(408, b"", "Connection: close")), "s.close", "c.eof"]],
		   [])


def streams():
	yield Case("101", [[("c", UPGRADE), ("s", SWITCH), ("now", ["GET /ws 101"]), ("c", b"\x81\x05hello"),
		   ("s", b"\x81\x02ok"), "c.close"]],
		   ["GET /ws 101"], streams=1)
	yield Case("101-tunnel-is-http", [[("c", UPGRADE), ("s", SWITCH), *[("c", INSIDE),
		   ("s", ANSWER_INSIDE)] * 3]], ["GET /ws 101"], streams=1)
	yield Case("101-tunnel-in-same-segment", [[("c", UPGRADE), ("s", SWITCH + ANSWER_INSIDE), ("c", INSIDE)]],
		   ["GET /ws 101"], streams=1)
	yield Case("101-after-requests", [[("c", GET), ("s", OK), ("c", UPGRADE), ("s", SWITCH),
		   ("s", b"x"), "s.close", "c.eof"]],
		   [FINE, "GET /ws 101"], streams=1)
	yield Case("101-reset", [[("c", UPGRADE), ("s", SWITCH), ("c", b"x"), "c.rst"]], ["GET /ws 101"], streams=1)
	yield Case("upgrade-refused", [[("c", UPGRADE), ("s", OK), *AGAIN]], ["GET /ws 200 0>5", FINE])
	yield Case("connect", [[("c", request("CONNECT", "far.example:443")), ("s", response(200, length=False)),
		   *[("c", INSIDE), ("s", ANSWER_INSIDE)] * 2]],
		   ["CONNECT {authority} 200"], streams=1)
	yield Case("connect-refused", [[("c", request("CONNECT", "far.example:443")), ("s", response(403, b"no")),
		   *AGAIN]],
		   ["CONNECT {authority} 403 0>2", FINE])
	yield Case("events-close", [[("c", GET), ("s", EVENTS), ("now", ["GET /a 200"]), ("s", b"data: 1\n\n"),
		   ("sleep", 0.05), ("s", b"data: 2\n\n"), "s.close", "c.eof"]],
		   ["GET /a 200 ?"], streams=1)
	yield Case("events-chunked", [[("c", GET), ("s", EVENTS_CHUNKED), ("now", ["GET /a 200"]), ("s", CHUNKS)]],
		   ["GET /a 200 ?"], streams=1)
	yield Case("events-client-gone", [[("c", GET), ("s", EVENTS), ("s", b"data: 1\n\n"), "c.close"]],
		   ["GET /a 200 ?"], streams=1)
	yield Case("events-first-in-segment", [[("c", GET), ("s", EVENTS
		   + b"data: HTTP/1.1 500 x\r\n\r\n"), "c.rst"]], ["GET /a 200 ?"], streams=1)


def endings():
	yield Case("client-gone-waiting", [[("c", GET), "c.close"], [("c", GET), "c.rst"]], ["GET /a 499"] * 2)
	yield Case("client-gone-reading", [[("c", GET), ("s", response(200, b"x" * 10)[:-4]), "c.rst"], [("c", GET),
		   ("s", CHUNKED[:-20]), "c.rst"]],
		   ["GET /a 499 ?"] * 2)
	yield Case("client-gone-in-body", [[("c", request("POST", "/up", None, "Content-Length: 10")
		   + b"12345"), "c.close"]], ["POST /up 499 5>0"])
	yield Case("client-gone-in-head", [[("c", b"GET /a HTTP/1.1\r\nHost: x"), "c.close"]], ["GET /a 499"])
	yield Case("client-gone-after", [[("c", GET), ("s", OK), "c.rst"], [("c", GET), ("s", OK), "c.close"]],
		   [FINE] * 2)
	yield Case("no-answer", [[("c", GET), "s.close", "c.eof"], [("c", GET), "s.rst"]], ["GET /a 000"] * 2)
	yield Case("no-answer-second", [[("c", GET), ("s", OK), ("c", GET), "s.close", "c.eof"]], [FINE,
		   "GET /a 000"])
	yield Case("interim-only", [[("c", GET), ("s", response(103, length=False)), "s.close", "c.eof"]],
		   ["GET /a 000"])
	yield Case("truncated-length", [[("c", GET), ("s", OK[:-2]), "s.close", "c.eof"]], ["GET /a 200 0>3"])
	yield Case("truncated-chunked", [[("c", GET), ("s", CHUNKED[:-8]), "s.close", "c.eof"]], ["GET /a 200 0>11"])
	yield Case("truncated-reset", [[("c", GET), ("s", OK[:-2]), "s.rst"]], ["GET /a 200 0>3"])
	yield Case("half-close", [[("c", GET), "c.shut", "s.eof", ("sleep", 0.05), ("s", OK), "s.close", "c.eof"]],
		   [FINE])
	yield Case("half-close-chunked", [[("c", GET), "c.shut", "s.eof", ("s", CHUNKED[:-20]),
		   ("s", CHUNKED[-20:]), "s.close"]], ["GET /a 200 0>11"])
	yield Case("close-delimited-1.0", [[("c", request("GET", "/a", version="1.0")),
		   ("s", b"HTTP/1.0 200 OK\r\n\r\nsome"), ("s", b" body"), "s.close", "c.eof"]],
		   ["GET /a 200 0>9"])
	yield Case("close-delimited-1.1", [[("c", GET), ("s", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		   + ANSWER_INSIDE), "s.shut", "c.eof", "c.close"]],
		   ["GET /a 200 0>%d" % len(ANSWER_INSIDE)])
	yield Case("close-delimited-empty", [[("c", GET),
		   ("s", b"HTTP/1.0 404 Not Found\r\n\r\n"), "s.close", "c.eof"]], ["GET /a 404"])
	yield Case("close-delimited-client-gone", [[("c", GET), ("s", b"HTTP/1.0 200 OK\r\n\r\nsome"), "c.rst"]],
		   ["GET /a 499 ?"])
	yield Case("1.0-keep-alive", [[("c", request("GET", "/a", None, "Connection: keep-alive", version="1.0")),
				       ("s", response(200, b"hello",
				       "Connection: keep-alive", version="1.0"))] * 3], [FINE] * 3)
	yield Case("length-and-close", [[("c", GET), ("s", response(200, b"hello", "Connection: close")), ("now",
		   ["GET /a 200"]), "s.close", "c.eof"]],
		   [FINE])
	yield Case("idle-keep-alive", [[("c", GET), ("s", OK), ("now", ["GET /a 200"]), ("c", UPLOAD), ("s", CHUNKED),
		   ("now", ["GET /a 200", "POST /up 200"])]],
		   [FINE, "POST /up 200 11>11"])
	yield Case("nothing-sent", [["c.close"], ["s.close", "c.eof"], ["c.rst"]], [])


def targets():
	def one(name, line, expect):
		return Case(name, [[("c", line + b"\r\nHost: x\r\n\r\n"), ("s", OK)] * 2], [expect + " 0>5"] * 2)

	yield one("absolute-form", b"GET http://host.example:80/users/12?x=1 HTTP/1.1", "GET /users/{id} 200")
	yield one("absolute-form-bare", b"GET http://host.example HTTP/1.1", "GET / 200")
	yield one("asterisk", b"OPTIONS * HTTP/1.1", "OPTIONS * 200")
	yield one("query-only", b"GET /?a=/b/c HTTP/1.1", "GET / 200")
	yield one("query-with-http", b"GET /q?u=http://x/y%20HTTP/1.1 HTTP/1.1", "GET /q 200")
	yield one("trailing-slash", b"GET /users/12/ HTTP/1.1", "GET /users/{id}/ 200")
	yield one("version-words", b"GET /api/v1/users HTTP/1.1", "GET /api/v1/users 200")
	yield one("uuid-upper", b"GET /o/F47AC10B-58CC-4372-A567-0E02B2C3D479/x HTTP/1.1", "GET /o/{id}/x 200")
	yield one("hex-32", b"GET /o/d41d8cd98f00b204e9800998ecf8427e HTTP/1.1", "GET /o/{id} 200")
	yield one("hex-64", b"GET /o/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 HTTP/1.1",
		   "GET /o/{id} 200")
	yield one("several-ids", b"GET /a/1/b/22/c/333 HTTP/1.1", "GET /a/{id}/b/{id}/c/{id} 200")
	yield one("quotes", b'GET /a"b\\c HTTP/1.1', 'GET /a"b\\c 200')
	yield one("unknown-method", b"FROB /a HTTP/1.1", "_OTHER /a 200")
	for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
		yield one("method-" + method.lower(), b"%s /a HTTP/1.1" % method.encode(), method + " /a 200")
	yield Case("long-path", [[("c", b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"word/" * 800)), ("s", OK),
		   *AGAIN]], ["GET ? 200 0>5", FINE])
	yield Case("many-ids", [[("c", b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"/1" * 500)), ("s", OK)]],
		   ["GET ? 200 0>5"])
	yield Case("invalid-utf8", [[("c", b"GET /caf\xe9/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n"), ("s", OK)]],
		   ["GET ? 200 ?"])
	yield Case("utf8", [[("c", "GET /caf\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n".encode()), ("s", OK)]],
		   ["GET ? 200 ?"])
	yield Case("leading-blank-line", [[("c", b"\r\n" + GET), ("s", OK)]], [FINE])
	yield Case("blank-line-between", [[("c", request("POST", "/up", b"abc") + b"\r\n"), ("s", OK), *AGAIN]],
		   ["POST /up 200 3>5", FINE])
	yield Case("bare-lf", [[("c", b"GET /a HTTP/1.1\nHost: x\n\n"),
		   ("s", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok")] * 2], ["GET /a 200 0>2"] * 2)
	for name, line in (("no-reason", b"HTTP/1.1 200"), ("empty-reason", b"HTTP/1.1 200 "),
		   ("1.0-status", b"HTTP/1.0 200 OK")):
		yield Case(name, [[("c", GET), ("s", line + b"\r\nContent-Length: 1\r\n\r\nx")] * 2],
			   ["GET /a 200 0>1"] * 2)
	for code in (299, 418, 511, 599):
		yield Case("status-%d" % code, [[("c", GET), ("s", response(code, b"x"))]], ["GET /a %d 0>1" % code])


def not_requests():
	bad = response(400, b"bad", "Connection: close")
	for name, data in (("no-version", b"GET /a\r\n\r\n"),
		   ("wrong-protocol", b"GET /a HTTX/1.1\r\n\r\n"),
			   ("garbage-version", b"GET /a HTTP/x.y\r\n\r\n"), ("extra-word", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
			   ("control-byte", b"GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n"), ("nul-byte", b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n")):
		yield Case("malformed-" + name, [[("c", data), ("s", bad), "s.close", "c.eof"]], [], lost=1)
	# Where nothing was HTTP before, a line without a target may as well be another protocol's.
	yield Case("malformed-no-target", [[*AGAIN, ("c", b"GET  HTTP/1.1\r\n\r\n"), ("s", bad), "s.close", "c.eof"]],
		   [FINE], lost=1)
	yield Case("malformed-after-good", [[("c", GET), ("s", OK), ("c", b"GET /a HTTX/1.1\r\n\r\n"),
		   ("s", bad), "s.close", "c.eof"]], [FINE], lost=1)
	yield Case("request-line-cut", [[("c", b"GET /secret-pa"), "c.close"],
		   [("c", b"GET /secret-pa"), "s.close", "c.eof"], [("c", b"GET /secret HTTP/1."), "c.rst"]],
		   [], lost=3)
	yield Case("garbage-answer", [[("c", GET), ("s", b"FOO bar\r\n\r\n"), "s.close", "c.eof"]],
		   [], lost=1)
	yield Case("garbage-length", [[("c", request("POST", "/up", None, "Content-Length: 12x") + b"abc"),
		   ("s", bad), "s.close", "c.eof"]],
		   ["POST /up 400 ?"])
	yield Case("garbage-chunk", [[("c", request("POST", "/up", None, "Transfer-Encoding: chunked")
		   + b"zz\r\nabc"), ("s", bad), "s.close", "c.eof"]],
		   ["POST /up 400 ?"])
	for name, script in (
			("redis", [("c", b"*1\r\n$4\r\nPING\r\n"), ("s", b"+PONG\r\n")] * 3),
			("inline", [("c", b"PING\r\n"), ("s", b"+PONG\r\n")] * 3),
			("ssh", [("s", b"SSH-2.0-x\r\n"), ("c", b"SSH-2.0-y\r\n"), ("s", b"\x00\x00\x01\x02"),
				   ("c", b"\x00\x00\x01\x02")]),
			("smtp", [("s", b"220 host ESMTP\r\n"), ("c", b"EHLO me\r\n"), ("s", b"250 ok\r\n"),
				   ("c", b"QUIT\r\n"), ("s", b"221 bye\r\n")]),
			("tls", [("c", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2),
				   ("s", b"\x15\x03\x03\x00\x02\x02\x28")]),
			("binary", [("c", bytes(range(256)) * 20), ("s", bytes(range(255, -1, -1)) * 20)] * 2),
			("zeros", [("c", bytes(5000)), ("s", bytes(5000))])):
		yield Case("other-" + name, [script], [])
	preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	yield Case("other-http2-preface", [[("c", preface), ("s", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")]], [])


def durations():
	yield Case("slow-head", [[("c", GET[:10]), ("sleep", 0.12), ("c", GET[10:]), ("s", OK)]],
		   [FINE])
	yield Case("slow-upload", [[("c", request("POST", "/up", None, "Content-Length: 10")), ("sleep", 0.06),
		   ("c", b"12345"), ("sleep", 0.06), ("c", b"67890"), ("s", OK)]],
		   ["POST /up 200 10>5"])
	yield Case("slow-answer", [[("c", GET), ("sleep", 0.12), ("s", OK)]], [FINE])
	yield Case("slow-body", [[("c", GET), ("s", OK[:-3]), ("sleep", 0.12), ("s", OK[-3:])]],
		   [FINE])
	yield Case("slow-read", [[("c!", GET), ("sleep", 0.12), ("s?", len(GET)), ("s", OK)] * 2],
		   [FINE] * 2)
	yield Case("slow-read-pipelined", [[("c!", GET * 2), ("sleep", 0.06), ("s?", len(GET)), ("s", OK),
		   ("sleep", 0.06), ("s?", len(GET)), ("s", OK)]],
		   [FINE] * 2)
	yield Case("slow-pipelined", [[("c", GET * 2), ("sleep", 0.06), ("s", OK), ("sleep", 0.06), ("s", OK)]],
		   [FINE] * 2)
	yield Case("slow-after", [[("c", GET), ("s", OK), ("sleep", 0.3), *AGAIN]], [FINE] * 2)
	yield Case("slow-before", [[("sleep", 0.2), *AGAIN]], [FINE])


def all_cases():
	for group in (segmentation, pipelining, bodies, same_heads, interim, streams, endings, targets, not_requests, durations):
		yield from group()
