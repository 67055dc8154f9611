# SPDX-License-Identifier: GPL-2.0-or-later
"""Every way for bytes to enter and leave a socket, and every way for a socket to reach the process that serves it. The server is in the
test's own hand, so that what is counted, when it began, when it was read and when it ended are known."""
import array
import glob
import json
import os
import socket
import subprocess
import sys
import threading
import time

import raw
import reqtally
from exposition import growth
from httpclient import Tally
from mix import Step, run_pipelined, run_steps, run_threads
from procs import Failure, Process, Skip, find_program, free_port
from raw_cases import GET, OK
from test_servers import started

HERE = os.path.dirname(os.path.abspath(__file__))
MB = 1 << 20


def watch(context):
	rt, before = started(context)
	if rt is None:
		raise Skip(before)
	return rt, before


def window(rt, before, port, name, low, high):
	"""The sum that NAME grew by, in seconds, lies between LOW and HIGH."""
	got = sum(growth(before, rt.scrape(port), "http_requests_%s_seconds_sum" % name, ("port",), port=str(port)).values())
	if not low <= got <= high:
		raise Failure("%s: %.4f s, expected %.4f to %.4f s" % (name, got, low, high))


def read_all(sock, n, pause=0.0, every=4 * MB):
	"""When the first bytes had been read."""
	due, first = every, None
	while n:
		piece = sock.recv(min(n, MB))
		if not piece:
			raise Failure("%d bytes missing" % n)
		first = first or time.monotonic()
		n -= len(piece)
		due -= len(piece)
		if pause and due <= 0:
			due += every
			time.sleep(pause)
	return first


def answered_by(context, send, size, pause=0.0, rcvbuf=None, at_least=0.0):
	"""Three requests; SEND(socket, head, size) is how the server sends each answer, which the client reads with pauses."""
	rt, before = watch(context)
	listener = raw.Listener("127.0.0.1")
	if rcvbuf:
		listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, rcvbuf)
	client, server = listener.pair()
	server.settimeout(None)  # a socket with a timeout does not block, which sendfile and splice would have to know
	if rcvbuf:
		client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
	times = 1 if pause else 3
	head = raw.response(200, b"", "Content-Length: %d" % size, length=False)
	low = high = first_low = first_high = queue = 0.0
	try:
		for _ in range(times):
			begun = time.monotonic()
			raw.transfer(client, server, GET)
			was_read = time.monotonic()
			time.sleep(0.002)
			sending = time.monotonic()
			thread = threading.Thread(target=send, args=(server, head, size))
			thread.start()
			first = read_all(client, len(head) + size, pause)
			ended = time.monotonic()
			thread.join()
			high += ended - begun
			low += sending - was_read
			first_low += sending - was_read
			first_high += first - begun
			queue += was_read - begun
		after = reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): times})
		got = growth(before, after, "http_response_body_bytes_total", ("port",), port=str(listener.port))
		if got != {(str(listener.port),): size * times}:
			raise Failure("bytes: " + reqtally.text_of(got))
		low = max(low, high * at_least)
		window(rt, before, listener.port, "duration", low, high)
		window(rt, before, listener.port, "ttfb", first_low, first_high)
		if rt.has_feature("queue_time"):
			window(rt, before, listener.port, "queue", 0, queue)
		reqtally.check_ledger(rt)
	finally:
		for s in (client, server, listener):
			s.close()


