# SPDX-License-Identifier: GPL-2.0-or-later
"""More application servers: the same application (mix.py) in Python, Ruby, PHP and Java, and a container registry."""
import collections
import hashlib
import os
import re

from mix import Step
from procs import find_program
from servers import HERE, Dynamic, Server


def counted(log_path, pattern, endpoints):
	"""The lines of a log that PATTERN finds (groups: method, target, code), by (method, endpoint, status)."""
	counts = collections.Counter()
	if os.path.exists(log_path):
		with open(log_path, encoding="latin-1") as f:
			for line in f:
				m = pattern.search(line)
				if m and line.endswith("\n"):
					path = m["target"].split("?")[0]
					counts[(m["method"], endpoints.get(path, path), m["code"])] += 1
	return counts


class Uvicorn(Dynamic):
	service = "uvicorn"
	hosts = ("127.0.0.1",)
	LINE = re.compile(r'"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1\.[01]" (?P<code>\d{3})')

	def argv(self):
		program = find_program("uvicorn", package="uvicorn")
		self.log_path = os.path.join(self.folder, "uvicorn.out")
		return [program, "asgi:application", "--app-dir", os.path.join(HERE, "app"), "--host", "127.0.0.1", "--port", str(self.port),
				"--http", "h11", "--ws", "wsproto", "--timeout-keep-alive", "75", "--no-use-colors", "--lifespan", "off"]

	def logged(self, endpoints):
		return counted(self.log_path, self.LINE, endpoints)


class Puma(Dynamic):
	service = "puma"

	def argv(self):
		program = find_program("puma", package="puma")
		return [program, "-b", "tcp://127.0.0.1:%d" % self.port, "-b", "tcp://[::1]:%d" % self.port, "-t", "8:8", "-e", "production",
				"-C", self.write("puma.rb", "persistent_timeout 75\n"), os.path.join(HERE, "app", "config.ru")]

	def environment(self):
		return dict(super().environment(), LOG=self.log_path, HOME=self.folder)


class Php(Dynamic):
	"""The development server: a process with workers, each connection closed after one request."""
	service = "php"
	hosts = ("127.0.0.1",)
	pipelines = False

	def argv(self):
		program = find_program("php", package="php-cli")
		return [program, "-d", "expose_php=0", "-S", "127.0.0.1:%d" % self.port, os.path.join(HERE, "app", "router.php")]

	def environment(self):
		return dict(super().environment(), PHP_CLI_SERVER_WORKERS="4", LOG=self.log_path)

	def steps(self):
		"""It never answers 100, does not take chunked bodies, and frames a response without a length by its close."""
		return [s._replace(framing=None if s.framing == "chunked" else s.framing) for s in super().steps()
				if not s.chunked and not s.expect_continue]


class Uwsgi(Dynamic):
	"""Its own HTTP socket: two processes with threads, each connection closed after one request."""
	service = "uwsgi"
	separator = "|"
	pipelines = False
	closes = True

	def argv(self):
		program = find_program("uwsgi", package="uwsgi")
		if not os.path.exists("/usr/lib/uwsgi/plugins/python3_plugin.so"):
			find_program("uwsgi-plugin-python3", package="uwsgi-plugin-python3")
		self.log_path = os.path.join(self.folder, "uwsgi.out")
		return [program, "--plugin", "python3", "--http-socket", "127.0.0.1:%d" % self.port, "--http-socket", "[::1]:%d" % self.port,
				"--wsgi-file", os.path.join(HERE, "app", "wsgi.py"), "--callable", "application", "--master", "--processes", "2",
				"--threads", "8", "--die-on-term", "--need-app", "--logformat", "%(method)|%(uri)|%(status)"]

	def steps(self):
		"""No chunked bodies without an API of its own; a response without a length ends with the connection."""
		return [s._replace(framing=None if s.framing == "chunked" else s.framing) for s in super().steps()
				if not s.chunked and not s.expect_continue]


class Tomcat(Dynamic):
	service = "java"
	separator = "|"
	HOME = "/usr/share/tomcat10"

	def steps(self):
		"""A JSP takes GET, HEAD and POST."""
		return [s._replace(method="POST") if s.method == "PUT" else s for s in super().steps()]

	def argv(self):
		java = find_program("java", package="default-jre-headless")
		if not os.path.exists(self.HOME + "/bin/bootstrap.jar"):
			find_program("tomcat10", package="tomcat10")
		for folder in ("conf", "logs", "temp", "work", "webapps/ROOT/WEB-INF"):
			os.makedirs(os.path.join(self.folder, folder))
		connector = "".join('<Connector port="%d" address="%s" protocol="HTTP/1.1" keepAliveTimeout="75000" maxKeepAliveRequests="-1"'
				' connectionTimeout="20000"/>' % (self.port, a) for a in ("127.0.0.1", "::1"))
		self.write("conf/server.xml", """<Server port="-1"><Service name="e2e">%s<Engine name="e2e" defaultHost="localhost">
			<Host name="localhost" appBase="webapps" autoDeploy="false">
			<Valve className="org.apache.catalina.valves.AccessLogValve" directory="%s" prefix="access" suffix=".log" fileDateFormat=""
				rotatable="false" buffered="false" pattern="%%m|%%U|%%s|%%B"/></Host></Engine></Service></Server>""" % (connector, self.folder))
		with open("/etc/tomcat10/web.xml", "rb") as f:
			self.write("conf/web.xml", f.read())
		with open(os.path.join(HERE, "app", "app.jsp"), "rb") as f:
			self.write("webapps/ROOT/app.jsp", f.read())
		self.write("webapps/ROOT/WEB-INF/web.xml", """<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0">
			<servlet><servlet-name>app</servlet-name><jsp-file>/app.jsp</jsp-file><load-on-startup>1</load-on-startup></servlet>
			<servlet-mapping><servlet-name>app</servlet-name><url-pattern>/*</url-pattern></servlet-mapping></web-app>""")
		return [java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", self.HOME + "/bin/bootstrap.jar:" + self.HOME + "/bin/tomcat-juli.jar",
				"-Dcatalina.home=" + self.HOME, "-Dcatalina.base=" + self.folder, "-Djava.io.tmpdir=" + os.path.join(self.folder, "temp"),
				"org.apache.catalina.startup.Bootstrap", "start"]


