/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_CLI_RELOAD_H
#define RT_CLI_RELOAD_H

#include "cli/app.h"

struct config;
struct rule_set;

/* The rules that CFG names: 0 and *OUT, or a negative errno and *ERROR. All that can go wrong does so here. */
int reload_read_rules(const struct app *a, const struct config *cfg, struct rule_set **out, char **error);
/* Puts CFG and its rules into force, which then belong to A. */
void reload_apply(struct app *a, struct config *cfg, struct rule_set *set);

#endif
