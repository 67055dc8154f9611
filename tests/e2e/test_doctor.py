# SPDX-License-Identifier: GPL-2.0-or-later
"""reqtally doctor: every kind of listener as it is seen, with and without a running reqtally, with and without rights."""
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

import raw
import reqtally
import servers
from httpclient import fetch
from procs import Failure, Process, Skip, accepts, find_program, free_port, wait_for
from raw_cases import GET, OK

# Listens in a network namespace of its own, answers one request to itself there, prints its port and stays.
ELSEWHERE = """
import fcntl, socket, struct, sys, threading
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
	fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x49))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
def serve():
	while True:
		peer = listener.accept()[0]
		peer.recv(4096)
		peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
		peer.close()
threading.Thread(target=serve, daemon=True).start()
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
client.sendall(b"GET /elsewhere HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
client.recv(4096)
print("ready", flush=True)
threading.Event().wait()
"""


def nobody():
	os.setgroups([])
	os.setgid(65534)
	os.setuid(65534)


def doctor(*flags, expect=None, become=None):
	done = subprocess.run([reqtally.PROGRAM, "doctor", "--json", *flags], capture_output=True, text=True, timeout=60, preexec_fn=become)
	try:
		found = json.loads(done.stdout)
	except ValueError:
		raise Failure("exit code %d, no JSON: %r %r" % (done.returncode, done.stdout[:200], done.stderr[:300]))
	if found["exit_code"] != done.returncode:
		raise Failure("exit code %d, and %d in the JSON" % (done.returncode, found["exit_code"]))
	if expect is not None and done.returncode != expect:
		bad = [f for f in found["findings"] if f["level"] in ("warning", "failure")]
		raise Failure("exit code %d, expected %d: %s" % (done.returncode, expect, bad))
	return found


def nothing_pinned():
	"""What another reqtally has left pinned is not a test's to remove."""
	if os.path.exists("/sys/fs/bpf/reqtally"):
		raise Skip("a reqtally has left its programs pinned (reqtally uninstall)")


def url_of(rt):
	return "--url=http://127.0.0.1:%d" % rt.port


def listener_on(found, port):
	on = [x for x in found["listeners"] if x["port"] == port]
	if len(on) != 1:
		raise Failure("%d listeners on port %d" % (len(on), port))
	return on[0]


class Server:
	"""Threads that talk to whoever connects: TALK gets the connection."""

	def __init__(self, talk, tls=None):
		self.sock = socket.create_server(("127.0.0.1", 0))
		self.port = self.sock.getsockname()[1]
		self.talk, self.tls = talk, tls
		threading.Thread(target=self._run, daemon=True).start()

	def _run(self):
		while True:
			try:
				peer = self.sock.accept()[0]
			except OSError:
				return
			threading.Thread(target=self._one, args=(peer,), daemon=True).start()

	def _one(self, peer):
		try:
			with peer:
				self.talk(self.tls.wrap_socket(peer, server_side=True) if self.tls else peer)
		except (OSError, ssl.SSLError):
			pass

	def say(self, *parts, wait_first=False):
		with socket.create_connection(("127.0.0.1", self.port), timeout=5) as c:
			if wait_first:
				c.recv(100)
			for part in parts:
				c.sendall(part)
				c.recv(1000)

	def close(self):
		self.sock.shutdown(socket.SHUT_RDWR)  # the thread is in accept(), which keeps the socket
		self.sock.close()


def echo(peer):
	while data := peer.recv(1000):
		peer.sendall(data)


def greet(peer):
	peer.sendall(b"220 ready\r\n")
	echo(peer)


def answer(peer):
	while peer.recv(4000):
		peer.sendall(OK)


def tls_context(folder):
	openssl = find_program("openssl", package="openssl")
	key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
	subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
			"-subj", "/CN=localhost", "-keyout", key, "-out", cert], check=True, capture_output=True)
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	context.load_cert_chain(cert, key)
	return context


