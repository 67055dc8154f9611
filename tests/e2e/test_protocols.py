# SPDX-License-Identifier: GPL-2.0-or-later
"""Other protocols on real servers: what is no HTTP/1 leaves no request behind, and what begins as HTTP/1 and becomes something else
is one request and one stream."""
import os
import socket
import ssl
import struct
import subprocess

import reqtally
import servers
import servers_apps
import servers_static
from exposition import growth
from httpclient import Connection, Tally
from procs import Failure, Process, Skip, find_program, free_port
from test_servers import started

INSIDE = b"GET /inside HTTP/1.1\r\nHost: x\r\n\r\n"


def watch(context):
	rt, before = started(context)
	if rt is None:
		raise Skip(before)
	return rt, before


def nothing(rt, before, port):
	after = rt.scrape()
	got = growth(before, after, "http_requests_total", reqtally.KEYS, port=str(port))
	lost = growth(before, after, "reqtally_requests_lost_total", ("reason",))
	if any(got.values()) or any(lost.values()):
		raise Failure("counted: %s; lost: %s" % (reqtally.text_of(got), reqtally.text_of(lost)))
	reqtally.check_ledger(rt)


def run(argv, **kw):
	done = subprocess.run(argv, capture_output=True, timeout=30, **kw)
	if done.returncode:
		raise Failure("%s: %d: %s" % (argv[0], done.returncode, (done.stderr or done.stdout).decode("utf-8", "replace")[-500:]))
	return done.stdout


