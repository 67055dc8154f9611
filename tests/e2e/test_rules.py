# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules in the running program: alerts in Debian's Alertmanager, as amtool shows them; `for` over a restart."""
import json
import os
import re
import signal
import subprocess
import time
import urllib.parse

import reqtally
from httpclient import fetch
from procs import Failure, Process, accepts, find_program, free_port, wait_for


def get(rt, path, **params):
	response = fetch(rt.port, path + ("?" + urllib.parse.urlencode(params) if params else ""))
	if response.status != 200:
		raise Failure("%s: %s %s" % (path, response.status, response.body[:300]))
	return json.loads(response.body)["data"]


def write(path, text):
	with open(path, "w") as f:
		f.write(text)


class Alertmanager:
	def __init__(self, folder):
		program = find_program("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager")
		self.amtool = find_program("amtool", package="prometheus-alertmanager")
		self.port = free_port()
		write(os.path.join(folder, "am.yml"), "route: {receiver: none}\nreceivers: [{name: none}]\n")
		self.process = Process([program, "--config.file=%s/am.yml" % folder, "--storage.path=%s/am" % folder,
				"--web.listen-address=127.0.0.1:%d" % self.port, "--cluster.listen-address="], folder, "alertmanager")
		wait_for("alertmanager", lambda: accepts("127.0.0.1", self.port), 20)

	def __enter__(self):
		return self

	def __exit__(self, *exc):
		self.process.stop()

	def alerts(self):
		"""What amtool shows as active: alertname -> alert."""
		done = subprocess.run([self.amtool, "--alertmanager.url=http://127.0.0.1:%d" % self.port, "alert", "query", "-o", "json"],
				capture_output=True, text=True, timeout=20)
		if done.returncode:
			raise Failure("amtool: %s" % done.stderr)
		return {a["labels"]["alertname"]: a for a in json.loads(done.stdout)}


RULES = """groups:
- name: g
  interval: 1s
  labels: {team: web}
  rules:
  - record: one
    expr: vector(%s)
  - alert: Fires
    expr: one > 0
    labels: {severity: "{{ if gt $value 0.5 }}page{{ end }}"}
    annotations: {summary: "{{ $value }} <on> {{ $externalLabels.region }}, {{ query \\"one\\" | first | value }}"}
  - {alert: Dropped, expr: vector(1)}
"""

CONFIG = """global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {region: eu}}
rule_files: [rules.yml]
alerting:
  alert_relabel_configs:
  - {source_labels: [alertname], regex: Dropped, action: drop}
  - {source_labels: [severity], target_label: level, replacement: "L-$1"}
  alertmanagers:
  - static_configs: [{targets: ["127.0.0.1:%d"]}]
"""


def test_alert_in_alertmanager(context):
	"""Fires, with everything a template and relabelling make of it; ends with a reload; what is queued is sent at the end."""
	context.stop_shared()
	write(os.path.join(context.folder, "rules.yml"), RULES % 1)
	with Alertmanager(context.folder) as am:
		with reqtally.Reqtally(context.folder, config=CONFIG % am.port,
				flags=["--web.external-url=http://me.example/p/", "--rules.alert.state-file="]) as rt:
			wait_for("the alert in Alertmanager", lambda: "Fires" in am.alerts(), 20, 0.3)
			alert = am.alerts()["Fires"]
			expected = {"alertname": "Fires", "team": "web", "severity": "page", "region": "eu", "level": "L-page"}
			if alert["labels"] != expected or alert["annotations"] != {"summary": "1 <on> eu, 1"}:
				raise Failure("Alertmanager has %s" % alert)
			if alert["generatorURL"] != "http://me.example/p/graph?g0.expr=one+%3E+0&g0.tab=1":
				raise Failure("generatorURL %s" % alert["generatorURL"])
			if "Dropped" in am.alerts():
				raise Failure("an alert that relabelling drops was sent")
			if {a["labels"]["alertname"] for a in get(rt, "/api/v1/alerts")["alerts"]} != {"Fires", "Dropped"}:
				raise Failure("what relabelling drops is not our own alert any more")
			urls = get(rt, "/api/v1/alertmanagers")["activeAlertmanagers"]
			if urls != [{"url": "http://127.0.0.1:%d/api/v2/alerts" % am.port}]:
				raise Failure("alertmanagers: %s" % urls)
			# a reload with a broken file keeps everything, one with other rules keeps the alert's state
			active_at = get(rt, "/api/v1/alerts")["alerts"][0]["activeAt"]
			write(os.path.join(context.folder, "rules.yml"), RULES % 1 + "  - {alert: x, expr: 1 +}\n")
			if fetch(rt.port, "/-/reload", method="POST").status != 500:
				raise Failure("a broken rule file is taken")
			write(os.path.join(context.folder, "rules.yml"), RULES % 1 + "  - {record: two, expr: one * 2}\n")
			if fetch(rt.port, "/-/reload", method="POST").status != 200:
				raise Failure("the reload fails")
			wait_for("the new rule", lambda: get(rt, "/api/v1/query", query="two")["result"], 10, 0.2)
			if get(rt, "/api/v1/alerts")["alerts"][0]["activeAt"] != active_at:
				raise Failure("the reload costs the alert its state")
			# the condition ends
			write(os.path.join(context.folder, "rules.yml"), RULES % 0)
			fetch(rt.port, "/-/reload", method="POST")
			wait_for("the end of the alert in Alertmanager", lambda: "Fires" not in am.alerts(), 20, 0.3)
			rt.stop()


