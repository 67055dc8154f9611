# SPDX-License-Identifier: GPL-2.0-or-later
"""A second opinion on what a script's bytes mean: reads them as HTTP/1.1 (RFC 9112) in the order in which they were sent, in no hurry and
with all of them at hand, and says which requests there were, what became of each, and between which bounds its times must lie. It knows
nothing of endpoints. What it finds must be what the table says, which is written by hand; so each is checked by the other."""
import collections
import re

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK",
	"UNLOCK", "REPORT", "SEARCH", "ACL", "MKCALENDAR", "MKACTIVITY", "CHECKOUT", "MERGE", "QUERY")
REQUEST_LINE = re.compile(rb"([!#-'*+.0-9A-Z^-z|~-]+) +([/*][!-~\x80-\xff]*|[A-Za-z][A-Za-z0-9+.-]*://[!-~\x80-\xff]*|(?<=^CONNECT )[!-~]+)"
		rb" +HTTP/\d+(?:\.\d+)? *\r?\Z")
PREFACE = re.compile(rb"\S+ +\* +HTTP/2")  # of HTTP/2
STATUS_LINE = re.compile(rb"HTTP/\d+(?:\.\d+)? (\d{3})(?: [^\r]*)?\r?\Z")
KNOWN_START = re.compile(rb"(?:%s) +[/*h]" % "|".join(METHODS).encode())
LOOKS_LIKE_HTTP = re.compile(rb"([A-Z]+) +\S")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;.*)?\r?\Z", re.S)
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"
DEPTH = 16  # requests of a connection that wait for their responses


class Request:
	def __init__(self, method, start):
		self.method = method if method in METHODS else "_OTHER"
		self.sent_as = method
		self.start = start  # offset of its first byte in the client's stream
		self.code = None
		self.first = self.last = None  # offsets of the final response's first byte, and of the one behind its last
		self.end = None  # bounds of its end, where that is no byte
		self.stream = False
		self.stream_end = None

	def key(self):
		return self.method, self.code


class Message:
	"""Bytes of one direction, taken as lines and bodies."""

	def __init__(self):
		self.bytes, self.at = b"", 0
		self.state, self.left, self.fields = "start", 0, []

	def feed(self, data):
		self.bytes += data

	def take(self, n):
		n = min(n, len(self.bytes))
		self.bytes, self.at = self.bytes[n:], self.at + n
		return n

	def line(self):
		i = self.bytes.find(b"\n")
		if i < 0:
			return None
		line = self.bytes[:i]
		self.take(i + 1)
		return line

	def skip_blank_lines(self):
		while self.bytes.startswith((b"\r\n", b"\n")):
			self.take(1 + self.bytes.startswith(b"\r"))
		return bool(self.bytes) and self.bytes != b"\r"

	def next_field(self):
		"""None: not there yet; True: there was one; False: the head is complete."""
		line = self.line()
		if line is None:
			return None
		if line.rstrip(b"\r") == b"":
			return False
		name, colon, value = line.partition(b":")
		if colon and not line.startswith((b" ", b"\t")):
			self.fields.append((name.strip().lower(), value.strip().lower()))
		return True

	def values(self, name):
		return [v for n, v in self.fields if n == name]

	def framing(self):
		"""The state that the body begins with."""
		codings = b",".join(self.values(b"transfer-encoding"))
		lengths = set(self.values(b"content-length"))
		if codings:
			return "chunk" if codings.split(b",")[-1].strip() == b"chunked" else "bad"
		if not lengths:
			return "none"
		if len(lengths) > 1 or not re.fullmatch(rb"\d{1,30}", min(lengths)) or int(min(lengths)) > 9 * 10 ** 18:
			return "bad length"
		self.left = int(min(lengths))
		return "length" if self.left else "done"

	def body(self):
		"""One step through a body: True if there was one, None if it has to wait; the state becomes "done" or "bad"."""
		if self.state in ("length", "data"):
			if not self.bytes:
				return None
			self.left -= self.take(self.left)
			if not self.left:
				self.state = "done" if self.state == "length" else "data end"
			return True
		line = self.line()
		if line is None:
			return None
		if self.state == "chunk":
			m = CHUNK_SIZE.match(line)
			self.left = int(m.group(1), 16) if m else 0
			self.state = "bad" if not m or self.left >= 1 << 60 else "data" if self.left else "trailers"
		elif self.state == "data end":
			self.state = "chunk" if line.rstrip(b"\r") == b"" else "bad"
		elif line.rstrip(b"\r") == b"":
			self.state = "done"
		return True


