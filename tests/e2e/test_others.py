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
from test_servers import agree, run_server, started


def test_lighttpd(context):
	run_server(context, servers_static.Lighttpd)


def test_caddy(context):
	run_server(context, servers_static.Caddy)


def test_h2o(context):
	run_server(context, servers_static.H2o)


def test_uvicorn(context):
	run_server(context, servers_apps.Uvicorn)


def test_puma(context):
	run_server(context, servers_apps.Puma)


def test_php(context):
	run_server(context, servers_apps.Php)


def test_uwsgi(context):
	run_server(context, servers_apps.Uwsgi)


def test_tomcat(context):
	run_server(context, servers_apps.Tomcat)


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
