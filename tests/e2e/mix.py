# SPDX-License-Identifier: GPL-2.0-or-later
"""The known mix of requests. A Step is one request with the endpoint and the status it must end with; the endpoint is
written down by hand, so that the kernel's normalisation is compared with a person's and not with a second program."""
import hashlib
import threading
from typing import NamedTuple, Optional

from httpclient import Connection
from procs import Failure

UUID = ("f47ac10b-58cc-4372-a567-0e02b2c3d479", "123e4567-e89b-12d3-a456-426614174000")
SHA = ("2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "de9f2c7fd25e1b3afad3e85a0bd17d9b100db4b3")
# Compressible, but not to so little that a server would send it with a Content-Length.
LONG_TEXT = b"".join(hashlib.sha256(b"%d" % i).hexdigest().encode() + b"\n" for i in range(3000))


class Step(NamedTuple):
	method: str
	target: str
	endpoint: str
	code: int
	body: Optional[bytes] = None
	chunked: Optional[list] = None
	headers: tuple = ()
	version: str = "1.1"
	host: Optional[str] = "localhost"
	expect_continue: bool = False
	framing: Optional[str] = None  # what the response must be framed by
	logged: bool = True  # whether the server's own log has a line for it
	at_least: float = 0.0  # seconds the server is known to sleep

	def run(self, connection):
		response = connection.request(
			self.method, self.target, self.endpoint, body=self.body, chunked=self.chunked, headers=self.headers,
			version=self.version, host=self.host, expect_continue=self.expect_continue, logged=self.logged)
		if response.status != self.code:
			raise Failure("%s %s: expected %d, the server answered %d"
					% (self.method, self.target, self.code, response.status))
		if self.framing and response.framing != self.framing:
			raise Failure("%s %s: framed by %s, the test needs %s"
					% (self.method, self.target, response.framing, self.framing))
		return response


def dynamic_steps(continue_100=True):
	"""The mix for the servers whose application is ours: gunicorn, node, the Go program (app/, gosvc/)."""
	steps = [
		Step("GET", "/", "/", 200, framing="length"),
		Step("GET", "/?", "/", 200),
		Step("GET", "/users/123/orders", "/users/{id}/orders", 200),
		Step("GET", "/users/98765432109/orders?page=2", "/users/{id}/orders", 200),
		Step("GET", "/users/7/orders?token=secret&next=/users/8/orders", "/users/{id}/orders", 200),
		*(Step("GET", "/items/" + u, "/items/{id}", 200) for u in UUID),
		*(Step("GET", "/blobs/" + s, "/blobs/{id}", 200) for s in SHA),
		Step("GET", "/search?q=a/b?c", "/search", 200),
		Step("HEAD", "/", "/", 200, framing="none"),
		Step("HEAD", "/search?q=x", "/search", 200),
		Step("GET", "/chunked", "/chunked", 200, framing="chunked"),
		Step("GET", "/empty", "/empty", 204),
		Step("GET", "/cached", "/cached", 304),
		Step("GET", "/old", "/old", 301),
		Step("GET", "/bad", "/bad", 400),
		Step("GET", "/private", "/private", 403),
		Step("GET", "/nothing/here", "/nothing/here", 404),
		Step("POST", "/readonly", "/readonly", 405, body=b"a=1"),
		Step("GET", "/fail", "/fail", 500),
		Step("GET", "/upstream", "/upstream", 502),
		Step("POST", "/echo", "/echo", 200, body=b""),
		Step("POST", "/echo", "/echo", 200, body=b"GET /inside HTTP/1.1\r\nHost: x\r\n\r\n"),
		Step("PUT", "/echo?x=1", "/echo", 200, body=b"z" * 300000),
		Step("POST", "/echo", "/echo", 200, body=b"0123456789" * 50, chunked=[1, 7, 100]),
		Step("POST", "/echo", "/echo", 200, body=b"y" * 200000, chunked=[65536, 3, 70000]),
		Step("GET", "/slow/short", "/slow/short", 200, at_least=0.03),
		Step("GET", "/slow/medium", "/slow/medium", 200, at_least=0.12),
		Step("GET", "/slow/long", "/slow/long", 200, at_least=0.4),
	]
	if continue_100:
		steps.append(Step("POST", "/echo", "/echo", 200, body=b"waited", expect_continue=True))
	return steps


def run_steps(host, port, tally, steps, times=1, closes=False):
	"""STEPS one after another, each on the connection of the one before for as long as the server keeps it; CLOSES: it never does, and
	does not say so."""
	connection = None
	try:
		for step in steps * times:
			if connection is None:
				connection = Connection(host, port, tally)
			step.run(connection)
			if connection.closing or closes:
				connection.expect_eof()
				connection.close()
				connection = None
	finally:
		if connection is not None:
			connection.close()


def run_threads(jobs):
	"""Runs the functions at the same time and passes on the first error."""
	errors = []

	def guarded(job):
		try:
			job()
		except Exception as e:  # noqa: BLE001 - handed to the main thread
			errors.append(e)

	threads = [threading.Thread(target=guarded, args=(j,)) for j in jobs]
	for t in threads:
		t.start()
	for t in threads:
		t.join()
	if errors:
		raise errors[0]


def run_pipelined(host, port, tally, steps):
	"""All of STEPS in one write on one connection, then all the responses."""
	with Connection(host, port, tally) as c:
		c.send_pipelined([(s.method, s.target, s.endpoint) for s in steps])
		for s in steps:
			status = c.receive().status
			if status != s.code:
				raise Failure("pipelined %s: expected %d, got %d" % (s.target, s.code, status))


def run_mix(server, tally):
	"""The whole mix against a server: keep-alive in order, a connection each, IPv6, in parallel, pipelined, HTTP/1.0."""
	steps, port = server.steps(), server.port
	first, second = server.hosts[0], server.hosts[-1]

	def run(host, some, times=1):
		run_steps(host, port, tally, some, times, server.closes)

	quick = [s for s in steps if not s.at_least]
	run(first, steps)
	for step in quick[:6]:
		run(first, [step])
	run(second, quick)
	run_threads([lambda: run(first, quick, 3) for _ in range(4)]
		    + [lambda: run(second, [s for s in steps if s.at_least], 2)])
	if server.pipelines:
		run_pipelined(first, port, tally,
				[s for s in quick if s.method == "GET" and not s.headers and s.logged][:8] * 2)
	for step in server.closing_steps():
		run(first, [step])
