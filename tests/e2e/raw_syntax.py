# SPDX-License-Identifier: GPL-2.0-or-later
"""More byte-level cases: heads and framing as odd clients, servers and attackers write them."""
from raw import Case, request, response
from raw_model import METHODS
from raw_cases import AGAIN, ANSWER_INSIDE, CHUNKED, CHUNKS, FINE, GET, INSIDE, OK, UPLOAD, both_halves, pieces

BAD = response(400, b"bad", "Connection: close")
REFUSED = [("s", BAD), "s.close", "c.eof"]


def head(line, *fields):
	return "\r\n".join([line, "Host: raw", *fields, "", ""]).encode("latin-1")


def heads():
	def fine(name, data, expect="GET /a 200 0>5"):
		return Case("head-" + name, [[("c", data), ("s", OK), *AGAIN]], [expect, FINE])

	yield fine("folded", head("GET /a HTTP/1.1", "X-A: 1\r\n\tfolded\r\n  twice", "X-B: 2"))
	yield fine("folded-length", head("GET /a HTTP/1.1", "X-A: 1\r\n Content-Length: 99\r\n Transfer-Encoding: chunked"))
	yield fine("odd-case", head("POST /a HTTP/1.1", "cOnTeNt-lEnGtH: 3") + b"abc", "POST /a 200 3>5")
	yield fine("blank-before-colon", head("POST /a HTTP/1.1", "Content-Length : 3") + b"abc", "POST /a 200 3>5")
	yield fine("blanks-around-value", head("POST /a HTTP/1.1", "Content-Length: \t 3 \t ") + b"abc", "POST /a 200 3>5")
	yield fine("no-blank-at-all", b"POST /a HTTP/1.1\r\nHost:raw\r\nContent-Length:3\r\n\r\nabc", "POST /a 200 3>5")
	yield fine("leading-zeros", head("POST /a HTTP/1.1", "Content-Length: 0000000000000000000000003") + b"abc", "POST /a 200 3>5")
	yield fine("length-twice", head("POST /a HTTP/1.1", "Content-Length: 3", "content-length: 3") + b"abc", "POST /a 200 3>5")
	yield fine("empty-values", head("GET /a HTTP/1.1", "X-Empty:", "X-Blank:   ", ":no-name", "no-colon"))
	yield fine("nothing-but-line", b"GET /a HTTP/1.1\r\n\r\n")
	yield fine("bytes-of-all-kinds", b"GET /a HTTP/1.1\r\nX: " + bytes(b for b in range(256) if b not in b"\r\n\0") + b"\r\n\r\n")
	yield fine("bare-cr-in-value", head("GET /a HTTP/1.1", "X-A: 1\r2"))
	yield fine("ends-mixed", b"POST /a HTTP/1.1\nHost: raw\r\nContent-Length: 3\n\r\nabc", "POST /a 200 3>5")
	yield fine("several-blanks", b"GET   /a   HTTP/1.1  \r\n\r\n")
	yield fine("prefixes-of-names", head("GET /a HTTP/1.1", "C: 1", "Content-: 2", "Content-Lengt: 3", "Content-Lengthy: 4",
			"T: 5", "Transfer-Encodin: 6", "Transfer-Encodings: chunked", "Content-Typ: 7", "Content_Length: 8"))
	yield fine("look-alike-value", head("GET /a HTTP/1.1", "X-A: Content-Length: 5", "Cookie: transfer-encoding=chunked"))
	cookie = "Cookie: " + "c" * 65536
	yield fine("length-behind-64k-cookie", head("POST /a HTTP/1.1", cookie, "Content-Length: %d" % len(INSIDE)) + INSIDE,
			"POST /a 200 %d>5" % len(INSIDE))
	yield Case("head-64k-in-segments", [[*pieces("c", head("POST /a HTTP/1.1", cookie, "Content-Length: 3"), 1000), ("c", b"abc"),
			("s", OK), *AGAIN]], ["POST /a 200 3>5", FINE])
	yield Case("head-64k-of-lines", [[("c", head("POST /a HTTP/1.1", *("X-%d: %s" % (i, "v" * 20) for i in range(2400)),
			"Content-Length: 3") + b"abc"), ("s", OK), *AGAIN]], ["POST /a 200 3>5", FINE])
	yield Case("head-64k-answer", [[("c", GET), ("s", response(200, b"hello", "Set-Cookie: " + "s" * 65536)), *AGAIN]], [FINE] * 2)
	yield Case("head-cookie-split-everywhere", [
			[("c", part) for part in (data[:i], data[i:])] + [("s", OK)]
			for data in (head("POST /a HTTP/1.1", "Cookie: " + "c" * 3000, "Content-Length: 3") + b"abc",)
			for i in range(len(data) - 40, len(data))], ["POST /a 200 3>5"] * 40)


