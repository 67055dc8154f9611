# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of a connection in one hand: a script says byte for byte what client and server send, in which order and in
which segments. So a case has no race: the next bytes leave only when the other end has read the last ones.

Steps: ("c", bytes) the client sends and the server reads all of it; ("s", bytes) the other way round; ("c!", bytes) and
("s!", bytes) send without the other end reading, ("s?", n) and ("c?", n) read n bytes; ("sleep", seconds);
("now", [expectation...]) what must be counted at this very moment, the connection open; "c.close", "s.close" close,
"c.rst", "s.rst" reset, "c.shut", "s.shut" half-close, "c.eof", "s.eof": that end reads until the other's close. At the end
of a script whatever is open is closed: the client first.
"""
import dataclasses
import socket
import struct
import time
from typing import Optional

from raw_times import PIECE, SIOCOUTQ, Tape, queued

SERVICE = "rawserver"


@dataclasses.dataclass
class Case:
	"""EXPECT lists "METHOD ENDPOINT CODE [REQUEST_BYTES>RESPONSE_BYTES]"; endpoint, code or bytes `?` is any. SCRIPTS
	are run one after another, a connection each, to one port."""
	name: str
	scripts: list
	expect: list
	lost: int = 0
	streams: int = 0  # how many of EXPECT are streams, without duration
	host: str = "127.0.0.1"
	bind: Optional[str] = None
	read: bool = True  # the server reads, and so can be known by name
	late_accept: bool = False  # the client sends its first step before the server accepts
	deferred: bool = False  # TCP_DEFER_ACCEPT: there is no connection before the first bytes


def request(method, target, body=None, *headers, version="1.1"):
	lines = ["%s %s HTTP/%s" % (method, target, version), "Host: raw", *headers]
	if body is not None and not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
		lines.append("Content-Length: %d" % len(body))
	return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def response(code, body=b"", *headers, version="1.1", length=True):
	lines = ["HTTP/%s %d Whatever" % (version, code), *headers]
	if length:
		lines.append("Content-Length: %d" % len(body))
	return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class Listener:
	far = False  # from its clients

	def __init__(self, host, bind=None, late_accept=False, deferred=False):
		self.host, self.late_accept = host, late_accept or deferred
		with open("/proc/self/comm", "w") as f:
			f.write(SERVICE)
		family = socket.AF_INET6 if ":" in (bind or host) else socket.AF_INET
		self.sock = socket.socket(family, socket.SOCK_STREAM)
		self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		if family == socket.AF_INET6:
			self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
		self.sock.bind((bind or host, 0))
		if deferred:
			self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
		self.sock.listen(64)
		self.port = self.sock.getsockname()[1]

	def close(self):
		self.sock.close()

	def connect(self):
		return socket.create_connection((self.host, self.port), timeout=10)

	def pair(self):
		client = self.connect()
		return client, ready(client, self.sock.accept()[0])

	def tape(self, first=b""):
		"""A connection to be played. FIRST is sent before the server accepts it."""
		client = self.connect()
		tape = Tape(client, None, self.far)
		if first:
			tape.log.append(("c", first))
			before = time.monotonic()
			client.sendall(first)
			tape.sent("c", len(first), before, time.monotonic())
			while queued(client, SIOCOUTQ) and time.monotonic() < before + 1:
				time.sleep(0.00002)
			tape.streams["c"].arrivals.append((len(first), None, time.monotonic()))
			time.sleep(0.02)
		tape.ends["s"] = ready(client, self.sock.accept()[0])
		return tape


def ready(client, server):
	for s in (client, server):
		s.settimeout(10)
		s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	return server


def read_exactly(sock, n):
	while n:
		piece = sock.recv(min(n, 1 << 20))
		if not piece:
			raise EOFError("%d bytes missing" % n)
		n -= len(piece)


def transfer(source, target, data):
	"""Sends in pieces that fit the buffers, so that one thread can hold both ends."""
	for i in range(0, len(data), PIECE):
		piece = data[i:i + PIECE]
		source.sendall(piece)
		read_exactly(target, len(piece))


def reset(sock):
	sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
	sock.close()


def play(listener, script, now=None):
	"""Runs one script on a connection of its own, and returns its tape. NOW is called for ("now", ...) steps."""
	first = script[0][1] if listener.late_accept else b""
	tape = listener.tape(first)
	if first:
		script = [("s?", len(first)), *script[1:]]
	try:
		for step in script:
			tape.rest()
			tape.steps += 1
			action, argument = (step, None) if isinstance(step, str) else step
			if action in ("c", "s"):
				tape.carry(action, argument)
			elif action in ("c!", "s!"):
				tape.push(action[0], argument)
			elif action in ("c?", "s?"):
				tape.read(action[0], argument)
			elif action == "sleep":
				time.sleep(argument)
			elif action == "now":
				if now:
					now(argument)
			elif action.endswith(".eof"):
				tape.read_to_end(action[0])
			elif action[1:] in (".close", ".rst", ".shut"):
				tape.end(action[0], action[2:])
			else:
				raise ValueError(action)
		tape.rest()
		tape.end("c", "close")
		tape.end("s", "close")
	finally:
		for end in tape.ends.values():
			if end:
				end.close()
	return tape
