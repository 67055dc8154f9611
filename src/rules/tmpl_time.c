// SPDX-License-Identifier: GPL-2.0-or-later
/* Text of times and durations as Go's time package writes it. */
#include "rules/tmpl.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"

static void add_fraction(int64_t ns, size_t digits, bool trim, struct buf *out)
{
	char tmp[24];
	snprintf(tmp, sizeof(tmp), "%09lld", (long long)ns);
	size_t n = digits > 9 ? 9 : digits;
	while (trim && n && tmp[n - 1] == '0')
		n--;
	if (!n)
		return;
	buf_addc(out, '.');
	buf_add(out, tmp, n);
}

void tmpl_fmt_time(int64_t ns, struct sv layout, struct buf *out)
{
	static const struct {
		const char *token, *strf;
	} tokens[] = {{"January", "%B"}, {"Jan", "%b"},	  {"Monday", "%A"},	{"Mon", "%a"},
		      {"MST", "UTC"},	 {"2006", "%Y"},  {"-07:00", "+00:00"}, {"-0700", "+0000"},
		      {"-07", "+00"},	 {"Z07:00", "Z"}, {"Z0700", "Z"},	{"002", "%j"},
		      {"01", "%m"},	 {"02", "%d"},	  {"03", "%I"},		{"04", "%M"},
		      {"05", "%S"},	 {"06", "%y"},	  {"15", "%H"},		{"PM", "%p"},
		      {"pm", "%P"},	 {"_2", "%e"},	  {"1", "%-m"},		{"2", "%-d"},
		      {"3", "%-I"},	 {"4", "%-M"},	  {"5", "%-S"}};
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
		size_t k = 0;
		if ((rest.p[0] == '.' || rest.p[0] == ',') && rest.n > 1 &&
		    (rest.p[1] == '0' || rest.p[1] == '9')) {
			size_t d = 1;
			while (d < rest.n && rest.p[d] == rest.p[1])
				d++;
			if (d == rest.n || rest.p[d] < '0' || rest.p[d] > '9') {
				add_fraction(frac, d - 1, rest.p[1] == '9', out);
				i += d;
				continue;
			}
		}
		while (k < ARRAY_SIZE(tokens) && !sv_starts_with(rest, sv_of(tokens[k].token)))
			k++;
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
		add_fraction((int64_t)(u % scale[k] * (1000000000 / scale[k])), 9, true, out);
		buf_adds(out, units[k]);
		return;
	}
	uint64_t s = u / 1000000000;
	if (s >= 3600)
		buf_addf(out, "%lluh", (unsigned long long)(s / 3600));
	if (s >= 60)
		buf_addf(out, "%llum", (unsigned long long)(s / 60 % 60));
	buf_addf(out, "%llu", (unsigned long long)(s % 60));
	add_fraction((int64_t)(u % 1000000000), 9, true, out);
	buf_addc(out, 's');
}
