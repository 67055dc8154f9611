# SPDX-License-Identifier: GPL-2.0-or-later
"""A strict HTTP/1.x client on raw sockets.

It believes nothing but the framing (RFC 9112): a byte too many, a bare LF, a second Content-Length is an error and not
something to be forgiving about, because what this client counts is what the figures of reqtally are compared with.
"""
import collections
import re
import socket
import struct
import threading
import time


class ProtocolError(Exception):
	pass


class Closed(ProtocolError):
	"""The server closed the connection where a response should have begun."""


class Tally:
	"""What the client did: requests by (method, endpoint, code), and per such key durations and body bytes."""

	def __init__(self):
		self.lock = threading.Lock()
		self.counts = collections.Counter()
		self.durations = collections.defaultdict(list)
		self.request_bytes = collections.Counter()
		self.response_bytes = collections.Counter()
		self.logged = collections.Counter()  # what the server's own access log is expected to show

	def add(self, method, endpoint, code, duration=None, request_bytes=0, response_bytes=0, logged=True):
		key = (method, endpoint, "%03d" % int(code))
		with self.lock:
			self.counts[key] += 1
			self.durations[key].append(duration)
			self.request_bytes[key] += request_bytes
			self.response_bytes[key] += response_bytes
			if logged:
				self.logged[key] += 1

	def total(self):
		return sum(self.counts.values())


Response = collections.namedtuple("Response", "version status reason headers body trailers interim framing")
Pending = collections.namedtuple("Pending", "method endpoint sent_at body_len logged")

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)\Z")
HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\Z")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?\Z")


def encode_request(method, target, *, host="localhost", headers=(), body=None, chunked=None, version="1.1"):
	"""The request's head and body as bytes. BODY is bytes; CHUNKED is a list of chunk lengths to cut it into."""
	lines = ["%s %s HTTP/%s" % (method, target, version)]
	if host is not None:
		lines.append("Host: %s" % host)
	lines += ["%s: %s" % h for h in headers]
	payload = b""
	if body is not None and chunked:
		lines.append("Transfer-Encoding: chunked")
		pos = 0
		for n in chunked:
			payload += b"%x\r\n%s\r\n" % (len(body[pos:pos + n]), body[pos:pos + n])
			pos += n
		if pos < len(body):
			payload += b"%x\r\n%s\r\n" % (len(body) - pos, body[pos:])
		payload += b"0\r\n\r\n"
	elif body is not None:
		lines.append("Content-Length: %d" % len(body))
		payload = body
	return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), payload


