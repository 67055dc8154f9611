# SPDX-License-Identifier: GPL-2.0-or-later
"""Long connections on which the same heads come again and again, in one packet each, and between them all that is otherwise: so that what is
compared with a head that is kept, and what is read, alternate thousands of times. Both ends are in one hand; of each request all is known."""
import collections
import os
import random
import socket
import struct
import time

import raw
from raw_times import queued

INSIDE = b"HTTP/1.1 500 Inside\r\nContent-Length: 3\r\n\r\nGET /inside HTTP/1.1\r\n\r\n"
OTHER_SERVICE = "rawserver-b"
WORDS = ("ab", "ac", "zb", "Ab", "a-", "a%")


class Tally:
	"""What must be counted. Keys are (service, method, endpoint, code)."""

	def __init__(self):
		self.counts, self.bytes_in, self.bytes_out = collections.Counter(), collections.Counter(), collections.Counter()
		self.timed, self.windows = collections.Counter(), {}
		self.unsolicited, self.streams = 0, 0

	def add(self, key, received, sent, times=None):
		"""TIMES: of arrival, first read, first byte of the response and its end, each (not before, not after); None: a stream."""
		self.counts[key] += 1
		self.bytes_in[key] += received
		self.bytes_out[key] += sent
		if not times:
			self.streams += 1
			return
		self.timed[key] += 1
		arrival, read, first, end = times
		for name, till in (("duration", end), ("ttfb", first), ("queue", read)):
			if till is None: # there was none
				continue
			window = self.windows.setdefault((name, key), [0.0, 0.0, 0])
			window[0] += max(0, till[0] - arrival[1])
			window[1] += till[1] - arrival[0]
			window[2] += 1


class Reader:
	"""Another process that reads from a connection and answers: the service changes in the middle of it."""

	def __init__(self):
		self.here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
		self.pid = os.fork()
		if self.pid:
			there.close()
			return
		try:
			self.here.close()
			with open("/proc/self/comm", "w") as f:
				f.write(OTHER_SERVICE)
			while True:
				order, fds, _, _ = socket.recv_fds(there, 8, 1)
				if not order:
					break
				with socket.socket(fileno=fds[0]) as sock:
					raw.read_exactly(sock, struct.unpack("!q", order)[0])
				there.send(b"!")
		finally:
			os._exit(0)

	def read(self, sock, n):
		socket.send_fds(self.here, [struct.pack("!q", n)], [sock.fileno()])
		if self.here.recv(1) != b"!":
			raise EOFError("the other process")

	def close(self):
		self.here.close()
		os.waitpid(self.pid, 0)


class Endpoint(str):
	stream = False  # answers that are found and have a body are streams, by configuration


class Head:
	"""A request's head and what is counted for it."""

	def __init__(self, rng, endpoint_of):
		self.method, self.endpoint_of = rng.choice(("GET", "GET", "GET", "PUT", "DELETE", "OPTIONS")), endpoint_of
		self.word, self.tail = rng.choice(WORDS), rng.choice(("", "", "/7", "/42", "?q=/" + "x" * rng.randrange(40), "/" + "w" * rng.randrange(1, 15)))
		self.pad = "X: " + "v" * rng.choice((0, 0, 1, 5, 17, 30, 60, 100, 140))

	def line(self, word=None):
		return "/%s%s" % (word or self.word, self.tail)

	def bytes(self, method=None, word=None, extra=()):
		return raw.request(method or self.method, self.line(word), None, self.pad, *extra)

	def endpoint(self, word=None):
		return self.endpoint_of(self.line(word).split("?")[0].replace("/7", "/{id}").replace("/42", "/{id}"))


class Answer:
	def __init__(self, rng):
		self.status = rng.choice((200, 200, 200, 404, 500, 302))
		self.body = rng.choice((b"", b"x", b"hello", INSIDE[:58], rng.randbytes(rng.choice((9, 16, 99, 1000)))))
		self.pad = "X: " + "v" * rng.choice((0, 0, 3, 16, 40, 90, 170))

	def head(self, status=None, length=None, extra=()):
		length = len(self.body) if length is None else length
		return raw.response(status or self.status, b"", self.pad, *extra, "Content-Length: %d" % length, length=False)

	def bytes(self, status=None):
		return self.head(status) + self.body


