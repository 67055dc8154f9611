# SPDX-License-Identifier: GPL-2.0-or-later
"""What reqtally cannot work with: one clear message, an exit code that is not zero, and nothing left attached."""
import json
import os
import re
import shutil
import socket
import subprocess
import time

import reqtally
from procs import Failure, Process, Skip, find_program, free_port, held_ids

NOT_NEWS = re.compile(r"level=(info|debug)|^\s*$")


def bpf_objects():
	"""{(kind, program id, name)} of all programs and attachments."""
	bpftool = find_program("bpftool", package="bpftool")
	done = subprocess.run([bpftool, "-j", "prog", "show"], capture_output=True, text=True)
	found = {("program", item["id"], item.get("name", "?")) for item in json.loads(done.stdout or "[]")}
	done = subprocess.run([bpftool, "-j", "cgroup", "tree"], capture_output=True, text=True)
	try:
		for group in json.loads(done.stdout or "[]"):
			found |= {("cgroup", p["id"], p.get("name")) for p in group.get("programs", ())}
	except ValueError:
		pass  # no cgroup2 on this machine
	return found


def held_by_others():
	"""Ids of programs that a living process holds: attached or not, they are not what a failed start left behind."""
	return set().union(*(held_ids(int(p), "prog") for p in os.listdir("/proc") if p.isdigit()))


def nothing_left(before):
	for _ in range(20):
		others = held_by_others()
		left = {o for o in bpf_objects() - before if o[1] not in others}
		if not left:
			return
		time.sleep(0.1)
	raise Failure("left behind: %s" % ", ".join("%s %d %s" % o for o in sorted(left)))


def refused(context, argv, *patterns, seconds=20):
	"""Runs ARGV, which must end by itself with an exit code of 1 to 125 and one message that matches every pattern."""
	context.stop_shared()
	before = bpf_objects()
	process = Process(argv, context.folder, "refused")
	try:
		code = process.popen.wait(seconds)
	except subprocess.TimeoutExpired:
		process.stop()
		raise Failure("still running after %d s: %s" % (seconds, process.log())) from None
	text = process.log(100000)
	news = [line for line in text.splitlines() if not NOT_NEWS.search(line)]
	if not 1 <= code <= 125:
		raise Failure("exit code %d: %s" % (code, text))
	if len(news) != 1:
		raise Failure("%d messages, expected one clear one:\n    %s" % (len(news), "\n    ".join(news[:8])))
	for pattern in patterns:
		if not re.search(pattern, news[0]):
			raise Failure("the message does not say /%s/: %s" % (pattern, news[0]))
	nothing_left(before)


def program(*flags, command="run"):
	reqtally.require_program()
	return [reqtally.PROGRAM, command, *(("--no-pin",) if command == "run" else ()), *flags]


def listening():
	return "--web.listen-address=127.0.0.1:%d" % free_port()


def with_config(context, text, *patterns, name="bad.yml"):
	path = os.path.join(context.folder, name)
	with open(path, "w") as f:
		f.write(text)
	refused(context, program(listening(), "--config.file=" + path), re.escape(name), *patterns)


def test_unknown_flag(context):
	refused(context, program("--no-such-flag"), r"no-such-flag")


def test_unknown_command(context):
	refused(context, program(command="frobnicate"), r"frobnicate")


def test_stray_argument(context):
	refused(context, program(listening(), "stray"), r"stray")


def test_bad_log_level(context):
	refused(context, program("--log.level=loud"), r"loud", r"info")


def test_bad_telemetry_path(context):
	for path in "/", "metrics", "/-/healthy", "/api/v1/query", "/met rics", "/m%20x", "/metrics?x":
		done = subprocess.run(program(listening(), "--web.telemetry-path=" + path), capture_output=True, text=True, timeout=20)
		if done.returncode != 2 or '"%s" is not accepted' % path not in done.stderr or done.stderr.count("\n") != 1:
			raise Failure("%s: %d %r" % (path, done.returncode, done.stderr))


def test_bad_listen_address(context):
	refused(context, program("--web.listen-address=127.0.0.1:notaport"), r"notaport")