class Connection:
	"""One connection. `send` and `receive` may be interleaved as pipelining allows; `request` does one of each."""

	def __init__(self, host, port, tally=None, timeout=30, rcvbuf=None):
		family = socket.AF_INET6 if ":" in host else socket.AF_INET
		self.sock = socket.socket(family, socket.SOCK_STREAM)
		self.sock.settimeout(timeout)
		if rcvbuf:
			self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
		self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		self.sock.connect((host, port))
		self.tally = tally
		self.pending = collections.deque()
		self.buf = bytearray()
		self.eof = False
		self.closing = False
		self.read_delay = None  # seconds to wait before each read of a slow reader

	def __enter__(self):
		return self

	def __exit__(self, *exc):
		self.sock.close()

	def close(self):
		self.sock.close()

	def abort(self):
		"""Close with a reset, as a client that crashed."""
		self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		self.sock.close()

	def send(self, method, target, endpoint=None, *, logged=True, expect_continue=False, pause=None, **kw):
		"""Sends one request. With EXPECT_CONTINUE the body waits for a 100; with PAUSE it follows that much later."""
		if expect_continue:
			kw["headers"] = list(kw.get("headers", ())) + [("Expect", "100-continue")]
		head, payload = encode_request(method, target, **kw)
		sent_at = time.monotonic()
		body_len = len(kw.get("body") or b"")
		self.pending.append(Pending(method, endpoint or target.split("?")[0], sent_at, body_len, logged))
		if not expect_continue and not pause:
			self.sock.sendall(head + payload)
			return
		self.sock.sendall(head)
		if expect_continue:
			status = self._head()[1]
			if status != 100:
				raise ProtocolError("expected 100 Continue, got %d" % status)
		if pause:
			time.sleep(pause)
		self.sock.sendall(payload)

	def send_pipelined(self, requests):
		"""Sends all of [(method, target, endpoint)] in one write."""
		out, sent_at = b"", time.monotonic()
		for method, target, endpoint in requests:
			out += b"".join(encode_request(method, target))
			self.pending.append(Pending(method, endpoint, sent_at, 0, True))
		self.sock.sendall(out)

	def request(self, method, target, endpoint=None, **kw):
		self.send(method, target, endpoint, **kw)
		return self.receive()

	def receive(self):
		"""Reads the response of the oldest request sent, and tallies it."""
		req = self.pending.popleft()
		interim = []
		while True:
			version, status, reason, headers = self._head()
			if status >= 200 or status == 101:
				break
			interim.append(status)
		body, trailers, framing = self._body(req.method, status, headers)
		duration = time.monotonic() - req.sent_at
		connection = [t.strip().lower() for v in headers.get("connection", ()) for t in v.split(",")]
		self.closing = framing == "close" or "close" in connection or (version == 0 and "keep-alive" not in connection)
		if self.buf and not self.pending:
			raise ProtocolError("%d bytes after the last response: %r"
					% (len(self.buf), bytes(self.buf[:60])))
		if self.tally is not None:
			self.tally.add(req.method, req.endpoint, status, duration, req.body_len, len(body), req.logged)
		return Response("1.%d" % version, status, reason, headers, bytes(body), trailers, interim, framing)

	def expect_eof(self):
		"""The server must close now, without another byte."""
		if self.buf or self._more():
			raise ProtocolError("bytes where the end of the connection was expected: %r"
					% bytes(self.buf[:60]))

	def _more(self):
		if self.eof:
			return False
		if self.read_delay:
			time.sleep(self.read_delay)
		try:
			piece = self.sock.recv(262144)
		except ConnectionResetError as e:
			raise Closed("connection reset") from e
		if not piece:
			self.eof = True
			return False
		self.buf += piece
		return True

	def _line(self):
		start = 0
		while True:
			end = self.buf.find(b"\n", start)
			if end >= 0:
				break
			start = len(self.buf)
			if start > 65536:
				raise ProtocolError("line longer than 64 KiB")
			if not self._more():
				raise Closed("end of connection after %d bytes of a line" % len(self.buf))
		line = bytes(self.buf[:end + 1])
		del self.buf[:end + 1]
		if not line.endswith(b"\r\n"):
			raise ProtocolError("bare LF: %r" % line)
		return line[:-2]

	def _fields(self):
		fields = collections.defaultdict(list)
		while True:
			line = self._line()
			if not line:
				return fields
			m = HEADER_LINE.match(line)
			if not m:
				raise ProtocolError("header line %r" % line)
			fields[m.group(1).decode().lower()].append(m.group(2).decode("latin-1"))

	def _head(self):
		line = self._line()
		m = STATUS_LINE.match(line)
		if not m:
			raise ProtocolError("status line %r" % line)
		return int(m.group(1)), int(m.group(2)), m.group(3).decode("latin-1"), self._fields()

	def _take(self, n, into):
		while n:
			if not self.buf and not self._more():
				raise ProtocolError("connection ended %d bytes before the end of the body" % n)
			piece = self.buf[:n]
			into += piece
			del self.buf[:len(piece)]
			n -= len(piece)

	def _body(self, method, status, headers):
		body = bytearray()
		lengths = set(headers.get("content-length", ()))
		codings = headers.get("transfer-encoding", ())
		if len(lengths) > 1 or (lengths and codings):
			raise ProtocolError("ambiguous framing: %r %r" % (lengths, codings))
		if lengths and not re.fullmatch(r"[0-9]{1,18}", min(lengths)):
			raise ProtocolError("Content-Length %r" % lengths)
		if method == "HEAD" or status in (101, 204, 304):
			return body, {}, "none"
		if codings:
			if [c.strip().lower() for c in codings] != ["chunked"]:
				raise ProtocolError("Transfer-Encoding %r" % codings)
			while True:
				m = CHUNK_LINE.match(self._line())
				if not m:
					raise ProtocolError("chunk size line")
				size = int(m.group(1), 16)
				if size == 0:
					return body, self._fields(), "chunked"
				self._take(size, body)
				if self._line():
					raise ProtocolError("bytes after a chunk")
		if lengths:
			self._take(int(min(lengths)), body)
			return body, {}, "length"
		while self._more():
			pass
		body += self.buf
		self.buf.clear()
		return body, {}, "close"


def fetch(port, target, method="GET", host="127.0.0.1", timeout=30, **kw):
	"""One request on a connection of its own, outside every tally."""
	with Connection(host, port, timeout=timeout) as c:
		headers = list(kw.pop("headers", ())) + [("Connection", "close")]
		return c.request(method, target, headers=headers, **kw)