def targets():
	def one(name, target, endpoint):
		return Case("path-" + name, [[("c", b"GET %s HTTP/1.1\r\n\r\n" % target), ("s", OK)] * 2],
				["GET %s 200 0>5" % endpoint] * 2)

	yield one("empty-query", b"/a?", "/a")
	yield one("only-slashes", b"//", "//")
	yield one("double-slash", b"/a//b", "/a//b")
	yield one("dots", b"/a/../b/./c", "/a/../b/./c")
	yield one("percent", b"/a%20b/%E2%9C%93", "/a%20b/%E2%9C%93")
	yield one("query-of-questions", b"/a???//b", "/a")
	yield one("fragment", b"/a#b", "/a")
	yield one("semicolon", b"/a;jsession=x", "/a;jsession=x")
	yield one("braces", b"/{id}/%7Bid%7D", "/{id}/%7Bid%7D")
	yield one("colon", b"/a:b@c", "/a:b@c")
	yield one("long-query", b"/a?" + b"q=" * 8000, "/a")
	yield one("absolute-query", b"http://host?x=/y/z", "/")
	yield one("absolute-upper", b"HTTP://HOST:80/a", "/a")
	yield one("absolute-userinfo", b"http://u:p@[::1]:80/a/1", "/a/{id}")
	yield one("absolute-other-scheme", b"coap+tcp://host/a", "/a")
	yield Case("method-lower", [[("c", head("get /a HTTP/1.1")), ("s", BAD), "s.close", "c.eof"]], ["_OTHER /a 400 0>3"])
	yield Case("method-registered-long", [[("c", head("UPDATEREDIRECTREF /a HTTP/1.1")), ("s", OK), *AGAIN]], ["_OTHER /a 200 0>5", FINE])
	for method in METHODS[9:]:
		yield Case("method-" + method.lower(), [[("c", head(method + " /a HTTP/1.1")), ("s", OK), *AGAIN]], [method + " /a 200 0>5", FINE])
	yield Case("method-almost-dav", [[("c", head(m + " /a HTTP/1.1")), ("s", OK)] for m in ("XROPPATCH", "AMKCALENDAR", "PROPFINDX", "propfind", "LOC",
			"PRI", "PURGE", "ACLS")], ["_OTHER /a 200 0>5"] * 8)
	for n in (24, 25, 100, 240):
		yield Case("method-%d-letters" % n, [[("c", head("M" * n + " /a HTTP/1.1")), ("s", response(501, b"no")), *AGAIN]],
				["_OTHER /a 501 0>2", FINE])
	yield Case("method-odd-token", [[("c", head("M-SEARCH!#$ /a HTTP/1.1")), ("s", OK), *AGAIN]], ["_OTHER /a 200 0>5", FINE])
	yield Case("method-almost", [[("c", head(m + " /a HTTP/1.1")), ("s", OK)] for m in ("GETT", "GE", "Get", "POSTX", "XGET")],
			["_OTHER /a 200 0>5"] * 5)
	for version in ("1.0", "1.9"):
		yield Case("version-" + version, [[("c", head("GET /a HTTP/" + version)), ("s", OK)] * 2], [FINE] * 2)
	for version in ("2.0", "0.9", "3.1", "1.10", "1", "11"):
		yield Case("version-other-" + version, [[("c", head("GET /a HTTP/" + version)), ("s", response(505, b"no")), *AGAIN]],
				["GET /a 505 0>2", FINE])
	for version in ("1.", "1.1.1", "x", ".1", ""):
		yield Case("version-wrong-" + version, [[("c", head("GET /a HTTP/" + version)), *REFUSED]], [], lost=1)


