# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers and proxies that read, write, accept and frame in ways that the others do not: sockets handed over by systemd or inherited
from inetd's kind of parent, a process for each connection, a write for each line, HTTP/1.0 without a length, lengths that are wrong,
bodies where there are none. The client is a plain one that takes what it gets; what it got is what must have been counted."""
import collections
import http.client
import os
import subprocess
import time

import reqtally
import servers
from exposition import growth
from httpclient import Tally
from mix import LONG_TEXT, UUID, run_threads
from procs import Failure, Process, Skip, find_program, free_port, wait_for
from reqtally import KEYS, check_ledger, difference
from servers import HERE
from test_servers import started

PYTHON = "/usr/bin/python3"

# (method, target, endpoint, body, headers)
DYNAMIC = [
	("GET", "/", "/", None, {}),
	("GET", "/users/123/orders?token=1&next=/a/2", "/users/{id}/orders", None, {}),
	("GET", "/items/" + UUID[0], "/items/{id}", None, {}),
	("HEAD", "/", "/", None, {}),
	("GET", "/chunked", "/chunked", None, {}),
	("GET", "/empty", "/empty", None, {}),
	("GET", "/cached", "/cached", None, {}),
	("GET", "/old", "/old", None, {}),
	("GET", "/bad", "/bad", None, {}),
	("GET", "/fail", "/fail", None, {}),
	("GET", "/nothing/here", "/nothing/here", None, {}),
	("POST", "/echo", "/echo", b"", {}),
	("POST", "/echo", "/echo", b"x" * 150000, {}),
	("PUT", "/echo?x=1", "/echo", b"GET /inside HTTP/1.1\r\n\r\n", {}),
	("GET", "/slow/short", "/slow/short", None, {}),
	("GET", "/slow/long", "/slow/long", None, {}),
	("GET", "/", "/", None, {"Connection": "close"}),
]
STATIC = [
	("GET", "/", "/", None, {}),
	("GET", "/index.html?v=1", "/index.html", None, {}),
	("GET", "/long.txt", "/long.txt", None, {}),
	("HEAD", "/long.txt", "/long.txt", None, {}),
	("GET", "/long.txt", "/long.txt", None, {"Range": "bytes=10-99"}),
	("GET", "/nothing/here", "/nothing/here", None, {}),
	("GET", "/users/123/orders", "/users/{id}/orders", None, {}),
	("GET", "/", "/", None, {"Connection": "close"}),
]
DAV = STATIC + [
	("PROPFIND", "/index.html", "/index.html", b"", {"Depth": "0"}),
	("PUT", "/new.txt", "/new.txt", b"b" * 2000, {}),
	("MKCOL", "/folder", "/folder", None, {}),
	("COPY", "/index.html", "/index.html", None, {"Destination": "/copy.html"}),
	("DELETE", "/new.txt", "/new.txt", None, {}),
	("OPTIONS", "/", "/", None, {}),
	("TRACE", "/", "/", None, {}),
]


def drive(port, requests, tally):
	"""REQUESTS one after another, each on the connection of the one before for as long as there is one."""
	connection = None
	for method, target, endpoint, body, headers in requests:
		if connection is None:
			connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
			connection.connect()
		begun = time.monotonic()
		connection.request(method, target, body, headers)
		response = connection.getresponse()
		try:
			received = len(response.read())
		except http.client.IncompleteRead as e:
			received = len(e.partial)
		tally.add(method, endpoint, response.status, time.monotonic() - begun, len(body or b""), received)
		if response.will_close:
			connection.close()
			connection = None
	if connection:
		connection.close()


def write(folder, name, text):
	path = os.path.join(folder, name)
	with open(path, "w") as f:
		f.write(text)
	return path


def site(folder):
	root = os.path.join(folder, "root")
	os.makedirs(root)
	write(root, "index.html", "hello\n")
	with open(os.path.join(root, "long.txt"), "wb") as f:
		f.write(LONG_TEXT)
	for path in (folder, root):
		os.chmod(path, 0o777)  # some give up root
	return root


def compiled(name, header, package, *libraries):
	"""A C program of ours."""
	if not os.path.exists("/usr/include/" + header):
		raise Skip("no %s (Debian package %s)" % (header, package))
	out = os.path.abspath(os.path.join(HERE, "..", "..", "build", "out", "e2e"))
	os.makedirs(out, exist_ok=True)
	program = os.path.join(out, name)
	done = subprocess.run([find_program("cc", package="gcc"), "-O1", "-o", program, os.path.join(HERE, name, "server.c"), *libraries],
			capture_output=True, text=True)
	if done.returncode:
		raise Failure("%s: %s" % (name, done.stderr))
	return program


def has_module(name, package):
	if subprocess.run([PYTHON, "-c", "import " + name], capture_output=True).returncode:
		raise Skip("no %s (Debian package %s)" % (name, package))


def own(kind, module=None):
	def argv(port, folder):
		if module:
			has_module(*module)
		return [PYTHON, os.path.join(HERE, "app", "site.py"), kind, str(port)]
	return argv


def gunicorn(port, folder):
	has_module("gevent", "python3-gevent")
	return [find_program("gunicorn", package="gunicorn"), "--chdir", os.path.join(HERE, "app"), "wsgi:application", "-k", "gevent",
			"--worker-tmp-dir", folder, "-b", "127.0.0.1:%d" % port]


def waitress(port, folder):
	return [find_program("waitress-serve", package="python3-waitress"), "--listen=127.0.0.1:%d" % port, "wsgi:application"]


def psgi(name, *more):
	def argv(port, folder):
		return [find_program(name, package=name), *more, "--listen", "127.0.0.1:%d" % port, os.path.join(HERE, "app", "app.psgi")]
	return argv


def unicorn(port, folder):
	return [find_program("unicorn", package="unicorn"), "-l", "127.0.0.1:%d" % port, "-E", "production", os.path.join(HERE, "app", "config.ru")]


def evhttp(port, folder):
	return [compiled("evhttp", "event2/http.h", "libevent-dev", "-levent"), str(port)]


def busybox(port, folder):
	return [find_program("busybox", package="busybox-static"), "httpd", "-f", "-p", "127.0.0.1:%d" % port, "-h", site(folder)]


def inetd(port, folder):
	"""systemd accepts, and starts a process with the connection as its input and output."""
	return [find_program("systemd-socket-activate", package="systemd"), "--inetd", "-a", "-l", "127.0.0.1:%d" % port,
			find_program("busybox", package="busybox-static"), "httpd", "-i", "-h", site(folder)]


def mini_httpd(port, folder):
	return [find_program("mini_httpd", "mini-httpd", package="mini-httpd"), "-D", "-p", str(port), "-h", "127.0.0.1", "-d", site(folder),
			"-i", os.path.join(folder, "pid")]


def webfs(port, folder):
	return [find_program("webfsd", package="webfs"), "-F", "-4", "-p", str(port), "-r", site(folder), "-f", "index.html"]


def civetweb(port, folder):
	return [find_program("civetweb", package="civetweb"), "-document_root", site(folder), "-listening_ports", "127.0.0.1:%d" % port,
			"-enable_keep_alive", "yes", "-request_timeout_ms", "400"]


def apache(port, folder, mpm="prefork"):
	modules = ("mpm_" + mpm, "authz_core", "dir", "mime", "dav", "dav_fs", "setenvif")
	return [find_program("apache2", package="apache2-bin"), "-D", "FOREGROUND", "-f", write(folder, "apache.conf", """%s
