# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon itself: connections older than it, its own web server, formats, reload, budgets, namespaces, stop."""
import collections
import gzip
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid

import exposition
import raw
import reqtally
import servers
from httpclient import ProtocolError, fetch
from procs import Failure, Skip, find_program, free_port, wait_for
from raw_cases import GET, OK
from test_badinput import bpf_objects, nothing_left
from test_paths import window
from test_servers import started

HERE = os.path.dirname(os.path.abspath(__file__))


def test_version_and_help(context):
	reqtally.require_program()
	with open(os.path.join(HERE, "..", "..", "VERSION")) as f:
		version = f.read().strip()
	for flag, wanted in (("--version", version), ("--help", "--web.listen-address")):
		done = subprocess.run([reqtally.PROGRAM, flag], capture_output=True, text=True, timeout=10)
		if done.returncode or wanted not in done.stdout:
			raise Failure("%s: exit code %d, %r is not in %r"
					% (flag, done.returncode, wanted, done.stdout[:300]))


def test_older_connection(context):
	"""A connection that stood before reqtally came is counted from the next request on."""
	context.stop_shared()
	listener = raw.Listener("127.0.0.1")
	client, server = listener.pair()
	try:
		raw.transfer(client, server, GET)
		raw.transfer(server, client, OK)
		with reqtally.Reqtally(context.folder) as rt:
			before = rt.scrape()
			for _ in range(3):
				raw.transfer(client, server, GET)
				raw.transfer(server, client, OK)
			reqtally.wait_counts(rt, before, listener.port, {("rawserver", "GET", "/a", "200"): 3})
			reqtally.check_ledger(rt)
	finally:
		for s in (client, server, listener):
			s.close()


