# SPDX-License-Identifier: GPL-2.0-or-later
"""Run in a network namespace of its own: `lossy.py PROGRAM FOLDER LARGEST-BODY`. A link that loses, repeats and swaps packets,
made of a TUN device and this program: it takes each packet to 10.9.0.2, exchanges source and destination and gives it back,
so that a connection to 10.9.0.2 reaches the server on 10.9.0.1 and the other way round. (Checksums are sums: they hold.)
Prints a JSON object: port, counts of the client's tally, packets forwarded, dropped, repeated, swapped."""
import fcntl
import json
import os
import random
import socket
import struct
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from httpclient import Connection, Tally  # noqa: E402
from mix import dynamic_steps, run_threads  # noqa: E402
from procs import Process, free_port  # noqa: E402

MTU = 400  # small, so that heads and bodies are cut in many segments


def control(request, name, value):
	with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
		fcntl.ioctl(s, request, struct.pack("16s16s", name, value))


def open_link(mtu):
	tun = os.open("/dev/net/tun", os.O_RDWR)
	fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"lossy", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
	control(0x8916, b"lossy", struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton("10.9.0.1")))  # SIOCSIFADDR
	control(0x891c, b"lossy", struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton("255.255.255.0")))  # SIOCSIFNETMASK
	control(0x8922, b"lossy", struct.pack("i", mtu))  # SIOCSIFMTU
	control(0x8914, b"lossy", struct.pack("H", 0x41))  # SIOCSIFFLAGS: up, running
	control(0x8914, b"lo", struct.pack("H", 0x49))
	return tun


def forward(tun, figures):
	kept, rng = None, random.Random(7)
	swap, drop, repeat = (float(p) for p in os.environ.get("LOSSY", "0.06 0.02 0.05").split())
	while True:
		packet = bytearray(os.read(tun, 65536))
		if packet[0] >> 4 != 4:
			continue
		packet[12:16], packet[16:20] = packet[16:20], packet[12:16]
		figures["forwarded"] += 1
		fate = rng.random()
		if kept is None and fate < swap:
			kept = packet  # goes out behind the next one
			figures["swapped"] += 1
			continue
		if fate > 1 - drop:
			figures["dropped"] += 1
			continue
		os.write(tun, packet)
		if kept is not None:
			os.write(tun, kept)
			kept = None
		if fate > 1 - drop - repeat:
			os.write(tun, packet)
			figures["repeated"] += 1


def requests(port, tally, seed, largest):
	steps = [s for s in dynamic_steps() if not s.at_least and len(s.body or b"") <= largest] * 3
	random.Random(seed).shuffle(steps)
	for i in range(0, len(steps), 6):
		with Connection("10.9.0.2", port, tally, timeout=60) as c:
			for step in steps[i:i + 6]:
				step.run(c)


def main(program, folder, largest):
	figures = {"forwarded": 0, "dropped": 0, "repeated": 0, "swapped": 0}
	tun, tally, port = open_link(MTU), Tally(), free_port()
	server = Process([program, "-log", os.path.join(folder, "lossy.log"), "10.9.0.1:%d" % port], folder,
			"lossy-server")
	try:
		server.wait_port("10.9.0.1", port)  # from the same address: past the link
		threading.Thread(target=forward, args=(tun, figures), daemon=True).start()
		run_threads([lambda i=i: requests(port, tally, i, int(largest)) for i in range(8)])
	finally:
		server.stop()
	print(json.dumps({"port": port, "counts": [[list(k), n] for k, n in sorted(tally.counts.items())], **figures}))


if __name__ == "__main__":
	main(*sys.argv[1:])