ServerRoot %s\nServerName localhost\nPidFile apache.pid\nErrorLog error.log\nTypesConfig /dev/null\nDefaultRuntimeDir %s
Mutex pthread\nUser #65534\nGroup #65534\nListen 127.0.0.1:%d\nKeepAliveTimeout 75\nDirectoryIndex index.html\nDocumentRoot %s
DavLockDB %s/lock\n<Directory %s/root>\nRequire all granted\nDav on\n</Directory>
""" % ("\n".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so" % (m, m) for m in modules), folder, folder, port, site(folder),
			folder, folder))]


# What the client cannot know the end of: civetweb answers a range behind the file's end with a negative Content-Length.
ODD_RANGE = [("GET", "/long.txt", "/long.txt", None, {"Range": "bytes=99999999-"})]

SERVERS = {
	"python_forking": ("python3", own("forking"), DYNAMIC),
	"python_line_by_line": ("python3", own("lines"), DYNAMIC),
	"twisted": ("python3", own("twisted", ("twisted.web", "python3-twisted")), DYNAMIC),
	"gunicorn_gevent": ("gunicorn", gunicorn, DYNAMIC),
	# Behind an answer to HEAD it closes without saying so.
	"waitress": ("waitress-serve", waitress, [r for r in DYNAMIC if r[0] != "HEAD"]),
	"starman": ("starman", psgi("starman", "--workers", "3"), DYNAMIC),
	"twiggy": ("twiggy", psgi("twiggy"), DYNAMIC),
	"unicorn": ("unicorn", unicorn, DYNAMIC),
	"evhttp": ("evhttp", evhttp, DYNAMIC),
	"busybox": ("busybox", busybox, STATIC),
	"inetd": ("busybox", inetd, STATIC),
	"mini_httpd": ("mini_httpd", mini_httpd, STATIC),
	"webfs": ("webfsd", webfs, STATIC),
	"civetweb": ("civetweb", civetweb, STATIC),
	"apache_prefork_dav": ("apache2", apache, DAV),
	"apache_worker": ("apache2", lambda port, folder: apache(port, folder, "worker"), STATIC),
}


def environment(folder):
	return dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C.UTF-8", HOME=folder, LOG="/dev/null", PYTHONDONTWRITEBYTECODE="1")


def run_various(context, service, make_argv, requests):
	port = free_port()
	argv = make_argv(port, context.folder)
	rt, before = started(context)
	server, tally = Process(argv, context.folder, service, env=environment(context.folder), cwd=os.path.join(HERE, "app")), Tally()
	try:
		server.wait_port("127.0.0.1", port)
		drive(port, requests, tally)
		quick = [r for r in requests if not r[1].startswith("/slow")]
		run_threads([lambda: drive(port, quick, tally) for _ in range(3)])
		for request in quick[:4]:
			drive(port, [request], tally)
		if rt is None:
			raise Skip("%s; %d requests were answered" % (before, tally.total()))
		reqtally.check(rt, before, port, service, tally, known={e: s for e, s in (("/slow/short", 0.03), ("/slow/long", 0.4))})
		if service == "civetweb":
			after = rt.scrape(port)
			answered = Tally()
			drive(port, ODD_RANGE, answered)
			reqtally.wait_counts(rt, after, port, collections.Counter({(service, *k): n for k, n in answered.counts.items()}))
		lost = {k: n for k, n in growth(before, rt.scrape(port), "reqtally_requests_lost_total", ("reason",)).items() if n}
		if lost:
			raise Failure("lost: %s" % reqtally.text_of(lost))
	finally:
		server.stop(3)


def squid(port, back, folder):
	return [find_program("squid", package="squid"), "-N", "-f", write(folder, "squid.conf", """http_port 127.0.0.1:%d accel defaultsite=localhost no-vhost
