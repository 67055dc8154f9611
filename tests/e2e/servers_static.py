# SPDX-License-Identifier: GPL-2.0-or-later
"""More servers of files and more proxies: lighttpd, caddy, h2o, varnish."""
import collections
import json
import os

from mix import LONG_TEXT, Step
from procs import Process, find_program, free_port
from servers import Server

MODIFIED = (("If-Modified-Since", "Wed, 01 Jan 2020 00:00:00 GMT"),)


class Files(Server):
	"""What a server of files answers without being told anything."""

	def files(self):
		self.write("root/index.html", "hello\n")
		self.write("root/long.txt", LONG_TEXT)
		return os.path.join(self.folder, "root")

	def write(self, name, text):
		os.makedirs(os.path.dirname(os.path.join(self.folder, name)), exist_ok=True)
		return super().write(name, text)

	def steps(self):
		return [
			Step("GET", "/", "/", 200, framing="length"),
			Step("GET", "/index.html?v=1", "/index.html", 200),
			Step("GET", "/long.txt", "/long.txt", 200, framing="length"),
			Step("HEAD", "/long.txt", "/long.txt", 200),
			Step("HEAD", "/nothing", "/nothing", 404),
			Step("GET", "/long.txt", "/long.txt", 206, headers=(("Range", "bytes=10-99"),)),
			Step("GET", "/long.txt", "/long.txt", 416, headers=(("Range", "bytes=99999999-"),)),
			Step("GET", "/index.html", "/index.html", 304, headers=MODIFIED),
			Step("GET", "/nothing/here", "/nothing/here", 404),
			Step("GET", "/users/123/orders?token=secret", "/users/{id}/orders", 404),
			Step("GET", "/blobs/2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "/blobs/{id}", 404),
			Step("GET", "/old", "/old", 301),
			Step("GET", "/upstream", "/upstream", self.no_upstream),
		]

	no_upstream = 502


class Lighttpd(Files):
	service = "lighttpd"
	separator = "|"
	no_upstream = 503

	def argv(self):
		conf = self.write("lighttpd.conf", """
			server.document-root = "%s"
			server.bind = "127.0.0.1"
			server.port = %d
			server.errorlog = "%s/error.log"
			server.modules = ("mod_access", "mod_redirect", "mod_proxy", "mod_accesslog", "mod_deflate")
			server.max-keep-alive-requests = 100000
			server.max-keep-alive-idle = 75
			index-file.names = ("index.html")
			mimetype.assign = (".html" => "text/html", ".txt" => "text/plain")
			accesslog.filename = "%s"
			accesslog.format = "%%m|%%r|%%s|%%b"
			url.access-deny = ("private")
			url.redirect = ("^/old$" => "/")
			deflate.mimetypes = ("text/plain")
			deflate.allowed-encodings = ("gzip")
			$HTTP["url"] == "/upstream" { proxy.server = ("" => (("host" => "127.0.0.1", "port" => %d))) }
			$SERVER["socket"] == "[::1]:%d" { }
			""" % (self.files(), self.port, self.folder, self.log_path, free_port(), self.port))
		return [find_program("lighttpd", package="lighttpd"), "-D", "-f", conf]

	def steps(self):
		return super().steps() + [
			Step("GET", "/long.txt", "/long.txt", 200, headers=(("Accept-Encoding", "gzip"),)),
			Step("GET", "/private", "/private", 403),
			Step("OPTIONS", "/", "/", 200),
			Step("PUT", "/index.html", "/index.html", 501, body=b"a=1"),
			Step("PATCH", "/nothing", "/nothing", 404, body=b"b" * 2000),
			Step("GET", "/", "/", 400, host=None),
		]


class Caddy(Files):
	service = "caddy"

	def argv(self):
		conf = self.write("Caddyfile", """{
	admin off
	auto_https off
}
http://127.0.0.1:%d, http://[::1]:%d, http://localhost:%d {
	bind 127.0.0.1 ::1
	root * %s
	log
	redir /old / 301
	respond /empty 204
	respond /private 403
	respond /fail 500
	respond /echo "here" 200
	reverse_proxy /upstream 127.0.0.1:%d
	encode gzip
	file_server
}
""" % (self.port, self.port, self.port, self.files(), free_port()))
		self.log_path = os.path.join(self.folder, "caddy.out")
		return [find_program("caddy", package="caddy"), "run", "--config", conf, "--adapter", "caddyfile"]

	def environment(self):
		return dict(super().environment(), HOME=self.folder, XDG_DATA_HOME=self.folder, XDG_CONFIG_HOME=self.folder)

	def logged(self, endpoints):
		counts = collections.Counter()
		if os.path.exists(self.log_path):
			with open(self.log_path, encoding="utf-8") as f:
				for line in f:
					if line.endswith("\n") and '"http.log.access' in line:
						entry = json.loads(line)
						path = entry["request"]["uri"].split("?")[0]
						counts[(entry["request"]["method"], endpoints.get(path, path), str(entry["status"]))] += 1
		return counts

	def closing_steps(self):
		return [s._replace(host="localhost") for s in super().closing_steps()]  # it has no site for a request without a name

	def steps(self):
		return super().steps() + [
			Step("GET", "/long.txt", "/long.txt", 200, headers=(("Accept-Encoding", "gzip"),), framing="chunked"),
			Step("GET", "/empty", "/empty", 204),
			Step("GET", "/private", "/private", 403),
			Step("GET", "/fail", "/fail", 500),
			Step("POST", "/echo", "/echo", 200, body=b"b" * 20000),
			Step("POST", "/echo", "/echo", 200, body=b"c" * 3000, chunked=[1, 999, 2000]),
			Step("PUT", "/index.html", "/index.html", 200, body=b"a=1"),
			Step("GET", "/", "/", 400, host=None, logged=False),
		]


class H2o(Files):
	service = "h2o"
	separator = "|"

	def argv(self):
		conf = self.write("h2o.yml", """
user: root
num-threads: 2
http1-request-timeout: 75
listen: {host: 127.0.0.1, port: %d}
listen: {host: "::1", port: %d}
access-log: {path: %s, format: "%%m|%%r|%%s|%%b"}
error-log: %s/error.log
hosts:
  default:
    paths:
      /old: {redirect: {status: 301, url: /}}
      /upstream: {proxy.reverse.url: "http://127.0.0.1:%d/"}
      /: {file.dir: %s, compress: [gzip]}
""" % (self.port, self.port, self.log_path, self.folder, free_port(), self.files()))
		return [find_program("h2o", package="h2o"), "-m", "worker", "-c", conf]

	def steps(self):
		return super().steps() + [
			Step("GET", "/long.txt", "/long.txt", 200, headers=(("Accept-Encoding", "gzip"),), framing="chunked"),
			Step("POST", "/index.html", "/index.html", 405, body=b"b" * 20000),
			Step("PUT", "/index.html", "/index.html", 405, body=b"c" * 3000, chunked=[1, 999, 2000]),
		]


class Varnish(Server):
	"""In front of another server (`upstream`): cached answers, passed ones, and its own. Two processes; its log is written by a third."""
	service = "cache-main"  # what the process that serves calls itself
	separator = "|"

	def argv(self):
		program = find_program("varnishd", package="varnish")
		vcl = self.write("e2e.vcl", """vcl 4.1;
backend app { .host = "127.0.0.1"; .port = "%d"; }
sub vcl_recv {
	if (req.url == "/denied") { return (synth(403, "no")); }
	if (req.url == "/piped") { return (pipe); }
	if (req.url != "/search") { return (pass); }
}
sub vcl_backend_response { set beresp.ttl = 60s; }
""" % self.options["upstream"])
		self.state = os.path.join(self.folder, "state")
		os.mkdir(self.state)
		return [program, "-F", "-j", "none", "-n", self.state, "-a", "127.0.0.1:%d,HTTP" % self.port, "-a", "[::1]:%d,HTTP" % self.port,
				"-f", vcl, "-s", "malloc,16m", "-p", "timeout_idle=75", "-T", "none", "-p", "thread_pool_min=10"]

	def __enter__(self):
		super().__enter__()
		self.log = Process([find_program("varnishncsa", package="varnish"), "-n", self.state, "-F", "%m|%U|%s|%b", "-w", self.log_path],
				self.folder, "varnishncsa", env=self.environment())
		return self

	def __exit__(self, *exc):
		self.log.stop()
		super().__exit__(*exc)

	def own_steps(self):
		return [Step("GET", "/denied", "/denied", 403)]
