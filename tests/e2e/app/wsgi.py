# SPDX-License-Identifier: GPL-2.0-or-later
"""The WSGI application behind gunicorn. The paths are those of every dynamic server of the tests (see mix.py)."""
import re
import time

SLEEPS = {"/slow/short": 0.03, "/slow/medium": 0.12, "/slow/long": 0.4}
PLAIN = re.compile(r"/(\Z|users/\d+/orders\Z|items/[0-9a-f-]{36}\Z|blobs/[0-9a-f]{40}\Z|search\Z)")
STATUS = {"/bad": "400 Bad Request", "/private": "403 Forbidden", "/fail": "500 Internal Server Error",
	  "/upstream": "502 Bad Gateway"}


def application(environ, start_response):
	path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]

	def answer(status, body=b"", **headers):
		fields = [(k.replace("_", "-"), v) for k, v in headers.items()]
		if status[:3] not in ("204", "304"):
			fields += [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
		start_response(status, fields)
		return [] if method == "HEAD" or not body else [body]

	if path == "/echo":
		body = environ["wsgi.input"].read()
		return answer("200 OK", b"%d\n" % len(body))
	if path in SLEEPS:
		time.sleep(SLEEPS[path])
		return answer("200 OK", b"slept\n")
	if path in STATUS:
		return answer(STATUS[path], b"no\n")
	if path == "/readonly" and method == "POST":
		return answer("405 Method Not Allowed", b"no\n", Allow="GET")
	if path == "/empty":
		return answer("204 No Content")
	if path == "/cached":
		return answer("304 Not Modified", ETag='"1"')
	if path == "/old":
		return answer("301 Moved Permanently", Location="/")
	if path == "/chunked":
		start_response("200 OK", [("Content-Type", "text/plain")])
		return [] if method == "HEAD" else (b"piece %d\n" % i * 20 for i in range(10))
	if PLAIN.match(path):
		return answer("200 OK", b"path %s\n" % path.encode())
	return answer("404 Not Found", b"not here\n")
