// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/unit_report.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define DIFF_LINES_MAX 2000 /* of each text; the rest is not shown */

struct unit_report_suite *unit_report_suite(struct unit_report *r, const char *name)
{
	array_grow(r->suites, r->n, r->cap);
	r->suites[r->n] = (struct unit_report_suite){.name = xstrdup(name)};
	return &r->suites[r->n++];
}

struct unit_report_case *unit_report_case(struct unit_report_suite *s, const char *name)
{
	array_grow(s->cases, s->n, s->cap);
	s->cases[s->n] = (struct unit_report_case){.name = xstrdup(name)};
	return &s->cases[s->n++];
}

void unit_report_clear(struct unit_report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct unit_report_suite *s = &r->suites[i];
		for (size_t k = 0; k < s->n; k++) {
			free(s->cases[k].name);
			strings_free(&s->cases[k].failures);
		}
		strings_free(&s->errors);
		free(s->cases);
		free(s->name);
	}
	free(r->suites);
	*r = (struct unit_report){0};
}

/* As Go's encoder has it. XML 1.0 has no way to write most control characters. */
static void add_xml(const char *s, struct buf *out)
{
	static const struct {
		char c;
		const char *text;
	} escapes[] = {{'"', "&#34;"}, {'\'', "&#39;"}, {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\t', "&#x9;"}, {'\n', "&#xA;"}, {'\r', "&#xD;"}};
	for (; *s; s++) {
		size_t i = 0;
		while (i < ARRAY_SIZE(escapes) && escapes[i].c != *s)
			i++;
		if (i < ARRAY_SIZE(escapes))
			buf_adds(out, escapes[i].text);
		else if ((unsigned char)*s < 0x20)
			buf_adds(out, "\xef\xbf\xbd");
		else
			buf_addc(out, *s);
	}
}

static void add_element(const char *name, const char *text, struct buf *out)
{
	buf_addf(out, "<%s>", name);
	add_xml(text, out);
	buf_addf(out, "</%s>", name);
}

static void add_case(const char *name, struct buf *out)
{
	buf_adds(out, "<testcase name=\"");
	add_xml(name, out);
	buf_adds(out, "\">");
}

static void add_suite(const struct unit_report_suite *s, struct buf *out)
{
	char stamp[32];
	time_t now = time(NULL);
	size_t failures = 0;
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", localtime(&now));
	for (size_t i = 0; i < s->n; i++)
		failures += s->cases[i].failures.n;
	buf_adds(out, "<testsuite name=\"");
	add_xml(s->name, out);
	buf_addf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"0\" timestamp=\"%s\">", s->n + (s->errors.n > 0), failures,
		 s->errors.n, stamp);
	/* A file that cannot be used has one case without a name. */
	if (s->errors.n) {
		add_case("unknown", out);
		for (size_t i = 0; i < s->errors.n; i++)
			add_element("error", s->errors.v[i], out);
		buf_adds(out, "</testcase>");
	}
	for (size_t i = 0; i < s->n; i++) {
		add_case(s->cases[i].name, out);
		for (size_t k = 0; k < s->cases[i].failures.n; k++)
			add_element("failure", s->cases[i].failures.v[k], out);
		buf_adds(out, "</testcase>");
	}
	buf_adds(out, "</testsuite>");
}

int unit_report_write(const struct unit_report *r, const char *path)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	buf_adds(&b, "<testsuites>");
	for (size_t i = 0; i < r->n; i++)
		add_suite(&r->suites[i], &b);
	buf_adds(&b, "</testsuites>");
	FILE *f = fopen(path, "we");
	if (!f)
		return -errno;
	size_t n = fwrite(b.p, 1, b.n, f);
	int rc = n == b.n ? 0 : -EIO;
	if (fclose(f) && rc == 0)
		rc = -errno;
	return rc;
}

static size_t split(const char *text, struct sv *lines)
{
	size_t n = 0;
	for (const char *end; *text && n < DIFF_LINES_MAX; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		lines[n++] = sv_make(text, (size_t)(end - text));
	}
	return n;
}

void unit_diff(const char *before, const char *after, struct buf *out)
{
	_cleanup_free_ struct sv *a = xcalloc(DIFF_LINES_MAX, sizeof(*a)), *b = xcalloc(DIFF_LINES_MAX, sizeof(*b));
	size_t n = split(before, a), m = split(after, b), w = m + 1;
	/* How long the longest common rest of lines is from each pair of places on. */
	_cleanup_free_ uint16_t *common = xcalloc((n + 1) * w, sizeof(*common));
	for (size_t i = n; i-- > 0;)
		for (size_t k = m; k-- > 0;) {
			uint16_t down = common[(i + 1) * w + k], right = common[i * w + k + 1];
			common[i * w + k] =
			    sv_eq(a[i], b[k]) ? (uint16_t)(common[(i + 1) * w + k + 1] + 1) : (down > right ? down : right);
		}
	for (size_t i = 0, k = 0; i < n || k < m;) {
		if (i < n && k < m && sv_eq(a[i], b[k])) {
			buf_addf(out, " %.*s\n", SV_ARG(a[i]));
			i++;
			k++;
		} else if (i < n && (k == m || common[(i + 1) * w + k] >= common[i * w + k + 1])) {
			buf_addf(out, "-%.*s\n", SV_ARG(a[i]));
			i++;
		} else {
			buf_addf(out, "+%.*s\n", SV_ARG(b[k]));
			k++;
		}
	}
}
