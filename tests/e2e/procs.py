# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting and stopping the processes of the tests: each by its own pid, on free ports of the loopback."""
import os
import random
import re
import signal
import socket
import subprocess
import time


class Skip(Exception):
	"""A test that cannot run here, with the reason."""


class Failure(Exception):
	"""What was compared is not equal."""


def free_port():
	"""A port free on 127.0.0.1 and ::1, below the ephemeral range, so that no client's own port can take it."""
	while True:
		port = random.randrange(15000, 32000)
		try:
			for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
				with socket.socket(family, socket.SOCK_STREAM) as s:
					if family == socket.AF_INET6:
						s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
					s.bind((address, port))
			return port
		except OSError:
			continue


def find_program(*names, package):
	"""The first of NAMES in the system's folders: Debian's program, not one a developer has first in PATH."""
	for name in names:
		for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
			path = os.path.join(folder, name)
			if os.access(path, os.X_OK):
				return path
	raise Skip("no %s (Debian package %s)" % (names[0], package))


def wait_for(what, condition, timeout=20, interval=0.02):
	"""Polls CONDITION until it returns something true, and returns that."""
	end = time.monotonic() + timeout
	while True:
		value = condition()
		if value:
			return value
		if time.monotonic() > end:
			raise Failure("%s: not within %g s" % (what, timeout))
		time.sleep(interval)


def accepts(host, port):
	try:
		with socket.create_connection((host, port), timeout=1):
			return True
	except OSError:
		return False


def comm(pid):
	with open("/proc/%d/comm" % pid) as f:
		return f.read().rstrip("\n")


def held_ids(pid, kind):
	"""Ids of the BPF objects ("prog" or "map") that a process has open, from its fdinfo; links count for their programs."""
	ids = set()
	try:
		for fd in os.listdir("/proc/%d/fdinfo" % pid):
			with open("/proc/%d/fdinfo/%s" % (pid, fd)) as f:
				ids.update(int(i) for i in re.findall(r"^%s_id:\s*(\d+)" % kind, f.read(), re.M))
	except OSError:
		pass  # it has ended, or the descriptor was closed meanwhile
	return ids


class Process:
	"""A child with its output in a file, ended with its whole process group."""

	def __init__(self, argv, folder, name, env=None, cwd=None):
		self.log_path = os.path.join(folder, name + ".out")
		self.argv, self.name = argv, name
		with open(self.log_path, "ab") as log:
			self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
					stderr=subprocess.STDOUT,
						      env=env, cwd=cwd, start_new_session=True)
		self.pid = self.popen.pid

	def running(self):
		return self.popen.poll() is None

	def log(self, last=2000):
		with open(self.log_path, "rb") as f:
			return f.read()[-last:].decode("utf-8", "replace")

	def wait_port(self, host, port, timeout=20):
		def ready():
			if not self.running():
				raise Failure("%s ended with %s: %s" % (self.name, self.popen.returncode, self.log()))
			return accepts(host, port)
		wait_for("%s listening on %s:%d" % (self.name, host, port), ready, timeout)

	def stop(self, timeout=10):
		"""SIGTERM, then SIGKILL to the group; the exit code (negative for a signal)."""
		if self.running():
			self.popen.send_signal(signal.SIGTERM)
			try:
				self.popen.wait(timeout)
			except subprocess.TimeoutExpired:
				pass
		try:
			os.killpg(self.pid, signal.SIGKILL)
		except (ProcessLookupError, PermissionError):
			pass
		return self.popen.wait()
