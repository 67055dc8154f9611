# SPDX-License-Identifier: GPL-2.0-or-later
"""A reqtally of another version, made from this tree: the structs that kernel and user space share have another order, other sizes and
other members, the state of a connection has another form, and the counters of the ledger other numbers."""
import os
import shutil
import subprocess

from procs import Failure, Skip

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
EDITS = {
	"include/reqtally.h": [
		("#define RT_ABI 1\n", "#define RT_ABI 2\n"),
		("#define RT_ENDPOINT_MAX 192\n", "#define RT_ENDPOINT_MAX 128\n"),
		("\tRT_SEEN,\n\tRT_RECORDED,\n", "\tRT_RECORDED,\n\tRT_SEEN,\n"),
		("\t__u16 port;\n\t__u16 code;\n\t__u8 method;\n", "\t__u8 method;\n\t__u8 spare;\n\t__u16 code;\n\t__u16 port;\n"),
		("\t__u8 pad[3];\n};\n\nstruct rt_histogram", "\t__u8 pad[2];\n};\n\nstruct rt_histogram"),
		("struct rt_series {\n", "struct rt_series {\n\tstruct rt_histogram queue;\n\t__u64 spare;\n"),
		("\tstruct rt_histogram duration, ttfb, queue;\n", "\tstruct rt_histogram ttfb, duration;\n"),
		("RT_ASSERT_SIZE(struct rt_series, 24 ", "RT_ASSERT_SIZE(struct rt_series, 32 "),
	],
	"bpf/connection.h": [
		("struct connection {\n", "struct connection {\n\t__u64 spare[3];\n"),
		("tx_next) < 120 && __builtin_offsetof(struct connection, first) == 120", "tx_next) < 144 && __builtin_offsetof(struct connection, first) == 144"),
	],
}


_built = {}


def build(context):
	"""The path of the program, built once a run. What is not touched by the edits is taken from build/out."""
	if context.root not in _built:
		_built[context.root] = _build(context.root)
	return _built[context.root]


def _build(folder):
	for tool in ("make", "gcc", "clang", "bpftool"):
		if not shutil.which(tool) and not os.path.exists("/usr/sbin/" + tool):
			raise Skip("no %s to build another version with" % tool)
	if not os.path.exists(os.path.join(ROOT, "Makefile")) or not os.path.isdir(os.path.join(ROOT, "build", "out")):
		raise Skip("no source tree to build another version from")
	tree = os.path.join(folder, "other")
	for name in ("Makefile", "VERSION", "mk", "src", "bpf", "include", "vmlinux", "build/out"):
		source, target = os.path.join(ROOT, name), os.path.join(tree, name)
		os.makedirs(os.path.dirname(target), exist_ok=True)
		if os.path.isdir(source):
			shutil.copytree(source, target, ignore=shutil.ignore_patterns("unit", "fuzz", "san"))
		else:
			shutil.copy2(source, target)
	for name, edits in EDITS.items():
		path = os.path.join(tree, name)
		with open(path) as f:
			text = f.read()
		for old, new in edits:
			if text.count(old) != 1:
				raise Failure("%s: %r stands there %d times" % (name, old, text.count(old)))
			text = text.replace(old, new)
		with open(path, "w") as f:
			f.write(text)
	done = subprocess.run(["make", "-s", "-j2", "build"], cwd=tree, capture_output=True, text=True)
	if done.returncode:
		raise Failure("the other version does not build: %s" % (done.stdout + done.stderr)[-1500:])
	return os.path.join(tree, "build", "out", "reqtally")
