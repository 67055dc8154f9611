# SPDX-License-Identifier: GPL-2.0-or-later
"""Run in a network namespace of its own: `segments.py CASE`. A TCP client made by hand on a TUN device, that sends any segment in any
order, against a scripted server. Prints a JSON object: port, counts, lost."""
import collections
import itertools
import json
import mmap
import os
import random
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import raw  # noqa: E402
from lossy import open_link  # noqa: E402

MTU = 1500
HOST, PEER = "10.9.0.1", "10.9.0.2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CUT = b"\0cut"  # behind an answer: then the server closes
OK = raw.response(200, b"hello")
NOT_MODIFIED = raw.response(304, length=False)


def checksum(data):
	if len(data) & 1:
		data += b"\0"
	s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
	while s >> 16:
		s = (s & 0xffff) + (s >> 16)
	return ~s & 0xffff


class Client:
	"""One connection. Offsets count the bytes of the stream to the server."""

	def __init__(self, tun, port, remote, start=None):
		self.tun, self.port, self.local = tun, port, remote
		self.start, self.next, self.received = random.getrandbits(32) if start is None else start, 0, b""
		self.established, self.arrived = False, threading.Condition()
		self.ended = False

	def packet(self, seq, ack, flags, data=b"", wrong=0):
		"""WRONG is added to the checksum."""
		source, target = socket.inet_aton(PEER), socket.inet_aton(HOST)
		options = b"\x03\x03\x07\x01" if flags & SYN else b""  # window scale
		tcp = struct.pack("!HHIIBBHHH", self.local, self.port, seq & 0xffffffff, ack & 0xffffffff, 5 + len(options) // 4 << 4, flags,
				  65535, 0, 0) + options
		sum_ = checksum(source + target + struct.pack("!BBH", 0, 6, len(tcp) + len(data)) + tcp + data)
		tcp = tcp[:16] + struct.pack("!H", sum_ + wrong & 0xffff) + tcp[18:]
		ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + len(data), 0, 0x4000, 64, 6, 0, source, target)
		ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
		self.write(ip + tcp + data)

	def write(self, packet):
		os.write(self.tun, packet)

	def take(self, seq, flags, data):
		"""A packet from the server."""
		with self.arrived:
			if flags & SYN:
				self.next, self.established = seq + 1 & 0xffffffff, True
			elif seq == self.next and (data or flags & FIN):
				self.received += data
				self.next = self.next + len(data) + bool(flags & FIN) & 0xffffffff
			self.arrived.notify_all()
		if data or flags & (SYN | FIN):
			self.packet(self.start + 1 + self.acked, self.next, ACK)
		with self.arrived:
			self.ended |= bool(flags & (FIN | RST))  # its end is acknowledged
			self.arrived.notify_all()

	acked = 0  # what pure ACKs carry as their sequence number: behind all that was sent in order

	def wait(self, what, timeout=10):
		with self.arrived:
			if not self.arrived.wait_for(what, timeout):
				raise SystemExit("the server did not answer: %d bytes" % len(self.received))

	def connect(self):
		self.packet(self.start, 0, SYN)
		self.wait(lambda: self.established)

	def send(self, offset, data, flags=PSH):
		self.packet(self.start + 1 + offset, self.next, flags | ACK, data)
		self.acked = max(self.acked, offset + len(data) + bool(flags & FIN))

	def pieces(self, offset, data, size, order=None):
		"""DATA in segments of SIZE bytes, in ORDER (a function of their list) of sending."""
		all_ = [(offset + i, data[i:i + size]) for i in range(0, len(data), size)]
		for at, piece in (order(all_) if order else all_):
			self.send(at, piece)
			time.sleep(0.0002)
		self.unanswered = all_

	unanswered = ()

	def answered(self, n):
		"""Waits for N bytes in all; what the server did not take is sent again, as TCP does."""
		with self.arrived:
			done = self.arrived.wait_for(lambda: len(self.received) >= n, 1)
		if not done:
			for at, piece in self.unanswered:
				self.send(at, piece)
				time.sleep(0.0002)
		self.unanswered = ()
		self.wait(lambda: len(self.received) >= n)


