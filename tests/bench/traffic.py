# SPDX-License-Identifier: GPL-2.0-or-later
"""The loads of the benchmark. Each is called with a number of seconds and returns a rate; what it needs is started once."""
import os
import re
import socket
import subprocess
import time

import servers
from procs import Failure, Process, find_program, free_port


class Http:
	"""wrk with keep-alive connections against nginx with one worker and answers of 6 bytes."""
	name, unit = "nginx, keep-alive, 6-byte answers (wrk)", "requests/s"

	def __init__(self, folder):
		self.folder, self.wrk = folder, find_program("wrk", package="wrk")

	def __enter__(self):
		self.server = SmallNginx(self.folder, workers=1).__enter__()
		return self

	def __exit__(self, *exc):
		self.server.__exit__()

	def run(self, seconds):
		url = "http://127.0.0.1:%d/hello" % self.server.port
		done = subprocess.run([self.wrk, "-t1", "-c16", "-d%ds" % max(1, round(seconds)), url],
				capture_output=True, text=True, check=True)
		if re.search(r"Non-2xx|Socket errors", done.stdout):
			raise Failure(done.stdout)
		return float(re.search(r"Requests/sec:\s*([0-9.]+)", done.stdout).group(1))


class SmallNginx(servers.Nginx):
	def argv(self):
		conf = self.write("nginx.conf", """
			daemon off; user root; worker_processes 1; pid nginx.pid; error_log error.log;
			events { worker_connections 500; }
			http {
				access_log off; keepalive_requests 100000000;
				client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
				server { %s location / { return 200 "hello\\n"; } }
			}""" % servers.serve_ports(self.port, "listen %s;"))
		return [find_program("nginx", package="nginx-light"), "-p", self.folder, "-c", conf, "-e", "error.log"]


class SmallMessages:
	"""redis-benchmark: small messages of another protocol, on which reqtally should be all but absent."""
	name, unit = "redis PING, not HTTP (redis-benchmark)", "messages/s"

	def __init__(self, folder):
		self.folder, self.rate = folder, 20000
		self.server = find_program("redis-server", package="redis-server")
		self.client = find_program("redis-benchmark", package="redis-tools")

	def __enter__(self):
		self.port = free_port()
		self.process = Process([self.server, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
				"--appendonly", "no",
					"--dir", self.folder], self.folder, "redis")
		self.process.wait_port("127.0.0.1", self.port)
		self.run(0.5)
		return self

	def __exit__(self, *exc):
		self.process.stop()

	def run(self, seconds):
		self.messages = int(self.rate * seconds)
		done = subprocess.run([self.client, "-p", str(self.port), "-t", "ping_mbulk", "-c", "10", "-n",
				str(self.messages), "--csv"],
				      capture_output=True, text=True, check=True)
		self.rate = float(re.search(r'"PING_MBULK","([0-9.]+)"', done.stdout).group(1))
		return self.rate


class Bulk:
	"""One connection over the loopback, sent with sendfile as fast as it goes, read into a buffer."""
	name, unit = "bulk transfer, one connection, not HTTP", "MB/s"

	def __init__(self, folder):
		self.path = os.path.join(folder, "bulk")

	def __enter__(self):
		with open(self.path, "wb") as f:
			f.write(os.urandom(1 << 20) * 32)
		return self

	def __exit__(self, *exc):
		os.unlink(self.path)

	def run(self, seconds):
		with socket.create_server(("127.0.0.1", 0)) as listener:
			pid = os.fork()
			if pid == 0:
				self._send(listener.getsockname()[1], seconds)
			connection = listener.accept()[0]
		buffer, total, begun = bytearray(1 << 20), 0, time.monotonic()
		with connection:
			while True:
				n = connection.recv_into(buffer)
				if not n:
					break
				total += n
		took = time.monotonic() - begun
		os.waitpid(pid, 0)
		return total / took / 1e6

	def _send(self, port, seconds):
		status = 1
		try:
			with socket.create_connection(("127.0.0.1", port)) as s, open(self.path, "rb") as f:
				size, end = os.fstat(f.fileno()).st_size, time.monotonic() + seconds
				while time.monotonic() < end:
					offset = 0
					while offset < size:
						offset += os.sendfile(s.fileno(), f.fileno(), offset, size - offset)
			status = 0
		finally:
			os._exit(status)
