# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in the guests: for x86-64 this machine's own build, python and the tests; for arm64 a build made for it here."""
import os
import shutil
import sys

import arm64
from initramfs import Initramfs
from kernels import CACHE, ROOT, SHARED, Missing, command

BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build/out"))
E2E = os.path.join(ROOT, "tests", "e2e")
WITHOUT = os.environ.get("REQTALLY_WITHOUT", "").replace("'", "")
# EXIT: bit 0 a test failed, bit 1 something could not be run at all.
SCRIPT = """#!/bin/sh
export REQTALLY_WITHOUT='%(without)s'
for module in %(modules)s; do insmod /modules/$module.ko || rc=2; done
/verifier || rc=2
[ -z "%(words)s" ] || RT_PROGRAM=/reqtally python3 /e2e/run %(words)s || rc=$((${rc:-0} | 1))
exit ${rc:-0}
"""
ARM64_SCRIPT = """#!/bin/sh
/verifier || rc=2
mkdir -p /www/users && echo hello >/www/index.html
httpd -p 127.0.0.1:8080 -h /www
/reqtally run --no-pin --web.listen-address=127.0.0.1:9839 &
reqtally=$!
i=0
until wget -q -O /dev/null http://127.0.0.1:9839/-/ready; do
	i=$((i + 1))
	[ $i -lt 100 ] || break
	sleep 0.2
done
wget -q -O /dev/null http://127.0.0.1:8080/index.html
wget -q -O /dev/null http://127.0.0.1:8080/users/42
wget -q -O /metrics http://127.0.0.1:9839/metrics
check() {
	if grep -qxF "$2" /metrics; then echo "ok $1"; else echo "FAIL $1: no line $2"; rc=$((${rc:-0} | 1)); fi
}
check request 'http_requests_total{code="200",endpoint="/index.html",method="GET",port="8080",service="httpd"} 1'
check normalised 'http_requests_total{code="404",endpoint="/users/{id}",method="GET",port="8080",service="httpd"} 1'
check queue 'http_requests_queue_seconds_count{code="200",endpoint="/index.html",method="GET",port="8080",service="httpd"} 1'
grep '^reqtally_requests' /metrics
kill $reqtally
wait $reqtally && echo "ok stop" || { echo "FAIL stop: status $?"; rc=$((${rc:-0} | 1)); }
exit ${rc:-0}
"""
# Word in the names of tests, program that those need, its Debian package.
PROGRAMS = (
	("netem", "/usr/sbin/tc", "iproute2"), ("netem", "/usr/sbin/ip", "iproute2"),
	("nginx", "/usr/sbin/nginx", "nginx-light"),
)
# All modules that the tests import, and those that python needs before it can import.
MODULES = """
import runpy, sys
sys.dont_write_bytecode = True
runpy.run_path("run")["collect"]()
import _collections_abc, _sitebuiltins, abc, codecs, encodings.idna, encodings.latin_1, genericpath, importlib.util, io, os, posixpath, site, stat
print("\\n".join(f for f in (getattr(m, "__file__", None) for m in list(sys.modules.values())) if f))
"""


def busybox(path="/bin/busybox"):
	if not os.path.exists(path):
		raise Missing("no busybox (Debian package busybox-static)")
	return path


def needed(program, package):
	if not shutil.which(program):
		raise Missing("no %s (Debian package %s)" % (program, package))


def make(words, modules=()):
	"""The initramfs for this machine's architecture; the tests that have one of WORDS in their names, and what else they need: MODULES
	{name: content} of the kernel, programs."""
	needed("qemu-system-x86_64", "qemu-system-x86")
	if os.uname().machine != "x86_64":
		raise Missing("this is no x86-64 machine")
	fs = Initramfs()
	fs.add(busybox(), "/bin/busybox")
	for name in ("reqtally", "verifier"):
		fs.add(os.path.join(BUILD, name), "/" + name)
	if words:
		python = os.path.realpath("/usr/bin/python3")
		fs.add(python, "/usr/bin/python3")
		for file in command(python, "-c", MODULES, folder=E2E).split():
			if file.startswith(("/usr/lib/python3", "/lib/python3")):
				fs.add(file)
				cached = os.path.join(os.path.dirname(file), "__pycache__", "%s.%s.pyc" % (
					os.path.basename(file)[:-3], sys.implementation.cache_tag))
				if os.path.exists(cached):
					fs.add(cached)
		fs.tree(E2E, "/e2e", lambda path: path.endswith((".py", "/run")))
	for name in modules:
		fs.text("/modules/%s.ko" % name, modules[name])
	for word, path, package in PROGRAMS:
		if any(word in w for w in words):
			if not os.path.exists(path):
				raise Missing("no %s (Debian package %s)" % (path, package))
			fs.add(path)
	fs.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534::/:/bin/false\n")
	fs.text("/etc/group", "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n")
	fs.text("/test", SCRIPT % {"words": " ".join(words), "without": WITHOUT, "modules": " ".join(modules)}, 0o755)
	return written(fs, "amd64.gz")


def make_arm64():
	needed("qemu-system-aarch64", "qemu-system-arm")
	root, build = arm64.make()
	fs = Initramfs(root)
	ready = os.path.join(SHARED, "busybox-arm64")
	fs.add(busybox(ready if os.path.exists(ready) else os.path.join(root, "bin", "busybox")), "/bin/busybox")
	for name in ("reqtally", "verifier"):
		fs.add(os.path.join(build, name), "/" + name)
	fs.text("/test", ARM64_SCRIPT, 0o755)
	return written(fs, "arm64.gz")


def written(fs, name):
	os.makedirs(CACHE, exist_ok=True)
	path = os.path.join(CACHE, name)
	fs.write(path)
	return path
