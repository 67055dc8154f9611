# SPDX-License-Identifier: GPL-2.0-or-later
"""A rule that joins the requests of a service with what a scraped node_exporter says of the machine."""
import http.server
import json
import os
import threading
import time
import urllib.parse

import raw
import reqtally
from httpclient import fetch
from procs import Failure, Process, find_program, free_port, wait_for
from raw_cases import GET, OK
from test_floods import MemoryLimit

RULES = """groups:
- name: joined
  interval: 1s
  rules:
  - record: node:memory_available:ratio
    expr: node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes
  - alert: BusyWithMemory
    expr: sum by (service) (rate(http_requests_total{port="PORT"}[30s])) > 0 and on () (node:memory_available:ratio > 0)
    annotations:
      summary: '{{ $labels.service }}: {{ with query "node_memory_MemTotal_bytes" }}{{ . | first | value | humanize1024 }}{{ end }}'
"""


def api(rt, path, **args):
	response = fetch(rt.port, "/api/v1/%s?%s" % (path, urllib.parse.urlencode(args)), timeout=5)
	if response.status != 200:
		raise Failure("%s: %d %s" % (path, response.status, response.body[:300]))
	return json.loads(response.body)["data"]


def test_scrape_join(context):
	context.stop_shared()
	exporter = find_program("prometheus-node-exporter", package="prometheus-node-exporter")
	node_port, listener = free_port(), raw.Listener("127.0.0.1")
	node = Process([exporter, "--web.listen-address=127.0.0.1:%d" % node_port], context.folder, "node")
	with open(os.path.join(context.folder, "joined.yml"), "w") as f:
		f.write(RULES.replace("PORT", str(listener.port)))
	config = """global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [joined.yml]
scrape_configs:
- job_name: node
  static_configs: [{targets: ["127.0.0.1:%d"]}]
- job_name: nobody
  static_configs: [{targets: ["127.0.0.1:%d"]}]
""" % (node_port, free_port())
	client, server = listener.pair()
	try:
		with reqtally.Reqtally(context.folder, "scraping", config=config) as rt:
			def firing():
				raw.transfer(client, server, GET)
				raw.transfer(server, client, OK)
				return [a for a in api(rt, "alerts")["alerts"] if a["state"] == "firing"]
			wait_for("the alert", firing, 30, 0.5)
			alert = firing()[0]
			if alert["labels"] != {"alertname": "BusyWithMemory", "service": "rawserver"} or not alert["annotations"]["summary"].endswith("i"):
				raise Failure("alert: %s" % alert)
			up = {s["metric"]["job"]: s["value"][1] for s in api(rt, "query", query="up")["result"]}
			if up != {"reqtally": "1", "node": "1", "nobody": "0"}:
				raise Failure("up: %s" % up)
			targets = {t["scrapePool"]: t for t in api(rt, "targets")["activeTargets"]}
			if targets["node"]["health"] != "up" or "onnect" not in targets["nobody"]["lastError"]:
				raise Failure("targets: %s" % targets)
			help_text = api(rt, "metadata", metric="node_memory_MemTotal_bytes")
			if not help_text["node_memory_MemTotal_bytes"][0]["help"]:
				raise Failure("metadata: %s" % help_text)
			page = fetch(rt.port, "/").body.decode()
			if "Scrape targets (2)" not in page:
				raise Failure("the status page says nothing of targets")
			scrape = rt.scrape()
			if scrape.sum("reqtally_scrapes_total") < 2 or scrape.sum("reqtally_scrape_samples_total") < 200:
				raise Failure("reqtally_scrapes_total %s" % scrape.sum("reqtally_scrapes_total"))
			# The exporter ends: its series do too, and the alert with them.
			node.stop()
			wait_for("the end of its series", lambda: not api(rt, "query", query="node_memory_MemTotal_bytes")["result"], 10, 0.2)
			wait_for("the end of the alert", lambda: not api(rt, "alerts")["alerts"], 10, 0.2)
			rt.stop()
	finally:
		node.stop()
		for s in (client, server, listener):
			s.close()


class Greedy(http.server.BaseHTTPRequestHandler):
	"""A body of 20 MB, of 150,000 series, or of 5,000 that are others each time."""
	protocol_version = "HTTP/1.1"
	count = 0

	def log_message(self, *args):
		pass

	def do_GET(self):
		Greedy.count += 1
		if self.path == "/huge":
			body = b"huge_total 1\n" * 1600000
		elif self.path == "/series":
			body = b"".join(b"s%d 1\n" % i for i in range(150000))
		else:
			body = b"".join(b"c{n=\"%d_%d\"} 1\n" % (Greedy.count, i) for i in range(5000))
		try:
			self.send_response(200)
			self.send_header("Content-Type", "text/plain; version=0.0.4")
			self.send_header("Content-Length", str(len(body)))
			self.end_headers()
			self.wfile.write(body)
		except ConnectionError:
			pass


def test_scrape_memory_limit(context):
	"""Targets that want more memory than there is: under a limit of 64 MiB for everything they fail, and reqtally goes on."""
	context.stop_shared()
	server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greedy)
	server.daemon_threads = True
	threading.Thread(target=server.serve_forever, daemon=True).start()
	target = "127.0.0.1:%d" % server.server_address[1]
	config = "global: {scrape_interval: 1s}\nscrape_configs:\n" + "".join(
		"- {job_name: %s%d, metrics_path: /%s, static_configs: [{targets: ['%s']}]}\n" % (page, i, page, target)
		for page in ("huge", "series", "churn") for i in range(3))
	try:
		with MemoryLimit(64 << 20) as limit, reqtally.Reqtally(context.folder, "limited", config=config, prefix=limit.prefix()) as rt:
			time.sleep(12)
			if limit.killed() or not rt.process.running():
				raise Failure("killed for want of memory")
			targets = {t["scrapePool"]: t for t in api(rt, "targets")["activeTargets"]}
			for name, t in targets.items():
				if name.startswith("huge") and "body" not in t["lastError"]:
					raise Failure("%s: %s" % (name, t["lastError"]))
			scrape = rt.scrape()
			if not 8 << 20 < scrape.sum("reqtally_window_limit_bytes") <= 16 << 20 or \
			   scrape.sum("reqtally_window_bytes") > scrape.sum("reqtally_window_limit_bytes") + 10000:
				raise Failure("a window of %g of %g bytes" % (scrape.sum("reqtally_window_bytes"), scrape.sum("reqtally_window_limit_bytes")))
			if scrape.sum("reqtally_scrapes_total") < 50:
				raise Failure("%g scrapes" % scrape.sum("reqtally_scrapes_total"))
			up = api(rt, "query", query='up{job="reqtally"}')["result"]
			if not up or up[0]["value"][1] != "1":
				raise Failure("up: %s" % up)
			rt.stop()
	finally:
		server.shutdown()
		server.server_close()
