# SPDX-License-Identifier: GPL-2.0-or-later
"""A proxy and the server behind it are two services: a request through both is counted once at each, under the path that
each was asked for, and never at the client's end of a connection."""
import collections
import time

import reqtally
import servers
from httpclient import Connection, Tally
from mix import Step, dynamic_steps, run_steps, run_threads
from procs import Failure, Skip, wait_for
from test_servers import agree, started


def upstream_tally(front, steps, prefix):
	"""What the server behind must have counted, from what the client counted in front of it."""
	back = Tally()
	behind = {s.endpoint for s in steps}
	for (method, endpoint, code), n in front.counts.items():
		if not endpoint.startswith(prefix) or endpoint not in behind:
			continue
		key = (method, endpoint[len(prefix):] if prefix else endpoint, code)
		back.counts[key] += n
		back.logged[key] += n
		back.durations[key] = front.durations[(method, endpoint, code)]
		back.request_bytes[key] = front.request_bytes[(method, endpoint, code)]
		back.response_bytes[key] = front.response_bytes[(method, endpoint, code)]
	return back


def run_proxy(context, proxy, back, steps, own_steps, prefix=""):
	rt, before = started(context)
	front = Tally()
	port = proxy.port
	run_steps("127.0.0.1", port, front, steps + own_steps)
	quick = [s for s in steps if not s.at_least]
	run_threads([lambda: run_steps("127.0.0.1", port, front, quick + own_steps, times=3) for _ in range(3)]
		    + [lambda: run_steps("::1", port, front, quick)])
	behind = upstream_tally(front, steps, prefix)
	agree(proxy, front, steps + own_steps)
	agree(back, behind, [s._replace(endpoint=s.endpoint[len(prefix):], target=s.target[len(prefix):]) for s in steps])
	if rt is None:
		raise Skip("%s; client, proxy and server behind agree on %d and %d requests"
				% (before, front.total(), behind.total()))
	known = {s.endpoint: s.at_least for s in steps if s.at_least}
	reqtally.check(rt, before, port, proxy.service, front, known=known)
	reqtally.check(rt, before, back.port, back.service, behind)


def test_nginx_to_go(context):
	prefix = "/api"
	# What a proxy answers of its own accord (100) or hides from the server behind it (304 from its own cache) is left out.
	steps = [s._replace(target=prefix + s.target, endpoint=prefix + s.endpoint, framing=None)
			for s in dynamic_steps(False)]
	own = [Step("GET", "/", "/", 200), Step("GET", "/private", "/private", 403),
			Step("GET", "/upstream", "/upstream", 502)]
	with servers.Gosvc(context.folder) as back, servers.Nginx(context.folder, upstream=back.port) as proxy:
		run_proxy(context, proxy, back, steps, own, prefix)


def test_haproxy_to_nginx(context):
	with servers.Nginx(context.folder) as back, servers.Haproxy(context.folder, upstream=back.port) as proxy:
		steps = [s for s in back.steps() if s.host and not s.expect_continue]
		run_proxy(context, proxy, back, steps, proxy.own_steps())


def test_haproxy_to_gunicorn(context):
	with servers.Gunicorn(context.folder) as back, servers.Haproxy(context.folder, upstream=back.port) as proxy:
		run_proxy(context, proxy, back, dynamic_steps(False), proxy.own_steps())


def test_nginx_client_gone(context):
	"""The client leaves while the server behind still works: nginx logs its 499, reqtally must say the same."""
	rt, before = started(context)
	tally = Tally()
	with servers.Gosvc(context.folder) as back, servers.Nginx(context.folder, upstream=back.port) as proxy:
		for how in (Connection.close, Connection.abort, Connection.close):
			c = Connection("127.0.0.1", proxy.port)
			c.send("GET", "/api/slow/long")
			time.sleep(0.1)
			how(c)
			tally.add("GET", "/api/slow/long", 499)
		time.sleep(0.5)
		agree(proxy, tally, [])
		if rt is None:
			raise Skip("%s; nginx logs %d times 499" % (before, tally.total()))
		after = reqtally.wait_counts(rt, before, proxy.port,
				collections.Counter({("nginx", "GET", "/api/slow/long", "499"): 3}))
		# Behind nginx the answer may have left before the reset came: 200 or 499, but three requests in all.
		behind = reqtally.exposition.growth(before, after, "http_requests_total",
				("service", "method", "endpoint"), port=str(back.port))
		why = reqtally.difference("behind nginx", {("gosvc", "GET", "/slow/long"): 3}, behind)
		if why:
			raise Failure(why)
		reqtally.check_ledger(rt)


def test_sendfile_slow_reader(context):
	"""A large file sent by sendfile to a client that reads slowly: the duration lasts until its last bytes leave."""
	rt, before = started(context)
	tally, size = Tally(), 24 << 20
	with servers.Nginx(context.folder, large=size) as server:
		with Connection("127.0.0.1", server.port, tally, rcvbuf=65536) as c:
			c.read_delay = 0.001
			body = c.request("GET", "/large.bin").body
			if len(body) != size:
				raise Failure("%d bytes of %d" % (len(body), size))
			c.read_delay = None
			c.request("GET", "/", "/")
		agree(server, tally, [])
		took = tally.durations[("GET", "/large.bin", "200")][0]
		if rt is None:
			raise Skip("%s; the download took %.2f s" % (before, took))
		after = reqtally.check(rt, before, server.port, "nginx", tally)
		label = {"service": "nginx", "endpoint": "/large.bin", "port": str(server.port)}
		seconds = after.sum("http_requests_duration_seconds_sum", **label)
		ttfb = after.sum("http_requests_ttfb_seconds_sum", **label)
		# What the socket buffers hold at the end (a few MiB at most) is the share the client may take longer.
		if seconds < took * 0.5:
			raise Failure("the client took %.3f s, reqtally says %.3f s" % (took, seconds))
		if ttfb > seconds / 2:
			raise Failure("time to first byte %.3f s of %.3f s" % (ttfb, seconds))


def test_slow_upload(context):
	"""The body comes 120 ms after the head: that is part of the duration, at the server that waits for it."""
	rt, before = started(context)
	tally = Tally()
	with servers.Gosvc(context.folder) as server:
		with Connection("127.0.0.1", server.port, tally) as c:
			for _ in range(3):
				c.send("POST", "/echo", "/echo", body=b"late" * 1000, pause=0.12)
				wait_for("answer", c.receive)
		agree(server, tally, [])
		if rt is None:
			raise Skip("%s; 3 uploads" % before)
		reqtally.check(rt, before, server.port, "gosvc", tally, known={"/echo": 0.12})
