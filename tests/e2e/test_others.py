# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers beyond the first ones: under the known mix, then under what no well-behaved client sends."""
import reqtally
import servers
import servers_apps
import servers_static
from abuse import run_abuse
from httpclient import Connection, Tally
from mix import dynamic_steps
from procs import Skip
from test_proxies import run_proxy
from test_servers import agree, each_kind, started


KINDS = {
	"lighttpd": servers_static.Lighttpd,
	"caddy": servers_static.Caddy,
	"h2o": servers_static.H2o,
	"uvicorn": servers_apps.Uvicorn,
	"puma": servers_apps.Puma,
	"php": servers_apps.Php,
	"uwsgi": servers_apps.Uwsgi,
	"tomcat": servers_apps.Tomcat,
}


def tests():
	return each_kind(KINDS)


def test_varnish_to_go(context):
	with servers.Gosvc(context.folder) as back, servers_static.Varnish(context.folder, upstream=back.port) as proxy:
		run_proxy(context, proxy, back, [s._replace(framing=None) for s in dynamic_steps(False) if s.endpoint != "/search"], proxy.own_steps())


def test_docker_registry(context):
	rt, before = started(context)
	tally, paths = Tally(), {}
	with servers_apps.Registry(context.folder) as server:
		for _ in range(3):
			with Connection("127.0.0.1", server.port, tally) as c:
				paths.update(server.play(c))
		agree(server, tally, [], paths)
		if rt is None:
			raise Skip("%s; client and log agree on %d requests" % (before, tally.total()))
		reqtally.check(rt, before, server.port, server.service, tally)
		run_abuse(rt, server, path="/v2/")
