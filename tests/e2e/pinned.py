# SPDX-License-Identifier: GPL-2.0-or-later
"""A reqtally that comes and goes: its pins in a folder of the test's own, and load that goes on meanwhile."""
import json
import os
import random
import signal
import subprocess
import threading
import time

import reqtally
from httpclient import Connection, Pending, Tally, encode_request
from mix import run_pipelined, run_steps
from procs import Failure, find_program, wait_for

BPFFS = "/sys/fs/bpf"


class Pinned:
	"""Starts reqtally with the same pins again and again; removes them at the end."""

	def __init__(self, context):
		reqtally.require_program()
		context.stop_shared()
		self.folder, self.n, self.rt = context.folder, 0, None
		self.path = "%s/reqtally-test-%d-%d" % (BPFFS, os.getpid(), random.randrange(10000))

	def __enter__(self):
		return self

	def __exit__(self, *exc):
		if self.rt is not None:
			self.rt.process.stop()
		self.uninstall(check=exc[0] is None)

	def start(self, config=None, program=None):
		self.n += 1
		flags = ["--bpf.pin-path=" + self.path, "--rules.alert.state-file="]
		kept, reqtally.PROGRAM = reqtally.PROGRAM, program or reqtally.PROGRAM
		try:
			self.rt = reqtally.Reqtally(self.folder, "reqtally-%d" % self.n, flags, config)
		finally:
			reqtally.PROGRAM = kept
		return self.rt

	def kill(self):
		self.rt.process.popen.send_signal(signal.SIGKILL)
		self.rt.process.popen.wait()
		self.rt = None

	def stop(self):
		rt, self.rt = self.rt, None
		rt.stop()

	def said(self, words):
		return words in self.rt.process.log(100000)

	def expect(self, words):
		if not self.said(words):
			raise Failure("the log does not say %r: %s" % (words, self.rt.process.log()))

	def expect_alone(self):
		"""Waits until the programs before have finished."""
		try:
			wait_for("no elder programs", lambda: not os.path.exists(self.path + "/elder"), 10)
		except Failure as e:
			flying = self.rt.scrape().series["http_requests_in_flight"]
			raise Failure("%s; in flight: %s" % (e, [dict(k) for k, v in flying.items() if v])) from None

	def uninstall(self, check=True):
		done = subprocess.run([reqtally.PROGRAM, "uninstall", "--bpf.pin-path=" + self.path], capture_output=True, text=True)
		if check and done.returncode:
			raise Failure("uninstall: %d: %s" % (done.returncode, done.stderr))
		return done.stdout


def objects():
	"""{(kind, id, name)} of all programs, maps and links of the machine."""
	bpftool, found = find_program("bpftool", package="bpftool"), set()
	for kind in ("prog", "map", "link"):
		done = subprocess.run([bpftool, "-j", kind, "show"], capture_output=True, text=True)
		found |= {(kind, item["id"], item.get("name", item.get("type", "?"))) for item in json.loads(done.stdout or "[]")}
	return found


def objects_gone(before):
	"""Waits until nothing is there that was not BEFORE; the kernel frees a moment later."""
	last = {}

	def same():
		last["left"] = objects() - before
		return not last["left"]
	try:
		wait_for("the kernel's objects gone", same, 10, 0.1)
	except Failure:
		raise Failure("left behind: %s" % ", ".join("%s %d %s" % o for o in sorted(last["left"]))) from None


class Load:
	"""Requests to a server, of which every one is in the tally: keep-alive, pipelined, short connections, heads in pieces."""

	def __init__(self, server):
		self.server, self.tally, self.over, self.errors = server, Tally(), threading.Event(), []
		# Not those that a server may answer while their body comes in: a body that arrives in the same instant as its response leaves
		# may be missing in the bytes, restart or not.
		quick = [s for s in server.steps() if not s.at_least and not s.expect_continue]
		gets = [s for s in quick if s.method == "GET" and not s.headers and s.logged][:8]
		kinds = [lambda: run_steps("127.0.0.1", server.port, self.tally, quick), lambda: run_steps("127.0.0.1", server.port, self.tally, quick, 4),
			 lambda: run_steps("::1", server.port, self.tally, gets[:1]), self.pieces]
		if server.pipelines:
			kinds.append(lambda: run_pipelined("127.0.0.1", server.port, self.tally, gets))
		self.threads = [threading.Thread(target=self.guarded, args=(k,)) for k in kinds]

	def guarded(self, job):
		try:
			while not self.over.is_set():
				job()
				time.sleep(0.002)
		except Exception as e:  # noqa: BLE001 - handed to the main thread
			self.errors.append(e)

	def pieces(self):
		"""One connection, each head in many segments."""
		step = next(s for s in self.server.steps() if s.method == "GET" and s.endpoint == "/")
		head = b"".join(encode_request(step.method, step.target))
		with Connection("127.0.0.1", self.server.port, self.tally) as c:
			while not self.over.is_set():
				n = random.choice((1, 2, 3, 7, 20))
				c.pending.append(Pending(step.method, step.endpoint, time.monotonic(), 0, True))
				for i in range(0, len(head), n):
					c.sock.sendall(head[i:i + n])
				c.receive()
				time.sleep(0.002)

	def __enter__(self):
		for t in self.threads:
			t.start()
		return self

	def __exit__(self, *exc):
		self.over.set()
		for t in self.threads:
			t.join()
		if self.errors and exc[0] is None:
			raise self.errors[0]
