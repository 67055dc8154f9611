# SPDX-License-Identifier: GPL-2.0-or-later
"""Two network namespaces joined by a veth pair, both held by this one process: a socket belongs to the namespace that its thread was in
when it was made, so that one script has both ends in its hand, as on the loopback, with a real link between them."""
import ctypes
import os
import socket
import subprocess
import threading

import raw
from procs import Skip, find_program

CLONE_NEWNET = 0x40000000
SERVER, CLIENT = "10.77.0.1", "10.77.0.2"


def system_call(name, *arguments):
	libc = ctypes.CDLL(None, use_errno=True)
	if getattr(libc, name)(*arguments):
		raise OSError(ctypes.get_errno(), "%s: %s" % (name, os.strerror(ctypes.get_errno())))


def apart(function):
	"""Runs FUNCTION in a thread of its own, so that its namespace is left behind with it; what it returns or raises."""
	out = {}

	def work():
		try:
			out["value"] = function()
		except Exception as e:  # noqa: BLE001 - handed to the caller
			out["error"] = e

	thread = threading.Thread(target=work)
	thread.start()
	thread.join()
	if "error" in out:
		raise out["error"]
	return out["value"]


class Namespace:
	def __init__(self):
		def make():
			system_call("unshare", CLONE_NEWNET)
			return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

		self.fd = apart(make)

	def run(self, function):
		def inside():
			system_call("setns", self.fd, CLONE_NEWNET)
			return function()

		return apart(inside)

	def command(self, *argv, skip=False):
		done = self.run(lambda: subprocess.run(argv, capture_output=True, text=True, timeout=20))
		if done.returncode:
			text = "%s: %s" % (" ".join(argv), done.stderr.strip())
			raise Skip(text) if skip else RuntimeError(text)

	def close(self):
		os.close(self.fd)


class Link:
	"""The server's namespace and the client's. OFFLOADS: packets as large as the kernel likes; else those of the MTU."""

	def __init__(self, mtu=1500, offloads=True):
		self.ip, self.tc = find_program("ip", package="iproute2"), find_program("tc", package="iproute2")
		self.server, self.client = Namespace(), Namespace()
		# A process that is there, to name the namespace by.
		holder = self.client.run(lambda: subprocess.Popen(["/bin/sleep", "60"]))
		try:
			self.server.command(self.ip, "link", "add", "rt0", "mtu", str(mtu), "type", "veth", "peer", "name", "rt1", "mtu", str(mtu),
					"netns", str(holder.pid), skip=True)
		except BaseException:
			self.close()
			raise
		finally:
			holder.kill()
			holder.wait()
		for side, name, address in ((self.server, "rt0", SERVER), (self.client, "rt1", CLIENT)):
			side.command(self.ip, "address", "add", address + "/24", "dev", name)
			if not offloads:
				side.command(self.ip, "link", "set", name, "gso_max_segs", "1")
			side.command(self.ip, "link", "set", name, "up")

	def disturb(self, *netem):
		"""What netem does to packets, in both directions."""
		for side, name in ((self.server, "rt0"), (self.client, "rt1")):
			side.command(self.tc, "qdisc", "replace", "dev", name, "root", "netem", "limit", "2000", *netem, skip=True)

	def disturbed(self):
		"""Packets that netem has taken, by the client's counters: (sent, dropped)."""
		text = self.client.run(lambda: subprocess.run([self.tc, "-s", "qdisc", "show", "dev", "rt1"], capture_output=True, text=True)).stdout
		words = text.replace(",", "").replace("(", "").split()
		return int(words[words.index("pkt") - 1]), int(words[words.index("dropped") + 1])

	def close(self):
		for side in (self.server, self.client):
			side.close()


class Listener(raw.Listener):
	"""In the server's namespace; its clients are in the other one."""
	far = True

	def __init__(self, link):
		self.link = link
		link.server.run(lambda: super(Listener, self).__init__(SERVER))

	def connect(self):
		return self.link.client.run(lambda: socket.create_connection((SERVER, self.port), timeout=30))
