/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line. Each command is a function that gets its own arguments and returns the exit code. */
#ifndef RT_CLI_CLI_H
#define RT_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes: 0 done, 1 failed, 2 the command line is wrong. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int cli_main(int argc, char **argv);

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_query(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_uninstall(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* A flag as the Prometheus programs take it: --name=value or --name value; switches have no value. */
struct flag {
	const char *name; /* without dashes */
	char letter;	  /* another name: one dash and a letter; 0: none */
	const char *arg;  /* what the value is called in the help; NULL: a switch */
	const char *initial;
	const char *help;
	const char **values; /* what was given; room for MAX_VALUES */
	size_t n;
	bool repeats;
};

/* Sets the flags from ARGV and moves what is no flag to REST (at least argc entries), *N_REST of them. 0; or -1 after a message on
 * stderr that names the wrong one and the nearest right one. */
int flags_parse(struct flag *flags, size_t n, int argc, char **argv, char **rest, int *n_rest);
const char *flag_get(const struct flag *flags, size_t n, const char *name);
bool flag_given(const struct flag *flags, size_t n, const char *name);
void flags_help(const struct flag *flags, size_t n);
/* Was --help given? Then USAGE and the flags have been printed, and the command is done. */
bool flags_help_given(const struct flag *flags, size_t n, const char *usage);
#define HELP_FLAG {.name = "help", .help = "print this and exit"}
void flags_free(struct flag *flags, size_t n);

/* The flags of `run`, so that a test can compare them with the manual page and the shell completion. */
extern struct flag run_flags[];
extern const size_t n_run_flags;

#endif