FOR_RULES = """groups:
- name: g
  interval: 1s
  rules:
  - {alert: Long, expr: vector(1), for: 1h, labels: {a: b}}
  - {alert: Short, expr: vector(1), for: 1s}
"""


def active_at(rt, name):
	"""Seconds; None if the alert is not there."""
	for a in get(rt, "/api/v1/alerts")["alerts"]:
		if a["labels"]["alertname"] == name:
			stamp, fraction = re.fullmatch(r"(.*?)(\.\d+)?Z", a["activeAt"]).groups()
			return time.mktime(time.strptime(stamp, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(fraction or 0)
	return None


def test_for_over_restart(context):
	"""Killed without warning; the next process goes on with `for`, less the outage. A broken file is set aside and said."""
	context.stop_shared()
	write(os.path.join(context.folder, "rules.yml"), FOR_RULES)
	config = "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
	states = os.path.join(context.folder, "states", "alerts.json")
	flags = ["--rules.alert.state-file=" + states, "--rules.alert.for-grace-period=2s"]
	with reqtally.Reqtally(context.folder, config=config, flags=flags) as rt:
		wait_for("the file", lambda: os.path.exists(states), 20)
		first = active_at(rt, "Long")
		time.sleep(6)  # written again meanwhile
		rt.process.popen.send_signal(signal.SIGKILL)
		rt.process.popen.wait()
	with open(states) as f:
		kept = json.load(f)["alerts"]
	if [k["labels"] for k in kept] != [{"alertname": "Long", "a": "b"}] or abs(kept[0]["activeAt"] - first) > 1:
		raise Failure("kept: %s, active since %s" % (kept, first))
	spent = kept[0]["seen"] / 1000 - kept[0]["activeAt"]
	time.sleep(2)
	with reqtally.Reqtally(context.folder, "again", config=config, flags=flags) as rt:
		begun = time.time()
		wait_for("ALERTS after the restoration", lambda: get(rt, "/api/v1/query", query='ALERTS{alertname="Long"}')["result"], 20, 0.1)
		restored = active_at(rt, "Long")
		now_spent = begun - restored
		if not spent - 3 <= now_spent <= spent + 3.5:
			raise Failure("%.1f s of `for` were spent, after the restart %.1f" % (spent, now_spent))
		rt.stop()
	with open(states) as f:
		text = f.read()
	write(states, text[:-5])
	with reqtally.Reqtally(context.folder, "broken", config=config, flags=flags) as rt:
		wait_for("the alert", lambda: active_at(rt, "Long"), 20, 0.1)
		if not os.path.exists(states + ".broken") or "is broken" not in rt.process.log():
			raise Failure("a broken file is not set aside and said: %s" % rt.process.log()[-500:])
		rt.stop()
	if not os.path.exists(states):
		raise Failure("nothing is kept after a broken file")
