/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_CLI_BUNDLED_H
#define RT_CLI_BUNDLED_H

/* The rule file that holds without a configuration: the average duration of any series above 0.5 s for 2 minutes. */
extern const char bundled_rules[];
#define BUNDLED_NAME "bundled"

#endif
