# SPDX-License-Identifier: GPL-2.0-or-later
"""The ASGI application behind uvicorn; paths as in wsgi.py. `/ws` is a WebSocket that echoes, `/events` an event stream."""
import asyncio
import re

SLEEPS = {"/slow/short": 0.03, "/slow/medium": 0.12, "/slow/long": 0.4}
STATUS = {"/bad": 400, "/private": 403, "/fail": 500, "/upstream": 502}
PLAIN = re.compile(r"/(\Z|users/\d+/orders\Z|items/[0-9a-f-]{36}\Z|blobs/[0-9a-f]{40}\Z|search\Z)")


async def application(scope, receive, send):
	if scope["type"] == "websocket":
		return await websocket(receive, send)
	if scope["type"] != "http":
		return None
	path, method = scope["path"], scope["method"]

	async def answer(code, body=b"", *headers):
		fields = [(b"content-length", b"%d" % len(body))] if code not in (204, 304) else []
		await send({"type": "http.response.start", "status": code, "headers": fields + list(headers)})
		await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

	if path == "/echo":
		n, more = 0, True
		while more:
			message = await receive()
			n, more = n + len(message.get("body", b"")), message.get("more_body", False)
		return await answer(200, b"%d\n" % n)
	if path in SLEEPS:
		await asyncio.sleep(SLEEPS[path])
		return await answer(200, b"slept\n")
	if path in STATUS:
		return await answer(STATUS[path], b"no\n")
	if path == "/readonly" and method == "POST":
		return await answer(405, b"no\n", (b"allow", b"GET"))
	if path == "/empty":
		return await answer(204)
	if path == "/cached":
		return await answer(304, b"", (b"etag", b'"1"'))
	if path == "/old":
		return await answer(301, b"moved\n", (b"location", b"/"))
	if path in ("/chunked", "/events"):
		kind = b"text/event-stream" if path == "/events" else b"text/plain"
		await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
		for i in range(10):
			await send({"type": "http.response.body", "body": b"data: %d\n\n" % i * 20, "more_body": True})
			await asyncio.sleep(0.01 if path == "/events" else 0)
		return await send({"type": "http.response.body", "body": b""})
	return await answer(200 if PLAIN.match(path) else 404, b"path %s\n" % path.encode())


async def websocket(receive, send):
	await receive()
	await send({"type": "websocket.accept"})
	while True:
		message = await receive()
		if message["type"] == "websocket.disconnect":
			return
		await send({"type": "websocket.send", "text": message.get("text") or ""})
