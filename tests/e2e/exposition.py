# SPDX-License-Identifier: GPL-2.0-or-later
"""A strict reader of the Prometheus text format 0.0.4: it accepts what the format allows and nothing else, and checks
what a scraper would: one TYPE a family, families in one piece, no series twice, histograms that add up."""
import collections
import re

SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
META = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)\Z", re.S)
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)\Z", re.S)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\Z)')
UNESCAPE = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class FormatError(Exception):
	pass


def _labels(text):
	labels, pos = {}, 0
	while pos < len(text):
		m = LABEL.match(text, pos)
		if not m:
			raise FormatError("labels {%s}" % text)
		if m.group(1) in labels:
			raise FormatError("label %s twice in {%s}" % (m.group(1), text))
		labels[m.group(1)] = re.sub(r"\\.", lambda e: UNESCAPE[e.group()], m.group(2))
		pos = m.end()
	return labels


class Scrape:
	"""One scrape: series[name][frozenset(label items)] = value, types[family] = type."""

	def __init__(self, text):
		self.series = collections.defaultdict(dict)
		self.types, self.help = {}, {}
		if not text.endswith("\n"):
			raise FormatError("the last line has no LF")
		done, current = set(), None
		for line in text.split("\n")[:-1]:
			if not line:
				continue
			family = self._line(line)
			if family and family != current:
				if family in done:
					raise FormatError("family %s comes in two pieces" % family)
				done.add(family)
				current = family
		self._check_histograms()

	def _line(self, line):
		if line.startswith("#"):
			m = META.match(line)
			if not m:
				return None
			kind, name, text = m.groups()
			table = self.types if kind == "TYPE" else self.help
			if name in table:
				raise FormatError("%s of %s twice" % (kind, name))
			table[name] = text
			return name
		m = SAMPLE.match(line)
		if not m:
			raise FormatError("sample line %r" % line)
		name, labels, value = m.groups()
		key = frozenset(_labels(labels or "").items())
		if key in self.series[name]:
			raise FormatError("series twice: %s" % line)
		self.series[name][key] = float(value)
		for family, kind in ((name, None), *((name[:-len(s)], k) for k in SUFFIXES for s in SUFFIXES[k]
						     if s and name.endswith(s))):
			if family in self.types and (kind is None or self.types[family] == kind):
				return family
		return name

	def _check_histograms(self):
		self._buckets = {}
		for family, kind in self.types.items():
			if kind != "histogram":
				continue
			by_labels = self._buckets[family] = collections.defaultdict(list)
			for key, count in self.series[family + "_bucket"].items():
				le = dict(key)["le"]
				by_labels[key - {("le", le)}].append((float(le), count))
			for buckets in by_labels.values():
				buckets.sort()
			for key, count in self.series[family + "_count"].items():
				buckets = by_labels.get(key)
				if not buckets or buckets[-1][0] != float("inf"):
					raise FormatError("%s%r has no +Inf bucket" % (family, dict(key)))
				if buckets[-1][1] != count:
					raise FormatError("%s%r: count %s, +Inf bucket %s"
							% (family, dict(key), count, buckets[-1][1]))
				if any(a[1] > b[1] for a, b in zip(buckets, buckets[1:])):
					raise FormatError("%s%r: buckets fall: %r" % (family, dict(key), buckets))
				if key not in self.series[family + "_sum"]:
					raise FormatError("%s%r has no sum" % (family, dict(key)))
			if len(self.series[family + "_count"]) != len(self.series[family + "_sum"]):
				raise FormatError("%s: sums and counts differ in number" % family)

	def select(self, name, **labels):
		"""The series of NAME that carry all of LABELS, as {frozenset: value}."""
		want = set(labels.items())
		return {k: v for k, v in self.series.get(name, {}).items() if want <= k}

	def sum(self, name, **labels):
		return sum(self.select(name, **labels).values())

	def by(self, name, keys, **labels):
		"""Sums of NAME over the series with LABELS, grouped by the label names KEYS."""
		out = collections.Counter()
		for k, v in self.select(name, **labels).items():
			d = dict(k)
			out[tuple(d.get(x, "") for x in keys)] += v
		return out

	def buckets(self, family, **labels):
		"""[(le, cumulative count)] of exactly this label set, ascending."""
		return self._buckets.get(family, {}).get(frozenset(labels.items()), [])


def growth(before, after, name, keys, **labels):
	"""By how much NAME grew between two scrapes, grouped by KEYS; what did not grow is left out. Falling is an error."""
	a, b = before.by(name, keys, **labels), after.by(name, keys, **labels)
	out = collections.Counter()
	for k in set(a) | set(b):
		d = b[k] - a[k]
		if d < 0:
			raise FormatError("%s%r fell from %s to %s" % (name, k, a[k], b[k]))
		if d:
			out[k] = d
	return out
