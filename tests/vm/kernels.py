# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernels of the tests: Debian's cloud kernels, from the folder of ready ones (RT_SHARED/kernels), else from their packages.

A package is fetched with an apt state of its own, made of the machine's own mirror and one suite: nothing of the machine's state,
sources or preferences is touched."""
import fnmatch
import lzma
import os
import re
import subprocess
import urllib.parse

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SHARED = os.path.join(os.path.abspath(os.environ.get("RT_SHARED", os.path.join(ROOT, "..", "shared"))), "kernels")
CACHE = os.path.join(ROOT, "build", "vm")
# Name, Debian suite, architecture, package. The package is the newest that matches; a superseded one leaves the mirror.
KERNELS = (
	("5.10", "bullseye-security", "amd64", "linux-image-5.10.0-*-cloud-amd64"),
	("6.1", "bookworm-security", "amd64", "linux-image-6.1.0-*-cloud-amd64"),
	("6.12", "trixie-security", "amd64", "linux-image-6.12.*-cloud-amd64"),
	("6.18", "trixie-backports", "amd64", "linux-image-6.18.*-cloud-amd64"),
	("7", "trixie-backports", "amd64", "linux-binary-7.*-cloud-amd64 linux-image-7.*-cloud-amd64"),
	("arm64", "trixie-security", "arm64", "linux-image-6.12.*-cloud-arm64"),
)
CODENAME = "(?:bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)"


class Missing(Exception):
	"""What cannot be had here, with the reason."""


def command(*argv, environment=None, folder=None):
	try:
		done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, cwd=folder,
				      env=dict(os.environ, LC_ALL="C", **(environment or {})))
	except (OSError, subprocess.TimeoutExpired) as e:
		raise Missing("%s: %s" % (argv[0], e)) from None
	if done.returncode:
		raise Missing("%s: %s" % (" ".join(argv[:3]), (done.stderr.strip() or done.stdout.strip()).split("\n")[-1]))
	return done.stdout


class Apt:
	"""apt for one suite and architecture, in a folder of its own below the cache."""

	def __init__(self, suite, architecture):
		self.folder = os.path.join(CACHE, "apt", "%s-%s" % (suite, architecture))
		self.config = os.path.join(self.folder, "apt.conf")
		if os.path.exists(os.path.join(self.folder, "ready")):
			return
		for name in ("state/lists/partial", "cache/archives/partial", "none"):
			os.makedirs(os.path.join(self.folder, name), exist_ok=True)
		key = "/usr/share/keyrings/debian-archive-keyring.gpg"
		signed = "signed-by=%s " % key if os.path.exists(key) else ""
		open(os.path.join(self.folder, "status"), "w").close()
		with open(os.path.join(self.folder, "sources.list"), "w") as f:
			f.write("deb [%sarch=%s] %s %s main\n" % (signed, architecture, mirror(suite), suite))
		with open(self.config, "w") as f:
			f.write("""Dir::State "{0}/state"; Dir::State::status "{0}/status"; Dir::Cache "{0}/cache";
