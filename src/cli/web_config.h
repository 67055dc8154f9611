/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --web.config.file: from the file to what the web server takes, and again when the file or a certificate changes. */
#ifndef RT_CLI_WEB_CONFIG_H
#define RT_CLI_WEB_CONFIG_H

#include "exposition/web_security.h"

struct web_config;

/* 0 and *OUT, or a negative errno and *ERROR. */
int web_config_open(const char *path, struct web_config **out, char **error);
/* Valid until the next web_config_refresh that returns 1. */
const struct web_security *web_config_security(const struct web_config *c);
/* Looks at the files: 1 there is new content, 0 nothing changed, or a negative errno and *ERROR with the old content kept; the
 * same broken content is reported once. */
int web_config_refresh(struct web_config *c, char **error);
void web_config_free(struct web_config *c);

#endif
