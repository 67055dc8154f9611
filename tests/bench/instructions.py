# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions of the whole machine per request, with and without reqtally, counted by an emulator.

QEMU with `-icount shift=4` lets the guest's clock run 16 ns an instruction and not at all otherwise, so that a rate measured by a
guest with one processor is a count of instructions: 62.5 million a second divided by the rate. What else this machine does has no part
in it. Figures repeat within half a percent; the ratios are those of medians of RUNS runs, taken in one boot."""
import os
import re
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "vm"), os.path.join(HERE, "..", "e2e")]

import guest  # noqa: E402
import kernels  # noqa: E402
from initramfs import Initramfs  # noqa: E402
from procs import Failure, Skip, find_program  # noqa: E402
from reqtally import PROGRAM  # noqa: E402

KERNEL = "6.12"
SECOND = 62.5e6  # instructions in a second of the guest's clock, at shift=4
RUNS = 5
EMPTY = os.path.join(guest.BUILD, "bench", "empty.bpf.o")
ATTACH = os.path.join(guest.BUILD, "bench", "attach")
NGINX = """user root; worker_processes 1; daemon off; error_log stderr crit; pid /tmp/nginx.pid;
events { worker_connections 512; }
http { access_log off; keepalive_requests 1000000000;
	server { listen 127.0.0.1:8080; location / { default_type text/plain; return 200 "hello\\n"; } } }
"""
# The pauses let what has just begun come to rest; the emulator skips them.
SCRIPT = """#!/bin/sh
mkdir -p /var/log/nginx /var/lib/nginx
echo 'root:x:0:0::/root:/bin/sh' >/etc/passwd
echo 'root:x:0:' >/etc/group
/usr/sbin/nginx -c /nginx.conf &
/usr/bin/redis-server --port 6379 --save '' --appendonly no --dir /tmp >/dev/null &
sleep 30
http() {
	/usr/bin/wrk -t1 -c8 -d2s http://127.0.0.1:8080/ | awk -v n="$1" '/requests in/ { sub(/s,/, "", $4); print "RATE", n, $1 / $4 }'
}
redis() {
	/usr/bin/redis-benchmark -h 127.0.0.1 -p 6379 -t set -n 4000 -c 8 -q | tr '\\r' '\\n' |
		awk -v n="$1" '/requests per second/ { print "RATE", n, $2 }'
}
measure() {
	"$1" "$2" >/dev/null
	for i in %(runs)s; do "$1" "$2"; done
}
reqtally() {
	printf '%%s\\n' "$1" >/config.yml
	/reqtally run --no-pin --config.file=/config.yml --web.listen-address=127.0.0.1:9839 &
	program=$!
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		sleep 20
		wget -q -O /dev/null http://127.0.0.1:9839/-/ready && break
	done
	sleep 30
}
stop() {
	kill $program
	wait $program
	sleep 10
}
measure http http-without
measure redis redis-without
/attach /empty.bpf.o /sys/fs/cgroup &
program=$!
sleep 10
measure http http-empty
stop
reqtally ''
measure http http-watched
measure redis redis-watched
wget -q -O - http://127.0.0.1:9839/metrics | grep '^http_requests_total{.*port="8080"' | sed 's/^/COUNTED /'
stop
reqtally 'http: {exclude_ports: [8080]}'
measure http http-excluded
stop
"""


def initramfs():
	fs = Initramfs()
	fs.add(guest.busybox(), "/bin/busybox")
	fs.add(PROGRAM, "/reqtally")
	fs.add(ATTACH, "/attach")
	fs.add(EMPTY, "/empty.bpf.o")
	for program, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("redis-server", "redis-server"), ("redis-benchmark", "redis-tools")):
		path = find_program(program, package=package)
		fs.add(os.path.realpath(path), {"nginx": "/usr/sbin/"}.get(program, "/usr/bin/") + program)
	fs.text("/nginx.conf", NGINX)
	fs.text("/test", SCRIPT % {"runs": " ".join(str(i) for i in range(RUNS))}, 0o755)
	return guest.written(fs, "bench.gz")


def measure():
	"""{name: instructions per request}, each the median of the runs. Skip says why it cannot be measured here."""
	try:
		guest.needed("qemu-system-x86_64", "qemu-system-x86")
		argv = ["timeout", "-k", "5", "500", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "1", "-nodefaults",
			"-no-user-config", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot", "-icount", "shift=4,sleep=off",
			"-kernel", kernels.find(KERNEL), "-initrd", initramfs(), "-append", "console=ttyS0 panic=-1 quiet"]
	except kernels.Missing as reason:
		raise Skip(str(reason)) from None
	said = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode("utf-8", "replace")
	rates = {}
	for name, rate in re.findall(r"^RATE (\S+) ([0-9.e+]+)\r?$", said, re.M):
		rates.setdefault(name, []).append(SECOND / float(rate))
	wanted = ("http-without", "redis-without", "http-empty", "http-watched", "redis-watched", "http-excluded")
	if set(rates) != set(wanted) or "COUNTED" not in said:
		raise Failure("the guest did not measure all: %s\n%s" % (sorted(rates), said[-2000:]))
	return {name: statistics.median(r) for name, r in rates.items()}


def rows():
	m = measure()
	def row(what, on, off):
		return what, "{:,.0f}".format(m[off]), "{:,.0f}".format(m[on]), "**%.3f**" % (m[on] / m[off])
	return [
		row("nginx under wrk, watched", "http-watched", "http-without"),
		row("nginx under wrk, its port excluded", "http-excluded", "http-without"),
		row("redis SET, not HTTP", "redis-watched", "redis-without"),
		row("nginx under wrk, empty programs at the same hooks", "http-empty", "http-without"),
		row("nginx under wrk, watched, against empty programs", "http-watched", "http-empty"),
	]


if __name__ == "__main__":
	try:
		for r in rows():
			print("| " + " | ".join(r) + " |")
	except (Skip, Failure) as reason:
		sys.exit("%s: %s" % (type(reason).__name__, reason))