def send_in_pieces(server, head, size):
	"""One writev of a thousand pieces after the other, the head cut up as well."""
	pieces = [head[i:i + 1] for i in range(len(head))] + [b"%07d" % i for i in range(size // 7)] + [b"x" * (size % 7)]
	while pieces:
		part, pieces = pieces[:1000], pieces[1000:]
		n = server.sendmsg(part)
		while n < sum(map(len, part)):
			part = [b"".join(part)[n:]]
			n = server.send(part[0])


def send_by_splice(server, head, size):
	server.sendall(head, socket.MSG_MORE)
	out, into = os.pipe()
	while size:
		n = os.write(into, bytes(min(size, 65536)))
		size -= n
		while n:
			n -= os.splice(out, server.fileno(), n)
	for fd in (out, into):
		os.close(fd)


def send_file(server, head, size):
	server.sendall(head, socket.MSG_MORE)
	fd = os.memfd_create("body")
	os.ftruncate(fd, size)
	at = 0
	while at < size:
		at += os.sendfile(server.fileno(), fd, at, size - at)
	os.close(fd)


def send_without_copy(server, head, size):
	server.setsockopt(socket.SOL_SOCKET, 60, 1)  # SO_ZEROCOPY
	body = memoryview(head + bytes(size))
	while body:
		n = server.send(body, 0x4000000)  # MSG_ZEROCOPY
		body = body[n:]
	while True:
		try:
			server.recvmsg(1, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
		except BlockingIOError:
			return


def test_writev(context):
	answered_by(context, send_in_pieces, 100003)


def test_splice(context):
	answered_by(context, send_by_splice, 3 * MB + 1)


def test_zerocopy(context):
	answered_by(context, send_without_copy, 5 * MB + 1)


def test_sendfile_183_mb(context):
	"""As much as was known to end with its first write elsewhere. The client takes its time."""
	answered_by(context, send_file, 183 * 1000 * 1000, pause=0.02, at_least=0.8)


def test_slow_reader_50_mb(context):
	answered_by(context, send_file, 50 * MB, pause=0.08, rcvbuf=1 << 17, at_least=0.9)


def test_large_answer_beyond_4_gb(context):
	"""Sequence numbers go round; lengths do not fit 32 bits. (Long: only with RT_LONG=1.)"""
	if not os.environ.get("RT_LONG"):
		raise Skip("long (RT_LONG=1)")
	answered_by(context, send_file, (4 << 30) + 12345)


def test_large_upload_beyond_4_gb(context):
	"""A body with a length and one of a single chunk; the requests behind them show that the framing held. (Long: only with RT_LONG=1.)"""
	if not os.environ.get("RT_LONG"):
		raise Skip("long (RT_LONG=1)")
	rt, before = watch(context)
	listener, size = raw.Listener("127.0.0.1"), (4 << 30) + 12345
	client, server = listener.pair()
	chunked = raw.request("POST", "/up", None, "Transfer-Encoding: chunked") + b"%x\r\n" % size
	low = high = 0.0
	try:
		client.settimeout(None)
		for head, tail in ((raw.request("POST", "/up", None, "Content-Length: %d" % size), b""), (chunked, b"\r\n0\r\n\r\n")):
			begun = time.monotonic()
			thread = threading.Thread(target=lambda: (send_file(client, head, size), client.sendall(tail)))
			thread.start()
			server.recv(1)
			low -= time.monotonic()
			read_all(server, len(head) - 1 + size + len(tail))
			thread.join()
			low += time.monotonic()
			raw.transfer(server, client, OK)
			high += time.monotonic() - begun
			raw.transfer(client, server, GET)
			raw.transfer(server, client, OK)
		after = reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, "POST", "/up", "200"): 2, (raw.SERVICE, "GET", "/a", "200"): 2})
		got = growth(before, after, "http_request_body_bytes_total", ("port",), port=str(listener.port))
		if got != {(str(listener.port),): 2 * size}:
			raise Failure("bytes: " + reqtally.text_of(got))
		window(rt, before, listener.port, "duration", low, high + 1)
		reqtally.check_ledger(rt)
	finally:
		for s in (client, server, listener):
			s.close()


def test_tiny_segments(context):
	"""The client takes 88 bytes a segment: heads and bodies are cut all over."""
	rt, before = watch(context)
	listener = raw.Listener("127.0.0.1")
	client = socket.socket()
	client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
	client.connect(("127.0.0.1", listener.port))
	server = listener.sock.accept()[0]
	try:
		upload = raw.request("POST", "/up", b"u" * 20000, *("X-%d: %s" % (i, "v" * 50) for i in range(100)))
		for _ in range(5):
			raw.transfer(client, server, upload)
			raw.transfer(server, client, raw.response(200, b"d" * 20000, *("Y-%d: %s" % (i, "v" * 50) for i in range(100))))
		reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, "POST", "/up", "200"): 5})
		reqtally.check_ledger(rt)
	finally:
		for s in (client, server, listener):
			s.close()


def test_ways_to_read(context):
	"""Looking is not reading; splicing, reading a byte at a time and throwing away are. Queue time ends with the first read."""
	rt, before = watch(context)
	listener = raw.Listener("127.0.0.1")
	client, server = listener.pair()
	out, into = os.pipe()

	def bytewise():
		for _ in GET:
			server.recv(1)

	ways = (lambda: raw.read_exactly(server, len(GET)), lambda: os.splice(server.fileno(), into, len(GET)), bytewise,
			lambda: server.recv(len(GET), socket.MSG_TRUNC | socket.MSG_WAITALL), lambda: server.recvmsg_into([bytearray(7), bytearray(9999)]))
	low = high = 0.0
	try:
		for read in ways:
			begun = time.monotonic()
			client.sendall(GET)
			sent = time.monotonic()
			server.recv(10, socket.MSG_PEEK)
			time.sleep(0.06)
			server.recv(10, socket.MSG_PEEK)
			low += time.monotonic() - sent
			read()
			high += time.monotonic() - begun
			raw.transfer(server, client, OK)
		reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): len(ways)})
		window(rt, before, listener.port, "queue", low * 0.98, high)
		reqtally.check_ledger(rt)
	finally:
		for fd in (out, into):
			os.close(fd)
		for s in (client, server, listener):
			s.close()