class Link:
	def __init__(self, deferred=False, large=True):
		self.tun, self.clients, self.ports = open_link(MTU), {}, itertools.count(20000)
		self.listener = raw.Listener(HOST, deferred=deferred)
		if large:
			self.listener.sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
		threading.Thread(target=self.read, daemon=True).start()

	def read(self):
		while True:
			p = os.read(self.tun, 65536)
			if p[0] >> 4 != 4 or p[9] != 6:
				continue
			tcp = p[(p[0] & 15) * 4:]
			port, seq, flags = struct.unpack("!H", tcp[2:4])[0], struct.unpack("!I", tcp[4:8])[0], tcp[13]
			if port in self.clients:
				self.clients[port].take(seq, flags, tcp[(tcp[12] >> 4) * 4:])

	def connect(self, answers, start=None, port=None):
		"""A connection. The server reads so many bytes and sends an answer, for each of ANSWERS, then closes with the client."""
		c = Client(self.tun, self.listener.port, port or next(self.ports), start)
		self.clients[c.local] = c
		c.connect()
		self.serve(c, answers)
		return c

	def serve(self, c, answers):
		server = self.listener.sock.accept()[0]
		server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

		def serve():
			for n, answer in answers:
				raw.read_exactly(server, n)
				server.sendall(answer.removesuffix(CUT))
			if not answer.endswith(CUT):
				server.recv(1)
			server.close()
		c.server = threading.Thread(target=serve, daemon=True)
		c.server.start()

	def close(self, c, offset):
		c.send(offset, b"", FIN)
		c.wait(lambda: c.ended)
		del self.clients[c.local]


COUNTS = collections.Counter()


def get(target):
	return raw.request("GET", target)


def counted(method, endpoint, code, n=1):
	COUNTS[method, endpoint, code] += n


def chunked(body, size):
	out = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size]) for i in range(0, len(body), size))
	return raw.request("POST", "/up", None, "Transfer-Encoding: chunked") + out + b"0\r\n\r\n"


def by_length(body, _):
	return raw.request("POST", "/up", None, "Content-Length: %d" % len(body)) + body


def exchange(link, messages, send):
	"""One connection: each message is sent by SEND(client, offset, bytes), answered, and only then followed by the next."""
	answers = [(len(m), OK) for m in messages]
	c = link.connect(answers)
	offset, got = 0, 0
	for m in messages:
		send(c, offset, m)
		offset, got = offset + len(m), got + len(OK)
		c.answered(got)
	link.close(c, offset)