class Conversation:
	def __init__(self, rng, listener, tally, reader=None, endpoint_of=Endpoint, pair=None):
		self.rng, self.tally, self.reader, self.endpoint_of = rng, tally, reader, endpoint_of
		self.client, self.server = pair or listener.pair()
		self.service = raw.SERVICE
		self.request, self.answer = Head(rng, endpoint_of), Answer(rng)

	# The wire

	def read(self, n):
		if self.service == raw.SERVICE:
			raw.read_exactly(self.server, n)
		else:
			self.reader.read(self.server, n)

	def ask(self, *pieces):
		"""Sends PIECES to the server, which reads each. The times of the first one: (arrival, read)."""
		first = None
		for piece in pieces:
			before = time.monotonic()
			self.client.sendall(piece)
			reading, come = time.monotonic(), None
			if not self.rng.randrange(30):
				while queued(self.server) < len(piece) and time.monotonic() < reading + 0.05:
					time.sleep(0.0001)
				come = time.monotonic()
				time.sleep(0.003)
				reading = time.monotonic()
			self.read(len(piece))
			after = time.monotonic()
			first = first or ((before, come or after), (reading, after))
			if not self.rng.randrange(60):
				time.sleep(0.002)
		return first

	def say(self, *pieces):
		"""The same to the client: when the first and when the last byte left."""
		marks = []
		for piece in pieces:
			before = time.monotonic()
			self.server.sendall(piece)
			raw.read_exactly(self.client, len(piece))
			marks.append((before, time.monotonic()))
		return marks[0], marks[-1]

	def cut(self, data):
		at = sorted({0, len(data), *(self.rng.randrange(len(data)) for _ in range(self.rng.choice((1, 1, 2, 5))))})
		return [data[a:b] for a, b in zip(at, at[1:])]

	def count(self, method, endpoint, code, received, sent, asked, said, chunked=False):
		key = (self.service, method, str(endpoint), "%03d" % code)
		stream = getattr(endpoint, "stream", False) and code < 300 and (sent or chunked)
		self.tally.add(key, received, sent, None if stream or not asked else (*asked, *said))

	def plain(self, asked, said, word=None):
		r, s = self.request, self.answer
		self.count(r.method, r.endpoint(word), s.status, 0, len(s.body), asked, said)

	# What is said on it

	def same(self):
		asked = self.ask(self.request.bytes())
		if not self.rng.randrange(60):
			time.sleep(0.003)
		self.plain(asked, self.say(self.answer.bytes()))

	def other_path(self):
		word = self.rng.choice(WORDS)
		asked = self.ask(self.request.bytes(word=word))
		self.plain(asked, self.say(self.answer.bytes()), word)

	def other_method(self):
		"""HEAD is answered with the head that GET is answered with."""
		r, s, method = self.request, self.answer, self.rng.choice(("GET", "PUT", "COPY", "POST", "PATCH", "TRACE", "DELETE", "HEAD", "HEAD"))
		for _ in range(self.rng.choice((1, 1, 2, 4))):
			asked, sent = self.ask(r.bytes(method)), b"" if method == "HEAD" else s.body
			self.count(method, r.endpoint(), s.status, 0, len(sent), asked, self.say(s.head() + sent))

	def body_to_head(self):
		"""An answer to HEAD that has a body all the same, so that it is as long as those before."""
		r, s = self.request, self.answer
		if s.body[:1] in (b"x", b"h"):
			asked = self.ask(r.bytes("HEAD"))
			said = self.say(s.bytes())
			self.count("HEAD", r.endpoint(), s.status, 0, 0, asked, said)
			self.same()  # what comes behind has to be known for an answer by its first packet

	def other_status(self):
		r, s = self.request, self.answer
		for status in self.rng.choice(((201,), (500, 500, 500, 200), (404, 200, 404))):
			asked = self.ask(r.bytes())
			self.count(r.method, r.endpoint(), status, 0, len(s.body), asked, self.say(s.bytes(status)))

	def bare(self):
		"""Answers without a body that have a Content-Length all the same."""
		r, s, status = self.request, self.answer, self.rng.choice((204, 304))
		for _ in range(self.rng.randrange(1, 5)):
			asked = self.ask(r.bytes())
			self.count(r.method, r.endpoint(), status, 0, 0, asked, self.say(s.head(status)))

	def other_length(self):
		"""The head differs in the last figure of its length only. Its first packet may be as long as those before."""
		r, s, rng = self.request, self.answer, self.rng
		for more in rng.choice(((1,), (1, 2, 0), (1, 1, 1, 0), (3, 3))):
			body, asked = s.body + b"HTTP"[:more], self.ask(r.bytes())
			data, at = s.head(length=len(body)) + body, len(s.bytes())
			said = self.say(*((data[:at], data[at:]) if rng.randrange(2) and at < len(data) else (data,)))
			self.count(r.method, r.endpoint(), s.status, 0, len(body), asked, said)

	def cut_request(self):
		asked = self.ask(*self.cut(self.request.bytes()))
		self.plain(asked, self.say(self.answer.bytes()))

	def cut_answer(self):
		s = self.answer
		asked = self.ask(self.request.bytes())
		self.plain(asked, self.say(*(self.cut(s.bytes()) if self.rng.randrange(2) else [p for p in (s.head(), s.body) if p])))

	def blank_lines(self):
		blank, apart = self.rng.choice((b"\r\n", b"\n", b"\r\n\r\n")), self.rng.randrange(2)
		if apart:
			self.ask(blank)
		asked = self.ask(self.request.bytes() if apart else blank + self.request.bytes())
		if apart and self.rng.randrange(2):
			self.say(b"\r\n")
		self.plain(asked, self.say(b"\r\n" * self.rng.randrange(2) + self.answer.bytes()))

	def interim(self):
		for _ in range(self.rng.randrange(1, 4)):
			asked, interim = self.ask(self.request.bytes()), b"HTTP/1.1 100 Continue\r\n\r\n" * self.rng.randrange(1, 4)
			if self.rng.randrange(2):
				self.say(interim)
				interim = b""
			self.plain(asked, self.say(interim + self.answer.bytes()))

	def chunked(self):
		r, s = self.request, self.answer
		data = raw.response(s.status, b"", s.pad, "Transfer-Encoding: chunked", length=False)
		data += (b"%x\r\n%s\r\n" % (len(s.body), s.body) if s.body else b"") + b"0\r\n\r\n"
		for _ in range(self.rng.randrange(1, 4)):
			asked = self.ask(r.bytes())
			said = self.say(*self.rng.choice(([data], self.cut(data))))
			self.count(r.method, r.endpoint(), s.status, 0, len(s.body), asked, said, True)

	def upload(self):
		"""POST with a body: in its head's packet, behind it, in chunks, answered in the midst of it or before it."""
		r, s, rng = self.request, self.answer, self.rng
		body = rng.choice((b"", b"b", INSIDE, r.bytes() * 3))
		for _ in range(rng.randrange(1, 4)):
			head, data = r.bytes("POST", extra=("Content-Length: %d" % len(body),)), body
			if rng.randrange(2):
				cut = rng.randrange(len(body) + 1)
				head = r.bytes("POST", extra=("Transfer-Encoding: chunked",))
				data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:cut], body[cut:]) if p) + b"0\r\n\r\n"
			at = rng.randrange(len(data) + 1)
			asked = self.ask(*rng.choice(([head + data], [head, data] if data else [head], self.cut(head + data)))) if rng.randrange(2) else None
			if asked:
				said = self.say(s.bytes())
			else:
				at = rng.choice((len(head), len(head) + at, len(head) - 1, len(head) - 2))
				data = head + data
				asked = self.ask(*rng.choice(([data[:at]], self.cut(data[:at]))))
				said = self.say(s.bytes())
				if data[at:]:
					self.ask(*rng.choice(([data[at:]], self.cut(data[at:]))))
			self.count("POST", r.endpoint(), s.status, len(body), len(s.body), asked, said)

	def early(self):
		"""An answer while the line is coming in."""
		r, s = self.request, self.answer
		data = r.bytes("GET")
		at = self.rng.randrange(5, data.index(b"\n"))
		asked = self.ask(data[:at])
		said = self.say(s.bytes())
		self.ask(data[at:])
		self.count("GET", "{incomplete}", s.status, 0, len(s.body), asked, said)

	def pipeline(self):
		r, s, rng = self.request, self.answer, self.rng
		words = [rng.choice((r.word, r.word, r.word, rng.choice(WORDS))) for _ in range(rng.choice((2, 2, 3, 5, 16)))]
		if rng.randrange(2):
			asked = [self.ask(b"".join(r.bytes(word=w) for w in words))] * len(words)
		else:
			asked = [self.ask(r.bytes(word=w)) for w in words]
		if rng.randrange(2):
			said = [self.say(s.bytes() * len(words))] * len(words)
		else:
			said = [self.say(s.bytes()) for _ in words]
		for word, a, b in zip(words, asked, said):
			self.plain(a, b, word)

	def window(self):
		"""One more request than answers, for a while."""
		r, s, rng = self.request, self.answer, self.rng
		waits = [(r.word, self.ask(r.bytes()))]
		for _ in range(rng.randrange(1, 8)):
			word = rng.choice((r.word, r.word, r.word, rng.choice(WORDS)))
			waits.append((word, self.ask(r.bytes(word=word))))
			word, asked = waits.pop(0)
			self.plain(asked, self.say(s.bytes()), word)
		word, asked = waits.pop(0)
		self.plain(asked, self.say(s.bytes()), word)

	def nobody_asked(self):
		self.say(self.answer.bytes())
		self.tally.unsolicited += 1

	def event_stream(self):
		"""One of known length: it ends, and requests go on."""
		r, s = self.request, self.answer
		body = s.body or b"data: 1\n\n"
		for _ in range(self.rng.randrange(1, 3)):
			self.ask(r.bytes())
			said = self.say(s.head(length=len(body), extra=("Content-Type: text/event-stream",)) + body)
			self.count(r.method, r.endpoint(), s.status, 0, len(body), None, said)

	def other_process(self):
		if self.reader:
			self.service = OTHER_SERVICE if self.service == raw.SERVICE else raw.SERVICE

	def rest(self):
		time.sleep(0.004)

	def renew(self):
		if self.rng.randrange(3):
			self.request = Head(self.rng, self.endpoint_of)
		if self.rng.randrange(3):
			self.answer = Answer(self.rng)

	OTHERWISE = (other_path, other_method, body_to_head, other_status, bare, other_length, cut_request, cut_answer, blank_lines, interim, chunked, upload, upload,
		     early, pipeline, window, nobody_asked, event_stream, other_process, rest, renew, renew, renew)

	def run(self, n):
		"""N times something else, and between two of them the same for a while."""
		self.same()
		for _ in range(n):
			for _ in range(self.rng.choice((0, 1, 2, 3, 6, 20))):
				self.same()
			self.rng.choice(self.OTHERWISE)(self)

	# How it ends

	def upgraded(self):
		"""What looks like requests in a tunnel is none."""
		r = self.request
		asked = self.ask(r.bytes(extra=("Upgrade: x",)))
		self.say(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")
		self.count(r.method, r.endpoint(), 101, 0, 3 * len(self.answer.bytes()), None, asked)
		for _ in range(3):
			self.ask(r.bytes())
			self.say(self.answer.bytes())

	def tunnelled(self):
		self.ask(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
		self.say(b"HTTP/1.1 200 OK\r\n\r\n")
		self.count("CONNECT", "{authority}", 200, 0, 2 * len(self.answer.bytes()), None, None)
		for _ in range(2):
			self.ask(self.request.bytes())
			self.say(self.answer.bytes())

	def fin_with_request(self):
		before = time.monotonic()
		data = self.request.bytes()
		self.client.send(data, socket.MSG_MORE)
		self.client.shutdown(socket.SHUT_WR)
		reading = time.monotonic()
		self.read(len(data))
		after = time.monotonic()
		self.plain(((before, after), (reading, after)), self.say(self.answer.bytes()))

	def fin_with_answer(self):
		asked, data, before = self.ask(self.request.bytes()), self.answer.bytes(), time.monotonic()
		self.server.send(data, socket.MSG_MORE)
		self.server.close()
		raw.read_exactly(self.client, len(data))
		said = (before, time.monotonic())
		self.plain(asked, (said, said))

	def unanswered(self):
		asked, before = self.ask(self.request.bytes()), time.monotonic()
		self.server.close()
		self.count(self.request.method, self.request.endpoint(), 0, 0, 0, asked, (None, (before, time.monotonic() + 0.05)))

	def gone(self):
		asked, before = self.ask(self.request.bytes()), time.monotonic()
		if self.rng.randrange(2):
			self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		self.client.close()
		time.sleep(0.002)
		self.server.close()
		self.count(self.request.method, self.request.endpoint(), 499, 0, 0, asked, (None, (before, time.monotonic() + 0.05)))

	def gone_before_the_answer(self):
		"""It is sent, but the client's machine says that nobody is there."""
		asked, s = self.ask(self.request.bytes()), self.answer
		self.client.close()
		time.sleep(0.002)
		before = time.monotonic()
		self.server.sendall(s.bytes())
		said = (before, time.monotonic() + 0.05)
		time.sleep(0.002)
		self.server.close()
		# Of a stream it is not asked whether the client takes it.
		stream = self.request.endpoint().stream and s.status < 300 and s.body
		self.count(self.request.method, self.request.endpoint(), s.status if stream else 499, 0, len(s.body), asked, (said, said))

	def finish(self):
		self.rng.choice((Conversation.upgraded, Conversation.tunnelled, Conversation.fin_with_request, Conversation.fin_with_answer,
				 Conversation.unanswered, Conversation.gone, Conversation.gone_before_the_answer, Conversation.same))(self)
		self.close()

	def close(self):
		for end in self.rng.sample((self.client, self.server), 2):
			end.close()
