/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters of the HTTP API in the forms Prometheus takes. */
#ifndef RT_API_PARAM_H
#define RT_API_PARAM_H

#include <stdbool.h>
#include <stdint.h>

#include "exposition/web.h"

/* Seconds since the epoch with a fraction, or RFC 3339; to ms. */
bool param_parse_time(const char *s, int64_t *ms);
/* Seconds with a fraction, or a Prometheus duration. */
bool param_parse_duration(const char *s, int64_t *ms);

/* The parameter NAME, or FALLBACK if it is absent or empty. False: the answer is already an error. */
bool param_time(const struct web_request *req, struct web_response *res, const char *name, int64_t fallback, int64_t *ms);
/* The same in Prometheus' other words, which it uses for times that may be left out. */
bool param_optional_time(const struct web_request *req, struct web_response *res, const char *name, int64_t fallback, int64_t *ms);
bool param_duration(const struct web_request *req, struct web_response *res, const char *name, int64_t fallback, int64_t *ms);
/* A count; 0 is no limit and the fallback. */
bool param_limit(const struct web_request *req, struct web_response *res, const char *name, uint64_t *limit);
/* Any whole number; *V stays as it is without one. For those whose lack is another thing than 0. */
bool param_number(const struct web_request *req, struct web_response *res, const char *name, int64_t *v);

#endif