def every_order(link):
	"""A head in four segments, in each of their orders, three requests a connection."""
	for order in itertools.permutations(range(4)):
		m = get("/orders")
		exchange(link, [m] * 3, lambda c, at, m: c.pieces(at, m, len(m) // 4 + 1, lambda all_: [all_[i] for i in order]))
		counted("GET", "/orders", "200", 3)


def overlaps(link):
	"""Segments cut anew when they are sent again, each time elsewhere, and everything twice."""
	rng = random.Random(3)
	for _ in range(20):
		m = get("/overlaps?x=" + "y" * 50)

		def send(c, at, m):
			cuts = []
			for _ in range(8):
				a, b = sorted((rng.randrange(len(m)), rng.randrange(len(m) + 1)))
				cuts.append((a, max(b, a + 1)))
			for a, b in cuts + [(0, len(m))] + cuts:
				c.send(at + a, m[a:b])
		exchange(link, [m] * 4, send)
		counted("GET", "/overlaps", "200", 4)


def first_is_last(link, make):
	"""The first segment of an upload is lost, and comes again only when hundreds of others have come."""
	for size in (100, 20000, 300000):
		m = make(random.Random(size).randbytes(size), 5000)
		exchange(link, [m, get("/after"), m, get("/after")],
			 lambda c, at, m: c.pieces(at, m, 700, lambda all_: all_[1:] + all_[:1]))
		counted("POST", "/up", "200", 2)
		counted("GET", "/after", "200", 2)


def first_is_last_chunked(link):
	first_is_last(link, chunked)


def first_is_last_by_length(link):
	first_is_last(link, by_length)


def hole_in_chunks(link):
	"""Every 250th segment of a chunked upload comes last: what is kept behind it is not enough. Bodies that look like requests are
	none."""
	inside = b"GET /inside HTTP/1.1\r\nHost: x\r\n\r\n"
	for fill in (inside, b"x" * 34):
		m = chunked(fill * (300000 // len(fill)), 4000)
		exchange(link, [get("/before"), m, get("/after"), m, get("/after")],
			 lambda c, at, m: c.pieces(at, m, 34 * 20, lambda all_: [p for i, p in enumerate(all_) if i % 250 != 3] +
						   [p for i, p in enumerate(all_) if i % 250 == 3]))
		counted("GET", "/before", "200")
		counted("POST", "/up", "200", 2)
		counted("GET", "/after", "200", 2)


def shuffled(link):
	"""All segments of all messages in a random order, some of them twice."""
	rng = random.Random(11)
	for make in (chunked, by_length):
		for _ in range(6):
			m = make(rng.randbytes(30000), 3000)
			exchange(link, [get("/before"), m, get("/after")],
				 lambda c, at, m: c.pieces(at, m, 600, lambda all_: rng.sample(all_ + all_[::3], len(all_ + all_[::3]))))
			counted("GET", "/before", "200")
			counted("POST", "/up", "200")
			counted("GET", "/after", "200")


def pipelined(link):
	"""Pipelined requests whose first segment comes last; within the depth all are counted."""
	m = b"".join(get("/pipe/%s" % c) for c in "abcdefghijklmnop")
	for size in (40, 41, 200, 700):
		c = link.connect([(len(m), OK * 16), (len(get("/after")), OK)])
		c.pieces(0, m, size, lambda all_: all_[1:] + all_[:1])
		c.answered(16 * len(OK))
		c.send(len(m), get("/after"))
		c.answered(17 * len(OK))
		link.close(c, len(m) + len(get("/after")))
		for x in "abcdefghijklmnop":
			counted("GET", "/pipe/%s" % x, "200")
		counted("GET", "/after", "200")


def hole_in_pipeline(link):
	"""So many requests behind a hole that they cannot be kept: what is not counted has a name, and what follows is exact."""
	m = get("/pipe") * 3000
	c = link.connect([(len(m), OK * 3000), (len(get("/after")), OK), (len(get("/after")), OK)])
	c.pieces(0, m, 600, lambda all_: all_[1:] + all_[:1])
	c.answered(3000 * len(OK))
	for i in range(2):
		c.send(len(m) + i * len(get("/after")), get("/after"))
		c.answered((3001 + i) * len(OK))
	link.close(c, len(m) + 2 * len(get("/after")))
	counted("GET", "/pipe", "200", 3000)
	counted("GET", "/after", "200", 2)


def probes(link):
	"""Keep-alive probes: a byte that was acknowledged already, whatever is in it; and a segment far outside of the window."""
	m = get("/probes")
	c = link.connect([(len(m), OK)] * 3)
	for i in range(3):
		c.send(i * len(m), m)
		c.answered((i + 1) * len(OK))
		c.send((i + 1) * len(m) - 1, b"\0")
		c.send((i + 1) * len(m) - 1, b"")
		time.sleep(0.02)
	link.close(c, 3 * len(m))
	counted("GET", "/probes", "200", 3)


def early_fin(link):
	"""The segment with FIN comes before the request that it ends."""
	for _ in range(3):
		m = get("/fin")
		c = link.connect([(len(m), OK)])
		c.send(len(m) - 10, m[-10:], FIN)
		c.send(0, m[:-10])
		c.answered(len(OK))
		c.wait(lambda: c.ended)
		counted("GET", "/fin", "200")


def damaged(link):
	"""Segments whose checksum is wrong, with other content, come before the right ones."""
	for m in (get("/short"), get("/long?x=" + "y" * 200), by_length(b"b" * 300, 0), chunked(b"c" * 300, 100)):
		other = bytes(b ^ 1 if i < 9 or i > 12 else b for i, b in enumerate(m))
		for other in (other, get("/other?" + "z" * 300), b"A" * 10, b"A" * 300):
			for cut in (0, 5, len(m) - 100):
				c = link.connect([(len(m), OK)] * 2)
				c.packet(c.start + 1, c.next, ACK | PSH, other, wrong=1)
				if cut > 0:
					c.send(0, m[:cut])
					c.packet(c.start + 1 + cut, c.next, ACK | PSH, other, wrong=1)
				c.send(max(cut, 0), m[max(cut, 0):])
				c.answered(len(OK))
				c.packet(c.start + 1 + len(m), c.next, ACK | FIN, b"", wrong=1)
				c.packet(c.start + 1 + len(m), c.next, ACK | RST, b"", wrong=1)
				c.send(len(m), m)
				c.answered(2 * len(OK))
				link.close(c, 2 * len(m))
				key = m.split(b" ")[0].decode(), m.split(b" ")[1].split(b"?")[0].decode()
				counted(*key, "200", 2)


def wrapped(link):
	"""Sequence numbers go round within a connection."""
	for back in (1, 2, 10, 30, 60, 700):
		m = get("/round?" + "x" * 50)
		c = link.connect([(len(m), OK)] * 20, 0x100000000 - back)
		for i in range(20):
			c.pieces(i * len(m), m, 13, lambda all_: all_[1:] + all_[:1])
			c.answered((i + 1) * len(OK))
		link.close(c, 20 * len(m))
		counted("GET", "/round", "200", 20)


def repeated(link):
	"""The same head again and again, in one segment each, and between them segments twice, cut anew, out of order or damaged; sequence numbers
	go round, and answers are sent again."""
	rng = random.Random(17)
	for i in range(8):
		words = [rng.choice(("ab", "ab", "ab", "cd")) for _ in range(60)]
		ms = [get("/%s?%s" % (w, "x" * (7 * i))) for w in words]
		c = link.connect([(len(m), OK) for m in ms], -rng.randrange(20, 4000) & 0xffffffff)
		at = 0
		for n, m in enumerate(ms):
			way, cut, other = rng.choice("ssssssss12hod"), rng.randrange(1, len(m)), ms[n].replace(b"/ab", b"/cd")
			if way == "h": # the second half first
				c.send(at + cut, m[cut:])
				c.send(at, m[:cut])
			elif way == "o": # half, and then all of it
				c.send(at, m[:cut])
				c.send(at, m)
			elif way == "d":
				c.packet(c.start + 1 + at, c.next, ACK | PSH, other, wrong=1)
				c.send(at, m)
			elif way == "1" and n: # with the end of what was taken
				c.send(at - cut, ms[n - 1][-cut:] + m)
			elif way == "2" and n and words[n] == "ab": # what was answered, and again
				c.send(at - len(ms[n - 1]), ms[n - 1])
				c.send(at, m)
				c.send(at, m)
			else:
				c.send(at, m)
			at += len(m)
			c.answered((n + 1) * len(OK))
			counted("GET", "/" + words[n], "200")
		link.close(c, at)


def silent(link):
	"""Answers that are not acknowledged are sent again, as long as those before, while the next request waits."""
	m, deaf = get("/silent"), []

	def answers():
		for n in range(10):
			if n % 3 == 2:
				time.sleep(0.5)
			yield len(m), OK
	c = link.connect(answers())
	take = c.take
	c.take = lambda seq, flags, data: deaf.append(seq) if data and not deaf and n % 3 == 1 else take(seq, flags, data)
	for n in range(10):
		c.send(n * len(m), m)
		if n % 3 == 1:
			while not deaf:
				time.sleep(0.001)
		else:
			c.answered((n + 1) * len(OK))
			deaf.clear()
	link.close(c, 10 * len(m))
	counted("GET", "/silent", "200", 10)


def strays(link):
	"""Data for a connection that is no more, from the port of one that is to come."""
	m = get("/real")
	for i in range(20):
		port = next(link.ports)
		start = random.getrandbits(32)
		for away in (0x10000000, -0x10000000)[i & 1:][:1]:
			c = Client(link.tun, link.listener.port, port, start + away)
			link.clients[port] = c
			c.send(0, get("/stray"))
			time.sleep(0.01)
		c = link.connect([(len(m), OK)] * 2, start, port)
		c.send(0, m)
		c.answered(len(OK))
		c.send(len(m), m)
		c.answered(2 * len(OK))
		link.close(c, 2 * len(m))
		counted("GET", "/real", "200", 2)


def second_cpu(tun, page):
	"""Writes the packet that is in PAGE whenever its first byte says so."""
	os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
	while page[0] != 255:
		if page[0] == 2:
			os.write(tun, page[3:3 + int.from_bytes(page[1:3], "little")])
			page[0] = 0


def two_cpus(link):
	"""The first two segments of a connection that is accepted with its data, by two CPUs at the same time."""
	page, m, rng = mmap.mmap(-1, 4096), get("/both?" + "x" * 60), random.Random(5)
	child = os.fork()
	if not child:
		second_cpu(link.tun, page)
		os._exit(0)
	os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
	for i in range(300):
		c = Client(link.tun, link.listener.port, next(link.ports))
		link.clients[c.local] = c
		c.connect()
		time.sleep(0.001)
		packets, cut = [], rng.randrange(1, len(m))
		c.write = packets.append
		c.send(0, m[:cut])
		c.send(cut, m[cut:])
		del c.write
		mine, other = rng.sample(packets, 2)
		page[1:3 + len(other)] = len(other).to_bytes(2, "little") + other
		for _ in range(rng.randrange(0, 40)):
			pass
		page[0] = 2
		for _ in range(rng.randrange(0, 200)):
			pass
		os.write(link.tun, mine)
		while page[0]:
			pass
		link.serve(c, [(len(m), OK)] * 2)
		c.answered(len(OK))
		c.send(len(m), m)
		c.answered(2 * len(OK))
		link.close(c, 2 * len(m))
		counted("GET", "/both", "200", 2)
	page[0] = 255
	os.waitpid(child, 0)


def beyond(link):
	"""Segments outside of the window, which the kernel drops, with other content than what comes there later."""
	for far in (300000, 1000000):
		m = chunked(random.Random(far).randbytes(2000000), 5000)
		c = link.connect([(len(m), OK), (len(get("/after")), OK)])
		for i in range(20):
			c.packet(c.start + 1 + far + i * 1400, c.next, ACK | PSH, b"0\r\n\r\nGET /beyond HTTP/1.1\r\n\r\n" * 40)
		c.pieces(0, m, 1400)
		c.answered(len(OK))
		c.send(len(m), get("/after"))
		c.answered(2 * len(OK))
		link.close(c, len(m) + len(get("/after")))
		counted("POST", "/up", "200")
		counted("GET", "/after", "200")


def blind_ends(link):
	"""Resets and ends that are not at their place: the connection goes on. What the server then cuts off is its own doing."""
	m = get("/blind")
	for flags, away in ((RST, 1), (RST, 1000), (RST, -1), (RST, 0x40000000), (FIN, 0x40000000)):
		for answer, code in ((b"", "000"), (OK[:-2], "200")):
			c = link.connect([(len(m), OK), (len(m), OK), (len(m), answer + CUT)])
			for i in range(3):
				c.packet(c.start + 1 + i * len(m) + away, c.next, ACK | flags)
				c.send(i * len(m), m)
				c.answered((i + 1) * len(OK) if i < 2 else 2 * len(OK) + len(answer))
			c.wait(lambda: c.ended)
			c.send(3 * len(m), b"", FIN)
			del link.clients[c.local]
			counted("GET", "/blind", "200", 2)
			counted("GET", "/blind", code)


def mischief(rng, c, at, data, done):
	"""Something that TCP drops, near the segment with DATA at AT. DONE bytes have been answered."""
	other = bytes(b ^ 1 for b in data) if rng.random() < 0.5 else get("/other") * 4
	what, seq = rng.randrange(7), c.start + 1 + at
	if what == 0 and len(other) > 56:  # shorter ones TCP itself has found before
		c.packet(seq, c.next, ACK | PSH, other, wrong=1)
	elif what == 1:
		c.packet(seq + (rng.choice((100000, 1 << 30))), c.next, ACK | RST)
	elif what == 2:
		c.packet(seq + (1 << 30), c.next, ACK | rng.choice((PSH, FIN)), other)
	elif what == 3:
		c.packet(c.start + done, c.next, ACK, rng.choice((b"", b"G")))  # a probe
	elif what == 4:
		c.packet(seq, c.next, ACK | FIN, other, wrong=1) if len(other) > 56 else None
	elif what == 5:
		c.packet(c.start - 5000, c.next, ACK | PSH, other)


def all_at_once(link):
	"""Messages of all kinds, in a row or pipelined, in segments of any size and order, some twice, some cut anew, between others that TCP
	drops."""
	rng = random.Random(int(os.environ.get("RT_SEED", "1")))
	for _ in range(25):
		kinds = [rng.choice((get("/get"), get("/get"), get("/get?" + "q" * rng.randrange(900)), by_length(rng.randbytes(rng.randrange(4000)), 0),
			 chunked(rng.randbytes(rng.randrange(1, 6000)), rng.randrange(1, 2000)))) for _ in range(3)]
		rounds = [[rng.choice(kinds) for _ in range(rng.choice((1, 1, 1, 2, 9)))] for _ in range(8)]
		c = link.connect([(len(b"".join(r)), OK * len(r)) for r in rounds], rng.choice((None, 0x100000000 - rng.randrange(20000))))
		offset = got = 0
		for r in rounds:
			data = b"".join(r)
			cuts = sorted({0, len(data), *(rng.randrange(len(data)) for _ in range(rng.choice((0, 0, 1, 5, 20))))})
			cuts = sorted({*cuts, *(x for a, b in zip(cuts, cuts[1:]) for x in range(a, b, 1400))})
			all_ = [(offset + a, data[a:b]) for a, b in zip(cuts, cuts[1:])]
			again = [(offset + a, data[a:a + 1000]) for a in (rng.randrange(len(data)) for _ in range(rng.choice((0, 0, 2))))]
			order = all_ + again
			if rng.random() < 0.5:
				rng.shuffle(order)
			for at, piece in order:
				if rng.random() < 0.3:
					mischief(rng, c, at, piece, offset)
				c.send(at, piece)
			c.unanswered = all_
			offset, got = offset + len(data), got + len(OK) * len(r)
			c.answered(got)
			for m in r:
				head = m.split(b" ", 2)
				counted(head[0].decode(), head[1].split(b"?")[0].decode(), "200")
		link.close(c, offset)


CASES = {f.__name__: f for f in (every_order, overlaps, first_is_last_chunked, first_is_last_by_length, hole_in_chunks, shuffled, pipelined,
				 hole_in_pipeline, probes, early_fin, wrapped, repeated, silent, damaged, strays, two_cpus, beyond,
				 blind_ends, all_at_once)}


def main(case):
	link = Link(deferred=case == "two_cpus", large=case != "beyond")
	CASES[case](link)
	print(json.dumps({"port": link.listener.port, "counts": [[list(k), n] for k, n in sorted(COUNTS.items())]}))


if __name__ == "__main__":
	main(*sys.argv[1:])
