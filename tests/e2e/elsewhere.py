# SPDX-License-Identifier: GPL-2.0-or-later
"""Run in a network namespace of its own: `elsewhere.py MODE`. Plays a few requests there and prints the port; ends with 77 where the
kernel has not got what the mode needs; behind the port, bounds of the sums of the three times as a JSON object. `fastopen` sends requests with the SYN (RFC 7413), so that the first bytes reach the server
before there is a connection; `cookies` lets the kernel keep nothing of a handshake; `small` has packets of 576 bytes, `big` and `big6`
of up to 400,000; `mptcp` is Multipath TCP."""
import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import raw  # noqa: E402
from raw_cases import GET, OK  # noqa: E402
from raw_model import Conversation  # noqa: E402
from raw_times import Tape  # noqa: E402

REQUESTS = 8
MEGABYTES = 3 << 20
BIG = 400000


def loopback_up():
	with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
		fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x49))  # SIOCSIFFLAGS: up, running, loopback


class Windows(dict):
	"""{name: [least, most] seconds}, summed up."""

	def add(self, name, low, high):
		both = self.setdefault(name, [0.0, 0.0])
		both[0] += max(0.0, low)
		both[1] += high

	def played(self, tape):
		conversation = Conversation(tape)
		for request in conversation.requests:
			for name, window in conversation.windows(request).items():
				self.add(name, *window)


def fast_open(listener, windows):
	"""Each connection sends its request with sendto(MSG_FASTOPEN); from the second on the kernel has a cookie for it."""
	tape = Tape(socket.socket(socket.AF_INET, socket.SOCK_STREAM), None)
	tape.log.append(("c", GET))
	before = time.monotonic()
	tape.ends["c"].sendto(GET, socket.MSG_FASTOPEN, (listener.host, listener.port))
	tape.sent("c", len(GET), before, time.monotonic())
	tape.ends["s"] = listener.sock.accept()[0]
	tape.read("s", len(GET))
	tape.rest()
	tape.carry("s", OK)
	for end in ("c", "s"):
		tape.end(end, "close")
	windows.played(tape)


def setting(name, value):
	with open("/proc/sys/net/" + name, "w") as f:
		f.write(str(value))


def set_link(*attributes):
	"""RTM_NEWLINK for the loopback with (attribute, value) pairs of 32 bits; not every iproute2 knows those of BIG TCP."""
	data = b"".join(struct.pack("HHI", 8, *a) for a in attributes)
	with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
		s.sendto(struct.pack("=IHHIIBBHiII", 32 + len(data), 16, 5, 1, 0, 0, 0, 0, 1, 0, 0) + data, (0, 0))
		error = struct.unpack_from("=i", s.recv(4096), 16)[0]
		if error:
			unable("the link's settings: " + os.strerror(-error))


def unable(why):
	print(why, file=sys.stderr)
	sys.exit(77)


def offloads_off():
	"""TSO, GSO, GRO of the loopback (SIOCETHTOOL: ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO)."""
	with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
		for command in (0x1f, 0x24, 0x2c):
			value = ctypes.create_string_buffer(struct.pack("II", command, 0))
			fcntl.ioctl(s, 0x8946, struct.pack("16sQ16x", b"lo", ctypes.addressof(value)))


def prepare(mode):
	if mode == "fastopen":
		setting("ipv4/tcp_fastopen", 3)  # client and server, this namespace's own setting
	elif mode == "small":
		offloads_off()
		set_link((4, 576))  # IFLA_MTU
	elif mode in ("big", "big6"):
		# IFLA_GSO_MAX_SIZE, IFLA_GRO_MAX_SIZE and their IPv4 counterparts
		set_link(*((a, BIG) for a in ((41, 58) if mode == "big6" else (41, 58, 63, 64))))
		setting("ipv4/tcp_wmem", "4096 4194304 8388608")
		setting("ipv4/tcp_rmem", "4096 4194304 8388608")
	elif mode == "cookies":
		setting("ipv4/tcp_syncookies", 2)
	elif mode == "mptcp":
		try:
			setting("mptcp/enabled", 1)
		except OSError as e:
			unable("no MPTCP: %s" % e)


class MptcpListener(raw.Listener):
	"""Both ends are sockets of Multipath TCP."""

	def __init__(self):
		super().__init__("127.0.0.1")
		self.sock.close()
		self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)  # IPPROTO_MPTCP
		self.sock.bind(("127.0.0.1", self.port))
		self.sock.listen(64)

	def connect(self):
		client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
		client.connect(("127.0.0.1", self.port))
		return client


def at_once(source, target, data):
	"""With a thread to read, so that the sender has all of it in one call and can make packets as large as may be. Returns when that was
	called, and when the first and the last of it had been read."""
	read = []

	def work():
		raw.read_exactly(target, 1)
		read.append(time.monotonic())
		raw.read_exactly(target, len(data) - 1)
		read.append(time.monotonic())

	reader = threading.Thread(target=work)
	reader.start()
	begun = time.monotonic()
	source.sendall(data)
	reader.join()
	return begun, *read


def large(listener, windows):
	inside = b"GET /inside HTTP/1.1\r\nHost: x\r\n\r\n"
	body = (inside * (MEGABYTES // len(inside) + 1))[:MEGABYTES]
	for _ in range(REQUESTS):
		client, server = listener.pair()
		with client, server:
			begun, was_read, _ = at_once(client, server, raw.request("POST", "/up", body))
			answered, first, last = at_once(server, client, raw.response(200, body))
		windows.add("duration", answered - was_read, last - begun)
		windows.add("ttfb", answered - was_read, first - begun)
		windows.add("queue", 0, was_read - begun)


def main(mode):
	loopback_up()
	prepare(mode)
	listener = MptcpListener() if mode == "mptcp" else raw.Listener("::1" if mode == "big6" else "127.0.0.1", deferred=mode == "cookies")
	if mode == "fastopen":
		listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
	windows = Windows()
	for _ in range(REQUESTS):
		if mode == "fastopen":
			fast_open(listener, windows)
		else:
			windows.played(raw.play(listener, [("c", GET), ("s", OK)]))
	if mode in ("small", "big", "big6", "mptcp"):
		large(listener, windows)
	if mode == "fastopen" and counter("TCPFastOpenPassive") < REQUESTS - 1:
		sys.exit("fast open was not used")
	if mode == "cookies" and counter("SyncookiesRecv") < REQUESTS:
		sys.exit("cookies were not used")
	if mode in ("big", "big6") and packet_size() < 70000:
		sys.exit("large packets were not used: %d bytes a packet" % packet_size())
	if mode == "mptcp" and counter("MPCapableSYNRX", "MPTcpExt") < REQUESTS:
		sys.exit("MPTCP was not used")
	print(listener.port)
	print(json.dumps(windows))


def packet_size():
	"""Bytes a packet of the loopback so far, without the small ones that only acknowledge (about half)."""
	with open("/proc/net/dev") as f:
		words = next(line for line in f if "lo:" in line).split(":")[1].split()
	return 2 * int(words[0]) / max(1, int(words[1]))


def counter(name, family="TcpExt"):
	with open("/proc/net/netstat") as f:
		names, values = [line.split() for line in f if line.startswith(family + ":")]
	return int(dict(zip(names, values))[name])


if __name__ == "__main__":
	main(sys.argv[1])