def test_kinds_of_listeners(context):
	"""HTTP/1, TLS, HTTP/2, two kinds that are none, silent, excluded, met in the middle, and one in another namespace."""
	context.stop_shared()
	openssl = tls_context(context.folder)
	elsewhere, older = free_port(), raw.Listener("127.0.0.1")
	client, server = older.pair()
	listeners = {"http": Server(answer), "tls": Server(echo, openssl), "http2": Server(echo), "echo": Server(echo),
		   "greeting": Server(greet), "idle": Server(echo), "excluded": Server(answer)}
	silent_peer = None
	there = None
	try:
		config = "http:\n  exclude_ports: [%d]\n" % listeners["excluded"].port
		raw.transfer(client, server, b"GET /before HTTP/1.1\r\nHost: x\r\nX: ")
		with reqtally.Reqtally(context.folder, config=config) as rt:
			raw.transfer(client, server, b"the rest of a head")
			listeners["http"].say(GET, GET)
			listeners["excluded"].say(GET)
			listeners["echo"].say(b"*1\r\n$4\r\nPING\r\n")
			listeners["greeting"].say(b"EHLO x\r\n", wait_first=True)
			listeners["http2"].say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
			silent_peer = socket.create_connection(("127.0.0.1", listeners["idle"].port))
			trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
			trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
			with socket.create_connection(("127.0.0.1", listeners["tls"].port)) as c, trusting.wrap_socket(c) as s:
				s.sendall(GET)
				s.recv(1000)
			there = Process([find_program("unshare", package="util-linux"), "-n", sys.executable, "-c", ELSEWHERE, str(elsewhere)],
					context.folder, "elsewhere")
			wait_for("the listener elsewhere", lambda: "ready" in there.log())
			found = doctor(url_of(rt), expect=0)
			text = subprocess.run([reqtally.PROGRAM, "doctor", url_of(rt)], capture_output=True, text=True, timeout=60)
		expected = {"http": "http", "tls": "tls", "http2": "http2", "echo": "not_http", "greeting": "not_http", "idle": "nothing_yet",
			    "excluded": "excluded"}
		me = os.path.basename(os.path.realpath(sys.executable))[:15]
		with open("/proc/self/comm") as f:
			me = f.read().strip()
		for name, seen in expected.items():
			one = listener_on(found, listeners[name].port)
			if one["seen"] != seen or one["pid"] != os.getpid() or one["process"] != me or one["addresses"] != ["127.0.0.1"]:
				raise Failure("%s: expected %s, got %s" % (name, seen, one))
		if listener_on(found, listeners["tls"].port)["tls"] is None:
			raise Failure("no TLS library: %s" % listener_on(found, listeners["tls"].port))
		if listener_on(found, listeners["idle"].port)["connections_open"] < 1:
			raise Failure("an open connection is not counted: %s" % listener_on(found, listeners["idle"].port))
		if listener_on(found, older.port)["seen"] != "mid_connection":
			raise Failure("older: %s" % listener_on(found, older.port))
		far = listener_on(found, elsewhere)
		if far["seen"] != "http" or far["own_netns"] or not far["process"].startswith("python"):
			raise Failure("elsewhere: %s" % far)
		mine = listener_on(found, rt.port)
		if mine["process"] != "reqtally" or mine["seen"] != "http":
			raise Failure("itself: %s" % mine)
		if found["coverage"]["listeners"]["tls"] < 1 or found["coverage"]["connections"]["http"] < 2:
			raise Failure("coverage: %s" % found["coverage"])
		if text.returncode != 0 or "TLS by " not in text.stdout or "Healthy." not in text.stdout:
			raise Failure("text: %d %s" % (text.returncode, text.stdout[-800:]))
	finally:
		if there:
			there.stop()
		for s in (client, server, older, silent_peer, *listeners.values()):
			if s:
				s.close()


def test_nginx(context):
	"""A real server: its name, its workers, its verdict."""
	rt = context.reqtally()
	with servers.Nginx(context.folder) as nginx:
		one = listener_on(doctor(url_of(rt)), nginx.port)
		if one["process"] != "nginx" or one["service"] is None or one["seen"] != "nothing_yet" or one["processes"] < 2:
			raise Failure("before: %s" % one)
		fetch(nginx.port, "/")
		one = listener_on(doctor(url_of(rt)), nginx.port)
		if one["seen"] != "http" or one["connections"]["http"] < 1:
			raise Failure("after: %s" % one)


