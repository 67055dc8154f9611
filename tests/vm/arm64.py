# SPDX-License-Identifier: GPL-2.0-or-later
"""reqtally for arm64, built on another machine: Debian's cross compiler, and Debian's arm64 libraries unpacked in a folder."""
import glob
import os
import re
import shutil

from kernels import CACHE, ROOT, SHARED, Apt, Missing, command

TRIPLE = "aarch64-linux-gnu"


def packages():
	"""The libraries that `make deps` installs, and the allocation-free busybox if there is no ready one."""
	with open(os.path.join(ROOT, "mk", "deps.mk")) as f:
		text = re.search(r"^DEPS := (.*?[^\\])$", f.read(), re.S | re.M).group(1)
	found = [w for w in text.replace("\\\n", " ").split() if re.fullmatch(r"lib\S+-dev|nettle-dev", w)]
	return found + ([] if os.path.exists(os.path.join(SHARED, "busybox-arm64")) else ["busybox-static"])


def suite():
	with open("/etc/os-release") as f:
		m = re.search(r"^VERSION_CODENAME=(\S+)$", f.read(), re.M)
	if not m:
		raise Missing("this is no Debian release")
	return m.group(1)


def sysroot():
	"""The folder with the arm64 libraries and headers."""
	root = os.path.join(CACHE, "arm64-root")
	stamp = os.path.join(root, ".packages")
	wanted = " ".join(packages())
	if os.path.exists(stamp) and open(stamp).read() == wanted:
		return root
	shutil.rmtree(root, ignore_errors=True)
	apt = Apt(suite(), "arm64")
	apt.unpack(apt.closure(packages()), root)
	for path in glob.glob(os.path.join(root, "usr", "lib", TRIPLE, "*")):
		if os.path.islink(path) and os.readlink(path).startswith("/"):  # a link of the root it was made for
			target = root + os.readlink(path)
			os.unlink(path)
			os.symlink(target, path)
	with open(stamp, "w") as f:
		f.write(wanted)
	return root


def make():
	"""(the folder with the libraries, the folder with the programs)"""
	if not shutil.which(TRIPLE + "-gcc"):
		raise Missing("no %s-gcc (Debian packages gcc-%s, libc6-dev-arm64-cross)" % (TRIPLE, TRIPLE))
	root = sysroot()
	build = os.path.join("build", "arm64")
	command("make", "--no-print-directory", "-j2", build + "/reqtally", build + "/verifier", "BUILD=" + build, "BPF_MACHINE=aarch64",
		"CC=%s-gcc --sysroot=%s" % (TRIPLE, root), folder=ROOT)
	return root, os.path.join(ROOT, build)
