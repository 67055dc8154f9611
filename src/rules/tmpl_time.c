// SPDX-License-Identifier: GPL-2.0-or-later
/* Text of times and durations as Go's time package writes it. */
#include "rules/tmpl.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"

static void add_fraction(int64_t ns, char separator, size_t digits, bool trim, struct buf *out)
{
	char tmp[24];
	snprintf(tmp, sizeof(tmp), "%09lld", (long long)ns);
	size_t n = digits > 9 ? 9 : digits;
	while (trim && n && tmp[n - 1] == '0')
		n--;
	if (!n)
		return;
	buf_addc(out, separator);
	buf_add(out, tmp, n);
}

/* A run of 0 or 9 behind a point or a comma is a fraction if no other digit follows: its length, or 0. */
static size_t fraction_length(struct sv s)
{
	size_t n = 2;
	if (s.n < 2 || (s.p[0] != '.' && s.p[0] != ',') || (s.p[1] != '0' && s.p[1] != '9'))
		return 0;
	while (n < s.n && s.p[n] == s.p[1])
		n++;
	return n == s.n || s.p[n] < '0' || s.p[n] > '9' ? n : 0;
}

void tmpl_fmt_time(int64_t ns, struct sv layout, struct buf *out)
{
	/* The first that fits, so longer ones stand before their beginnings. */
	static const struct {
		const char *token, *strf;
		bool alone; /* not in front of a small letter */
	} tokens[] = {{"January", "%B", false},
		      {"Jan", "%b", true},
		      {"Monday", "%A", false},
		      {"Mon", "%a", true},
		      {"MST", "UTC", false},
		      {"2006", "%Y", false},
		      {"-070000", "+000000", false},
		      {"-07:00:00", "+00:00:00", false},
		      {"-0700", "+0000", false},
		      {"-07:00", "+00:00", false},
		      {"-07", "+00", false},
		      {"Z070000", "Z", false},
		      {"Z07:00:00", "Z", false},
		      {"Z0700", "Z", false},
		      {"Z07:00", "Z", false},
		      {"Z07", "Z", false},
		      {"002", "%j", false},
		      {"01", "%m", false},
		      {"02", "%d", false},
		      {"03", "%I", false},
		      {"04", "%M", false},
		      {"05", "%S", false},
		      {"06", "%y", false},
		      {"15", "%H", false},
		      {"PM", "%p", false},
		      {"pm", "%P", false},
		      {"_2006", "_%Y", false},
		      {"__2", "%_j", false},
		      {"_2", "%e", false},
		      {"1", "%-m", false},
		      {"2", "%-d", false},
		      {"3", "%-I", false},
		      {"4", "%-M", false},
		      {"5", "%-S", false}};
	time_t sec = ns / 1000000000;
	int64_t frac = ns % 1000000000;
	if (frac < 0) {
		frac += 1000000000;
		sec--;
	}
	struct tm tm;
	gmtime_r(&sec, &tm);
	for (size_t i = 0; i < layout.n;) {
		struct sv rest = sv_make(layout.p + i, layout.n - i);
		size_t k = 0, digits = fraction_length(rest);
		if (digits) {
			add_fraction(frac, rest.p[0], digits - 1, rest.p[1] == '9', out);
			i += digits;
			continue;
		}
		for (; k < ARRAY_SIZE(tokens); k++) {
			size_t n = strlen(tokens[k].token);
			bool word_goes_on = rest.n > n && rest.p[n] >= 'a' && rest.p[n] <= 'z';
			if (sv_starts_with(rest, sv_of(tokens[k].token)) && !(tokens[k].alone && word_goes_on))
				break;
		}
		if (k == ARRAY_SIZE(tokens)) {
			buf_addc(out, layout.p[i++]);
			continue;
		}
		char tmp[64];
		size_t n = strftime(tmp, sizeof(tmp), tokens[k].strf, &tm);
		buf_add(out, tmp, n);
		i += strlen(tokens[k].token);
	}
}

void tmpl_fmt_duration(int64_t ns, struct buf *out)
{
	uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	if (!u) {
		buf_adds(out, "0s");
		return;
	}
	if (ns < 0)
		buf_addc(out, '-');
	if (u < 1000000000) {
		static const char *const units[] = {"ns", "µs", "ms"};
		static const uint64_t scale[] = {1, 1000, 1000000};
		int k = u < 1000 ? 0 : u < 1000000 ? 1 : 2;
		buf_addf(out, "%llu", (unsigned long long)(u / scale[k]));
		add_fraction((int64_t)(u % scale[k] * (1000000000 / scale[k])), '.', 9, true, out);
		buf_adds(out, units[k]);
		return;
	}
	uint64_t s = u / 1000000000;
	if (s >= 3600)
		buf_addf(out, "%lluh", (unsigned long long)(s / 3600));
	if (s >= 60)
		buf_addf(out, "%llum", (unsigned long long)(s / 60 % 60));
	buf_addf(out, "%llu", (unsigned long long)(s % 60));
	add_fraction((int64_t)(u % 1000000000), '.', 9, true, out);
	buf_addc(out, 's');
}
