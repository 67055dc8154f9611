# SPDX-License-Identifier: GPL-2.0-or-later
"""Restarts: killed under load, replaced, upgraded to another layout of the maps, with broken pins. What the clients did is what is
counted in the end, whatever happened to reqtally meanwhile."""
import os
import random
import signal
import subprocess
import time

import exposition
import other_version
import raw
import reqtally
import servers
from httpclient import fetch
from pinned import BPFFS, Load, Pinned, objects, objects_gone
from procs import Failure, Process, Skip, find_program, free_port, wait_for
from raw_cases import GET, OK

# Other sizes of the maps than the defaults, so another layout. Nothing of it shows in the figures.
OTHER = "http: {budgets: {series: 9000}}\n"
THIRD = "http: {budgets: {series: 8000}}\n"
# The same maps, other settings: the programs are replaced.
ROUTES = "http: {routes: [\"/nothing/{x}/{y}/z\"]}\n"


def same_totals(rt, before, server, load):
	reqtally.check(rt, before, server.port, server.service, load.tally)


def test_kill_under_load(context):
	"""Four kills, each followed by a start while requests go on; the same programs go on."""
	with Pinned(context) as pins:
		before = pins.start().scrape()
		with servers.Nginx(context.folder) as server:
			with Load(server) as load:
				for _ in range(4):
					time.sleep(random.uniform(0.2, 0.6))
					pins.kill()
					time.sleep(random.uniform(0, 0.4))
					pins.start()
					pins.expect("going on with the programs")
			same_totals(pins.rt, before, server, load)


def test_replaced_under_load(context):
	"""Other settings, the same maps: the programs are replaced one by one while requests go on."""
	with Pinned(context) as pins:
		before = pins.start().scrape()
		with servers.Nginx(context.folder) as server:
			with Load(server) as load:
				for i in range(6):
					time.sleep(random.uniform(0.1, 0.4))
					pins.kill() if i % 2 else pins.stop()
					pins.start(None if i % 2 else ROUTES)
					pins.expect("are replaced; all figures go on")
			same_totals(pins.rt, before, server, load)


def test_other_layout_under_load(context):
	"""Other maps: two sets of programs are attached for a moment, each request is counted by one, and the totals go on."""
	with Pinned(context) as pins:
		before = pins.start().scrape()
		with servers.Nginx(context.folder) as server:
			with Load(server) as load:
				for config in (OTHER, THIRD, OTHER, None):
					time.sleep(random.uniform(0.2, 0.6))
					pins.kill()
					pins.start(config)
					pins.expect("taking over from the programs")
					pins.expect_alone()
			same_totals(pins.rt, before, server, load)
			pins.stop()
			pins.start()  # what was added up is still there
			same_totals(pins.rt, before, server, load)


def test_other_version_under_load(context):
	"""An upgrade to a version that knows everything in another form, back, and there again, killed under load each time."""
	other = other_version.build(context)
	with Pinned(context) as pins:
		before = pins.start().scrape()
		with servers.Nginx(context.folder) as server:
			with Load(server) as load:
				for program in (other, None, other):
					time.sleep(random.uniform(0.2, 0.6))
					pins.kill()
					pins.start(program=program)
					pins.expect("taking over from the programs")
					if program:
						pins.expect_alone()
			same_totals(pins.rt, before, server, load)
			compare_counters(before, pins.rt.scrape())
			pins.stop()
			pins.start(program=other)
			pins.expect("going on with the programs")
			same_totals(pins.rt, before, server, load)


def killed_at_any_moment(context, starts, seconds):
	"""Kills starts at any moment, one after another, under load. Nothing is counted twice, nothing is missed."""
	with Pinned(context) as pins:
		before = pins.start().scrape()
		with servers.Nginx(context.folder) as server:
			with Load(server) as load:
				pins.kill()
				for i, (program, config) in enumerate(starts):
					path = os.path.join(context.folder, "c%d.yml" % i)
					with open(path, "w") as f:
						f.write(config or "")
					process = Process([program or reqtally.PROGRAM, "run", "--web.listen-address=127.0.0.1:%d" % free_port(),
							   "--config.file=" + path, "--bpf.pin-path=" + pins.path, "--rules.alert.state-file="],
							  context.folder, "killed-%d" % i)
					time.sleep(random.uniform(0.02, seconds))
					process.popen.send_signal(signal.SIGKILL)
					process.popen.wait()
				pins.start()
				pins.expect_alone()
			after = pins.rt.scrape()
			lost = after.sum("reqtally_requests_lost_total", reason="handover")
			if not lost:
				same_totals(pins.rt, before, server, load)
				return
			# A third set came while a request of the first was in flight for seconds: the books say how many.
			got = sum(exposition.growth(before, after, "http_requests_total", reqtally.KEYS, port=str(server.port)).values())
			if not load.tally.total() - lost <= got <= load.tally.total():
				raise Failure("%d requests, %d counted, %d lost by hand-over" % (load.tally.total(), got, lost))
			reqtally.check_ledger(pins.rt)