def framing():
	def refused(name, *fields, body=b"", code="400"):
		"""The line is fine, the framing is not: a request that was answered 400."""
		return Case("framing-" + name, [[("c", head("POST /up HTTP/1.1", *fields) + body), *REFUSED]], ["POST /up %s ?" % code])

	yield refused("lengths-differ", "Content-Length: 3", "Content-Length: 4", body=b"abcd")
	yield refused("length-empty", "Content-Length:")
	yield refused("length-negative", "Content-Length: -5")
	yield refused("length-plus", "Content-Length: +5", body=b"abcde")
	yield refused("length-hex", "Content-Length: 0x10")
	yield refused("length-too-long", "Content-Length: 99999999999999999999")
	yield refused("length-two-words", "Content-Length: 5 5", body=b"abcde")
	yield refused("length-folded", "Content-Length:\r\n 5", body=b"abcde")
	yield refused("coding-unknown", "Transfer-Encoding: gzip", body=b"abc")
	yield refused("coding-chunked-not-last", "Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n")
	yield refused("coding-look-alike", "Transfer-Encoding: xchunked", body=b"0\r\n\r\n")
	yield refused("coding-cut", "Transfer-Encoding: chunke", body=b"0\r\n\r\n")
	yield refused("chunk-size-empty", "Transfer-Encoding: chunked", body=b"\r\nabc")
	yield refused("chunk-size-huge", "Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\nabc")
	yield refused("chunk-size-negative", "Transfer-Encoding: chunked", body=b"-1\r\nabc")
	yield refused("chunk-without-end", "Transfer-Encoding: chunked", body=b"3\r\nabcd\r\n0\r\n\r\n")
	yield Case("framing-refused-after-good", [[*AGAIN, ("c", head("POST /up HTTP/1.1", "Content-Length: x")), *REFUSED]],
			[FINE, "POST /up 400 ?"])

	def up(name, fields, body, n):
		return Case("framing-" + name, [[("c", head("POST /up HTTP/1.1", *fields) + body), ("s", OK), *AGAIN]],
				["POST /up 200 %d>5" % n, FINE])

	yield up("coding-list", ("Transfer-Encoding: gzip, chunked",), CHUNKS, 11)
	yield up("coding-two-fields", ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"), CHUNKS, 11)
	yield up("coding-odd-case", ("tRANSFER-eNCODING:\tChUnKeD \t",), CHUNKS, 11)
	yield up("coding-and-length", ("Content-Length: 3", "Transfer-Encoding: chunked"), CHUNKS, 11)
	yield up("length-and-coding", ("Transfer-Encoding: chunked", "Content-Length: 3"), CHUNKS, 11)
	yield up("coding-empty-members", ("Transfer-Encoding: , chunked",), CHUNKS, 11)
	yield up("chunks-lf-only", ("Transfer-Encoding: chunked",), b"5\nhello\n6;a\n world\n0\nX: 1\n\n", 11)
	yield up("chunk-sizes", ("Transfer-Encoding: chunked",), b"000000000000000000000A\r\n0123456789\r\n1 \r\nx\r\n0000\r\n\r\n", 11)
	yield up("chunk-extensions", ("Transfer-Encoding: chunked",), b"5;a=b;c=\"d;e\\\"f\"\r\nhello\r\n6 ; x\r\n world\r\n0;last\r\n\r\n", 11)
	yield up("trailers-of-framing", ("Transfer-Encoding: chunked",),
			b"3\r\nabc\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\nX: " + b"t" * 5000 + b"\r\n\r\n", 3)
	yield up("chunk-of-http", ("Transfer-Encoding: chunked",), b"".join(b"%x\r\n%s\r\n" % (len(m), m) for m in (INSIDE, ANSWER_INSIDE))
			+ b"0\r\n\r\n", len(INSIDE + ANSWER_INSIDE))
	big = b"%x\r\n%s\r\n0\r\n\r\n" % (200000, INSIDE * 6060 + b"x" * (200000 - len(INSIDE) * 6060))
	yield up("large-chunk-of-http", ("Transfer-Encoding: chunked",), big, 200000)
	# Each of these bytes at the end of one segment, the rest in the next one.
	tail = b"0\r\nX: 1\r\n\r\n"
	yield Case("framing-terminator-split", both_halves("c", UPLOAD, [("s", OK)])[-len(tail):] * 2,
			["POST /up 200 11>5"] * (2 * len(tail)))
	yield Case("framing-delayed-splits", [[step for part in pieces("c", UPLOAD, 9) + pieces("s", CHUNKED, 9)
			for step in (part, ("sleep", 0.004))]], ["POST /up 200 11>11"])


def answers():
	def answer(name, data, expect, *more):
		return Case("answer-" + name, [[("c", GET), ("s", data), *more, *AGAIN]], [expect, FINE])

	yield answer("204-with-length", response(204, b"", "Content-Length: 5", length=False), "GET /a 204 0>0")
	yield answer("304-chunked", response(304, b"", "Transfer-Encoding: chunked", length=False), "GET /a 304 0>0")
	yield answer("205", response(205), "GET /a 205 0>0")
	yield answer("status-999", response(999, b"x"), "GET /a 999 0>1")
	yield answer("status-600", response(600, b"x"), "GET /a 600 0>1")
	yield answer("reason-utf8", b"HTTP/1.1 200 \xe2\x9c\x93 d'accord\r\nContent-Length: 5\r\n\r\nhello", FINE)
	yield answer("reason-long", b"HTTP/1.1 200 " + b"r" * 9000 + b"\r\nContent-Length: 5\r\n\r\nhello", FINE)
	yield answer("folded", b"HTTP/1.1 200 OK\r\nX-A: 1\r\n Content-Length: 99\r\nContent-Length: 5\r\n\r\nhello", FINE)
	yield answer("length-twice", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", FINE)
	yield answer("version-repeated", b"HTTP/1.10 200 OK\r\nContent-Length: 5\r\n\r\nhello", FINE)
	for name, length in (("negative", "-99609999"), ("empty", ""), ("word", "none"), ("two", "5 5"), ("huge", "9" * 30)):
		yield answer("length-" + name, response(206, b"", "Content-Length: " + length, "X: y", length=False), "GET /a 206 0>0")
	yield answer("lengths-differ", response(200, b"", "Content-Length: 1", "Content-Length: 2", length=False), "GET /a 200 0>0")
	yield Case("answer-length-negative-body", [[("c", GET), ("s", response(200, b"", "Content-Length: -1", length=False)), ("s", b"hello"),
			*AGAIN]], ["GET /a 200 0>0", FINE])
	yield answer("no-colon", b"HTTP/1.1 200 OK\r\nthis is no field\r\nContent-Length: 5\r\n\r\nhello", FINE)
	yield answer("lf-only-chunked", b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n", FINE)
	yield answer("blank-line-before", b"\r\n" + OK, FINE)
	ten = b"".join(response(c, b"", "X: %d" % c, length=False) for c in (100, 102, 103, 103, 199, 110, 150, 100, 103, 102))
	yield answer("ten-interim", ten + OK, FINE)
	yield Case("answer-interim-byte-by-byte", [[("c", GET), *pieces("s", ten[:120] + ten[120:] + OK)]], [FINE])
	yield Case("answer-interim-late", [[("c", GET), ("s", response(103, length=False)), ("sleep", 0.1), ("s", OK)]], [FINE])
	yield Case("answer-early-then-body", [[("c", head("POST /up HTTP/1.1", "Content-Length: %d" % len(INSIDE))), ("s", response(403, b"no")),
			("c", INSIDE), *AGAIN]], ["POST /up 403 %d>2" % len(INSIDE), FINE])
	yield Case("answer-early-then-chunks", [[("c", UPLOAD[:-20]), ("s", response(403, b"no")), ("c", UPLOAD[-20:]), *AGAIN]],
			["POST /up 403 11>2", FINE])
	yield Case("answer-early-100-later", [[("c", head("POST /up HTTP/1.1", "Expect: 100-continue", "Content-Length: 3")),
			("s", response(401, b"no")), *AGAIN[:1], ("s", OK)]], ["POST /up 401 ?"], lost=1)  # what was announced is the body
	yield Case("answer-in-head", [[("c", b"GET /a HTTP/1.1\r\nHost"), ("s", OK), ("c", b": raw\r\n\r\n"), *AGAIN]], [FINE] * 2)
	yield Case("answer-in-line", [[("c", b"GET /a HT"), ("s", response(408, b"late")), ("c", b"TP/1.1\r\n\r\n"), *AGAIN * 2]],
			["GET ? 408 0>4", FINE, FINE])
	yield Case("answer-connect-waits-not", [[("c", request("CONNECT", "far.example:443") + b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
			("s", response(200, length=False)), ("s", b"\x16\x03\x03"), ("c", INSIDE)]], ["CONNECT {authority} 200"], streams=1)
	# What is sent behind an answer is none; the next request is one again.
	yield Case("answer-head-with-body", [[("c", request("HEAD", "/h")), ("s", OK), *AGAIN * 2]], ["HEAD /h 200", FINE, FINE])
	for name, first, bare, expect in (("head", request("HEAD", "/h"), OK[:-5], "HEAD /h 200"),
			("204", GET, response(204, length=False), "GET /a 204"), ("304", GET, response(304, length=False), "GET /a 304")):
		yield Case("answer-%s-body-late" % name, [[("c", first), ("s", bare), ("c", GET), ("s", b"hello"), ("s", b" and more\n"), ("s", OK), *AGAIN]],
				[expect, FINE, FINE])
		yield Case("answer-%s-body-for-ever" % name, [[("c", first), ("s", bare), ("c", GET), ("s", b"hello"), ("s", b" and more\n"), "s.close",
				"c.eof"]], [expect, "GET /a 000"])
	yield Case("answer-204-with-body", [[("c", GET), ("s", response(204, b"hello")), *AGAIN * 2]], ["GET /a 204", FINE, FINE])
	yield Case("answer-longer-than-said", [[("c", GET), ("s", OK + b" and more"), *AGAIN * 2]], [FINE] * 3)
	yield Case("answer-garbage-goes-on", [[("c", GET), ("s", b"what?\r\n"), *AGAIN * 2]], [FINE] * 2, lost=1)


def recovery():
	"""Framing that the server understands in another way than RFC 9112: what cannot be told apart is lost by name."""
	odd = head("POST /up HTTP/1.1", "Transfer-Encoding: identity", "Content-Length: 3") + b"abc"
	yield Case("recovery-identity", [[("c", odd), ("s", OK), *AGAIN * 2]], ["POST /up 200 ?"], lost=2)


def answered():
	"""Bytes that are no request, the first ones of a connection: another protocol's, unless the answer is HTTP."""
	for name, data in (("tabs", b"GET\t/a\tHTTP/1.1\r\n\r\n"), ("no-target", b"GET  HTTP/1.1\r\n\r\n"), ("no-slash", b"GET a HTTP/1.1\r\n\r\n"),
			("query-only", b"GET ?a=1 HTTP/1.1\r\n\r\n"), ("blank-first", b" GET / HTTP/1.1\r\n\r\n"), ("method-only", b"GET\r\n\r\n"),
			("odd-method", b"G{T / HTTP/1.1\r\n\r\n"), ("binary", b"\x00\x01\x02\x03\r\n\r\n"),
			("preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ("tls", b"\x16\x03\x01\x00\x05hello")):
		yield Case("answered-" + name, [[("c", data), *REFUSED], [("c", data), ("s", BAD), *AGAIN * 2]], [FINE] * 2, lost=2)
		yield Case("answered-otherwise-" + name, [[("c", data), ("s", b"what?\r\n"), ("c", data), ("s", BAD), "s.close", "c.eof"]], [])
		yield Case("answered-late-" + name, [[("c", data[:2]), ("c", data[2:]), ("s", BAD[:20]), ("s", BAD[20:]), *AGAIN]], [FINE], lost=1)


def depth():
	"""Beyond the stated depth of 16: what is lost is lost once, and by name, however the connection ends."""
	gone = ["GET /a 499"] * 16
	for n in (17, 64, 65, 100, 1000):
		yield Case("depth-%d-answered" % n, [[("c", GET * n), *[("s", OK)] * n, *AGAIN * 17]], [FINE] * 33, lost=n - 16)
		yield Case("depth-%d-client-gone" % n, [[("c", GET * n), "c.rst"]], gone, lost=n - 16)
	yield Case("depth-100-unread", [[("c!", GET * 100), ("s?", len(GET)), ("s", OK), "s.close", "c.eof"]], [FINE] + ["GET /a 000"] * 15,
			lost=84)
	yield Case("depth-100-garbage", [[("c", GET * 100), ("s", b"what?\r\n"), *AGAIN]], [FINE], lost=100)
	yield Case("depth-17-then-garbage", [[("c", GET * 17), *[("s", OK)] * 5, ("s", b"what?\r\n"), *AGAIN]], [FINE] * 6, lost=12)
	yield Case("depth-filled-again", [[("c", GET * 17), *[("s", OK)] * 5, ("c", GET * 5), *[("s", OK)] * 17, *AGAIN]],
			[FINE] * (17 + 5 - 2 + 1), lost=2)
	yield Case("depth-heads-beyond", [[("c", GET * 16 + request("HEAD", "/h") * 3 + GET), *[("s", OK)] * 16,
			*[("s", OK[:-5])] * 3, ("s", OK), *AGAIN]], [FINE] * 17, lost=4)


def all_cases():
	for group in (depth, heads, targets, framing, answers, answered, recovery):
		yield from group()