BODY = ("length", "chunk", "data", "data end", "trailers")


class Conversation:
	"""What came of one tape."""

	def __init__(self, tape):
		self.tape = tape
		self.requests, self.waiting, self.lost = [], collections.deque(), 0
		self.rx, self.tx = Message(), Message()
		self.rx_begun = None  # where the request line at hand began
		self.answered = False  # the request whose line is coming in has its answer
		self.early = None  # that request
		self.proxied = True  # a PROXY header may come
		self.tunnel = self.events = None  # the request whose connection or response is a stream now
		self.over = self.client_fin = self.client_closed = False
		self.client_bad = False
		self.bodiless = False  # the last answer had no body; `passing`: it was sent one all the same
		self.passing = False
		self.strange = None  # the connection begins as no HTTP: "unanswered", "answered" by HTTP all the same, or for good
		for event in tape.log:
			if len(event) == 2:
				self.sent(*event)
			elif event[1] == "closed":
				self.client_closed = True
			else:
				self.ended(*event)

	def sent(self, who, data):
		if self.over or self.tunnel:
			return
		if self.strange:
			if who == "s" and self.strange == "unanswered":
				self.strange = "answered" if data.startswith(b"HTTP/1.") else "for good"
			elif who == "c" and self.strange == "answered":
				self.strange, self.rx.state = None, "start"
			if self.strange:
				m = self.rx if who == "c" else self.tx
				m.feed(data)
				m.take(len(m.bytes))
				return
		if who == "c":
			self.rx.feed(data)
			while self.rx.state != "dead" and self.request_step():
				pass
		else:
			if self.tx.state == "dead":
				if not data.startswith(b"HTTP/1."):
					return self.tx.feed(data) or self.tx.take(len(data)) and self.garbage()
				self.tx.state = "start"
			self.tx.feed(data)
			while self.tx.state != "dead" and not self.tunnel and self.response_step():
				pass

	# The client's bytes

	def request_step(self):
		m = self.rx
		if m.state == "start":
			if self.proxied and self.proxy_header() is not None:
				return self.proxied is None
			if not m.skip_blank_lines():
				return False
			self.rx_begun, m.state, m.fields = m.at, "line", []
		if m.state == "line":
			line = m.line()
			if not self.requests and not (line or m.bytes)[:1].isalpha():
				line = line or m.bytes
			if line is None:
				return False
			self.proxied = False
			found = REQUEST_LINE.match(line)
			if not found or PREFACE.match(line):
				m.state, self.client_bad = "dead", True
				if not self.requests and not KNOWN_START.match(line):
					self.strange = "unanswered"
					m.take(len(m.bytes))
				return False
			m.state = "fields"
			if self.answered:
				self.answered = False
			else:
				self.begun(found.group(1).decode())
			self.rx_begun = None
			return True
		if m.state == "fields":
			more = m.next_field()
			if more is False:
				m.state = m.framing()
				if m.state in ("none", "done"):
					m.state = "start"
				elif m.state.startswith("bad"):
					m.state = "dead"
			return more is not None
		done = m.body()
		if m.state == "done":
			m.state = "start"
		elif m.state == "bad":
			m.state = "dead"
		return bool(done)

	def proxy_header(self):
		"""None: there is none. A complete one is taken, and `proxied` is None for a moment."""
		m = self.rx
		head = m.bytes[:12]
		if head and PROXY_V2.startswith(head):
			if len(m.bytes) < 16:
				return False
			n = 16 + int.from_bytes(m.bytes[14:16], "big")
			if len(m.bytes) < n:
				return False
			m.take(n)
		elif head and b"PROXY ".startswith(head[:6]):
			if b"\n" not in m.bytes:
				return False
			m.line()
		else:
			return None
		self.proxied = None
		return True

	def begun(self, method):
		request = Request(method, self.rx_begun)
		if len(self.waiting) >= DEPTH:
			request.lost = True
			self.lost += 1
		else:
			request.lost = False
			self.requests.append(request)
		self.waiting.append(request)

	# The server's bytes

	def response_step(self):
		m = self.tx
		if m.state == "start":
			if not m.skip_blank_lines():
				return False
			self.first, m.state, m.fields = m.at, "line", []
		if m.state == "line":
			if not b"HTTP/".startswith(m.bytes[:5]):
				return self.garbage()
			line = m.line()
			if line is None:
				return False
			found = STATUS_LINE.match(line)
			if not found:
				return self.garbage()
			self.code, m.state = found.group(1).decode(), "fields"
			return True
		if m.state == "fields":
			more = m.next_field()
			if more is False:
				self.response_head()
			return more is not None
		if m.state == "to close":
			m.take(len(m.bytes))
			return False
		done = m.body()
		if m.state == "done":
			self.response_done()
		elif m.state == "bad":
			return self.garbage()
		return bool(done)

	def response_head(self):
		m, code = self.tx, int(self.code)
		request = self.waiting[0] if self.waiting else None
		method = request.sent_as if request else self.partial()
		if 100 <= code < 200 and code != 101:
			m.state = "start"
			return
		if code == 101 or (method == "CONNECT" and 200 <= code < 300):
			if request:
				request.stream, self.tunnel = True, request
				self.settle(request)
			return
		self.bodiless, self.passing = method == "HEAD" or code in (204, 304), False
		m.state = "none" if self.bodiless else m.framing()
		if m.state == "bad length":
			m.state = "done"  # an answer, whose end nobody knows
		elif m.state == "bad":
			m.state = "to close"
		elif m.state == "none":
			m.state = "done" if method == "HEAD" or code in (204, 304) else "to close"
		if request and any(v.split(b";")[0].strip() == b"text/event-stream" for v in m.values(b"content-type")):
			request.stream, self.events = True, request
			self.settle(request)
		if m.state == "done":
			self.response_done()

	def partial(self):
		"""The method of a request whose line is not complete."""
		found = LOOKS_LIKE_HTTP.match(self.rx.bytes) if self.rx_begun is not None else None
		return found.group(1).decode() if found and not self.answered else None

	def response_done(self):
		m = self.tx
		m.state = "start"
		if self.events:
			self.events.stream_end = self.tape.streams["s"].passed(m.at - 1)
			self.events = None
			self.waiting.popleft()
			return
		if self.waiting:
			self.settle(self.waiting.popleft())
		elif self.partial():
			request = Request(self.partial(), self.rx_begun)
			request.lost = False
			self.requests.append(request)
			self.settle(request)
			self.answered = True

	def settle(self, request):
		"""The response at hand is what REQUEST gets."""
		request.first, request.last = self.first, self.tx.at
		request.code = "499" if self.client_closed else self.code

	def garbage(self):
		self.passing = self.bodiless and (self.passing or self.tx.state in ("start", "line"))
		self.tx.state = "dead"
		self.tx.take(len(self.tx.bytes))
		if self.passing:
			return False
		for request in self.waiting:
			if not request.lost:
				self.requests.remove(request)
				self.lost += 1
		self.waiting.clear()
		return False

	# The end

	def ended(self, who, how, before, after):
		if self.over:
			return
		if who == "c" and how == "fin":
			self.client_fin = True
			return
		self.over, bounds, m = True, (before, after), self.tx
		stream = self.tunnel or self.events
		if stream:
			stream.stream_end = bounds
			self.waiting.popleft()
		elif m.state == "to close" and who == "s" and how == "fin" and self.waiting:
			request = self.waiting.popleft()
			self.settle(request)
			request.code, request.end = self.code, bounds  # all of it was taken, else there had been a reset
		gone = who == "c" or self.client_fin
		begun = self.first if m.state in BODY + ("fields", "to close") else None
		if m.state == "line":
			found = re.match(rb"HTTP/\d+(?:\.\d+)? (\d{3})[ \r]", m.bytes)
			if found and not found.group(1).startswith(b"1"):
				self.code, begun = found.group(1).decode(), self.first
		elif begun is not None and self.code.startswith("1"):
			begun = None
		for request in self.waiting:
			if request.code:
				continue
			request.code = "499" if gone else self.code if begun is not None else "000"
			request.first, request.end = begun, bounds
			begun = None
		self.waiting.clear()

	# The times

	def windows(self, request):
		"""{name: (least, most) seconds} of the times that must have been observed."""
		c, s = self.tape.streams["c"], self.tape.streams["s"]
		start = c.passed(request.start)
		ended = request.end or s.passed(request.last - 1)
		bounds = {}
		if not request.stream:
			bounds["duration"] = ended
		elif request.stream_end:
			bounds["stream"] = request.stream_end
		if request.first is not None:
			bounds["ttfb"] = s.passed(request.first)
		read = c.was_read(request.start)
		if read and read[1] <= ended[0]:
			bounds["queue"] = read
		return {name: (max(0, b[0] - start[1]), b[1] - start[0]) for name, b in bounds.items()}
