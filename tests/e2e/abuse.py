# SPDX-License-Identifier: GPL-2.0-or-later
"""What no well-behaved client sends, against a real server. How it answers is its own affair (400, 200, or nothing): each request
whose line is HTTP is counted once, with the status that the client got, and each one whose line is not is lost as malformed."""
import collections
import socket
import time

import reqtally
from exposition import growth
from httpclient import Closed, Connection, ProtocolError
from procs import Failure

ANY = "?"


def head(line, *fields, end="\r\n", host="Host: localhost"):
	return (end.join([line, *([host] if host else []), *fields]) + end * 2).encode("latin-1")


def exchanges(paths):
	"""(name, bytes, [(method, endpoint)...]); the last request asks the server to close."""
	path = paths[0]
	close = "Connection: close"
	get = ("GET", path)
	yield "bad length", head("GET %s HTTP/1.1" % path, "Content-Length: x", close), [get]
	yield "two lengths", head("POST %s HTTP/1.1" % path, "Content-Length: 3", "Content-Length: 4", close) + b"abcd", [("POST", path)]
	yield "unknown coding", head("POST %s HTTP/1.1" % path, "Transfer-Encoding: frob", close), [("POST", path)]
	yield "no host", head("GET %s HTTP/1.1" % path, close, host=None), [get]
	yield "two hosts", head("GET %s HTTP/1.1" % path, "Host: other", close), [get]
	yield "lower case", head("get %s HTTP/1.1" % path, close), [("_OTHER", path)]
	yield "unknown method", head("FROBNICATE-MANY-THINGS-AT-ONCE %s HTTP/1.1" % path, close), [("_OTHER", path)]
	yield "line feeds", head("GET %s HTTP/1.1" % path, close, end="\n"), [get]
	yield "folded", head("GET %s HTTP/1.1" % path, "X-A: 1\r\n Content-Length: 5", close), [get]
	yield "blank before colon", head("GET %s HTTP/1.1" % path, "X-A : 1", close), [get]
	yield "absolute form", head("GET http://localhost%s HTTP/1.1" % path, close), [get]
	yield "asterisk", head("OPTIONS * HTTP/1.1", close), [("OPTIONS", "*")]
	yield "trace", head("TRACE %s HTTP/1.1" % path, close), [("TRACE", path)]
	yield "odd path", head("GET /%E2%9C%93//a/../b%20c;x=1?y HTTP/1.1", close), [("GET", "/%E2%9C%93//a/../b%20c;x=1")]
	yield "HTTP/1.0", head("GET %s HTTP/1.0" % path), [get]
	yield "HTTP/1.0 kept", head("GET %s HTTP/1.0" % path, "Connection: keep-alive") + head("GET %s HTTP/1.0" % path), [get, get]
	yield "blank line before", b"\r\n" + head("GET %s HTTP/1.1" % path, close), [get]
	yield "long field", head("GET %s HTTP/1.1" % path, "X-Long: " + "l" * 120000, close), [("GET", path)]
	yield "many fields", head("GET %s HTTP/1.1" % path, *("X-%d: v" % i for i in range(1500)), close), [("GET", path)]
	yield "bad chunk", head("POST %s HTTP/1.1" % path, "Transfer-Encoding: chunked", close) + b"zz\r\nabc\r\n0\r\n\r\n", [("POST", path)]
	yield "extra word", head("GET %s b HTTP/1.1" % path, close), []
	yield "no version", b"GET %s\r\n\r\n" % path.encode(), []
	yield "other version", head("GET %s HTTP/7.3" % path, close), [("GET", path)]
	yield "control byte", head("GET /a\x01b HTTP/1.1", close), []


def play(server, tally, name, data, requests):
	with Connection(server.hosts[0], server.port, timeout=3) as c:
		try:
			c.sock.sendall(data)
		except OSError:
			pass  # it has refused the beginning already
		if not requests:
			try:
				while c.sock.recv(65536):
					pass
			except OSError:
				pass
			return 1
		for method, endpoint in requests:
			c.pending.append(None)
		for method, endpoint in requests:
			tally[(server.service, method, endpoint, answer(c, method, name))] += 1
	return 0


def answer(c, method, name):
	"""The status of the next response, 000 for a connection that ends without one, ANY where a reset may have swallowed it."""
	try:
		while True:
			_, status, _, headers = c._head()
			if status >= 200 or status == 101:
				break
		c._body(method, status, headers)
		return "%03d" % status
	except Closed as e:
		return ANY if "reset" in str(e) else "000"
	except socket.timeout:
		return "499"  # this client gives up
	except ProtocolError:
		return ANY


def abort(server, path, sent):
	c = Connection(server.hosts[0], server.port)
	c.sock.sendall(sent)
	time.sleep(0.05)
	c.close()


def run_abuse(rt, server, path="/", slow=None):
	"""SLOW: a path that is answered only after 100 ms and more, to be left before that."""
	before, tally, malformed = rt.scrape(), collections.Counter(), 0
	for name, data, requests in exchanges([path]):
		malformed += play(server, tally, name, data, requests)
	partial = head("POST %s HTTP/1.1" % path, "Content-Length: 100") + b"abc"
	for sent in (b"GET %s HTTP/1.1\r\nHost: loc" % path.encode(), partial):
		abort(server, path, sent)
		tally[(server.service, sent.split()[0].decode(), path, ANY)] += 1
	if slow:
		for _ in range(2):
			abort(server, slow, head("GET %s HTTP/1.1" % slow))
			tally[(server.service, "GET", slow, "499")] += 1
	got, end = {}, time.monotonic() + 4
	while True:
		after = rt.scrape()
		got = fold(tally, growth(before, after, "http_requests_total", reqtally.KEYS, port=str(server.port)))
		why = reqtally.difference("abused", tally, got)
		if not why or time.monotonic() > end:
			break
		time.sleep(0.1)
	lost = growth(before, after, "reqtally_requests_lost_total", ("reason",))
	if not why and lost.get(("malformed",), 0) != malformed:
		why = "%d malformed requests, lost: %s" % (malformed, reqtally.text_of(lost))
	if why:
		raise Failure(why)
	reqtally.check_ledger(rt)


def fold(wanted, got):
	"""GOT with the code ANY for as many of a key as the client does not know the code of."""
	out = collections.Counter(got)
	for key, n in wanted.items():
		if key[3] != ANY:
			continue
		for other in [k for k in out if k[:3] == key[:3] and k[3] != ANY]:
			take = min(n - out[key], out[other] - wanted.get(other, 0))
			if take > 0:
				out[other] -= take
				out[key] += take
	return out