def test_older_connection_in_pieces(context):
	"""The first request on it comes in two segments, cut anywhere, or byte by byte, and with any method; then another one."""
	context.stop_shared()
	listener = raw.Listener("127.0.0.1")
	heads = [(GET, "GET")] * 12 + [(raw.request(m, "/a"), label) for m, label in (("PURGE", "_OTHER"), ("PROPFIND", "PROPFIND"),
			("M-SEARCH", "_OTHER"), ("MKCALENDAR", "MKCALENDAR"))]
	pairs = [listener.pair() for _ in range(2 * len(heads))]
	expected = collections.Counter({("rawserver", "GET", "/a", "200"): len(pairs)})
	try:
		for client, server in pairs:
			raw.transfer(client, server, GET)
			raw.transfer(server, client, OK)
		with reqtally.Reqtally(context.folder) as rt:
			before = rt.scrape()
			for i, (client, server) in enumerate(pairs):
				head, method = heads[i // 2]
				expected["rawserver", method, "/a", "200"] += 1
				cut = i // 2 + 1
				pieces = [head[:cut], head[cut:]] if i & 1 else [head[j:j + 1] for j in range(len(head))]
				for piece in [head] if method != "GET" else pieces:
					raw.transfer(client, server, piece)
				raw.transfer(server, client, OK)
				raw.transfer(client, server, GET)
				raw.transfer(server, client, OK)
			reqtally.wait_counts(rt, before, listener.port, expected)
			reqtally.check_ledger(rt)
	finally:
		for s in itertools.chain([listener], *pairs):
			s.close()


def two_more(rt, before, listener, client, server):
	"""Two requests on the connection are the only ones counted."""
	for _ in range(2):
		raw.transfer(client, server, GET)
		raw.transfer(server, client, OK)
	reqtally.wait_counts(rt, before, listener.port, {("rawserver", "GET", "/a", "200"): 2})
	reqtally.check_ledger(rt)


def test_older_connection_tail(context):
	"""The rest of a body that reqtally did not see begin is a few letters: they are not part of the next request's method."""
	context.stop_shared()
	listener = raw.Listener("127.0.0.1")
	client, server = listener.pair()
	try:
		raw.transfer(client, server, raw.request("POST", "/up", None, "Content-Length: 9") + b"ABC")
		with reqtally.Reqtally(context.folder) as rt:
			before = rt.scrape()
			raw.transfer(client, server, b"DEFGHI")
			raw.transfer(server, client, OK)
			two_more(rt, before, listener, client, server)
	finally:
		for s in (client, server, listener):
			s.close()


def test_older_connection_mid_message(context):
	"""reqtally comes while a body that looks like HTTP is on its way, both ways: nothing of that is a request."""
	context.stop_shared()
	listener = raw.Listener("127.0.0.1")
	client, server = listener.pair()
	inside = b"GET /inside HTTP/1.1\r\nHost: x\r\n\r\n"
	try:
		raw.transfer(client, server, raw.request("POST", "/up", None, "Content-Length: %d" % (len(inside) * 2)) + inside)
		with reqtally.Reqtally(context.folder) as rt:
			before = rt.scrape()
			raw.transfer(client, server, b"x" * len(inside))
			raw.transfer(server, client, OK)
			two_more(rt, before, listener, client, server)
	finally:
		for s in (client, server, listener):
			s.close()


def test_older_connection_mid_answer(context):
	"""reqtally comes in the middle of a download whose bytes look like requests: to its client they are none, and the server's next
	request is one."""
	context.stop_shared()
	listener = raw.Listener("127.0.0.1")
	client, server = listener.pair()
	inside = b"GET /inside-answer HTTP/1.1\r\nHost: x\r\n\r\n"
	try:
		raw.transfer(client, server, GET)
		raw.transfer(server, client, raw.response(200, b"", "Content-Length: %d" % (len(inside) * 3), length=False) + inside)
		with reqtally.Reqtally(context.folder) as rt:
			before = rt.scrape()
			for _ in range(2):
				raw.transfer(server, client, inside)
			for _ in range(2):
				raw.transfer(client, server, GET)
				raw.transfer(server, client, OK)
			client.close()
			server.close()
			after = reqtally.wait_counts(rt, before, listener.port, {("rawserver", "GET", "/a", "200"): 2})
			wrong = after.sum("http_requests_total", endpoint="/inside-answer")
			lost = after.sum("reqtally_requests_lost_total") - before.sum("reqtally_requests_lost_total")
			if wrong or lost:
				raise Failure("%d requests counted and %d lost that are none" % (wrong, lost))
			reqtally.check_ledger(rt)
	finally:
		for s in (client, server, listener):
			s.close()


def test_in_flight(context):
	"""Requests begun and not ended, and the age of the oldest."""
	rt = context.reqtally()
	listener = raw.Listener("127.0.0.1")
	pairs = [listener.pair() for _ in range(3)]
	label = {"service": raw.SERVICE, "port": str(listener.port)}
	try:
		for client, server in pairs:
			raw.transfer(client, server, GET)
		time.sleep(0.25)
		scrape = rt.scrape()
		flying = scrape.sum("http_requests_in_flight", **label)
		oldest = max(scrape.select("http_requests_oldest_in_flight_seconds", **label).values(), default=0)
		if flying != 3 or not 0.25 <= oldest < 10:
			raise Failure("%g in flight, expected 3; the oldest %g s, expected 0.25 s and more"
					% (flying, oldest))
		reqtally.check_ledger(rt)
		for client, server in pairs:
			raw.transfer(server, client, OK)
		wait_for("none in flight", lambda: rt.scrape().sum("http_requests_in_flight", **label) == 0, 3)
	finally:
		for client, server in pairs:
			client.close()
			server.close()
		listener.close()


def test_own_web_server(context):
	"""reqtally's own answers are requests like any other's."""
	rt = context.reqtally()
	label = {"service": "reqtally", "port": str(rt.port), "endpoint": "/metrics", "code": "200"}
	before = rt.scrape()
	for _ in range(5):
		last = rt.scrape()
	grown = last.sum("http_requests_total", **label) - before.sum("http_requests_total", **label)
	if grown != 5:
		raise Failure("5 scrapes made /metrics grow by %g" % grown)


def test_formats(context):
	"""Text by default, OpenMetrics where asked for, gzip where accepted, and both with the same names."""
	rt = context.reqtally()
	# Alone, this test is the first to ask: a family with labels is there once it has a series, here reqtally's own first answer.
	wait_for("a request on record", lambda: b"\nhttp_requests_total{" in fetch(rt.port, "/metrics").body, 10)
	text = fetch(rt.port, "/metrics")
	scrape = exposition.Scrape(text.body.decode())
	for name, kind in (("http_requests_total", "counter"), ("http_requests_duration_seconds", "histogram"),
			   ("reqtally_requests_seen_total", "counter"), ("reqtally_requests_lost_total", "counter"),
			   ("http_requests_in_flight", "gauge")):
		if scrape.types.get(name) != kind or not scrape.help.get(name):
			raise Failure("%s: TYPE %s, HELP %r" % (name, scrape.types.get(name), scrape.help.get(name)))
	om = fetch(rt.port, "/metrics", headers=[("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")])
	kind = om.headers["content-type"][0].replace(" ", "")
	if not kind.startswith("application/openmetrics-text;version=1.0.0") or not om.body.endswith(b"# EOF\n"):
		raise Failure("OpenMetrics: %s, the end is %r" % (kind, om.body[-20:]))
	if b"# TYPE http_requests counter" not in om.body:
		raise Failure("OpenMetrics: the counter's family keeps its _total")
	packed = fetch(rt.port, "/metrics", headers=[("Accept-Encoding", "gzip")])
	if packed.headers.get("content-encoding") != ["gzip"]:
		raise Failure("no gzip: %r" % dict(packed.headers))
	exposition.Scrape(gzip.decompress(packed.body).decode())
	for target, code in (("/-/healthy", 200), ("/-/ready", 200), ("/", 200), ("/nothing", 404)):
		got = fetch(rt.port, target).status
		if got != code:
			raise Failure("%s: %d, expected %d" % (target, got, code))


def test_promtool(context):
	promtool = find_program("promtool", package="prometheus")
	rt = context.reqtally()
	body = fetch(rt.port, "/metrics").body
	done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=30)
	if done.returncode == 1:
		raise Failure("promtool check metrics: %s" % done.stderr.decode()[:500])


