# SPDX-License-Identifier: GPL-2.0-or-later
"""Between two network namespaces, over a veth pair of which netem loses, repeats, delays and reorders packets: the scripts of the
byte-level tables, several connections at a time. Counts must be equal, nothing lost, and each time within its bounds. Needs veth and
sch_netem: `make test-kernels` has them in its guests."""
import random

import raw_cases
import raw_stages
import raw_syntax
import test_raw as table
from elsewhere import at_once
from mix import run_threads
from namespaces import Link, Listener
from procs import Failure
from raw import Case, play, request, response
from raw_cases import GET, OK
from raw_model import Conversation
import reqtally

LANES, SCRIPTS, BYTES = 8, 25, 150000
ENDS = ("c.shut", "s.shut", "c.eof", "s.eof", "c.close", "s.close")


def suits(script):
	"""A lost reset is not sent again, so what the server sees of it is chance; so is what is unread at an end."""
	return (all(s in ENDS if isinstance(s, str) else s[0] in ("c", "s", "sleep") for s in script)
		and sum(len(s[1]) for s in script if s[0] in ("c", "s")) <= BYTES)


def scripts(rng, n):
	found = []
	for case in [*raw_cases.all_cases(), *raw_syntax.all_cases(), *raw_stages.all_cases()]:
		if case.expect and not case.lost and case.host == "127.0.0.1" and not case.bind and not case.late_accept and not case.deferred:
			some = [s for s in case.scripts if suits(s)]
			found += rng.sample(some, min(2, len(some)))
	return rng.sample(found, n)


class Lane:
	"""Scripts one after another to a port of their own."""

	def __init__(self, rt, link, some):
		self.listener, self.scripts, self.conversations = Listener(link), some, []
		self.watch = table.Watcher(rt, self.listener.port)

	def run(self):
		for script in self.scripts:
			self.conversations.append(Conversation(play(self.listener, script)))

	def check(self):
		requests = [r for c in self.conversations for r in c.requests]
		case = Case("netem", [], ["%s ? %s ?" % r.key() for r in requests], streams=sum(r.stream for r in requests))
		table.check_case(self.watch, case, table.known_times(case, self.conversations))
		return len(requests)


class Bulk(Lane):
	"""Large bodies in one go, the next request right behind them: as many segments in flight, and held back, as the windows allow."""
	TIMES, SIZE = 3, 400000

	def run(self):
		chunk = b"x" * 30000
		chunks = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for _ in range(self.SIZE // len(chunk))) + b"0\r\n\r\n"
		client, server = self.listener.pair()
		with client, server:
			for s in (client, server):
				s.settimeout(60)
			for _ in range(self.TIMES):
				at_once(client, server, request("POST", "/up", b"u" * self.SIZE) + GET)
				at_once(server, client, OK + response(200, b"d" * self.SIZE))
				at_once(client, server, request("PUT", "/up", None, "Transfer-Encoding: chunked") + chunks + GET)
				at_once(server, client, OK + response(200, b"", "Transfer-Encoding: chunked", length=False) + chunks)

	def check(self):
		counts = {("POST", "/up"): self.TIMES, ("PUT", "/up"): self.TIMES, ("GET", "/a"): 2 * self.TIMES}
		self.watch.wait(["%s %s 200" % k for k, n in counts.items() for _ in range(n)], 5)
		return 4 * self.TIMES


def disturbed(context, *netem, kind=Lane, **link):
	rt, rng = context.reqtally(), random.Random(" ".join(netem))
	link = Link(**link)
	lanes = []
	try:
		if netem:
			link.disturb(*netem)
		some = scripts(rng, LANES * SCRIPTS)
		for i in range(LANES):
			lanes.append(kind(rt, link, some[i::LANES]))
		run_threads([lane.run for lane in lanes])
		requests, problems = 0, []
		for lane in lanes:
			try:
				requests += lane.check()
			except Failure as e:
				problems.append(str(e))
		if problems:
			raise Failure("\n    ".join(problems[:4]))
		reqtally.check_ledger(rt)
		if not netem:
			return
		sent, dropped = link.disturbed()
		if sent < requests or ("loss" in netem) != (dropped > 0):
			raise Failure("netem took %d packets and dropped %d" % (sent, dropped))
		print("# netem %s: %d requests, %d packets of the clients, %d dropped" % (" ".join(netem), requests, sent, dropped), flush=True)
	finally:
		for lane in lanes:
			lane.listener.close()
		link.close()


def test_nothing(context):
	"""Only the link."""
	disturbed(context)


def test_loss(context):
	disturbed(context, "delay", "2ms", "loss", "4%")


def test_duplicates(context):
	disturbed(context, "delay", "1ms", "duplicate", "20%")


def test_reordering(context):
	disturbed(context, "delay", "4ms", "reorder", "30%", "50%", mtu=576, offloads=False)


def test_all_at_once(context):
	disturbed(context, "delay", "3ms", "2ms", "25%", "loss", "2%", "duplicate", "3%", "reorder", "10%", mtu=576, offloads=False)


def test_bulk(context):
	disturbed(context, "delay", "2ms", "loss", "1%", "duplicate", "2%", "reorder", "10%", kind=Bulk)