cache_peer 127.0.0.1 parent %d 0 no-query originserver
http_access allow all
pid_filename %s/pid
cache_log %s/cache.log
access_log none
cache_store_log none
coredump_dir %s
cache deny all
shutdown_lifetime 1 second
pinger_enable off
""" % (port, back, folder, folder, folder))]


def nghttpx(port, back, folder):
	return [find_program("nghttpx", package="nghttp2-proxy"), "--conf=/dev/null", "-f127.0.0.1,%d;no-tls" % port, "-b127.0.0.1,%d" % back,
			"--accesslog-file=/dev/null", "--errorlog-file=/dev/null", "-n2"]


def haproxy_splice(port, back, folder):
	"""In TCP mode: bytes go from socket to socket and no HTTP is read, yet the requests are answered here."""
	return [find_program("haproxy", package="haproxy"), "-db", "-f", write(folder, "haproxy.cfg", """defaults
	mode tcp
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	option splice-auto
listen front
	bind 127.0.0.1:%d
	server back 127.0.0.1:%d
""" % (port, back))]


def socket_proxyd(port, back, folder):
	"""A proxy that is started with the listener by the first connection, and splices."""
	program = "/lib/systemd/systemd-socket-proxyd"
	if not os.access(program, os.X_OK):
		raise Skip("no systemd-socket-proxyd (Debian package systemd)")
	return [find_program("systemd-socket-activate", package="systemd"), "-l", "127.0.0.1:%d" % port, program, "127.0.0.1:%d" % back]


PROXIES = {"squid": ("squid", squid), "nghttpx": ("nghttpx", nghttpx), "haproxy_splice": ("haproxy", haproxy_splice),
	"socket_proxyd": ("systemd-socket-", socket_proxyd)}


def run_proxy(context, service, make_argv):
	port, front = free_port(), Tally()
	with servers.Gosvc(context.folder) as back:
		argv = make_argv(port, back.port, context.folder)
		os.chmod(context.folder, 0o777)
		rt, before = started(context)
		proxy = Process(argv, context.folder, service, env=environment(context.folder), cwd=context.folder)
		try:
			proxy.wait_port("127.0.0.1", port)
			was = collections.Counter(back.own_counter())
			run_threads([lambda: drive(port, DYNAMIC, front) for _ in range(3)])
			if rt is None:
				raise Skip("%s; %d requests were answered" % (before, front.total()))
			reqtally.check(rt, before, port, service, front, known={"/slow/short": 0.03, "/slow/long": 0.4})
			behind = collections.Counter(back.own_counter())
			behind.subtract(was)

			def same():
				got = growth(before, rt.scrape(back.port), "http_requests_total", KEYS, port=str(back.port))
				return not difference("", {("gosvc", *k): n for k, n in behind.items()}, got)
			wait_for("the server behind counted as it counts itself", same, 3)
			check_ledger(rt)
		finally:
			proxy.stop(3)


def tests():
	for name, of in SERVERS.items():
		yield name, lambda context, of=of: run_various(context, *of)
	for name, of in PROXIES.items():
		yield name, lambda context, of=of: run_proxy(context, *of)