def test_redis(context):
	rt, before = watch(context)
	port = free_port()
	bench = find_program("redis-benchmark", package="redis-tools")
	server = Process([find_program("redis-server", package="redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
			context.folder, "redis")
	try:
		server.wait_port("127.0.0.1", port)
		run([bench, "-p", str(port), "-n", "2000", "-c", "10", "-q", "-t", "ping,set,get,lpush"])
		with socket.create_connection(("127.0.0.1", port)) as s:
			for line in (b"PING\r\n", b"SET key value\r\n", b"GET key\r\n", b"get key\r\n"):
				s.sendall(line)
				s.recv(100)
		nothing(rt, before, port)
	finally:
		server.stop()


def test_memcached(context):
	rt, before = watch(context)
	port = free_port()
	server = Process([find_program("memcached", package="memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p", str(port)],
			context.folder, "memcached")
	try:
		server.wait_port("127.0.0.1", port)
		for _ in range(5):
			with socket.create_connection(("127.0.0.1", port)) as s:
				for line in (b"set a 0 0 %d\r\n%s\r\n" % (len(INSIDE), INSIDE), b"get a\r\n", b"get a b c\r\n", b"stats\r\n", b"version\r\n",
						b"delete a\r\n", b"mg a v\r\n", b"nonsense\r\n"):
					s.sendall(line)
					s.recv(65536)
		nothing(rt, before, port)
	finally:
		server.stop()


def test_ssh(context):
	rt, before = watch(context)
	port = free_port()
	program, keygen = (find_program(n, package="openssh-server") for n in ("sshd", "ssh-keygen"))
	key = os.path.join(context.folder, "key")
	run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", key])
	os.makedirs("/run/sshd", exist_ok=True)
	server = Process([program, "-D", "-e", "-f", "/dev/null", "-h", key, "-o", "ListenAddress=127.0.0.1:%d" % port, "-o", "PidFile=none"],
			context.folder, "sshd")
	try:
		server.wait_port("127.0.0.1", port)
		for _ in range(3):
			run([find_program("ssh-keyscan", package="openssh-client"), "-p", str(port), "127.0.0.1"])
		nothing(rt, before, port)
	finally:
		server.stop()


def test_tls(context):
	"""Requests that nobody can see are no requests; a client that speaks HTTP to the port is answered by nobody."""
	rt, before = watch(context)
	port = free_port()
	openssl = find_program("openssl", package="openssl")
	pem = os.path.join(context.folder, "tls.pem")
	run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-keyout", pem,
			"-out", pem + ".crt"])
	server = Process([openssl, "s_server", "-accept", "127.0.0.1:%d" % port, "-key", pem, "-cert", pem + ".crt", "-www", "-quiet"],
			context.folder, "tls")
	try:
		server.wait_port("127.0.0.1", port)
		trusting = ssl._create_unverified_context()
		for _ in range(10):
			with trusting.wrap_socket(socket.create_connection(("127.0.0.1", port))) as s:
				s.sendall(INSIDE)
				if not s.recv(65536).startswith(b"HTTP/1"):
					raise Failure("no answer over TLS")
		nothing(rt, before, port)
	finally:
		server.stop()


def test_http2_prior_knowledge(context):
	"""gRPC is this, too: frames from the first byte on."""
	rt, before = watch(context)
	port = free_port()
	program, curl = find_program("nghttpd", package="nghttp2-server"), find_program("curl", package="curl")
	with open(os.path.join(context.folder, "index.html"), "wb") as f:
		f.write(INSIDE * 200)
	server = Process([program, "--no-tls", "-a", "127.0.0.1", "-d", context.folder, str(port)], context.folder, "nghttpd")
	try:
		server.wait_port("127.0.0.1", port)
		for _ in range(5):
			run([curl, "-sS", "--http2-prior-knowledge", "http://127.0.0.1:%d/index.html" % port])
		nothing(rt, before, port)
	finally:
		server.stop()


def test_http2_upgrade(context):
	"""`curl --http2` asks h2o to change the protocol: the request is one, with 101, and what follows is a stream."""
	rt, before = watch(context)
	curl = find_program("curl", package="curl")
	with servers_static.H2o(context.folder) as server:
		url = "http://127.0.0.1:%d/index.html" % server.port
		if run([curl, "-sS", "--http2", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_version} ", url, url]) != b"2 2 ":
			raise Skip("curl without HTTP/2")
		after = reqtally.wait_counts(rt, before, server.port, {("h2o", "GET", "/index.html", "101"): 1})
		streams = growth(before, after, "http_streams_total", reqtally.KEYS, port=str(server.port))
		if streams != {("h2o", "GET", "/index.html", "101"): 1}:
			raise Failure("streams: " + reqtally.text_of(streams))
		reqtally.check_ledger(rt)


def upgraded(c, target, protocol, *headers):
	c.send("GET", target, headers=[("Connection", "Upgrade"), ("Upgrade", protocol), *headers])
	if c._head()[1] != 101:
		raise Failure("no 101")


def test_websocket(context):
	"""Frames with HTTP in them, both ways, behind requests on the same connection."""
	rt, before = watch(context)
	tally = Tally()
	with servers_apps.Uvicorn(context.folder) as server:
		for how in (Connection.close, Connection.abort):
			c = Connection("127.0.0.1", server.port, tally)
			c.request("GET", "/search?q=1", "/search")
			upgraded(c, "/ws", "websocket", ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
			for _ in range(3):
				c.sock.sendall(struct.pack("!BB4s", 0x81, 0x80 | len(INSIDE), bytes(4)) + INSIDE)
				if c._take(2 + len(INSIDE), bytearray()) is not None:
					raise Failure("no echo")
			how(c)
		reqtally.wait_counts(rt, before, server.port, {("uvicorn", "GET", "/search", "200"): 2, ("uvicorn", "GET", "/ws", "101"): 2})
		reqtally.check_ledger(rt)


def test_upgrade_to_echo(context):
	"""Behind 101 each segment of the tunnel looks like a request, and each one back as well."""
	rt, before = watch(context)
	with servers.Node(context.folder) as server:
		c = Connection("127.0.0.1", server.port)
		upgraded(c, "/tunnel", "echo")
		for piece in (INSIDE, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") * 5:
			c.sock.sendall(piece)
			c._take(len(piece), bytearray())
		c.close()
		reqtally.wait_counts(rt, before, server.port, {("node", "GET", "/tunnel", "101"): 1})
		reqtally.check_ledger(rt)


def test_event_stream(context):
	"""Recorded when it begins; the connection goes on with requests when it ends."""
	rt, before = watch(context)
	with servers_apps.Uvicorn(context.folder) as server:
		with Connection("127.0.0.1", server.port) as c:
			for target in ("/search", "/events", "/search"):
				c.request("GET", target)
		after = reqtally.wait_counts(rt, before, server.port, {("uvicorn", "GET", "/search", "200"): 2, ("uvicorn", "GET", "/events", "200"): 1})
		timed = growth(before, after, "http_requests_duration_seconds_count", ("endpoint",), port=str(server.port))
		streams = growth(before, after, "http_streams_duration_seconds_count", ("endpoint",), port=str(server.port))
		why = reqtally.difference("durations", {("/search",): 2}, timed) or reqtally.difference("streams", {("/events",): 1}, streams)
		if why:
			raise Failure(why)
		reqtally.check_ledger(rt)
