# SPDX-License-Identifier: GPL-2.0-or-later
"""Run in a network namespace of its own: `elsewhere.py plain|fastopen`. Plays a few requests there and prints the port.
`fastopen` sends them with the SYN (RFC 7413), so that the first bytes reach the server before there is a connection."""
import fcntl
import os
import socket
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import raw  # noqa: E402
from raw_cases import GET, OK  # noqa: E402

REQUESTS = 8


def loopback_up():
	with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
		fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x49))  # SIOCSIFFLAGS: up, running, loopback


def fast_open(listener):
	"""Each connection sends its request with sendto(MSG_FASTOPEN); from the second on the kernel has a cookie for it."""
	client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
	client.sendto(GET, socket.MSG_FASTOPEN, (listener.host, listener.port))
	server = listener.sock.accept()[0]
	with client, server:
		raw.read_exactly(server, len(GET))
		raw.transfer(server, client, OK)


def main(mode):
	loopback_up()
	if mode == "fastopen":
		with open("/proc/sys/net/ipv4/tcp_fastopen", "w") as f:
			f.write("3")  # client and server, this namespace's own setting
	listener = raw.Listener("127.0.0.1")
	if mode == "fastopen":
		listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
	for _ in range(REQUESTS):
		if mode == "fastopen":
			fast_open(listener)
		else:
			raw.play(listener, [("c", GET), ("s", OK)])
	if mode == "fastopen":
		with open("/proc/net/netstat") as f:
			names, values = [line.split() for line in f if line.startswith("TcpExt:")]
		if int(dict(zip(names, values))["TCPFastOpenPassive"]) < REQUESTS - 1:
			sys.exit("fast open was not used")
	print(listener.port)


if __name__ == "__main__":
	main(sys.argv[1])
