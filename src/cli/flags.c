// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static struct flag *find(struct flag *flags, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if ((strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0) ||
		    (len == 1 && flags[i].letter && flags[i].letter == *name))
			return &flags[i];
	return NULL;
}

/* Edit distance, for "did you mean". Names are short; longer ones are cut. */
static size_t distance(const char *a, const char *b)
{
	size_t row[65], n = strnlen(b, 64);
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] && i < 64; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t cost = diagonal + (a[i] != b[j]), up = row[j + 1] + 1, left = row[j] + 1;
			diagonal = row[j + 1];
			row[j + 1] = cost < up ? (cost < left ? cost : left) : (up < left ? up : left);
		}
	}
	return row[n];
}

static void unknown(const struct flag *flags, size_t n, const char *arg, const char *name)
{
	const char *near = NULL;
	size_t len = strcspn(name, "="), best = len < 6 ? len : 6; /* another name altogether is no help */
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(name, flags[i].name);
		if (d < best) {
			best = d;
			near = flags[i].name;
		}
	}
	fprintf(stderr, "reqtally: unknown flag %s", arg);
	if (near)
		fprintf(stderr, ", did you mean --%s?", near);
	fprintf(stderr, " (see reqtally --help)\n");
}

int flags_parse(struct flag *flags, size_t n, int argc, char **argv, char **rest, int *n_rest)
{
	*n_rest = 0;
	for (int i = 0; i < argc; i++) {
		char *arg = argv[i];
		if (strcmp(arg, "--") == 0) {
			while (++i < argc)
				rest[(*n_rest)++] = argv[i];
			return 0;
		}
		if (arg[0] != '-' || !arg[1]) {
			rest[(*n_rest)++] = arg;
			continue;
		}
		/* One dash is taken as two, as Go programs do; -h is --help. */
		char *name = arg + (arg[1] == '-' ? 2 : 1);
		if (strcmp(name, "h") == 0)
			name = "help";
		size_t len = strcspn(name, "=");
		struct flag *f = find(flags, n, name, len);
		if (!f) {
			unknown(flags, n, arg, name);
			return -1;
		}
		const char *value = name[len] ? name + len + 1 : NULL;
		if (!f->arg) {
			if (value && strcmp(value, "true") && strcmp(value, "false")) {
				fprintf(stderr, "reqtally: --%s takes no value, only true or false (got \"%s\")\n", f->name, value);
				return -1;
			}
			if (value && strcmp(value, "false") == 0)
				continue;
			value = "true";
		} else if (!value) {
			if (i + 1 >= argc) {
				fprintf(stderr, "reqtally: --%s needs a value: --%s=%s\n", f->name, f->name, f->arg);
				return -1;
			}
			value = argv[++i];
		}
		if (!f->repeats)
			f->n = 0;
		f->values = xreallocarray(f->values, f->n + 1, sizeof(*f->values));
		f->values[f->n++] = value;
	}
	return 0;
}

const char *flag_get(const struct flag *flags, size_t n, const char *name)
{
	const struct flag *f = find((struct flag *)flags, n, name, strlen(name));
	return f ? (f->n ? f->values[f->n - 1] : f->initial) : NULL;
}

bool flag_given(const struct flag *flags, size_t n, const char *name)
{
	const struct flag *f = find((struct flag *)flags, n, name, strlen(name));
	return f && f->n;
}

void flags_help(const struct flag *flags, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char left[128];
		char letter[] = {'-', flags[i].letter, ',', ' ', 0};
		snprintf(left, sizeof(left), "%s--%s%s%s", flags[i].letter ? letter : "", flags[i].name, flags[i].arg ? "=" : "",
			 flags[i].arg ? flags[i].arg : "");
		printf("  %-36s %s", left, flags[i].help);
		if (flags[i].initial && *flags[i].initial)
			printf(" (default %s)", flags[i].initial);
		putchar('\n');
	}
}

bool flags_help_given(const struct flag *flags, size_t n, const char *usage)
{
	if (!flag_given(flags, n, "help"))
		return false;
	printf("usage: %s\n\nFlags:\n", usage);
	flags_help(flags, n);
	return true;
}

void flags_free(struct flag *flags, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(flags[i].values);
		flags[i].values = NULL;
		flags[i].n = 0;
	}
}
