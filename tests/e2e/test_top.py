# SPDX-License-Identifier: GPL-2.0-or-later
"""reqtally top: figures against a running reqtally, in a pipe and on a terminal."""
import crypt
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import raw
import reqtally
from procs import Failure, Process, accepts, free_port, wait_for
from raw_cases import GET, OK
from test_doctor import Server

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def answer(peer):
	while request := peer.recv(1000):
		peer.sendall(NOT_FOUND if b"/none" in request else OK)


def top(*flags, timeout=60):
	return subprocess.run([reqtally.PROGRAM, "top", *flags], capture_output=True, text=True, timeout=timeout)


def rows(text):
	"""The table as lists of words, without its head."""
	return [line.split() for line in text.split("\n\n", 1)[1].splitlines()[1:] if line]


def test_counts(context):
	"""--total shows what was counted, and what /metrics says."""
	rt, server = context.reqtally(), Server(answer)
	try:
		for _ in range(7):
			server.say(GET, GET)
		server.say(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
		wait_for("eight requests", lambda: rt.scrape(server.port).sum("http_requests_total", port=str(server.port)) == 15)
		done = top("--url=http://127.0.0.1:%d" % rt.port, "-n", "1", "--total", "--by=port,code", "--sort=name")
		if done.returncode or done.stderr:
			raise Failure("exit code %d: %s" % (done.returncode, done.stderr))
		got = {(r[0], r[1]): (r[2], r[3], r[4]) for r in rows(done.stdout)}
		expected = {"200": ("14", "0", "0"), "404": ("1", "0", "100")}
		for code, figures in expected.items():
			if got.get((str(server.port), code)) != figures:
				raise Failure("port %d, code %s: expected %s\n%s" % (server.port, code, figures, done.stdout))
	finally:
		server.close()


def test_interval(context):
	"""Each table is of its interval, and names what is in flight."""
	rt, server = context.reqtally(), Server(lambda peer: (peer.recv(1000), peer.recv(1000)))
	port = "--filter=^%d$" % server.port
	waiting = raw.socket.create_connection(("127.0.0.1", server.port))
	try:
		waiting.sendall(GET)
		wait_for("a request in flight", lambda: rt.scrape().sum("http_requests_in_flight", port=str(server.port)) == 1)
		done = top("--url=http://127.0.0.1:%d" % rt.port, "-n", "2", "-d", "300ms", "--by=port", port)
		tables = done.stdout.split("reqtally top  ")[1:]
		if done.returncode or len(tables) != 2:
			raise Failure("exit code %d, %d tables: %s" % (done.returncode, len(tables), done.stderr))
		for table in tables:
			if [(r[0], r[1], r[8]) for r in rows(table)] != [(str(server.port), "0", "1")]:
				raise Failure(table)
	finally:
		waiting.close()
		server.close()


class Screen:
	"""A terminal of 12 lines of 100 characters with `reqtally top` on it."""

	def __init__(self, *flags):
		self.pid, self.fd = pty.fork()
		if self.pid == 0:
			os.environ["TERM"] = "xterm"
			os.execv(reqtally.PROGRAM, [reqtally.PROGRAM, "top", *flags])
		self.resize(100)
		self.seen, self.ended = "", False

	def resize(self, columns):
		fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 12, columns, 0, 0))

	def read(self):
		while not self.ended and select.select([self.fd], [], [], 0.05)[0]:
			try:
				self.seen += os.read(self.fd, 65536).decode()
			except OSError:  # it has ended
				self.ended = True

	def wait(self, what, condition):
		def look():
			self.read()
			return condition(self.seen.rsplit("\033[H", 1)[-1])
		try:
			wait_for(what, look, 15)
		except Failure as e:
			raise Failure("%s; the screen: %r" % (e, self.seen[-1500:]))

	def press(self, keys):
		os.write(self.fd, keys.encode())

	def end(self, how):
		how()
		self.wait("the end", lambda _: self.ended)
		status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
		os.close(self.fd)
		if status or not self.seen.endswith("\033[?25h\033[?1049l"):
			raise Failure("status %d, at the end %r" % (status, self.seen[-100:]))


