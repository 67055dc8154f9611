# SPDX-License-Identifier: GPL-2.0-or-later
"""Budgets under floods: what is counted stays right, what is lost has a name, memory stays where it was, and other services do not notice.
FLOODS=full is the full size (make test-floods): a million random paths, 10,000 half requests."""
import collections
import http.client
import os
import resource
import socket
import subprocess
import threading
import time

import exposition
import raw
import reqtally
import servers
from procs import Failure, Skip, find_program, wait_for
from raw_cases import GET, OK

FULL = os.environ.get("FLOODS") == "full"
BUDGETS = "http:\n  budgets:\n%s"


def config(**budgets):
	return BUDGETS % "".join("    %s: %d\n" % b for b in budgets.items())


def only(crowd, **budgets):
	"""The same, and nothing is looked at but the crowd's port: what else is open on the machine must not use up a small budget."""
	return config(**budgets) + "  ports: [%d]\n" % crowd.listener.port


def allow_files(n):
	soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
	if soft < n:
		resource.setrlimit(resource.RLIMIT_NOFILE, (min(n, hard), hard))


def entries(scrape, name):
	return (scrape.sum("reqtally_bpf_map_entries", map=name), scrape.sum("reqtally_bpf_map_max_entries", map=name))


def room(rt):
	"""Waits until there is room for new states: a test that is faster than states are taken back tests something else."""
	def has_room():
		used, most = entries(rt._scrape(lambda line: line.startswith(("reqtally_bpf_map_", "# "))), "connections")
		return used < most * 7 / 8
	wait_for("room for states of connections", has_room, 5, 0.002)


def lost(before, after):
	return {k[0]: v for k, v in exposition.growth(before, after, "reqtally_requests_lost_total", ("reason",)).items() if v}


def reclaimed(before, after):
	return {k[0]: v for k, v in exposition.growth(before, after, "reqtally_connections_reclaimed_total", ("state",)).items() if v}


def expect(what, got, wanted):
	if got != wanted:
		raise Failure("%s: %s, expected %s" % (what, got, wanted))


def counts(rt, before, port, expected):
	try:
		return reqtally.wait_counts(rt, before, port, expected)
	except Failure as e:
		raise Failure("%s; lost: %s" % (e, lost(before, rt.scrape()))) from None


class Neighbour:
	"""Another service: requests one after another while the flood goes on, and all of them must be counted."""

	def __init__(self):
		self.listener, self.sent, self.over = raw.Listener("127.0.0.1"), 0, threading.Event()
		self.thread = threading.Thread(target=self.run)
		self.error = None

	def run(self):
		try:
			while not self.over.is_set():
				raw.play(self.listener, [step for _ in range(5) for step in (("c", GET), ("s", OK))])
				self.sent += 5
				time.sleep(0.002)
		except OSError as e:
			self.error = e

	def __enter__(self):
		self.thread.start()
		return self

	def __exit__(self, *exc):
		self.over.set()
		self.thread.join()
		self.listener.close()

	def check(self, rt, before):
		self.over.set()
		self.thread.join()
		if self.error or not self.sent:
			raise Failure("the other service: %s, %d requests" % (self.error, self.sent))
		counts(rt, before, self.listener.port, {(raw.SERVICE, "GET", "/a", "200"): self.sent})


class Keeper:
	"""A process that keeps sockets open: one alone may not have two times ten thousand."""

	def __init__(self):
		self.end, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
		self.pid, kept = os.fork(), []
		if self.pid:
			other.close()
			return
		self.end.close()
		allow_files(1 << 20)
		while True:
			data, fds, _, _ = socket.recv_fds(other, 1, 1)
			if not data:
				os._exit(0)
			kept += fds
			other.sendall(b"k")

	def keep(self, sock):
		socket.send_fds(self.end, [b"k"], [sock.fileno()])
		self.end.recv(1)
		sock.close()

	def close(self):
		self.end.close()
		os.waitpid(self.pid, 0)