def test_reload(context):
	"""A broken file keeps the old state and says where it is broken; a good one is taken."""
	context.stop_shared()
	good = "global:\n  evaluation_interval: 7s\n"
	with reqtally.Reqtally(context.folder, config=good) as rt:
		for broken, wanted in (("global:\n  evaluation_interval: 7s\n  frob: 1\n", "reqtally.yml:3:3"),
				("global: [\n", "reqtally.yml")):
			with open(rt.config_path, "w") as f:
				f.write(broken)
			rt.process.popen.send_signal(1)
			wait_for("a message with %s" % wanted, lambda: wanted in rt.process.log(100000), 5)
			if fetch(rt.port, "/-/reload", "POST").status < 400:
				raise Failure("POST /-/reload of a broken file answers as if it were good")
			rt.scrape()
		with open(rt.config_path, "w") as f:
			f.write(good)
		if fetch(rt.port, "/-/reload", "POST").status != 200:
			raise Failure("POST /-/reload of a good file fails: %s" % rt.process.log())
		if fetch(rt.port, "/-/reload").status != 405:
			raise Failure("GET /-/reload is not refused with 405")


def test_reloads_at_once(context):
	"""Reloads by several callers and by signal, with readers of what they replace: each has its turn, and none is lost."""
	context.stop_shared()
	with reqtally.Reqtally(context.folder, config="global:\n  evaluation_interval: 1s\n") as rt:
		statuses = collections.Counter()

		def ask(method, path):
			for _ in range(25):
				try:
					answer = fetch(rt.port, path, method, timeout=20).status
				except (OSError, ProtocolError) as e:
					answer = str(e)
				statuses[answer] += 1

		asked = [("POST", "/-/reload")] * 4 + [("GET", p) for p in ("/api/v1/status/config", "/api/v1/rules", "/metrics")]
		threads = [threading.Thread(target=ask, args=a) for a in asked]
		for t in threads:
			t.start()
		while any(t.is_alive() for t in threads):
			if rt.process.running():
				rt.process.popen.send_signal(signal.SIGHUP)
			time.sleep(0.01)
		if statuses != {200: 25 * len(threads)}:
			raise Failure("answers: %s; %s" % (dict(statuses), rt.process.log()))
		rt.scrape()
		rt.stop()


def elsewhere(context, mode):
	unshare = find_program("unshare", package="util-linux")
	rt, before = started(context)
	done = subprocess.run([unshare, "--net", sys.executable, os.path.join(HERE, "elsewhere.py"), mode],
			      capture_output=True, text=True, timeout=60)
	if done.returncode:
		raise Failure(done.stderr[-1500:])
	if rt is None:
		raise Skip("%s; the requests went through" % before)
	port, windows = done.stdout.split("\n", 1)
	reqtally.wait_counts(rt, before, int(port), {("rawserver", "GET", "/a", "200"): 8})
	for name, (low, high) in json.loads(windows).items():
		if name != "queue" or rt.has_feature("queue_time"):
			window(rt, before, int(port), name, low, high)
	reqtally.check_ledger(rt)


def test_network_namespace(context):
	"""A server in a network namespace of its own is seen as any other."""
	elsewhere(context, "plain")


def test_fast_open(context):
	"""The request comes with the SYN."""
	elsewhere(context, "fastopen")


def test_lossy_link(context):
	"""Packets lost, repeated and swapped: what TCP mends must not be counted twice, nor missed."""
	lossy_link(context, 3000)


def test_lossy_link_uploads(context):
	"""The same with large uploads, by length and chunked: behind a lost packet come hundreds of others, more than are kept. A
	request may then be lost (one in a hundred at most, the bound is ours), but not without a name."""
	lossy_link(context, 1 << 20, allowed=0.01)