def build_uring(name, sources):
	"""A program on Asio's io_uring backend, without epoll."""
	compiler = find_program("g++", package="g++")
	if not os.path.exists("/usr/include/asio.hpp"):
		raise Skip("no asio.hpp (Debian package libasio-dev)")
	if not os.path.exists("/usr/include/liburing.h"):
		raise Skip("no liburing.h (Debian package liburing-dev)")
	out = os.path.abspath(os.path.join(HERE, "..", "..", "build", "out", "e2e"))
	program = os.path.join(out, name)
	os.makedirs(out, exist_ok=True)
	if not os.path.exists(program) or os.path.getmtime(program) < max(map(os.path.getmtime, sources)):
		# All in one, so that Asio's headers are read once.
		done = subprocess.run([compiler, "-O1", "-std=c++17", "-DASIO_HAS_IO_URING", "-DASIO_DISABLE_EPOLL", "-x", "c++", "-", "-o", program,
				"-luring", "-lpthread"], input="".join('#include "%s"\n' % s for s in sources), capture_output=True, text=True)
		if done.returncode:
			raise Failure("g++: " + done.stderr[-1500:])
	return program


def test_io_uring(context):
	"""Every accept, read and write through io_uring."""
	rt, before = watch(context)
	port, tally = free_port(), Tally()
	server = Process([build_uring("uring", [os.path.join(HERE, "uring", "server.cpp")]), "127.0.0.1", str(port)], context.folder, "uring")
	try:
		try:
			server.wait_port("127.0.0.1", port)
		except Failure as e:
			raise Skip("no io_uring here: %s" % e)
		steps = [Step("GET", "/", "/", 200), Step("GET", "/large", "/large", 200), Step("POST", "/up/1", "/up/{id}", 200, body=b"u" * 300000),
				Step("POST", "/up/2", "/up/{id}", 200, body=b"x")]
		run_threads([lambda: run_steps("127.0.0.1", port, tally, steps * 5) for _ in range(4)])
		run_pipelined("127.0.0.1", port, tally, [steps[0]] * 16)
		reqtally.check(rt, before, port, "uring", tally)
	finally:
		server.stop()


def test_io_uring_example(context):
	"""The HTTP server of Asio's own examples, built with the io_uring backend: HTTP/1.0, a connection for each request, which the server
	shuts down and closes at once."""
	rt, before = watch(context)
	sources = glob.glob("/usr/share/doc/libasio-dev/examples/cpp11/http/server/*.cpp")
	if not sources:
		raise Skip("no examples of Asio (Debian package libasio-doc)")
	program, port, tally = build_uring("asio-example", sources), free_port(), Tally()
	root = os.path.join(context.folder, "root")
	os.mkdir(root)
	for name, size in (("index.html", 6), ("large.txt", 3 * MB), ("empty.txt", 0)):
		with open(os.path.join(root, name), "wb") as f:
			f.write(b"hello\n" * (size // 6))
	server = Process([program, "127.0.0.1", str(port), root], context.folder, "asio-example")
	try:
		try:
			server.wait_port("127.0.0.1", port)
		except Failure as e:
			raise Skip("no io_uring here: %s" % e)
		steps = [Step("GET", "/", "/", 200), Step("GET", "/large.txt", "/large.txt", 200), Step("GET", "/empty.txt", "/empty.txt", 200),
				Step("GET", "/users/17/none", "/users/{id}/none", 404), Step("GET", "/../etc", "/../etc", 400)]
		run_threads([lambda: run_steps("127.0.0.1", port, tally, steps * 8) for _ in range(4)])
		if "io_uring" not in "".join(os.readlink("/proc/%d/fd/%s" % (server.pid, fd)) for fd in os.listdir("/proc/%d/fd" % server.pid)):
			raise Failure("the example was built without io_uring")
		reqtally.check(rt, before, port, "asio-example", tally)
	finally:
		server.stop()


def named(name):
	with open("/proc/self/comm", "w") as f:
		f.write(name)


def child(work):
	"""Runs WORK in a process of its own; the pid."""
	pid = os.fork()
	if pid:
		return pid
	try:
		work()
		os._exit(0)
	except BaseException as e:  # noqa: BLE001 - it must not go on as another copy of the tests
		os.write(2, ("%s\n" % e).encode())
		os._exit(1)


def ended(pids):
	for pid in pids:
		if os.waitpid(pid, 0)[1]:
			raise Failure("a server process failed")


def serve(sock, times=1):
	for _ in range(times):
		raw.read_exactly(sock, len(GET))
		sock.sendall(OK)


def serve_accepted(listening, times):
	for _ in range(times):
		connection = listening.accept()[0]
		serve(connection, 2)
		connection.close()


def ask(port, times=2):
	with socket.create_connection(("127.0.0.1", port), timeout=10) as c:
		for _ in range(times):
			c.sendall(GET)
			raw.read_exactly(c, len(OK))
		return c.recv(1)


def test_prefork(context):
	"""Four processes accept from one listener."""
	rt, before = watch(context)
	listener = raw.Listener("127.0.0.1")
	pids = [child(lambda: serve_accepted(listener.sock, 5)) for _ in range(4)]
	try:
		run_threads([lambda: ask(listener.port)] * 20)
		ended(pids)
		reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): 40})
		reqtally.check_ledger(rt)
	finally:
		listener.close()