def test_killed_while_taking_over(context):
	killed_at_any_moment(context, [(None, c) for c in (OTHER, None, ROUTES, THIRD)] * 4, 0.8)


def test_killed_between_versions(context):
	other = other_version.build(context)
	killed_at_any_moment(context, [(other, None), (None, None), (other, ROUTES), (None, OTHER), (other, OTHER), (None, ROUTES)] * 3, 1.2)


def in_flight_over(context, config, words):
	"""Requests that begin before a restart and end after it: once with the whole of their durations."""
	listener = raw.Listener("127.0.0.1")
	with Pinned(context) as pins:
		before = pins.start().scrape()
		client, server = listener.pair()
		partial, partial_server = listener.pair()
		idle, idle_server = listener.pair()
		answering, answering_server = listener.pair()
		stream, stream_server = listener.pair()
		try:
			raw.transfer(client, server, GET)
			raw.transfer(partial, partial_server, GET[:9])
			raw.transfer(idle, idle_server, GET)
			raw.transfer(idle_server, idle, OK)
			raw.transfer(answering, answering_server, GET)
			raw.transfer(answering_server, answering, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
			raw.transfer(stream, stream_server, GET)
			raw.transfer(stream_server, stream, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
			begun = time.monotonic()
			flying = pins.rt.scrape(listener.port).sum("http_requests_in_flight", port=str(listener.port))
			pins.kill()
			time.sleep(0.3)
			pins.start(config)
			pins.expect(words)
			again = pins.rt.scrape(listener.port).sum("http_requests_in_flight", port=str(listener.port))
			if (flying, again) != (2, 2):
				raise Failure("%d in flight before, %d after; expected 2 and 2" % (flying, again))
			time.sleep(1.2)
			# In one byte pieces: a connection that the new programs do not know as HTTP would miss this one.
			for at in range(len(GET)):
				raw.transfer(idle, idle_server, GET[at:at + 1])
			for at in range(len(OK)):
				raw.transfer(idle_server, idle, OK[at:at + 1])
			waited = time.monotonic() - begun
			raw.transfer(server, client, OK)
			raw.transfer(answering_server, answering, b"y" * 500)
			raw.transfer(partial, partial_server, GET[9:])
			raw.transfer(partial_server, partial, OK)
			stream_server.close()
			stream.close()
			for c, s in ((client, server), (idle, idle_server), (answering, answering_server)):
				raw.transfer(c, s, GET)
				raw.transfer(s, c, OK)
			after = reqtally.wait_counts(pins.rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): 9})
			total = (after.sum("http_requests_duration_seconds_sum", port=str(listener.port))
				 - before.sum("http_requests_duration_seconds_sum", port=str(listener.port)))
			# client, answering and partial waited all the time
			if not 3 * waited - 0.05 < total < 3 * waited + 1:
				raise Failure("durations sum up to %.3f s, at least %.3f s were waited" % (total, 3 * waited))
			streams = after.sum("http_streams_duration_seconds_sum", port=str(listener.port))
			if streams < waited - 0.05:
				raise Failure("the stream lasted %.3f s, %.3f s were waited" % (streams, waited))
			reqtally.check_ledger(pins.rt)
			pins.expect_alone()
		finally:
			for s in (client, server, partial, partial_server, idle, idle_server, answering, answering_server, stream, stream_server,
				  listener):
				s.close()


def test_in_flight_over_restart(context):
	in_flight_over(context, None, "going on with the programs")


def test_in_flight_over_replacement(context):
	in_flight_over(context, ROUTES, "are replaced")


def test_in_flight_over_other_layout(context):
	in_flight_over(context, OTHER, "taking over from the programs")


