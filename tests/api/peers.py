# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts our API (apiserve) and Debian's prometheus over the same samples. Used by compare.py and bench.py."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def missing():
    return [t for t in ("prometheus", "promtool") if not shutil.which(t)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def request(base, path, params=None, post=False, headers=None):
    """Status, headers, body."""
    data = urllib.parse.urlencode(params or [])
    url = base + path + ("" if post or not data else "?" + data)
    r = urllib.request.Request(url, data=data.encode() if post else None, headers=headers or {})
    try:
        with OPENER.open(r, timeout=130) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


class Peers:
    """ours, theirs: the base URLs. A context manager that ends both and removes what they wrote."""

    def __init__(self, tool, serve_args, dump_args, rules=None):
        self.tool, self.serve_args, self.dump_args, self.rules = tool, serve_args, dump_args, rules

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="reqtally-api.")
        self.processes = []
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        samples, data = f"{self.folder}/samples", f"{self.folder}/data"
        with open(samples, "w") as f:
            subprocess.run([self.tool, *self.dump_args], stdout=f, check=True)
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", samples, data], check=True, stdout=subprocess.DEVNULL)
        self.start_both(data, self.serve_args)

    def start_both(self, data, serve_args, *flags):
        """Prometheus over the folder DATA with FLAGS, and ours; both answer when this returns."""
        config, port = f"{self.folder}/prometheus.yml", free_port()
        with open(config, "w") as f:
            f.write("global: {evaluation_interval: 1s}\n" + (f"rule_files: [{self.rules}]\n" if self.rules else ""))
        log = open(f"{self.folder}/log", "w")
        self.prometheus = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=100y",
             f"--web.listen-address=127.0.0.1:{port}", *flags], stdout=log, stderr=log)
        self.processes.append(self.prometheus)
        self.program = subprocess.Popen([self.tool, *serve_args], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.processes.append(self.program)
        self.ours = "http://" + self.program.stdout.readline().decode().strip()
        self.theirs = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                if request(self.theirs, "/-/ready")[0] == 200:
                    return
            except OSError:
                pass
            if self.prometheus.poll() is not None:
                break
            time.sleep(0.1)
        sys.exit("prometheus does not start:\n" + open(f"{self.folder}/log").read()[-2000:])

    def __exit__(self, *_):
        for p in self.processes:
            p.terminate()
        for p in self.processes:
            p.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) * 1024
