# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/verifier-cost.txt: what each program costs the verifier on each kernel. Kept in the tree so that a change shows in review,
and compared with what was measured."""
import os
import re

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "verifier-cost.txt")
MARGIN = 1.10  # dearer than this is a regression; a stable kernel's fixes move the figures by a few percent
SLACK = 500  # small programs move by more
HEAD = """# SPDX-License-Identifier: GPL-2.0-or-later
# What the verifier needs to admit each program: instructions walked (the kernel's limit is 1,000,000) and peak states.
# Written by `make verifier-cost`; `make test-kernels` and the core run of `make test` fail where more than 10% are added.
# Measured with routes configured and a port filter, which cost most. `-`: this kernel does not load the program.
"""


class Table:
	def __init__(self, refresh):
		self.refresh, self.rows, self.releases, self.new = refresh, {}, {}, False
		self.kernels = []
		if os.path.exists(PATH):
			with open(PATH) as f:
				for line in f:
					self._read(line)

	def _read(self, line):
		fields = line.split()
		if line.startswith("#") or not fields:
			return
		if fields[0] == "program":
			self.kernels = fields[1:]
			return
		for kernel, figures in zip(self.kernels, fields[1:]):
			m = re.fullmatch(r"(\d+)/(\d+)", figures)
			if m:
				self.rows.setdefault(kernel, {})[fields[0]] = (int(m.group(1)), int(m.group(2)))

	def measured(self, kernel, release, costs, result):
		if self.refresh:
			self.rows[kernel], self.new = costs, True
			result.line("ok", kernel + " verifier cost", " ".join("%s %d" % (p, c[0]) for p, c in sorted(costs.items())))
			return
		problems, have = [], self.rows.get(kernel)
		if have is None:
			problems.append("no column for this kernel")
		for program, (instructions, _) in sorted(costs.items()):
			known = (have or {}).get(program)
			if have is not None and known is None:
				problems.append("%s is not in the table" % program)
			elif known and instructions > known[0] * MARGIN + SLACK:
				problems.append("%s: %d instructions, %d in the table" % (program, instructions, known[0]))
		problems += ["%s is in the table and was not loaded" % p for p in sorted(have or {}) if p not in costs]
		if problems:
			result.line("FAIL", kernel + " verifier cost", "; ".join(problems) + " (if meant so: make verifier-cost)")
		else:
			result.line("ok", kernel + " verifier cost")

	def save(self):
		if not self.new:
			return
		names = [k for k in ("5.10", "6.1", "6.12", "6.18", "7", "arm64") if k in self.rows]
		programs = sorted({p for k in names for p in self.rows[k]})
		lines = ["%-24s" % "program" + "".join("%16s" % k for k in names)]
		for program in programs:
			cells = ["%d/%d" % self.rows[k][program] if program in self.rows[k] else "-" for k in names]
			lines.append("%-24s" % program + "".join("%16s" % c for c in cells))
		with open(PATH, "w") as f:
			f.write(HEAD + "\n".join(lines) + "\n")