def test_idle_since_before(context):
	"""The programs before are long gone when a connection that they knew speaks again, in pieces."""
	listener = raw.Listener("127.0.0.1")
	with Pinned(context) as pins:
		before = pins.start().scrape()
		client, server = listener.pair()
		try:
			raw.transfer(client, server, GET)
			raw.transfer(server, client, OK)
			pins.stop()
			pins.start(OTHER)
			pins.expect_alone()
			pins.stop()
			pins.start(OTHER + "  \n")
			pins.stop()
			pins.start("http: {budgets: {series: 9000}, routes: [/x/y/z]}\n")
			pins.expect("are replaced")
			for at in range(len(GET)):
				raw.transfer(client, server, GET[at:at + 1])
			for at in range(len(OK)):
				raw.transfer(server, client, OK[at:at + 1])
			reqtally.wait_counts(pins.rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): 2})
		finally:
			for s in (client, server, listener):
				s.close()


def test_buckets_over_other_bounds(context):
	"""Counts and sums stay; a bound that both have keeps its count, a new one starts with that of the next lower old one."""
	listener = raw.Listener("127.0.0.1")
	delays = [0.0, 0.02, 0.06, 0.15, 0.3]
	try:
		with Pinned(context) as pins:
			pins.start("http: {buckets: [0.01, 0.05, 0.1, 0.2, 1]}\n")
			before = pins.rt.scrape()
			for d in delays:
				raw.play(listener, [("c", GET), ("sleep", d), ("s", OK)])
			first = reqtally.wait_counts(pins.rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): len(delays)})
			pins.stop()
			pins.start("http: {buckets: [0.05, 0.12, 0.2, 5]}\n")
			pins.expect("taking over")
			for when in ("at once", "later"):
				after = pins.rt.scrape()
				got = [(le, n) for le, n in after.buckets("http_requests_duration_seconds", service=raw.SERVICE, method="GET",
									    endpoint="/a", code="200", port=str(listener.port))]
				if got != [(0.05, 2), (0.12, 3), (0.2, 4), (5, 5), (float("inf"), 5)]:
					raise Failure("%s: %s" % (when, got))
				for name in ("http_requests_duration_seconds_sum", "http_requests_queue_seconds_sum"):
					if abs(after.sum(name, port=str(listener.port)) - first.sum(name, port=str(listener.port))) > 1e-9:
						raise Failure("%s: %s changed" % (when, name))
				if when == "at once":
					pins.expect_alone()
	finally:
		listener.close()


def test_counters_only_grow(context):
	"""Every counter that the kernel's figures make, over every kind of restart."""
	listener = raw.Listener("127.0.0.1")
	try:
		with Pinned(context) as pins:
			pins.start()
			last = None
			for config in (None, ROUTES, OTHER, OTHER, None):
				raw.play(listener, [("c", GET), ("s", OK), ("c", b"BAD\r\n\r\n"), "c.close"])
				now = pins.rt.scrape()
				if last is not None:
					compare_counters(last, now)
				last = now
				pins.kill()
				pins.start(config)
				compare_counters(last, pins.rt.scrape())
				pins.expect_alone()
				compare_counters(last, pins.rt.scrape())
	finally:
		listener.close()


def compare_counters(last, now):
	for name, kind in last.types.items():
		# What is about the process begins with it, as every client of Prometheus has it.
		if kind not in ("counter", "histogram") or not name.startswith(("http_", "reqtally_requests", "reqtally_responses", "reqtally_bpf",
				"reqtally_connections", "reqtally_series", "reqtally_endpoint", "reqtally_segments")):
			continue
		if now.help.get(name) != last.help.get(name):
			raise Failure("%s: help was %r, is %r" % (name, last.help.get(name), now.help.get(name)))
		for part in ((name,) if kind == "counter" else (name + "_count", name + "_sum")):
			for key, value in last.series[part].items():
				if now.series[part].get(key, -1) < value - 1e-9:
					raise Failure("%s%s was %g, is %s" % (part, dict(key), value, now.series[part].get(key)))


def cgroup_root():
	with open("/proc/mounts") as f:
		return next((line.split()[1] for line in f if line.split()[2] == "cgroup2"), None)


