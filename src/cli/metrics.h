/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer to a scraper: a fresh reading of the kernel's maps, as a stream. */
#ifndef RT_CLI_METRICS_H
#define RT_CLI_METRICS_H

#include "exposition/web.h"

/* A web_route's handler; CTX is the app. */
void metrics_serve(void *ctx, struct web_request *req, struct web_response *res);

#endif