def test_missing_config(context):
	refused(context, program("--config.file=/nonexistent/reqtally.yml"), r"/nonexistent/reqtally\.yml",
			r"(?i)no such file")


def test_config_is_a_folder(context):
	refused(context, program("--config.file=" + context.folder), re.escape(context.folder))


def test_config_broken_yaml(context):
	with_config(context, "global:\n  scrape_interval: 15s\n  bad: [1, 2\nrule_files: []\n", r"[34]")


def test_config_unknown_key(context):
	with_config(context, "global:\n  scrape_interval: 15s\n  scrape_intervall: 15s\n", r"bad\.yml:3:3",
			r"scrape_intervall")


def test_config_unknown_section(context):
	with_config(context, "rule_file: []\n", r"bad\.yml:1:1", r"rule_file\b")


def test_config_bad_duration(context):
	with_config(context, "global:\n  scrape_interval: soon\n", r"bad\.yml:2:20", r"soon")


def test_config_is_a_list(context):
	with_config(context, "- a\n- b\n", r"bad\.yml:1:1")


def test_config_binary(context):
	with_config(context, "\x01\x02\x00\x03")


def with_rules(context, text, *patterns):
	for name, content in (("rules.yml", text), ("config.yml", "rule_files: [rules.yml]\n")):
		with open(os.path.join(context.folder, name), "w") as f:
			f.write(content)
	refused(context, program(listening(), "--config.file=" + os.path.join(context.folder, "config.yml")),
			r"rules\.yml", *patterns)


def test_rule_broken_expression(context):
	with_rules(context, "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: rate(http_requests_total[5m]\n",
			r"\b5\b")


def test_rule_unknown_function(context):
	with_rules(context, "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: frobnicate(up)\n", r"frobnicate")


def test_rule_unknown_key(context):
	with_rules(context, "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up\n    fro: 2m\n", r"\bfro\b",
			r"\b6\b")


def test_port_in_use(context):
	with socket.socket() as s:
		s.bind(("127.0.0.1", 0))
		s.listen()
		port = s.getsockname()[1]
		refused(context, program("--web.listen-address=127.0.0.1:%d" % port), r"\b%d\b" % port, r"(?i)in use")


def copy_of_program(context):
	"""Where another user can reach it, whatever the checkout's folder allows."""
	reqtally.require_program()
	path = os.path.join(context.folder, "reqtally")
	shutil.copy(reqtally.PROGRAM, path)
	os.chmod(path, 0o755)
	return path


def test_not_root(context):
	path = copy_of_program(context)
	setpriv = find_program("setpriv", package="util-linux")
	refused(context, [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", path, "run", "--no-pin", listening()],
		r"(?i)root|capabilit|permission|not permitted")


def test_no_capabilities(context):
	path = copy_of_program(context)
	setpriv = find_program("setpriv", package="util-linux")
	refused(context, [setpriv, "--bounding-set=-all", "--inh-caps=-all", path, "run", "--no-pin", listening()],
		r"(?i)capabilit|permission|not permitted|root")


def in_mount_namespace(commands, argv):
	unshare = find_program("unshare", package="util-linux")
	return [unshare, "--mount", "--propagation", "private", "sh", "-ec", commands + '\nexec "$@"', "sh", *argv]


def test_no_cgroup2(context):
	points = []
	with open("/proc/self/mountinfo") as f:
		for line in f:
			left, right = line.split(" - ")
			if right.split()[0] == "cgroup2":
				points.append(left.split()[4])
	if not points:
		raise Skip("no cgroup2 here to take away")
	commands = "\n".join("umount -l '%s'" % p for p in reversed(points))
	refused(context, in_mount_namespace(commands, program(listening())), r"(?i)cgroup")


def test_no_btf(context):
	if not os.path.exists("/sys/kernel/btf/vmlinux"):
		raise Skip("no BTF here to take away")
	refused(context, in_mount_namespace("mount -t tmpfs none /sys/kernel/btf", program(listening())), r"BTF")