def test_service_ended_meanwhile(context):
	"""A service whose cgroup is gone when reqtally comes back keeps its name, and its series."""
	root = cgroup_root()
	group = os.path.join(root or "/nowhere", "rt-restart-%d.service" % os.getpid())
	try:
		os.mkdir(group)
	except OSError as e:
		raise Skip("cannot make a cgroup: %s" % e) from None
	name = os.path.basename(group)[:-8]
	try:
		with Pinned(context) as pins:
			before = pins.start().scrape()
			port = free_port()
			script = ("import http.server as h, sys; open(sys.argv[1] + '/cgroup.procs', 'w').write('0'); "
				  "h.HTTPServer(('127.0.0.1', int(sys.argv[2])), h.SimpleHTTPRequestHandler).serve_forever()")
			process = Process(["/usr/bin/python3", "-c", script, group, str(port)], context.folder, "ended")
			process.wait_port("127.0.0.1", port)
			fetch(port, "/")
			expected = {(name, "GET", "/", "200"): 1}
			reqtally.wait_counts(pins.rt, before, port, expected)
			pins.kill()
			fetch(port, "/")
			process.stop()
			wait_for("the cgroup empty", lambda: not open(group + "/cgroup.procs").read(), 5)
			os.rmdir(group)
			for config in (None, OTHER, ROUTES):
				pins.start(config)
				reqtally.wait_counts(pins.rt, before, port, {(name, "GET", "/", "200"): 2})
				pins.stop()
			pins.start()
	finally:
		if os.path.isdir(group):
			os.rmdir(group)


def test_one_owner(context):
	"""A second one says who has the pins and ends; one with pins of its own counts on its own."""
	with Pinned(context) as pins:
		pins.start()
		argv = [reqtally.PROGRAM, "run", "--web.listen-address=127.0.0.1:%d" % free_port()]
		done = subprocess.run([*argv, "--bpf.pin-path=" + pins.path], capture_output=True, text=True, timeout=20)
		message = [line for line in done.stderr.splitlines() if "level=info" not in line]
		if done.returncode != 1 or len(message) != 1 or "process %d" % pins.rt.process.pid not in message[0] or pins.path not in message[0]:
			raise Failure("exit code %d: %s" % (done.returncode, done.stderr))
		done = subprocess.run([reqtally.PROGRAM, "uninstall", "--bpf.pin-path=" + pins.path], capture_output=True, text=True, timeout=20)
		if done.returncode != 1 or "process %d" % pins.rt.process.pid not in done.stderr:
			raise Failure("uninstall: exit code %d: %s" % (done.returncode, done.stderr))
		with Pinned(context) as others:
			others.start()
		pins.rt.scrape()


def test_uninstall_leaves_nothing(context):
	context.stop_shared()
	before = objects()
	with Pinned(context) as pins:
		pins.start()
		pins.stop()
		if not objects() - before:
			raise Failure("nothing stays after a stop")
		pins.start(OTHER)
		pins.kill()
		names = [n for _, _, files in os.walk(pins.path) for n in files]
		counts = ["%d %s" % (sum(n.startswith(kind) for n in names), word)
			  for kind, word in (("link_", "links"), ("prog_", "programs"), ("map_", "maps"))]
		said = pins.uninstall()
		if any(c not in said for c in counts) or "0 links" in counts:
			raise Failure("uninstall says %r, there were %s" % (said, counts))
		objects_gone(before)
		if os.path.exists(pins.path):
			raise Failure("%s is still there" % pins.path)
		if "nothing to remove" not in pins.uninstall():
			raise Failure("a second time: %r" % pins.uninstall())
		pins.start()
	objects_gone(before)


def test_no_pin_leaves_nothing(context):
	context.stop_shared()
	before, pinned = objects(), set(os.listdir(BPFFS)) if os.path.isdir(BPFFS) else set()
	for number in (signal.SIGTERM, signal.SIGKILL):
		rt = reqtally.Reqtally(context.folder, flags=["--no-pin"])
		rt.scrape()
		rt.process.popen.send_signal(number)
		rt.process.popen.wait(10)
		objects_gone(before)
	if set(os.listdir(BPFFS)) - pinned:
		raise Failure("pinned: %s" % (set(os.listdir(BPFFS)) - pinned))