def test_losses_and_interval(context):
	"""A loss that somebody should look at is exit code 1, for good; with --interval only what is lost from now on counts."""
	context.stop_shared()
	with reqtally.Reqtally(context.folder) as rt:
		listener = raw.Listener("127.0.0.1")
		client, server = listener.pair()
		try:
			doctor(url_of(rt), "--skip-listeners", expect=0)
			raw.transfer(client, server, GET * 20)
			for _ in range(20):
				raw.transfer(server, client, OK)
		finally:
			for s in (client, server, listener):
				s.close()
		found = doctor(url_of(rt), "--skip-listeners", expect=1)
		if not found["running"]["losses"]["pipeline_depth"] > 0 or found["listeners"] is not None:
			raise Failure("losses: %s" % found["running"])
		told = [f for f in found["findings"] if f["section"] == "losses" and f["name"] == "pipeline_depth"]
		if len(told) != 1 or not told[0]["advice"] or told[0]["level"] != "warning":
			raise Failure("findings: %s" % found["findings"])
		later = doctor(url_of(rt), "--skip-listeners", "--interval=1s", expect=0)
		if later["running"]["losses"]["pipeline_depth"] != 0:
			raise Failure("with --interval: %s" % later["running"]["losses"])
		ledger = found["running"]["ledger"]
		if ledger["seen"] < 20 or not found["running"]["budgets"]["series"]["limit"] > 0:
			raise Failure("ledger, budgets: %s" % found["running"])


def test_without_reqtally(context):
	"""Nobody runs: what can be said without, and exit code 2 if one was to be asked."""
	reqtally.require_program()
	context.stop_shared()
	nothing_pinned()
	nowhere = "--url=http://127.0.0.1:%d" % free_port()
	listener = raw.Listener("127.0.0.1")
	try:
		found = doctor(nowhere, expect=2)
		if found["running"] is not None or listener_on(found, listener.port)["seen"] != "unknown":
			raise Failure("found: %s" % found)
		names = {f["name"]: f["level"] for f in found["findings"] if f["section"] == "host"}
		for name in ("kernel", "btf", "cgroup2", "bpffs", "tracefs", "lockdown", "memlock", "capabilities", "queue_time"):
			if name not in names:
				raise Failure("the host's %s is not looked at: %s" % (name, names))
	finally:
		listener.close()


def test_without_rights(context):
	"""An ordinary user is told what cannot be seen, and still gets the verdict of a running reqtally."""
	rt = context.reqtally()
	found = doctor(url_of(rt), become=nobody)
	if found["root"] or found["running"] is None or found["exit_code"] == 2:
		raise Failure("with a running one: %s" % found["findings"])
	if not any(f["name"] == "listeners" and "not root" in (f["advice"] or "") for f in found["findings"]):
		raise Failure("it does not say what is hidden: %s" % found["findings"])
	# Without one: it could not even start here.
	alone = doctor("--url=http://127.0.0.1:%d" % free_port(), become=nobody, expect=2)
	if not any(f["name"] == "CAP_BPF" and f["level"] == "failure" for f in alone["findings"]):
		raise Failure("alone: %s" % alone["findings"])


def test_command_line(context):
	reqtally.require_program()
	for flags, word in ((["--url=ftp://x"], "--url"), (["--interval=soon"], "--interval"), (["x"], "no argument"),
			    (["--http.config.file=/nonexistent"], "/nonexistent")):
		done = subprocess.run([reqtally.PROGRAM, "doctor", *flags], capture_output=True, text=True, timeout=20)
		if done.returncode != 2 or word not in done.stderr:
			raise Failure("%s: %d %r" % (flags, done.returncode, done.stderr))


def test_pinned(context):
	"""reqtally was killed, its programs count on: doctor reads what they saw."""
	context.stop_shared()
	nothing_pinned()
	server, port = Server(answer), free_port()
	daemon = Process([reqtally.PROGRAM, "run", "--web.listen-address=127.0.0.1:%d" % port], context.folder, "pinning")
	try:
		wait_for("reqtally ready", lambda: fetch(port, "/-/ready").status == 200 if accepts("127.0.0.1", port) else False)
		os.kill(daemon.pid, 9)
		daemon.popen.wait()
		server.say(GET)
		found = doctor()
		if found["running"] is not None or listener_on(found, server.port)["seen"] != "http":
			raise Failure("found: %s" % listener_on(found, server.port))
		if not any(f["name"] == "pins" and "recorded" in f["text"] for f in found["findings"]):
			raise Failure("findings: %s" % found["findings"])
	finally:
		daemon.stop()
		subprocess.run([reqtally.PROGRAM, "uninstall"], capture_output=True, timeout=20)
		server.close()
	if os.path.exists("/sys/fs/bpf/reqtally"):
		raise Failure("something is still pinned")
