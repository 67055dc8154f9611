# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers of the tests, each on free loopback ports (IPv4 and IPv6), with a configuration made for it and an access
log that can be read exactly: one line a request, method, target, status."""
import collections
import os
import re
import subprocess

import exposition
from httpclient import fetch
from mix import LONG_TEXT, Step, dynamic_steps
from procs import Failure, Process, Skip, find_program, free_port

HERE = os.path.dirname(os.path.abspath(__file__))


class Server:
	service = None  # the name reqtally must give it
	separator = "\t"
	pipelines = True
	closes = False  # every connection after one response, without saying so
	hosts = ("127.0.0.1", "::1")

	def __init__(self, folder, **options):
		self.folder = os.path.join(folder, type(self).__name__.lower())
		os.makedirs(self.folder)
		self.log_path = os.path.join(self.folder, "access.log")
		self.port = free_port()
		self.process = None
		self.options = options

	def __enter__(self):
		self.process = Process(self.argv(), self.folder, self.service, env=self.environment(), cwd=self.folder)
		for host in self.hosts:
			self.process.wait_port(host, self.port)
		return self

	def __exit__(self, *exc):
		self.process.stop()

	def environment(self):
		return dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C.UTF-8")

	def write(self, name, text):
		path = os.path.join(self.folder, name)
		with open(path, "wb") as f:
			f.write(text if isinstance(text, bytes) else text.encode())
		os.utime(path, (1577836800, 1577836800))  # 2020-01-01: what If-Modified-Since in the mixes asks for
		return path

	def logged(self, endpoints):
		"""The access log as a Counter of (method, endpoint, code); ENDPOINTS tells the endpoint of a path."""
		counts = collections.Counter()
		if not os.path.exists(self.log_path):
			return counts
		with open(self.log_path, encoding="latin-1") as f:
			for line in f:
				fields = line.rstrip("\n").split(self.separator)
				if not line.endswith("\n") or len(fields) < 3:
					continue  # being written
				path = fields[1].split(" ")[1] if " " in fields[1] else fields[1]  # a target, or a whole request line
				path = path.split("?")[0]
				counts[(fields[0], endpoints.get(path, path), fields[2])] += 1
		return counts

	def own_counter(self):
		"""What the server itself counts, where it does; else None."""
		return None

	def closing_steps(self):
		return [Step("GET", "/", "/", 200, version="1.0", host=None),
			Step("GET", "/", "/", 200, headers=(("Connection", "close"),))]


def serve_ports(port, form):
	return "\n".join(form % a for a in ("127.0.0.1:%d" % port, "[::1]:%d" % port))


# What a server of files is asked whatever it is.
FILE_STEPS = [
	Step("GET", "/", "/", 200, framing="length"),
	Step("GET", "/index.html?v=1", "/index.html", 200),
	Step("GET", "/long.txt", "/long.txt", 200, framing="length"),
	Step("GET", "/long.txt", "/long.txt", 200, headers=(("Accept-Encoding", "gzip"),),
			framing="chunked"),
	Step("GET", "/long.txt", "/long.txt", 206, headers=(("Range", "bytes=10-99"),)),
	Step("GET", "/index.html", "/index.html", 304,
			headers=(("If-Modified-Since", "Wed, 01 Jan 2020 00:00:00 GMT"),)),
	Step("GET", "/users/123/orders", "/users/{id}/orders", 200),
	Step("GET", "/items/f47ac10b-58cc-4372-a567-0e02b2c3d479", "/items/{id}", 200),
	Step("GET", "/blobs/2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "/blobs/{id}", 200),
	Step("GET", "/old", "/old", 301),
	Step("GET", "/private", "/private", 403),
	Step("GET", "/nothing/here", "/nothing/here", 404),
]


class Nginx(Server):
	"""Static files, errors, and with `upstream` a proxy with keep-alive connections to another server under /api/."""
	service = "nginx"

	def argv(self):
		self.write("index.html", "hello from nginx\n")
		self.write("long.txt", LONG_TEXT)
		if self.options.get("large"):
			with open(os.path.join(self.folder, "large.bin"), "wb") as f:
				f.truncate(self.options["large"])
		behind = self.options.get("upstream", free_port())
		upstream = "upstream app { server 127.0.0.1:%d; keepalive 4; }" % behind
		conf = self.write("nginx.conf", """
			daemon off; user root; worker_processes %d; pid nginx.pid; error_log error.log; worker_rlimit_nofile 1024;
			events { worker_connections 500; }
			http {
				log_format e2e "$request_method\\t$request_uri\\t$status\\t$body_bytes_sent";
				access_log %s e2e; root %s; default_type text/plain; sendfile on; server_tokens off;
				keepalive_timeout 75; keepalive_requests 100000; client_max_body_size 64m;
				client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
				gzip_types text/plain; gzip_min_length 1000;
				%s
				upstream nobody { server 127.0.0.1:%d; }
				server {
					%s
					index index.html;
					location ~ ^/(users/\\d+/orders|items/[-0-9a-f]+|blobs/[0-9a-f]+|search|echo)$ { return 200 "here\\n"; }
					location = /long.txt { gzip on; }
					location = /empty { return 204; }
					location = /old { return 301 /; }
					location = /private { deny all; }
					location = /fail { return 500; }
					location = /upstream { proxy_pass http://nobody; }
					location /api/ {
						proxy_pass http://app/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
					}
				}
			}""" % (self.options.get("workers", 2), self.log_path, self.folder, upstream, free_port(),
				serve_ports(self.port, "listen %s;")))
		return [find_program("nginx", package="nginx-light"), "-p", self.folder, "-c", conf, "-e", "error.log"]

	def steps(self):
		return [
			*FILE_STEPS,
			Step("HEAD", "/long.txt", "/long.txt", 200),
			Step("GET", "/users/45/orders?token=secret", "/users/{id}/orders", 200),
			Step("GET", "/empty", "/empty", 204),
			Step("POST", "/index.html", "/index.html", 405, body=b"a=1"),
			Step("GET", "/fail", "/fail", 500),
			Step("GET", "/upstream", "/upstream", 502),
			Step("POST", "/echo", "/echo", 200, body=b"b" * 20000),
			Step("POST", "/echo", "/echo", 200, body=b"c" * 3000, chunked=[1, 999, 2000]),
			Step("POST", "/echo", "/echo", 200, body=b"GET /inside HTTP/1.1\r\n\r\n", expect_continue=True),
			Step("GET", "/search?q=1", "/search", 400, host=None),  # 1.1 without Host is a request still
		]


class Apache(Server):
	service = "apache2"
	MODULES = ("mpm_event", "authz_core", "dir", "mime", "alias", "filter", "deflate", "proxy", "proxy_http")

	def argv(self):
		program = find_program("apache2", package="apache2-bin")
		os.mkdir(os.path.join(self.folder, "root"))
		self.write("root/index.html", "hello from apache\n")
		self.write("root/long.txt", LONG_TEXT)
		self.write("mime.types", "text/plain txt\ntext/html html\n")
		conf = self.write("apache2.conf", """
			%s
			ServerRoot %s\nServerName localhost\nPidFile apache.pid\nErrorLog error.log\nTypesConfig mime.types
			DefaultRuntimeDir %s\nMutex pthread\nUser #65534\nGroup #65534
			%s
			StartServers 2\nThreadsPerChild 16\nKeepAlive On\nKeepAliveTimeout 75\nMaxKeepAliveRequests 0
			LogFormat "%%m\\t%%r\\t%%>s\\t%%B" e2e
			CustomLog access.log e2e
			DocumentRoot root\nDirectoryIndex index.html\nFileETag None
			<Directory "%s/root">\nRequire all granted\n</Directory>
			<Location /private>\nRequire all denied\n</Location>
			AliasMatch "^/(users/[0-9]+/orders|items/[-0-9a-f]+|blobs/[0-9a-f]+|search)$" "%s/root/index.html"
			Redirect 301 /old /\nRedirect 410 /gone\nRedirect 500 /fail
			AddOutputFilterByType DEFLATE text/plain
			ProxyPass /upstream http://127.0.0.1:%d/
			""" % ("\n".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so" % (m, m) for m in self.MODULES),
			       self.folder, self.folder, serve_ports(self.port, "Listen %s"), self.folder, self.folder,
			       free_port()))
		return [program, "-f", conf, "-D", "FOREGROUND"]

	def steps(self):
		return [
			*FILE_STEPS,
			Step("HEAD", "/index.html", "/index.html", 200),
			Step("GET", "/gone", "/gone", 410),
			Step("PUT", "/index.html", "/index.html", 405, body=b"a=1"),
			Step("POST", "/index.html", "/index.html", 200, body=b"b" * 20000),
			Step("POST", "/search?q=1", "/search", 200, body=b"c" * 3000, chunked=[1, 999, 2000]),
			Step("OPTIONS", "/index.html", "/index.html", 200),
			Step("GET", "/fail", "/fail", 500),
			Step("GET", "/upstream", "/upstream", 503),
			Step("GET", "/search?q=1", "/search", 400, host=None),
		]


class Haproxy(Server):
	"""In front of another server (`upstream`), over kept-alive connections; some answers are its own."""
	service = "haproxy"
	separator = "|"

	def argv(self):
		conf = self.write("haproxy.cfg", """
global
	# Two threads may both write a log line, and haproxy drops one rather than wait for the other.
	nbthread 1
	log stdout format raw local0
defaults
	mode http
	log global
	timeout connect 5s
	timeout client 75s
	timeout server 75s
	option dontlognull
frontend front
	bind 127.0.0.1:%d
	bind [::1]:%d
	log-format "%%HM|%%HP|%%ST|%%B"
	http-request deny deny_status 403 if { path /denied }
	http-request return status 500 if { path /broken }
	use_backend nobody if { path /unserved }
	default_backend back
backend back
	http-reuse always
	server app 127.0.0.1:%d
backend nobody
	server none 127.0.0.1:%d
""" % (self.port, self.port, self.options["upstream"], free_port()))
		self.log_path = os.path.join(self.folder, "haproxy.out")
		return [find_program("haproxy", package="haproxy"), "-db", "-f", conf]

	def own_steps(self):
		"""What haproxy answers without asking the server behind it."""
		return [Step("GET", "/denied", "/denied", 403), Step("GET", "/broken", "/broken", 500),
			Step("GET", "/unserved", "/unserved", 503)]


class Dynamic(Server):
	def steps(self):
		return dynamic_steps()

	def closing_steps(self):
		return super().closing_steps() + [Step("GET", "/chunked", "/chunked", 200, version="1.0",
				framing="close")]


class Gunicorn(Dynamic):
	service = "gunicorn"
	pipelines = False  # its thread worker leaves what follows the first request of a packet unread

	def argv(self):
		return [find_program("gunicorn", "gunicorn3", package="gunicorn"), "--chdir", os.path.join(HERE, "app"),
				"wsgi:application",
			"--worker-class", "gthread", "--workers", "2", "--threads", "8", "--keep-alive", "75", "--worker-tmp-dir", self.folder,
			"--bind", "127.0.0.1:%d" % self.port, "--bind", "[::1]:%d" % self.port,
			"--access-logfile", self.log_path, "--access-logformat", "%(m)s\t%(U)s\t%(s)s\t%(B)s"]


class Node(Dynamic):
	service = "node"

	def argv(self):
		return [find_program("node", "nodejs", package="nodejs"), os.path.join(HERE, "app", "server.js"),
				self.log_path,
			"127.0.0.1:%d" % self.port, "::1:%d" % self.port]


def build_go(name, folder):
	"""Builds the Go program in FOLDER with Debian's packages only; the path of the program."""
	go = find_program("go", package="golang-go")
	libraries = "/usr/share/gocode"
	if not os.path.isdir(libraries + "/src/github.com/prometheus/client_golang"):
		raise Skip("no client_golang (Debian package golang-github-prometheus-client-golang-dev)")
	out = os.path.join(HERE, "..", "..", "build", "out", "e2e")
	os.makedirs(out, exist_ok=True)
	program = os.path.abspath(os.path.join(out, name))
	env = dict(os.environ, GO111MODULE="off", GOPATH=libraries,
			GOCACHE=os.path.abspath(os.path.join(out, "gocache")),
		   GOFLAGS="", GOTOOLCHAIN="local", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
	done = subprocess.run([go, "build", "-o", program, "."], cwd=folder, env=env, capture_output=True, text=True)
	if done.returncode:
		raise Failure("go build of %s: %s" % (name, done.stderr))
	return program


class Gosvc(Dynamic):
	service = "gosvc"

	def argv(self):
		program = build_go("gosvc", os.path.join(HERE, "gosvc"))
		self.metrics_port = free_port()
		return [program, "-log", self.log_path, "-metrics", "127.0.0.1:%d" % self.metrics_port,
			"127.0.0.1:%d" % self.port, "[::1]:%d" % self.port]

	def own_counter(self):
		scrape = exposition.Scrape(fetch(self.metrics_port, "/metrics").body.decode())
		return scrape.by("app_requests_total", ("method", "endpoint", "code"))


def endpoint_table(steps):
	"""{path: endpoint} of the steps, to read an access log with."""
	return {re.sub(r"\?.*", "", s.target): s.endpoint for s in steps}
