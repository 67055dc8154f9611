// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static const struct {
	const char *name, *help;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"run", "count requests, serve metrics, check rules (the default)", cmd_run},
	{"check", "check config|rules FILE...: say whether files are right", cmd_check},
	{"doctor", "say whether reqtally can run here, how it does, and how each listening process is seen", cmd_doctor},
	{"test", "test rules|promql FILE...: run unit tests of rules, or of the language", cmd_test},
	{"query", "query EXPR: ask a running reqtally, as promtool query instant does", cmd_query},
	{"top", "show what services answer right now: rate, failures, durations, requests in flight", cmd_top},
	{"uninstall", "remove all programs and maps from the kernel; figures are lost", cmd_uninstall},
};

static void help(void)
{
	printf("usage: reqtally [COMMAND] [FLAGS]\n\n"
	       "Counts every HTTP request that the services of this machine answer, from inside the kernel.\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].help);
	printf("\nFlags of run:\n");
	flags_help(run_flags, n_run_flags);
}

int cli_main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-version") == 0) {
			printf("reqtally, version %s\n", REQTALLY_VERSION);
			return EXIT_OK;
		}
		if (i == 1 && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "help") == 0)) {
			help();
			return EXIT_OK;
		}
	}
	if (argc < 2 || argv[1][0] == '-')
		return cmd_run(argc - 1, argv + 1);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	fprintf(stderr, "reqtally: unknown command \"%s\"; commands:", argv[1]);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(stderr, "%s %s", i ? "," : "", commands[i].name);
	fprintf(stderr, " (see reqtally --help)\n");
	return EXIT_USAGE;
}
