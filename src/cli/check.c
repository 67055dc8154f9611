// SPDX-License-Identifier: GPL-2.0-or-later
/* reqtally check config|rules, reqtally test rules|promql. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "cli/cli.h"
#include "cli/features.h"
#include "config/config.h"
#include "promql/test.h"
#include "rules/check.h"
#include "rules/rule_file.h"
#include "rules/unit_test.h"

/* Words parted by commas, as promtool takes them. */
static bool lints(const char *words)
{
	bool any = false;
	for (const char *end; *words; words = *end ? end + 1 : end) {
		end = strchrnul(words, ',');
		struct sv word = sv_make(words, (size_t)(end - words));
		if (sv_eqs(word, "all") || sv_eqs(word, "duplicate-rules"))
			any = true;
		else if (!sv_eqs(word, "none") && !sv_eqs(word, "too-long-scrape-interval"))
			printf("WARNING: unknown lint option %.*s\n", SV_ARG(word));
	}
	return any;
}

static int check_rules(int argc, char **argv)
{
	struct flag flags[] = {{.name = "lint", .arg = "all|duplicate-rules|none", .initial = "duplicate-rules", .help = "what to look for"},
			       {.name = "lint-fatal", .help = "exit with 3 if the linter finds something"},
			       {.name = "ignore-unknown-fields", .help = "pass over keys that are not known"},
			       ENABLE_FEATURE_FLAG,
			       HELP_FLAG};
	_cleanup_free_ char **files = xcalloc((size_t)argc + 1, sizeof(*files));
	int n, code = EXIT_USAGE;

	if (flags_parse(flags, ARRAY_SIZE(flags), argc, argv, files, &n)) {
		/* said */
	} else if (flags_help_given(flags, ARRAY_SIZE(flags), "reqtally check rules [FLAGS] [FILE...]\n\nChecks rule files; standard input without.")) {
		code = EXIT_OK;
	} else {
		const char *lint = flag_get(flags, ARRAY_SIZE(flags), "lint");
		struct rule_check_options opt = {.no_lint = !lints(lint),
						 .lint_fatal = flag_given(flags, ARRAY_SIZE(flags), "lint-fatal"),
						 .ignore_unknown_fields = flag_given(flags, ARRAY_SIZE(flags), "ignore-unknown-fields")};
		features_enable(flags, ARRAY_SIZE(flags), &opt.promql);
		code = rule_check_files(files, (size_t)n, &opt, stdout, stderr);
	}
	flags_free(flags, ARRAY_SIZE(flags));
	return code;
}

/* One configuration file and, unless SYNTAX_ONLY, its rule files. */
static int check_config_file(const char *path, bool syntax_only, const struct rule_check_options *opt)
{
	struct config *cfg = NULL;
	char *error = NULL;

	printf("Checking %s\n", path);
	if (config_load(path, &cfg, &error)) {
		fflush(stdout);
		fprintf(stderr, "  FAILED: %s\n", error);
		putchar('\n');
		free(error);
		return EXIT_FAILED;
	}
	/* Prometheus starts without them, but promtool does not let them pass. */
	if (cfg->missing_rule_files.n && !syntax_only) {
		fflush(stdout);
		fprintf(stderr, "  FAILED: \"%s\" does not point to an existing file\n", cfg->missing_rule_files.v[0]);
		putchar('\n');
		config_free(cfg);
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < cfg->warnings.n; i++)
		printf("  WARNING: %s\n", cfg->warnings.v[i]);
	for (size_t i = 0; i < cfg->not_acted_on.n; i++)
		printf("  NOTE: %s is accepted and not acted on\n", cfg->not_acted_on.v[i]);
	size_t n = syntax_only ? 0 : cfg->rule_files.n;
	if (n)
		printf("  SUCCESS: %zu rule files found\n", n);
	printf(" SUCCESS: %s is valid prometheus config file syntax\n\n", path);
	int code = n ? rule_check_files(cfg->rule_files.v, n, opt, stdout, stderr) : EXIT_OK;
	config_free(cfg);
	return code;
}