class Registry(Server):
	"""A container registry: uploads by PATCH and PUT, locations that it invents, digests in paths."""
	service = "docker-registry"
	hosts = ("127.0.0.1",)
	LINE = re.compile(r'"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1\.[01]" (?P<code>\d{3})')

	def argv(self):
		program = find_program("docker-registry", package="docker-registry")
		conf = self.write("registry.yml", """version: 0.1
log: {level: warn, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: %s/store}, delete: {enabled: true}}
http: {addr: "127.0.0.1:%d", host: "http://localhost"}
""" % (self.folder, self.port))
		self.log_path = os.path.join(self.folder, "docker-registry.out")
		return [program, "serve", conf]

	def logged(self, endpoints):
		return counted(self.log_path, self.LINE, endpoints)

	def play(self, connection):
		"""Pushes and pulls a small image; Go through its API as a client of it does. Returns {path: endpoint} of the paths used."""
		paths = {}

		def ask(method, target, endpoint, code, **kw):
			paths[target.split("?")[0]] = endpoint
			return Step(method, target, endpoint, code, **kw).run(connection)

		def upload(content, chunked):
			location = ask("POST", "/v2/lib/app/blobs/uploads/", "/v2/lib/app/blobs/uploads/", 202, body=b"").headers["location"][0]
			target = re.sub(r"^https?://[^/]*", "", location)
			form = "/v2/lib/app/blobs/uploads/{id}"
			location = ask("PATCH", target, form, 202, body=content, chunked=chunked,
					headers=(("Content-Type", "application/octet-stream"),)).headers["location"][0]
			target = re.sub(r"^https?://[^/]*", "", location)
			digest = "sha256:" + hashlib.sha256(content).hexdigest()
			ask("PUT", target + "&digest=" + digest, form, 201, body=b"")
			return digest

		ask("GET", "/v2/", "/v2/", 200)
		blob = "/v2/lib/app/blobs/sha256:{id}"
		missing = "sha256:" + "0" * 64
		ask("HEAD", "/v2/lib/app/blobs/" + missing, blob, 404)
		layer, config = b"layer " * 50000, b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
		digests = [upload(layer, [65536, 1, 100000]), upload(config, None)]
		kind = "application/vnd.docker.distribution.manifest.v2+json"
		manifest = ('{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.docker.container.image.v1+json",'
				'"size":%d,"digest":"%s"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip",'
				'"size":%d,"digest":"%s"}]}' % (kind, len(config), digests[1], len(layer), digests[0])).encode()
		ask("PUT", "/v2/lib/app/manifests/latest", "/v2/lib/app/manifests/latest", 201, body=manifest, headers=(("Content-Type", kind),))
		ask("PUT", "/v2/lib/app/manifests/bad", "/v2/lib/app/manifests/bad", 400, body=b"{}", headers=(("Content-Type", kind),))
		ask("HEAD", "/v2/lib/app/manifests/latest", "/v2/lib/app/manifests/latest", 200, headers=(("Accept", kind),))
		ask("GET", "/v2/lib/app/manifests/latest", "/v2/lib/app/manifests/latest", 200, headers=(("Accept", kind),))
		for digest in digests:
			ask("GET", "/v2/lib/app/blobs/" + digest, blob, 200)
		ask("GET", "/v2/lib/app/blobs/" + digests[0], blob, 206, headers=(("Range", "bytes=100-65000"),))
		ask("GET", "/v2/lib/app/blobs/" + digests[0], blob, 304, headers=(("If-None-Match", '"%s"' % digests[0]),))
		ask("GET", "/v2/_catalog?n=10", "/v2/_catalog", 200)
		ask("GET", "/v2/lib/app/tags/list", "/v2/lib/app/tags/list", 200)
		ask("GET", "/v2/lib/none/tags/list", "/v2/lib/none/tags/list", 404)
		ask("DELETE", "/v2/lib/app/blobs/" + digests[1], blob, 202)
		ask("POST", "/v2/lib/app/tags/list", "/v2/lib/app/tags/list", 405, body=b"x")
		return paths