def lossy_link(context, largest, allowed=0.0):
	unshare = find_program("unshare", package="util-linux")
	if not os.path.exists("/dev/net/tun"):
		raise Skip("no /dev/net/tun")
	program = servers.build_go("gosvc", os.path.join(HERE, "gosvc"))
	rt, before = started(context)
	done = subprocess.run([unshare, "--net", sys.executable, os.path.join(HERE, "lossy.py"), program,
			       context.folder, str(largest)], capture_output=True, text=True, timeout=120)
	if done.returncode:
		raise Failure(done.stderr[-1500:])
	figures = json.loads(done.stdout)
	told = "%(forwarded)d packets, %(dropped)d lost, %(repeated)d repeated, %(swapped)d swapped" % figures
	if rt is None:
		raise Skip("%s; %s" % (before, told))
	expected = {("gosvc", *key): n for key, n in figures["counts"]}
	try:
		after = reqtally.wait_counts(rt, before, figures["port"], expected)
	except Failure as e:
		after = rt.scrape()
		got = exposition.growth(before, after, "http_requests_total", reqtally.KEYS, port=str(figures["port"]))
		lost = exposition.growth(before, after, "reqtally_requests_lost_total", ("reason",))
		missing = sum(expected.values()) - sum(got.values())
		if set(got) - set(expected) or any(got[k] > expected.get(k, 0) for k in got) or missing > sum(lost.values()) \
				or missing > allowed * sum(expected.values()):
			raise Failure("%s (%s; %d missing, lost by name: %s)" % (e, told, missing, reqtally.text_of(lost))) from None
	counted = after.sum("http_requests_total", port=str(figures["port"]))
	for name in ("http_requests_duration_seconds_count", "http_requests_ttfb_seconds_count"):
		if after.sum(name, port=str(figures["port"])) != counted:
			raise Failure("%s is %g, expected %d" % (name, after.sum(name, port=str(figures["port"])), counted))
	reqtally.check_ledger(rt)


def test_load(context):
	"""wrk with 50 connections: what nginx logged is what reqtally counted, to the last request."""
	rt, wrk = context.reqtally(), find_program("wrk", package="wrk")
	before = rt.scrape()
	with servers.Nginx(context.folder) as server:
		subprocess.run([wrk, "-t2", "-c50", "-d3s", "http://127.0.0.1:%d/search?x=1" % server.port],
				capture_output=True, check=True)
		logged = wait_for("nginx's log", lambda: settled(lambda: server.logged({})))
		label = {"port": str(server.port)}
		counted = wait_for("reqtally", lambda: settled(
			lambda: exposition.growth(before, rt.scrape(), "http_requests_total",
					("method", "endpoint", "code"), **label)))
		# What was under way when wrk left may be 200 to the one and 499 to the other, but not two requests or none.
		total = [sum(c.values()) for c in (logged, counted)]
		if total[0] != total[1] or set(counted) - {("GET", "/search", "200"), ("GET", "/search", "499")}:
			raise Failure("nginx logged %s, reqtally counted %s"
					% (reqtally.text_of(logged), reqtally.text_of(counted)))
		answered = abs(counted[("GET", "/search", "200")] - logged[("GET", "/search", "200")])
		if answered > 50:
			raise Failure("%d requests differ in their status, more than there were connections" % answered)
		reqtally.check_ledger(rt)


def settled(read):
	first = read()
	time.sleep(0.3)
	return first if read() == first and first else None


def test_endpoint_budget(context):
	"""More endpoints than the budget of a service: the rest is counted as {other}, nothing is lost."""
	context.stop_shared()
	letters = "abcdefghijklmnopqrst"
	words = ["/%s%s%s" % (a, b, c) for a in letters for b in letters for c in letters]
	with reqtally.Reqtally(context.folder) as rt:
		before = rt.scrape()
		listener = raw.Listener("127.0.0.1")
		try:
			raw.play(listener, [step for w in words for step in (("c", raw.request("GET", w)), ("s", OK))])
			raw.play(listener, [("c", raw.request("GET", words[0])), ("s", OK)])
		finally:
			listener.close()
		time.sleep(0.3)
		after = rt.scrape()
		grown = exposition.growth(before, after, "http_requests_total", ("endpoint",), port=str(listener.port))
		if sum(grown.values()) != len(words) + 1:
			raise Failure("%d requests counted of %d" % (sum(grown.values()), len(words) + 1))
		if len(grown) < len(words) and not grown[("{other}",)]:
			raise Failure("%d endpoints, none of them {other}" % len(grown))
		if len(grown) == len(words):
			raise Failure("%d endpoints without a limit" % len(grown))
		reqtally.check_ledger(rt)


