// SPDX-License-Identifier: GPL-2.0-or-later
/* Which rule files a test file names: patterns relative to it, with names and complaints as Go has them. */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "rules/rule_file.h"
#include "rules/unit_test.h"

/* DIR/NAME without what `.`, `..` and repeated slashes are in it. */
static char *join(const char *dir, const char *name)
{
	_cleanup_free_ char *all = *dir ? xasprintf("%s/%s", dir, name) : xstrdup(name);
	bool rooted = *all == '/';
	struct strings parts = {0};
	char *save = NULL;
	for (char *part = strtok_r(all, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		bool up = !strcmp(part, "..");
		if (!strcmp(part, ".") || (up && !parts.n && rooted))
			continue;
		if (up && parts.n && strcmp(parts.v[parts.n - 1], ".."))
			free(parts.v[--parts.n]);
		else
			strings_add(&parts, part);
	}
	struct buf out = BUF_INIT;
	for (size_t i = 0; i < parts.n; i++)
		buf_addf(&out, "%s%s", i || rooted ? "/" : "", parts.v[i]);
	if (!parts.n)
		buf_addc(&out, rooted ? '/' : '.');
	strings_free(&parts);
	return buf_steal(&out);
}

/* One character of a set at *P, a backslash before it passed over. */
static bool set_char(const char **p)
{
	if (!**p || **p == '-' || **p == ']')
		return false;
	if (**p == '\\')
		++*p;
	if (!**p)
		return false;
	++*p;
	return **p != 0;
}

/* Is PATTERN one of Go's filepath.Match? What Go takes and glob(3) understands otherwise is not looked for. */
static bool is_pattern(const char *p)
{
	while (*p) {
		if (*p == '\\' && !*++p)
			return false;
		if (*p++ != '[')
			continue;
		p += *p == '^';
		for (bool first = true; first || *p != ']'; first = false) {
			if (!set_char(&p))
				return false;
			if (*p == '-') {
				p++;
				if (!set_char(&p))
					return false;
			}
		}
		p++;
	}
	return true;
}

void unit_rule_files(const char *test_file, const struct strings *patterns, struct strings *files, struct strings *errors, FILE *err)
{
	_cleanup_free_ char *copy = xstrdup(test_file);
	const char *dir = dirname(copy);
	for (size_t i = 0; i < patterns->n; i++) {
		struct strings one = {0}, found = {0};
		const char *p = patterns->v[i];
		strings_take(&one, !*p || *p == '/' ? xstrdup(p) : join(dir, p));
		if (!is_pattern(one.v[0]))
			strings_add(errors, "syntax error in pattern");
		else if (rule_files_glob(&one, &found, errors) == 0 && !found.n)
			fprintf(err, "  WARNING: no file match pattern %s\n", one.v[0]);
		for (size_t k = 0; k < found.n; k++)
			strings_add_once(files, found.v[k]);
		strings_free(&one);
		strings_free(&found);
		if (errors->n)
			break;
	}
}
