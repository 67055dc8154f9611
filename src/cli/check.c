// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"
int cmd_check(int argc, char **argv) { return 1; }
int cmd_test(int argc, char **argv) { return 1; }
int cmd_query(int argc, char **argv) { return 1; }