def test_ids_spend_no_budget(context):
	"""However many identifiers a path has seen, it is one endpoint, and the budget is there for others."""
	context.stop_shared()
	with reqtally.Reqtally(context.folder, config="http:\n  budgets:\n    endpoints_per_service: 4\n") as rt:
		before = rt.scrape()
		listener = raw.Listener("127.0.0.1")
		forms = ("/items/%s", "/a/%s", "/x/%s/y")
		paths = [f % uuid.UUID(int=i * 0x9e3779b97f4a7c15f39cc0605cedc834 % 2 ** 128) for i in range(1, 40) for f in forms]
		try:
			raw.play(listener, [step for p in [*paths, "/one"] for step in (("c", raw.request("GET", p)), ("s", OK))])
		finally:
			listener.close()
		time.sleep(0.3)
		got = exposition.growth(before, rt.scrape(), "http_requests_total", ("endpoint",), port=str(listener.port))
		why = reqtally.difference("endpoints", {("/items/{id}",): 39, ("/a/{id}",): 39, ("/x/{id}/y",): 39, ("/one",): 1}, got)
		if why:
			raise Failure(why)


HTTP_CONFIG = """http:
  buckets: [0.05, 0.2, 2]
  budgets:
    endpoints_per_service: 3
  routes:
  - /teams/{team}/members/**
"""


def test_http_section(context):
	"""Buckets, budgets, routes and excluded ports of the configuration file."""
	context.stop_shared()
	listener, other = raw.Listener("127.0.0.1"), raw.Listener("127.0.0.1")
	config = HTTP_CONFIG + "  exclude_ports: [%d]\n" % other.port
	paths = ["/teams/red/members/x/y", "/teams/blue/members/z", "/one", "/two", "/three", "/four"]
	try:
		with reqtally.Reqtally(context.folder, config=config) as rt:
			before = rt.scrape()
			for each in (listener, other):
				raw.play(each, [step for p in paths for step in (("c", raw.request("GET", p)), ("s", OK))])
			want = {("/teams/{team}/members/**",): 2, ("/one",): 1, ("/two",): 1, ("{other}",): 2}
			time.sleep(0.3)
			after = rt.scrape()
			problems = [reqtally.difference("endpoints", want, exposition.growth(
				before, after, "http_requests_total", ("endpoint",), port=str(listener.port)))]
			if after.sum("http_requests_total", port=str(other.port)):
				problems.append("an excluded port is counted")
			bounds = {dict(k)["le"] for k in after.select("http_requests_duration_seconds_bucket", port=str(listener.port))}
			if {float(b) for b in bounds} != {0.05, 0.2, 2, float("inf")}:
				problems.append("bounds %s" % sorted(bounds))
			problems = [p for p in problems if p]
			if problems:
				raise Failure("\n    ".join(problems))
			reqtally.check_ledger(rt)
	finally:
		listener.close()
		other.close()


def test_stop_leaves_nothing(context):
	context.stop_shared()
	before = bpf_objects()
	rt = reqtally.Reqtally(context.folder)
	rt.scrape()
	rt.stop()
	nothing_left(before)


def test_rights_given_up(context):
	"""Once it counts no thread has more capabilities than the three it needs, none can get them back, and none may execute anything: also
	those that talk to targets and Alertmanagers, which are there only if something is configured."""
	context.stop_shared()
	there = free_port()
	config = ("alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:%d']}]}]}\n"
		  "scrape_configs: [{job_name: x, static_configs: [{targets: ['127.0.0.1:%d']}]}]\n" % (there, there))
	needed = 1 << 2 | 1 << 19 | 1 << 39  # DAC_READ_SEARCH, SYS_PTRACE, BPF
	with reqtally.Reqtally(context.folder, config=config) as rt:
		rt.scrape()
		tasks = os.listdir("/proc/%d/task" % rt.process.pid)
		if len(tasks) < 6:
			raise Failure("only %d threads: where are those of the scraper and the notifier?" % len(tasks))
		for task in tasks:
			with open("/proc/%d/task/%s/status" % (rt.process.pid, task)) as f:
				status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
			more = (int(status["CapEff"], 16) | int(status["CapPrm"], 16)) & ~needed
			if more or status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
				raise Failure("%s: capabilities too many %#x, NoNewPrivs %s, Seccomp %s" % (
					status["Name"], more, status["NoNewPrivs"], status["Seccomp"]))
