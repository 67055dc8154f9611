#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The man page, the completion and the references name what the program has, no more and no less.

  docs.py flags PROGRAM    commands and flags of --help, against docs/reqtally.8 and docs/completion/reqtally.bash
  docs.py metrics          metric names in src/, against docs/metrics.md
  docs.py config           keys of the http section in src/config/, against docs/configuration.md
  docs.py links            links between documents lead somewhere, and docs/README.md to every page"""
import glob
import os
import re
import subprocess
import sys


def read(path):
    with open(path) as f:
        return f.read()


def compare(what, have, where, documented):
    bad = [f"{where} lacks the {what} {x}" for x in sorted(have - documented)]
    bad += [f"{where} has the {what} {x}, the program does not" for x in sorted(documented - have)]
    return bad


def flags(program):
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^  ([a-z]+) ", text.split("Commands:")[1].split("Flags")[0], re.M))
    names = set(re.findall(r"^  --([a-z][a-z0-9.-]*)", text, re.M)) | {"version", "help"}
    if not commands or len(names) < 4:
        sys.exit(f"--help was not understood: {commands} {names}")
    man = read("docs/reqtally.8").replace("\\-", "-")
    completion = read("docs/completion/reqtally.bash")
    bad, own, of_command = [], set(), {}
    for words in ("check config", "check rules", "test rules", "query", "top", "doctor", "uninstall"):
        command = words.split()[0]
        text = subprocess.run([program, *words.split(), "--help"], capture_output=True, text=True, check=True).stdout
        has = set(re.findall(r"^  (?:-[a-z], )?--([a-z][a-z0-9.-]*)", text, re.M))
        if len(has) < 2 or "help" not in has:
            sys.exit(f"{words} --help was not understood: {has}")
        in_man = re.search(r'"%s \[?(?s:.*?)(?=\n\.TP)' % words, man)[0]
        bad += compare(f"flag of {words}", has - {"help", "enable-feature"}, "the man page", set(re.findall(r"--([a-z][a-z0-9.-]*)", in_man)))
        own |= has
        of_command[command] = of_command.get(command, set()) | has
        if command == "doctor":
            bad += compare("flag of doctor", has, "docs/doctor.md",
                           {"help"} | set(re.findall(r"^\| `--([a-z.-]+)`", read("docs/doctor.md"), re.M)))
    for command, has in of_command.items():
        offered = completion.split(f"{command}:-*)")[1].split(";;")[0]
        bad += compare(f"flag of {command}", has, "the completion", set(re.findall(r"--([a-z][a-z0-9.-]*)", offered)))
    sections = man.split(".SH FLAGS")[1].split(".SH ")[0]
    bad += compare("flag", names, "the man page", set(re.findall(r"--([a-z][a-z0-9.-]*)", sections)))
    bad += compare("flag", names | own, "the completion", set(re.findall(r"--([a-z][a-z0-9.-]*)", completion)))
    synopsis = man.split(".SH COMMANDS")[1].split(".SH FLAGS")[0]
    bad += compare("command", commands, "the man page", set(re.findall(r"^\.TP\n\.BI? \"?([a-z]+)", synopsis, re.M)))
    offered = re.search(r'commands="([a-z ]*\brun\b[a-z ]*)"', completion)
    bad += compare("command", commands, "the completion", set(offered[1].split()))
    return bad


def metrics():
    found = set()
    for path in glob.glob("src/**/*.c", recursive=True):
        found |= set(re.findall(r'"((?:http|reqtally|process)_[a-z0-9_]*[a-z0-9])"', read(path)))
    # the names of PromQL functions, YAML keys and the like
    metric = re.compile(r"http_(requests|request_body|response_body|streams)|reqtally_|process_")
    found = {n for n in found if metric.match(n)}
    found -= {n for n in found if re.sub(r"_(bucket|sum|count)$", "", n) in found - {n}}  # series of a histogram
    # "http_requests_duration_seconds" is written without its suffix in code and documentation alike
    documented = {n for n in re.findall(r"`((?:http|reqtally|process)_[a-z0-9_]+)`", read("docs/metrics.md")) if metric.match(n)}
    if len(found) < 10:
        sys.exit(f"found only {found}")
    return compare("metric", found, "docs/metrics.md", documented)


def config():
    found = set()
    for fields in re.findall(r"struct field fields\[\] = \{(.*?)\};", read("src/config/http_section.c"), re.S):
        found |= set(re.findall(r'\{"([a-z_]+)"', fields))
    section = read("docs/configuration.md").split("## `http`")[1].split("\n## ")[0]
    documented = {key.split(".")[-1] for key in re.findall(r"^\| `([a-z_.]+)`", section, re.M)}
    return compare("key", found - {"budgets"}, "docs/configuration.md", documented)


def links():
    bad = []
    pages = glob.glob("*.md") + glob.glob("docs/**/*.md", recursive=True) + ["deploy/README.md", "LICENSES/README.md"]
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)", read(page)):
            if "://" not in target and not os.path.exists(os.path.join(os.path.dirname(page), target)):
                bad.append(f"{page} links to {target}, which is not there")
    index = set(re.findall(r"\]\(([^)]+)\)", read("docs/README.md")))
    return bad + compare("page", {p[len("docs/"):] for p in glob.glob("docs/*.md")} - {"README.md"}, "docs/README.md",
                         {t for t in index if re.fullmatch(r"[a-z-]+\.md", t)})


what = sys.argv[1] if len(sys.argv) > 1 else ""
problems = flags(sys.argv[2]) if what == "flags" else metrics() if what == "metrics" else config() if what == "config" else links() if what == "links" else [__doc__]
for line in problems:
    print(line)
sys.exit(1 if problems else 0)
