# SPDX-License-Identifier: GPL-2.0-or-later
"""`site.py KIND PORT`: small servers by KIND, each with its own way to read and write; paths as in wsgi.py."""
import http.server
import os
import socketserver
import sys
import time

SLEEPS = {"/slow/short": 0.03, "/slow/medium": 0.12, "/slow/long": 0.4}
STATUS = {"/empty": 204, "/old": 301, "/cached": 304, "/bad": 400, "/private": 403, "/nothing/here": 404, "/fail": 500, "/upstream": 502}


class Handler(http.server.BaseHTTPRequestHandler):
	protocol_version = "HTTP/1.1"
	wbufsize = 0  # a write for the head and one for the body

	def answer(self):
		path = self.path.split("?")[0]
		body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
		time.sleep(SLEEPS.get(path, 0))
		status = STATUS.get(path, 200)
		text = b"" if status in (204, 304) else b"%d\n" % len(body)
		self.send_response(status)
		if status not in (204, 304):
			self.send_header("Content-Length", str(len(text)))
		self.end_headers()
		if self.command != "HEAD":
			self.wfile.write(text)

	do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer

	def log_message(self, *_):
		pass


class LineByLine(Handler):
	"""A write for each header line."""

	def flush_headers(self):
		for line in self._headers_buffer:
			self.wfile.write(line)
		self._headers_buffer = []


def serve(kind, port):
	if kind == "twisted":
		from twisted.internet import reactor
		from twisted.web import resource, server

		class Root(resource.Resource):
			isLeaf = True

			def render(self, request):
				path = request.path.decode("latin-1")
				if path in SLEEPS:
					reactor.callLater(SLEEPS[path], lambda: (request.write(b"slept\n"), request.finish()))
					return server.NOT_DONE_YET
				request.setResponseCode(STATUS.get(path, 200))
				if path == "/chunked" and request.method != b"HEAD":
					for i in range(10):
						request.write(b"piece %d\n" % i * 20)
					request.finish()
					return server.NOT_DONE_YET
				return b"" if STATUS.get(path) in (204, 304) else b"%d\n" % len(request.content.read())

		reactor.listenTCP(port, server.Site(Root()), interface="127.0.0.1")
		reactor.run()
		return
	mixin = socketserver.ForkingMixIn if kind == "forking" else socketserver.ThreadingMixIn
	kinds = type("Server", (mixin, http.server.HTTPServer), {"daemon_threads": True, "request_queue_size": 64})
	kinds(("127.0.0.1", port), Handler if kind == "forking" else LineByLine).serve_forever()


os.chdir("/")
serve(sys.argv[1], int(sys.argv[2]))