class Crowd:
	"""Connections to a port of its own, all open. KEEP: the clients' ends are kept elsewhere, and cannot be used any more."""

	def __init__(self, keep=False):
		self.listener, self.pairs = raw.Listener("127.0.0.1"), []
		self.keeper = Keeper() if keep else None

	def open(self, n, rt=None, pause_every=0):
		allow_files(2 * (len(self.pairs) + n) + 500)
		for i in range(n):
			self.pairs.append(self.listener.pair())
			yield self.pairs[-1]
			if self.keeper:
				self.keeper.keep(self.pairs[-1][0])
			if pause_every and i % pause_every == pause_every - 1:
				room(rt)

	def __enter__(self):
		return self

	def __exit__(self, *exc):
		for pair in self.pairs:
			for s in pair:
				s.close()
		self.listener.close()
		if self.keeper:
			self.keeper.close()


def test_idle_connections_are_reclaimed(context):
	"""Three times as many idle connections as the budget: the oldest are forgotten, and their next requests count all the same, also with
	an unknown method and cut in two after the first byte."""
	context.stop_shared()
	budget, n = 256, 768
	with Crowd() as crowd, reqtally.Reqtally(context.folder, config=only(crowd, connections=budget)) as rt:
		before = rt.scrape()
		for client, server in crowd.open(n, rt, 16):
			raw.transfer(client, server, GET)
			raw.transfer(server, client, OK)
		middle = rt.scrape()
		used, most = entries(middle, "connections")
		expect("budget of connections", most, budget)
		if not 0 < used <= budget:
			raise Failure("%g states of connections, the budget is %d" % (used, budget))
		propfind = raw.request("PROPFIND", "/dav")
		for i, (client, server) in enumerate(crowd.pairs):
			if i % 2:
				raw.transfer(client, server, propfind[:1])
				raw.transfer(client, server, propfind[1:])
			else:
				raw.transfer(client, server, GET)
			raw.transfer(server, client, OK)
			if i % 16 == 15:
				room(rt)
		after = counts(rt, before, crowd.listener.port, {
			(raw.SERVICE, "GET", "/a", "200"): n + n // 2, (raw.SERVICE, "PROPFIND", "/dav", "200"): n // 2})
		expect("lost", lost(before, after), {})
		states = reclaimed(before, after)
		if set(states) != {"idle"} or states["idle"] < 2 * n - budget:
			raise Failure("states taken back: %s" % states)
		reqtally.check_ledger(rt)
	nothing_counted_twice(context)


def nothing_counted_twice(context):
	"""The count of states comes back to nothing when the connections are gone."""
	crowd = Crowd()
	with reqtally.Reqtally(context.folder, "usage", config=only(crowd, connections=64)) as rt:
		with crowd:
			for client, server in crowd.open(40):
				raw.transfer(client, server, GET * 3)
				raw.transfer(server, client, OK)
			used = entries(rt.scrape(), "connections")[0]
			if used < 40:
				raise Failure("%g states of 40 connections" % used)
		wait_for("states of closed connections gone", lambda: entries(rt.scrape(), "connections")[0] == 0, 5)
		expect("states of pipelines", entries(rt.scrape(), "pipelines")[0], 0)
		reqtally.check_ledger(rt)


def half_requests(context, head, n, budget, state):
	"""N connections that stop in the midst of HEAD, and another service."""
	context.stop_shared()
	with reqtally.Reqtally(context.folder, config=config(connections=budget)) as rt, Crowd(keep=True) as crowd:
		before = rt.scrape()
		with Neighbour() as neighbour:
			for client, server in crowd.open(n, rt, budget // 16):
				raw.transfer(client, server, head)
			time.sleep(0.3)
			neighbour.check(rt, before)
		after = reqtally.check_ledger(rt)
		after = rt.scrape()
		used, most = entries(after, "connections")
		if used > most:
			raise Failure("%g states of connections, the budget is %g" % (used, most))
		gone, states = lost(before, after), reclaimed(before, after)
		if n > budget:
			if states.get(state, 0) < n - budget or gone.get("reclaimed", 0) < n - budget:
				raise Failure("states taken back: %s, lost: %s; at least %d expected" % (states, gone, n - budget))
		served = exposition.growth(before, after, "http_requests_total", reqtally.KEYS, port=str(crowd.listener.port))
		expect("counted of the flood", dict(served), {})
	return gone


def test_half_request_lines(context):
	half_requests(context, b"GET /half/a/req", *((10000, 4096) if FULL else (1500, 512)), "request_line")


def test_half_heads(context):
	half_requests(context, b"GET /a HTTP/1.1\r\nHost: sl", *((10000, 4096) if FULL else (1500, 512)), "message")


def test_half_requests_within_the_default_budget(context):
	if not FULL:
		raise Skip("full size: make test-floods")
	expect("lost", half_requests(context, b"GET /a HTTP/1.1\r\nHost: sl", 10000, 65536, "message"), {})


def test_connections_beyond_the_budget(context):
	"""All states are in use: a request on one more connection takes the oldest one's state, and that one is lost by name."""
	context.stop_shared()
	with Crowd() as crowd, reqtally.Reqtally(context.folder, config=only(crowd, connections=64)) as rt:
		before = rt.scrape()
		for client, server in crowd.open(200):  # as fast as possible: faster than states can be taken back
			raw.transfer(client, server, GET)
		time.sleep(0.3)
		for client, server in crowd.pairs:
			raw.transfer(server, client, OK)
		time.sleep(0.3)
		after = reqtally.check_ledger(rt)
		after = rt.scrape()
		counted = after.sum("http_requests_total", port=str(crowd.listener.port))
		gone = lost(before, after)
		if set(gone) - {"reclaimed", "connection_budget"} or counted + sum(gone.values()) != 200 or not 30 <= counted <= 64:
			raise Failure("of 200 requests %g counted, lost: %s" % (counted, gone))
		# When all that is over, there is room again, and all of them are served.
		served = 0
		for client, server in crowd.pairs:
			raw.transfer(client, server, GET)
			raw.transfer(server, client, OK)
			served += 1
			if served % 4 == 0:
				room(rt)
		counts(rt, before, crowd.listener.port, {(raw.SERVICE, "GET", "/a", "200"): counted + served})
		reqtally.check_ledger(rt)


def test_slowloris(context):
	"""Heads that come a byte at a time and never end, and another service."""
	context.stop_shared()
	n, rounds, budget = (4000, 40, 1024) if FULL else (500, 25, 256)
	with reqtally.Reqtally(context.folder, config=config(connections=budget)) as rt, Crowd() as crowd:
		before = rt.scrape()
		with Neighbour() as neighbour:
			for client, server in crowd.open(n, rt, 8):
				client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n")
			for i in range(rounds):
				for client, _ in crowd.pairs:
					client.sendall(b"X-a: %d\r\n"[i % 3:i % 3 + 1])
				time.sleep(0.02)
			neighbour.check(rt, before)
		reqtally.check_ledger(rt)
		after = rt.scrape()
		expect("counted of the flood", after.sum("http_requests_total", port=str(crowd.listener.port)), 0)
		if entries(after, "connections")[0] > budget:
			raise Failure("%g states, the budget is %d" % (entries(after, "connections")[0], budget))
		if not lost(before, after).get("reclaimed"):
			raise Failure("nothing was taken back: %s" % lost(before, after))


def test_pipelines_beyond_the_budget(context):
	"""Two requests at once on each of many connections: the second ones need more room, of which there is less; all is named."""
	context.stop_shared()
	n = 200
	with reqtally.Reqtally(context.folder, config=config(connections=640)) as rt, Crowd() as crowd:
		before = rt.scrape()
		for client, server in crowd.open(n):
			raw.transfer(client, server, GET + GET)
		used, most = entries(rt.scrape(), "pipelines")
		expect("budget of pipelines", most, 40)
		if used > most:
			raise Failure("%g pipelines, the budget is %g" % (used, most))
		for client, server in crowd.pairs:
			raw.transfer(server, client, OK + OK)
		after = reqtally.wait_counts(rt, before, crowd.listener.port, {(raw.SERVICE, "GET", "/a", "200"): n + used})
		expect("lost", lost(before, after), {"pipeline_depth": n - used})
		reqtally.check_ledger(rt)


def words(n):
	"""N paths of two words."""
	letters = "abcdefghijklmnopqrstuvwxyz"
	return ["/%s/items%s" % ("list" + letters[i // 676], letters[i // 26 % 26] + letters[i % 26]) for i in range(n)]


def resident(rt):
	return rt._scrape(lambda line: line.startswith(("process_resident", "# "))).sum("process_resident_memory_bytes")


def test_scrapers_that_do_not_read(context):
	"""Fourteen scrapers ask for megabytes and read nothing: the figures are not held in memory fourteen times, others are served, and
	what the slow ones get in the end is whole."""
	context.stop_shared()
	paths = words(4000)
	often = "global:\n  scrape_interval: 5s\n" # what is free is given back then, if it has not been already
	with reqtally.Reqtally(context.folder, config=often + config(endpoints_per_service=5000)) as rt, Crowd() as crowd:
		(client, server), = crowd.open(1)
		for path in paths:
			raw.transfer(client, server, raw.request("GET", path))
			raw.transfer(server, client, OK)
		before, slow = resident(rt), []
		try:
			for _ in range(14):
				s = socket.socket()
				s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
				s.connect(("127.0.0.1", rt.port))
				s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				slow.append(s)
				s.recv(1, socket.MSG_PEEK)
			grown = resident(rt) - before
			if grown > 24 << 20:
				raise Failure("%.1f MB more for 14 scrapers that do not read" % (grown / 1e6))
			response = http.client.HTTPResponse(slow[-1])
			response.begin()
			lines = [line for line in response.read().split(b"\n") if line.startswith(b"http_requests_total{") and b"/items" in line]
			expect("lines of http_requests_total in a slow scrape", len(lines), len(paths))
		finally:
			for s in slow:
				s.close()
		wait_for("memory given back", lambda: resident(rt) - before < 8 << 20, 40, 0.5)


PATHS = """
local letters = "abcdefghijklmnopqrstuvwxyz"
local seed = 0
function setup(thread) thread:set("seed", seed); seed = seed + 1 end
function init(args) math.randomseed(42 + seed) end
function request()
	local t = {}
	for i = 1, 9 do local k = math.random(26); t[i] = letters:sub(k, k) end
	return wrk.format("GET", "/" .. table.concat(t, "", 1, 4) .. "/" .. table.concat(t, "", 5, 9))
end
"""


def flood_of_paths(context, rt, port, wanted):
	"""At least WANTED requests, each to a path of its own; how many."""
	wrk, script = find_program("wrk", package="wrk"), os.path.join(context.folder, "paths.lua")
	with open(script, "w") as f:
		f.write(PATHS)
	label, begun = {"port": str(port)}, rt.scrape_ledger().sum("reqtally_requests_seen_total")
	while rt.scrape_ledger().sum("reqtally_requests_seen_total") - begun < wanted:
		subprocess.run([wrk, "-t1", "-c20", "-d%ds" % (10 if FULL else 2), "-s", script, "http://127.0.0.1:%d/" % port],
				capture_output=True, check=True)
	return label


def memory_of(pid):
	with open("/proc/%d/status" % pid) as f:
		fields = dict(line.split(":", 1) for line in f)
	return int(fields["VmRSS"].split()[0])


class AnyPath(servers.Nginx):
	"""nginx that answers every path alike."""

	def argv(self):
		argv = super().argv()
		conf = self.write("nginx.conf", """
			daemon off; user root; worker_processes 1; pid nginx.pid; error_log error.log;
			events { worker_connections 500; }
			http { access_log %s; keepalive_requests 1000000000; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
				uwsgi_temp_path u; scgi_temp_path s;
				server { %s location / { return 200 "here\\n"; } } }""" % (
				self.log_path, servers.serve_ports(self.port, "listen %s;")))
		return argv[:-3] + [conf, "-e", "error.log"]

	def lines(self):
		with open(self.log_path, "rb") as f:
			return sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 20), b""))


def random_paths(context, rt):
	"""A flood of paths: every one is counted, under {other} past the budget; RSS stays."""
	before = rt.scrape()
	with AnyPath(context.folder) as server, Neighbour() as neighbour:
		flood_of_paths(context, rt, server.port, 20000)
		for _ in range(3):
			rt.scrape()
		resident = memory_of(rt.process.pid)
		flood_of_paths(context, rt, server.port, 1000000 if FULL else 100000)
		neighbour.check(rt, before)
		for _ in range(3):
			rt.scrape()
		grown = memory_of(rt.process.pid) - resident
		logged = wait_for("nginx's log", lambda: settled(server.lines))
		time.sleep(0.2)
		after = reqtally.check_ledger(rt)
		after = rt.scrape()
		label = {"port": str(server.port)}
		counted = after.sum("http_requests_total", **label)
		if counted != logged:
			raise Failure("nginx logged %d requests, %d are counted" % (logged, counted))
		other = after.sum("http_requests_total", endpoint="{other}", **label)
		shown = len(exposition.growth(before, after, "http_requests_total", ("endpoint",), **label))
		if not 900 < shown < 1100 or other < 0.9 * logged:
			raise Failure("%d endpoints shown, %d of %d requests under {other}" % (shown, other, logged))
		observed = after.sum("http_requests_duration_seconds_count", **label)
		expect("durations", observed, counted)
		expect("lost", lost(before, after), {})
		if grown > 4096:  # the window of samples takes a while to know a thousand endpoints: 1.7 kB each
			raise Failure("RSS grew by %d kB after the budget was spent" % grown)
	return after


def settled(read):
	first = read()
	time.sleep(0.3)
	return first if read() == first else None


class MemoryLimit:
	"""A cgroup with a limit of memory: of version 2 or 1, whichever has the controller here."""

	def __init__(self, limit):
		self.limit = limit
		with open("/proc/self/mountinfo") as f:
			mounts = [line.split() for line in f]
		for m in mounts:
			kind, options = m[m.index("-") + 1], m[m.index("-") + 3]
			if kind == "cgroup" and "memory" in options.split(","):
				self.folder, self.file, self.peak = m[4], "memory.limit_in_bytes", "memory.max_usage_in_bytes"
				break
			if kind == "cgroup2" and "memory" in open(m[4] + "/cgroup.controllers").read().split():
				with open(m[4] + "/cgroup.subtree_control", "w") as f:
					f.write("+memory")
				self.folder, self.file, self.peak = m[4], "memory.max", "memory.peak"
				break
		else:
			raise Skip("no memory controller")
		self.folder += "/reqtally-e2e-%d" % os.getpid()

	def __enter__(self):
		os.mkdir(self.folder)
		with open(os.path.join(self.folder, self.file), "w") as f:
			f.write(str(self.limit))
		return self

	def __exit__(self, *exc):
		wait_for("the cgroup to be empty", self.remove, 10, 0.1)

	def remove(self):
		try:
			os.rmdir(self.folder)
			return True
		except OSError:
			return False

	def prefix(self):
		return ["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self.folder]

	def read(self, name):
		path = os.path.join(self.folder, name)
		return open(path).read() if os.path.exists(path) else ""

	def killed(self):
		text = self.read("memory.events") or self.read("memory.oom_control")
		return int(dict(line.split() for line in text.splitlines()).get("oom_kill", 0))


def test_memory_limit(context):
	"""64 MiB for everything, kernel memory too: the budgets fit themselves into it, and floods end in names and not in a killed process."""
	context.stop_shared()
	n = 10000 if FULL else 2500
	with MemoryLimit(64 << 20) as limit, reqtally.Reqtally(context.folder, prefix=limit.prefix()) as rt, Crowd(keep=True) as crowd:
		pid, before = rt.process.pid, rt.scrape()
		budget = entries(before, "connections")[1]
		if not 5000 < budget < 65536:
			raise Failure("a budget of %g connections under a limit of 64 MiB" % budget)
		with Neighbour() as neighbour:
			for client, server in crowd.open(n, rt, 256):
				raw.transfer(client, server, b"GET /half HTTP/1.1\r\nHost: sl")
			neighbour.check(rt, before)
		random_paths(context, rt)
		after = reqtally.check_ledger(rt)
		after = rt.scrape()
		if limit.killed() or rt.process.pid != pid or not rt.process.running():
			raise Failure("killed for want of memory")
		expect("lost", lost(before, after), {})
		# The kernel's iterator goes on by place: what comes or goes at that moment may shift one. So not each scrape need be right.
		wait_for("%d half requests in flight" % n,
			lambda: rt.scrape().sum("http_requests_in_flight", port=str(crowd.listener.port)) == n, 10)
		peak = limit.read(limit.peak)
		if peak and os.environ.get("RT_TRACE"):
			print("# peak %d of %d" % (int(peak), limit.limit))


def test_random_paths(context):
	context.stop_shared()
	with reqtally.Reqtally(context.folder) as rt:
		random_paths(context, rt)
