# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes an initramfs (a gzipped cpio archive) of a static busybox, programs with the libraries they need, and a script that
the guest runs: no root file system, no disk, no installation."""
import gzip
import os
import re
import stat
import subprocess

INIT = b"""#!/bin/busybox sh
/bin/busybox mkdir -p /usr/bin /usr/sbin
/bin/busybox --install -s 2>/dev/null
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
ln -s /proc/self/fd /dev/fd
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmp /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
echo "BOOTED $(uname -r)"
/test
rc=$?
echo
echo "EXIT:$rc"
poweroff -f
"""


class Initramfs:
	"""ROOT: where libraries are looked for (a machine's own, or an unpacked one of another architecture)."""

	def __init__(self, root="/", folders=()):
		self.root, self.entries, self.inode = root, {}, 0
		self.folders = [*folders, "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu",
				"/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib", "/lib64"]
		for name in ("dev", "proc", "sys", "tmp", "run", "root", "etc", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64"):
			self._folder(name)
		for name in ("bin", "sbin", "lib", "lib64"):  # as in Debian
			self.entries[name] = (stat.S_IFLNK | 0o777, ("usr/" + name).encode(), 0)
		self.text("/init", INIT, 0o755)

	def _folder(self, name):
		parts = name.split("/")
		for i in range(1, len(parts) + 1):
			self.entries.setdefault("/".join(parts[:i]), (stat.S_IFDIR | 0o755, b"", 0))

	def text(self, path, content, mode=0o644, mtime=0):
		name = re.sub(r"^/(bin|sbin|lib|lib64)/", r"usr/\1/", path).lstrip("/")
		self._folder(os.path.dirname(name)) if "/" in name else None
		self.entries[name] = (stat.S_IFREG | mode, content if isinstance(content, bytes) else content.encode(), mtime)

	def add(self, source, path=None):
		"""A file, with the libraries that it needs if it is a program."""
		with open(source, "rb") as f:
			content = f.read()
		info = os.stat(source)
		self.text(path or source, content, info.st_mode & 0o7777, int(info.st_mtime))
		if content[:4] == b"\x7fELF":
			self._libraries(source)

	def tree(self, source, path, wanted=lambda name: True):
		for folder, _, names in os.walk(source):
			for name in names:
				full = os.path.join(folder, name)
				if wanted(full):
					self.add(full, path + full[len(source):])

	def _libraries(self, source):
		text = subprocess.run(["readelf", "-ld", source], capture_output=True, text=True).stdout
		names = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
		loader = re.search(r"program interpreter: (.*)\]", text)
		for name in ([loader.group(1)] if loader else []) + names:
			self._library(name)

	def _library(self, name):
		if name.startswith("/"):
			places = [name]
		else:
			places = [os.path.join(d, name) for d in self.folders]
		for place in places:
			known = re.sub(r"^/(lib|lib64)/", r"usr/\1/", place).lstrip("/")
			if known in self.entries:
				return
			real = self._resolve(place)
			if real:
				self.add(real, place)
				return
		raise FileNotFoundError("no library %s below %s" % (name, self.root))

	def _resolve(self, path):
		"""PATH below the root, its links followed there."""
		for _ in range(20):
			full = os.path.join(self.root, path.lstrip("/"))
			if not os.path.islink(full):
				break
			path = os.path.join(os.path.dirname(path), os.readlink(full))
		if not os.path.exists(full) and path.startswith("/lib"):  # a root whose /lib is not merged with /usr/lib
			full = os.path.join(self.root, "usr", path.lstrip("/"))
		return full if os.path.isfile(full) else None

	def write(self, out):
		temporary = out + ".tmp"
		with gzip.GzipFile(temporary, "wb", compresslevel=1, mtime=0) as f:
			for number, name in enumerate(sorted(self.entries), 1):
				mode, content, mtime = self.entries[name]
				self._entry(f, number, name, mode, content, mtime)
			self._entry(f, 0, "TRAILER!!!", 0, b"", 0)
		os.rename(temporary, out)

	@staticmethod
	def _entry(f, inode, name, mode, content, mtime):
		"""One of the "new ASCII" format (Documentation/driver-api/early-userspace/buffer-format.rst)."""
		name = name.encode() + b"\0"
		fields = (inode, mode, 0, 0, 1, mtime, len(content), 0, 0, 0, 0, len(name), 0)
		head = b"070701" + b"".join(b"%08x" % n for n in fields) + name
		f.write(head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4))
