/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_CLI_RELOAD_H
#define RT_CLI_RELOAD_H

#include "cli/app.h"

struct config;

/* Puts CFG into force, which then belongs to A. On failure nothing has changed and *ERROR says why. */
int reload_apply(struct app *a, struct config *cfg, char **error);

#endif
