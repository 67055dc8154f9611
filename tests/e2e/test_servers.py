# SPDX-License-Identifier: GPL-2.0-or-later
"""Each server under the known mix: the client's tally, the server's access log and its own counter must be one and the
same, and then reqtally's figures must be that too."""
import reqtally
import servers
from abuse import run_abuse
from httpclient import Tally
from mix import run_mix
from procs import Failure, Skip, wait_for


def agree(server, tally, steps, paths=None):
	"""The log and the server's own counter against the client's tally; logs may be written a moment later."""
	endpoints = servers.endpoint_table(steps) if paths is None else paths
	for what, read in (("access log", lambda: server.logged(endpoints)), ("own counter", server.own_counter)):
		last = {}

		def same():
			last["got"] = read()
			return last["got"] is None or not reqtally.difference("", tally.logged, last["got"])
		try:
			wait_for(what, same, timeout=5)
		except Failure:
			raise Failure(reqtally.difference("%s of %s" % (what, server.service), tally.logged,
					last["got"])) from None


def started(context):
	"""The shared reqtally and a scrape of it, or (None, the reason) where there is none."""
	try:
		rt = context.reqtally()
		return rt, rt.scrape()
	except Skip as reason:
		return None, reason


def run_server(context, kind, **options):
	rt, before = started(context)
	tally = Tally()
	with kind(context.folder, **options) as server:
		run_mix(server, tally)
		agree(server, tally, server.steps())
		if rt is None:
			raise Skip("%s; client, log and own counter agree on %d requests" % (before, tally.total()))
		known = {s.endpoint: s.at_least for s in server.steps() if s.at_least}
		reqtally.check(rt, before, server.port, server.service, tally, known=known)
		run_abuse(rt, server, slow="/slow/long" if known else None)


def each_kind(kinds):
	"""(name, test) for a table of servers; for a module's tests()."""
	return [(name, lambda context, kind=kind: run_server(context, kind)) for name, kind in kinds.items()]


KINDS = {
	"nginx": servers.Nginx,
	"apache": servers.Apache,
	"gunicorn": servers.Gunicorn,
	"node": servers.Node,
	"go": servers.Gosvc,
}


def tests():
	return each_kind(KINDS)