static int check_config(int argc, char **argv)
{
	struct flag flags[] = {{.name = "syntax-only", .help = "do not look for the rule files"},
			       {.name = "lint", .arg = "all|duplicate-rules|none", .initial = "duplicate-rules", .help = "what to look for in rule files"},
			       {.name = "lint-fatal", .help = "exit with 3 if the linter finds something"},
			       {.name = "ignore-unknown-fields", .help = "pass over keys of rule files that are not known"},
			       ENABLE_FEATURE_FLAG,
			       HELP_FLAG};
	_cleanup_free_ char **files = xcalloc((size_t)argc + 1, sizeof(*files));
	int n, code = EXIT_USAGE;

	if (flags_parse(flags, ARRAY_SIZE(flags), argc, argv, files, &n)) {
		/* said */
	} else if (flags_help_given(flags, ARRAY_SIZE(flags), "reqtally check config [FLAGS] FILE...\n\nChecks configuration files, and the rule files they name.")) {
		code = EXIT_OK;
	} else if (!n) {
		fprintf(stderr, "usage: reqtally check config [FLAGS] FILE...\n");
	} else {
		struct rule_check_options opt = {.no_lint = !lints(flag_get(flags, ARRAY_SIZE(flags), "lint")),
						 .lint_fatal = flag_given(flags, ARRAY_SIZE(flags), "lint-fatal"),
						 .ignore_unknown_fields = flag_given(flags, ARRAY_SIZE(flags), "ignore-unknown-fields")};
		features_enable(flags, ARRAY_SIZE(flags), &opt.promql);
		code = EXIT_OK;
		for (int i = 0; i < n; i++) {
			int c = check_config_file(files[i], flag_given(flags, ARRAY_SIZE(flags), "syntax-only"), &opt);
			/* An error counts more than what the linter finds. */
			code = code == EXIT_FAILED || (c != EXIT_FAILED && c < code) ? code : c;
		}
	}
	flags_free(flags, ARRAY_SIZE(flags));
	return code;
}

static bool asks_for_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0 || strcmp(arg, "-help") == 0;
}

/* Where the command line is wrong, or on stdout for who asked. */
static int usage(const char *text, int argc, char **argv)
{
	bool asked = argc >= 1 && asks_for_help(argv[argc - 1]);
	fprintf(asked ? stdout : stderr, "usage: %s", text);
	return asked ? EXIT_OK : EXIT_USAGE;
}

int cmd_check(int argc, char **argv)
{
	if (argc >= 1 && strcmp(argv[0], "rules") == 0)
		return check_rules(argc - 1, argv + 1);
	if (argc >= 1 && strcmp(argv[0], "config") == 0)
		return check_config(argc - 1, argv + 1);
	return usage("reqtally check config [--syntax-only] [--lint=...] [--lint-fatal] [--ignore-unknown-fields] [--enable-feature=...] FILE...\n"
		     "       reqtally check rules [--lint=...] [--lint-fatal] [--ignore-unknown-fields] [--enable-feature=...] [FILE...]\n",
		     argc, argv);
}

static int test_promql(int argc, char **argv)
{
	int passed = 0, failed = 0, code = EXIT_OK;

	for (int i = 0; i < argc; i++) {
		int err = promql_test_file(argv[i], stdout, &passed, &failed);
		if (err) {
			fprintf(stderr, "reqtally: %s: %s\n", argv[i], err < 0 ? strerror(-err) : "cannot be read as a test file");
			code = EXIT_FAILED;
		}
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? EXIT_FAILED : code;
}

static int test_rules(int argc, char **argv)
{
	struct flag flags[] = {
		{.name = "run", .arg = "REGEX", .help = "only test groups whose name it finds; repeatable", .repeats = true},
		{.name = "debug", .help = "tell what is evaluated"},
		{.name = "diff", .help = "show where expected and received alerts differ"},
		{.name = "junit", .arg = "FILE", .help = "write the results as JUnit's XML"},
		{.name = "ignore-unknown-fields", .help = "pass over keys that are not known"},
		ENABLE_FEATURE_FLAG,
		HELP_FLAG};
	_cleanup_free_ char **files = xcalloc((size_t)argc + 1, sizeof(*files));
	struct strings run = {0};
	int n, code = EXIT_USAGE;

	if (flags_parse(flags, ARRAY_SIZE(flags), argc, argv, files, &n)) {
		/* said */
	} else if (flags_help_given(flags, ARRAY_SIZE(flags), "reqtally test rules [FLAGS] FILE...\n\nRuns unit tests of rules, as promtool does.")) {
		code = EXIT_OK;
	} else {
		for (size_t i = 0; i < flags[0].n; i++)
			strings_add(&run, flags[0].values[i]);
		struct unit_test_options opt = {.run = run.n ? &run : NULL,
						.debug = flag_given(flags, ARRAY_SIZE(flags), "debug"),
						.diff = flag_given(flags, ARRAY_SIZE(flags), "diff"),
						.junit = flag_get(flags, ARRAY_SIZE(flags), "junit"),
						.ignore_unknown_fields = flag_given(flags, ARRAY_SIZE(flags), "ignore-unknown-fields")};
		features_enable(flags, ARRAY_SIZE(flags), &opt.promql);
		if (n)
			code = rule_unit_test_files(files, (size_t)n, &opt, stdout, stderr);
		else
			fprintf(stderr, "usage: reqtally test rules [--run=REGEX]... [--debug] [--diff] [--junit=FILE] FILE...\n");
	}
	strings_free(&run);
	flags_free(flags, ARRAY_SIZE(flags));
	return code;
}

int cmd_test(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[0], "promql") == 0 && !asks_for_help(argv[1]))
		return test_promql(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[0], "rules") == 0)
		return test_rules(argc - 1, argv + 1);
	return usage("reqtally test rules [--run=REGEX]... [--debug] [--diff] [--junit=FILE] [--enable-feature=...] FILE...\n"
		     "       reqtally test promql FILE...\n",
		     argc, argv);
}