Dir::Etc::sourcelist "{0}/sources.list"; Dir::Etc::sourceparts "{0}/none"; Dir::Etc::preferences "{0}/none/x";
Dir::Etc::preferencesparts "{0}/none";
#clear APT::Architectures;
APT::Architecture "{1}"; APT::Architectures {{ "{1}"; }}; APT::Sandbox::User ""; Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
""".format(self.folder, architecture))
		self.run("apt-get", "-q", "update")
		open(os.path.join(self.folder, "ready"), "w").close()

	def run(self, *argv, folder=None):
		return command(*argv, environment={"APT_CONFIG": self.config}, folder=folder)

	def newest(self, patterns):
		found = []
		for pattern in patterns.split():
			regex = "^" + fnmatch.translate(pattern)[4:].split(")")[0] + "$"
			found += [line.split(" ")[0] for line in self.run("apt-cache", "search", "--names-only", regex).splitlines()]
		found = [f for f in found if not f.endswith(("-dbg", "-unsigned"))]
		if not found:
			raise Missing("no package %s" % patterns)
		return max(found, key=lambda n: [int(x) for x in re.findall(r"\d+", n)])

	def unpack(self, packages, target):
		"""PACKAGES into the folder TARGET."""
		archives = os.path.join(self.folder, "cache", "archives")
		self.run("apt-get", "-q", "download", *packages, folder=archives)
		os.makedirs(target, exist_ok=True)
		for name in packages:
			paths = [p for p in os.listdir(archives) if p.startswith(name + "_") and p.endswith(".deb")]
			if not paths:
				raise Missing("apt-get downloaded no %s" % name)
			for path in paths:
				command("dpkg-deb", "-x", os.path.join(archives, path), target)
				os.unlink(os.path.join(archives, path))

	def closure(self, packages):
		"""PACKAGES and all that they depend on."""
		text = self.run("apt-get", "-q", "-y", "--no-install-recommends", "--print-uris", "install", *packages)
		return sorted({urllib.parse.unquote(n) for n in re.findall(r"^'[^']*/([^/_']+)_[^/']*\.deb'", text, re.M)})


def mirror(suite):
	"""The address that the machine has its Debian from; a security suite has its own."""
	text = command("apt-get", "update", "--print-uris")
	found = re.findall(r"^'(\S+)/dists/(\S+)/InRelease'", text, re.M)
	security = [u for u, s in found if re.fullmatch(CODENAME + "-security", s)]
	main = [u for u, s in found if re.fullmatch(CODENAME + "(-updates|-backports)?", s)]
	if suite.endswith("-security") and security:
		return security[0]
	if not main:
		raise Missing("no Debian mirror in this machine's apt sources")
	return main[0] + "-security" if suite.endswith("-security") else main[0]


def find(name):
	"""The path of kernel NAME."""
	_, suite, architecture, package = next(k for k in KERNELS if k[0] == name)
	version = "6.12." if name == "arm64" else name + "."
	for folder in (SHARED, os.path.join(CACHE, "kernels")):
		if os.path.isdir(folder):
			files = [f for f in os.listdir(folder) if f.startswith("vmlinuz-" + version) and f.endswith("-" + architecture)]
			if files:
				return os.path.join(folder, max(files, key=lambda n: [int(x) for x in re.findall(r"\d+", n)]))
	return fetch(suite, architecture, package)


def with_modules(name, modules):
	"""(path of kernel NAME, {module: content}), both from one package, each module behind those that it depends on."""
	_, suite, architecture, pattern = next(k for k in KERNELS if k[0] == name)
	apt = Apt(suite, architecture)
	package = apt.newest(pattern)
	folder = os.path.join(CACHE, "packages", package)
	if not os.path.exists(os.path.join(folder, "complete")):
		apt.unpack([package], folder)
		open(os.path.join(folder, "complete"), "w").close()
	files = {n: os.path.join(f, n) for f, _, names in os.walk(folder) for n in names if re.match(r"vmlinuz|.*\.ko(\.xz)?$", n)}
	found = {}

	def take(module):
		file = next((files[n] for n in (module + ".ko", module + ".ko.xz") if n in files), None)
		if not file:
			raise Missing("%s holds no %s" % (package, module))
		with open(file, "rb") as f:
			content = f.read()
		content = lzma.decompress(content) if file.endswith(".xz") else content
		for needed in re.search(rb"\0depends=([^\0]*)\0", content).group(1).decode().split(","):
			if needed and needed not in found:
				take(needed)
		found[module] = content

	for module in modules:
		take(module)
	return next(files[n] for n in files if n.startswith("vmlinuz")), found


def fetch(suite, architecture, pattern):
	apt, target = Apt(suite, architecture), os.path.join(CACHE, "kernels")
	package = apt.newest(pattern)
	unpacked = os.path.join(CACHE, "unpacked", package)
	apt.unpack([package], unpacked)
	for folder, _, names in os.walk(unpacked):
		for file in names:
			if file.startswith("vmlinuz"):
				os.makedirs(target, exist_ok=True)
				release = file if "-" in file else "vmlinuz-" + package.split("-", 2)[2]
				os.replace(os.path.join(folder, file), os.path.join(target, release))
				command("rm", "-rf", unpacked)
				return os.path.join(target, release)
	raise Missing("%s holds no kernel" % package)