def broken(context, damage, words, kept):
	"""Pins that DAMAGE(pins) has touched: a clear message, a start; the figures KEPT or anew, and counting right from there."""
	before_all = objects()
	listener = raw.Listener("127.0.0.1")
	try:
		with Pinned(context) as pins:
			pins.start()
			before = pins.rt.scrape()
			raw.play(listener, [("c", GET), ("s", OK)] * 3)
			reqtally.wait_counts(pins.rt, before, listener.port, {(raw.SERVICE, "GET", "/a", "200"): 3})
			pins.stop()
			damage(pins)
			pins.start()
			if words:
				pins.expect(words)
			raw.play(listener, [("c", GET), ("s", OK)] * 2)
			empty = exposition.Scrape("\n")
			reqtally.wait_counts(pins.rt, empty, listener.port, {(raw.SERVICE, "GET", "/a", "200"): 5 if kept else 2})
			reqtally.check_ledger(pins.rt)
			pins.stop()
			pins.start()
			pins.expect("going on with the programs")
		objects_gone(before_all)
	finally:
		listener.close()


def bpftool(*argv):
	done = subprocess.run([find_program("bpftool", package="bpftool"), *argv], capture_output=True, text=True)
	if done.returncode:
		raise Failure("bpftool %s: %s%s" % (" ".join(argv), done.stdout, done.stderr))


def test_broken_map_missing(context):
	broken(context, lambda pins: os.unlink(pins.path + "/current/map_series"), "map_series is missing", False)


def test_broken_identity_missing(context):
	broken(context, lambda pins: os.unlink(pins.path + "/current/map_identity"), "map_identity is missing", False)


def test_broken_other_map(context):
	def damage(pins):
		os.unlink(pins.path + "/current/map_series")
		bpftool("map", "create", pins.path + "/current/map_series", "type", "hash", "key", "4", "value", "8", "entries", "10", "name", "x")
	broken(context, damage, "map_series is another kind of map", False)


def test_broken_program_for_map(context):
	def damage(pins):
		os.unlink(pins.path + "/current/map_layout")
		os.link(pins.path + "/current/prog_ingress", pins.path + "/current/map_layout")
	broken(context, damage, "is of no use", False)


def test_broken_identity_of_another(context):
	def damage(pins):
		os.unlink(pins.path + "/current/map_identity")
		bpftool("map", "create", pins.path + "/current/map_identity", "type", "array", "key", "4", "value", "64", "entries", "1", "name", "x")
	broken(context, damage, "map_identity is not what this version writes", False)


def test_broken_link_missing(context):
	broken(context, lambda pins: os.unlink(pins.path + "/current/link_egress"), "are replaced", True)


def test_broken_link_detached(context):
	def damage(pins):
		bpftool("link", "detach", "pinned", pins.path + "/current/link_ingress")
	broken(context, damage, "are replaced", True)


def test_broken_half_made(context):
	"""Somebody died while making a successor."""
	def damage(pins):
		os.mkdir(pins.path + "/next")
		for name in ("map_series", "link_ingress", "prog_ingress"):
			os.link(pins.path + "/current/" + name, pins.path + "/next/" + name)
	broken(context, damage, "half-made", True)


def test_broken_half_replaced(context):
	"""A pin of a replacement that was not put in its place."""
	def damage(pins):
		os.link(pins.path + "/current/link_egress", pins.path + "/current/link_egress_new")
	broken(context, damage, "going on with the programs", True)


def test_broken_empty_folder(context):
	def damage(pins):
		pins.uninstall()
		os.mkdir(pins.path)
		os.mkdir(pins.path + "/current")
	broken(context, damage, "map_identity is missing", False)


def test_stranger_in_folder(context):
	"""What is not ours is left alone."""
	with Pinned(context) as pins:
		pins.start()
		pins.stop()
		stranger = pins.path + "/somebody"
		bpftool("map", "create", stranger, "type", "array", "key", "4", "value", "8", "entries", "1", "name", "x")
		pins.start()
		pins.stop()
		said = pins.uninstall()
		if not os.path.exists(stranger) or "stays" not in said:
			raise Failure("uninstall: %s" % said)
		os.unlink(stranger)


def test_pin_path_that_cannot_be(context):
	"""A folder that was asked for must be usable."""
	reqtally.require_program()
	for path, words in ((context.folder, "not on a BPF file system"), ("relative", "no absolute path"), (BPFFS + "/a.b", "dots")):
		done = subprocess.run([reqtally.PROGRAM, "run", "--web.listen-address=127.0.0.1:%d" % free_port(), "--bpf.pin-path=" + path],
				      capture_output=True, text=True, timeout=20)
		if done.returncode != 1 or words not in done.stderr:
			raise Failure("%s: exit code %d: %s" % (path, done.returncode, done.stderr))