def test_reuseport(context):
	"""Four processes with a listener each on the same port; the kernel spreads the connections."""
	rt, before = watch(context)
	port = free_port()

	def bound():
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
		s.bind(("127.0.0.1", port))
		s.listen(64)
		return s

	def work(name, sock):
		named(name)
		while True:
			connection = sock.accept()[0]
			serve(connection, 2)
			connection.close()

	listening = [bound() for _ in range(4)]
	pids = [child(lambda s=s, i=i: work("reuse%d" % i, s)) for i, s in enumerate(listening)]
	try:
		run_threads([lambda: ask(port)] * 40)
		time.sleep(0.3)
		got = growth(before, rt.scrape(port), "http_requests_total", ("service", "code"), port=str(port))
		if sum(got.values()) != 80 or {k for k in got if not k[0].startswith("reuse") or k[1] != "200"} or len(got) < 2:
			raise Failure("80 requests over several of reuse0 to reuse3: " + reqtally.text_of(got))
		reqtally.check_ledger(rt)
	finally:
		for pid in pids:
			os.kill(pid, 9)
			os.waitpid(pid, 0)
		for s in listening:
			s.close()


def test_passed_socket(context):
	"""One process accepts and hands the connection over a unix socket to another, which serves; the first one even ends."""
	rt, before = watch(context)
	listener = raw.Listener("127.0.0.1")
	ours, theirs = socket.socketpair()

	def worker():
		named("handed-worker")
		for _ in range(3):
			_, ancillary, _, _ = theirs.recvmsg(1, socket.CMSG_SPACE(4))
			with socket.socket(fileno=array.array("i", ancillary[0][2])[0]) as connection:
				serve(connection, 2)

	def acceptor():
		for _ in range(3):
			connection = listener.sock.accept()[0]
			ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))])
			connection.close()

	pids = [child(worker), child(acceptor)]
	try:
		for _ in range(3):
			ask(listener.port)
		ended(pids)
		reqtally.wait_counts(rt, before, listener.port, {("handed-worker", "GET", "/a", "200"): 6})
		reqtally.check_ledger(rt)
	finally:
		for s in (listener, ours, theirs):
			s.close()


def test_one_process_after_another(context):
	"""A connection that a child inherits while its parent closes it; each request is counted for the one that read it."""
	rt, before = watch(context)
	listener = raw.Listener("127.0.0.1")
	client, server = listener.pair()

	def work():
		named("forked-child")
		client.close()
		serve(server, 2)

	try:
		raw.transfer(client, server, GET)
		raw.transfer(server, client, OK)
		pid = child(work)
		server.close()
		listener.close()  # nobody listens any more: the connection goes on
		for _ in range(2):
			client.sendall(GET)
			raw.read_exactly(client, len(OK))
		ended([pid])
		reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): 1, ("forked-child", "GET", "/a", "200"): 2})
		reqtally.check_ledger(rt)
	finally:
		client.close()