def test_screen(context):
	rt = context.reqtally()
	flags = ["--url=http://127.0.0.1:%d" % rt.port, "-d", "200ms"]
	screen = Screen(*flags)
	screen.wait("a table", lambda s: "reqtally GET    /metrics" in s and "last 0" in s)
	screen.press("9")
	screen.wait("another order", lambda s: "by p99" in s)
	screen.press("t")
	screen.wait("totals", lambda s: "since counting began" in s and "REQUESTS" in s)
	screen.press("h")
	screen.wait("help", lambda s: "BUSY" in s and "q end" in s)
	screen.press("ht")
	screen.press("g")
	screen.wait("by service", lambda s: "reqtally" in s and "REQ/S" in s and "METHOD" not in s)
	screen.press("g")
	screen.wait("and by code", lambda s: re.search("SERVICE +CODE", s) and re.search("reqtally +200", s))
	screen.press("gg")
	screen.wait("as it was", lambda s: "reqtally GET    /metrics" in s)
	screen.resize(60)
	screen.wait("narrow lines", lambda s: "SERVICE" in s and "OLDEST" not in s)
	os.kill(screen.pid, signal.SIGTSTP)
	wait_for("stopped", lambda: open("/proc/%d/stat" % screen.pid).read().rsplit(")", 1)[1].split()[0] == "T")
	screen.read()
	if not screen.seen.endswith("\033[?25h\033[?1049l"):
		raise Failure("stopped, with the screen as it was: %r" % screen.seen[-100:])
	os.kill(screen.pid, signal.SIGCONT)
	screen.wait("going on", lambda s: "SERVICE" in s)
	screen.end(lambda: screen.press("q"))
	screen = Screen(*flags)
	screen.wait("a table", lambda s: "SERVICE" in s)
	screen.end(lambda: os.kill(screen.pid, signal.SIGTERM))


def test_nobody_there(context):
	reqtally.require_program()
	url = "--url=http://127.0.0.1:%d" % free_port()
	done = top(url, "-n", "1")
	if done.returncode != 1 or "/metrics: " not in done.stderr or done.stdout:
		raise Failure("%d %r %r" % (done.returncode, done.stdout, done.stderr))
	screen = Screen(url, "-d", "100ms")
	screen.wait("the reason", lambda s: "/metrics: " in s)  # and it waits for one to come
	screen.press("q")
	screen.wait("the end", lambda _: screen.ended)
	if os.waitstatus_to_exitcode(os.waitpid(screen.pid, 0)[1]) != 1:
		raise Failure("exit code")
	os.close(screen.fd)


def test_pipe_that_closes(context):
	"""`reqtally top | head`: it ends when nobody reads, instead of going on for ever."""
	rt = context.reqtally()
	p = subprocess.Popen([reqtally.PROGRAM, "top", "--url=http://127.0.0.1:%d" % rt.port, "-d", "100ms"], stdout=subprocess.PIPE)
	try:
		p.stdout.readline()
		p.stdout.close()
		p.wait(timeout=20)
	finally:
		p.kill()
		p.wait()


def test_command_line(context):
	reqtally.require_program()
	for flags, word in ((["--url=x"], "--url"), (["--interval=1"], "--interval"), (["--sort=x"], "--sort"), (["--by=a,a"], "--by"),
			    (["--filter=("], "--filter"), (["-n", "0"], "--iterations"), (["--rows=-1"], "--rows"), (["x"], "no argument"),
			    (["--web.telemetry-path=m"], "--web.telemetry-path")):
		done = top(*flags)
		if done.returncode != 2 or word not in done.stderr:
			raise Failure("%s: %d %r" % (flags, done.returncode, done.stderr))


def test_credentials(context):
	"""top and query of a reqtally that lets in only whom it knows."""
	context.stop_shared()
	reqtally.require_program()
	port = free_port()
	secret, web, client = (os.path.join(context.folder, name) for name in ("secret", "web.yml", "client.yml"))
	with open(secret, "w") as f:
		f.write("sesame")
	with open(web, "w") as f:  # bcrypt of "sesame", made by libcrypt with the least work
		f.write("basic_auth_users:\n  ann: %s\n" % crypt.crypt("sesame", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))
	with open(client, "w") as f:
		f.write("basic_auth: {username: ann, password_file: %s}\n" % secret)
	url = "http://127.0.0.1:%d" % port
	daemon = Process([reqtally.PROGRAM, "run", "--no-pin", "--web.listen-address=127.0.0.1:%d" % port, "--web.config.file=" + web],
			 context.folder, "guarded")
	try:
		wait_for("reqtally serves", lambda: accepts("127.0.0.1", port))
		for command in (["top", "-n", "1", "--total"], ["query", "1"]):
			for flags, code in ([], 1), (["--http.config.file=" + client], 0):
				done = subprocess.run([reqtally.PROGRAM, *command, "--url=" + url, *flags], capture_output=True, text=True, timeout=30)
				if done.returncode != code or ("401" in done.stderr) != bool(code) or "sesame" in done.stdout + done.stderr:
					raise Failure("%s %s: %d %r" % (command, flags, done.returncode, done.stderr))
	finally:
		daemon.stop()