def test_duplicates(context):
	"""dup: what one descriptor reads another one answers, and closing one of them closes nothing."""
	rt, before = watch(context)
	listener = raw.Listener("127.0.0.1")
	client, server = listener.pair()
	copies = [server.dup() for _ in range(4)]
	try:
		for i, copy in enumerate(copies):
			raw.transfer(client, server, GET)
			raw.transfer(copy, client, OK)
			copy.close()
		server.close()
		reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): 4})
		reqtally.check_ledger(rt)
	finally:
		for s in (client, server, listener):
			s.close()


def test_number_used_again(context):
	"""The descriptor of a connection that was aborted in the middle becomes that of the next one."""
	rt, before = watch(context)
	listener = raw.Listener("127.0.0.1")
	numbers = set()
	try:
		for _ in range(10):
			client, server = listener.pair()
			numbers.add(server.fileno())
			raw.transfer(client, server, raw.request("POST", "/up", None, "Content-Length: 100") + b"part")
			raw.reset(client)
			server.close()
			client, server = listener.pair()
			numbers.add(server.fileno())
			raw.transfer(client, server, GET)
			raw.transfer(server, client, OK)
			raw.reset(server)
			client.close()
		if len(numbers) > 2:
			raise Failure("the descriptors were not used again: %s" % numbers)
		reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): 10, (raw.SERVICE, "POST", "/up", "499"): 10})
		reqtally.check_ledger(rt)
	finally:
		listener.close()


def elsewhere(context, *modes, flags=("--net",), expected=None):
	unshare = find_program("unshare", package="util-linux")
	rt, before = watch(context)
	done = subprocess.run([unshare, *flags, sys.executable, os.path.join(HERE, "elsewhere.py"), *modes], capture_output=True, text=True,
			timeout=60)
	if done.returncode == 77:
		raise Skip(done.stderr.strip()[-300:])
	if done.returncode:
		raise Failure(done.stderr[-1500:])
	expected = expected or {("GET", "/a", "200"): 8, ("POST", "/up", "200"): 8}
	port, windows = done.stdout.split("\n", 1)
	reqtally.wait_counts(rt, before, int(port), {("rawserver", *k): n for k, n in expected.items()})
	for name, (low, high) in json.loads(windows).items():
		if name != "queue" or rt.has_feature("queue_time"):
			window(rt, before, int(port), name, low, high)
	reqtally.check_ledger(rt)


def test_pid_namespace(context):
	"""Process ids there are others than those the kernel programs see."""
	elsewhere(context, "plain", flags=("--net", "--pid", "--fork", "--mount-proc"), expected={("GET", "/a", "200"): 8})


def test_small_packets(context):
	"""No segmentation offload, 576 bytes a packet."""
	elsewhere(context, "small")


def test_big_tcp(context):
	"""Packets of more than 64 KB, which have no length in their IPv4 header; and IPv6 ones."""
	elsewhere(context, "big")
	elsewhere(context, "big6")


def test_syn_cookies(context):
	"""The listener keeps nothing of a connection until its last handshake packet, which here brings the request as well."""
	elsewhere(context, "cookies", expected={("GET", "/a", "200"): 8})


def test_mptcp(context):
	"""Multipath TCP with one path: the server reads from another kind of socket."""
	unshare = find_program("unshare", package="util-linux")
	rt, before = watch(context)
	done = subprocess.run([unshare, "--net", sys.executable, os.path.join(HERE, "elsewhere.py"), "mptcp"], capture_output=True, text=True,
			timeout=60)
	if done.returncode == 77:
		raise Skip(done.stderr.strip()[-300:])
	time.sleep(0.3)
	got = growth(before, rt.scrape(), "http_requests_total", ("method", "endpoint", "code"), port=done.stdout.split()[0])
	why = reqtally.difference("over MPTCP", {("GET", "/a", "200"): 8, ("POST", "/up", "200"): 8}, got)
	if why or done.returncode:
		raise Failure(why or done.stderr[-1500:])
	reqtally.check_ledger(rt)


def test_connections_before_servers(context):
	"""Idle connections, opened long before their first request, do not make it longer."""
	rt, before = watch(context)
	listener = raw.Listener("127.0.0.1")
	pairs = [listener.pair() for _ in range(5)]
	try:
		time.sleep(0.5)
		begun = time.monotonic()
		for client, server in pairs:
			raw.transfer(client, server, GET)
			raw.transfer(server, client, OK)
		took = time.monotonic() - begun
		reqtally.wait_counts(rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): 5})
		window(rt, before, listener.port, "duration", 0, took)
	finally:
		for pair in pairs:
			for s in pair:
				s.close()
		listener.close()
