/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and responses without the server: what web.c and the tests share. */
#ifndef RT_EXPOSITION_WEB_MESSAGE_H
#define RT_EXPOSITION_WEB_MESSAGE_H

#include "exposition/web.h"

#define WEB_MAX_PARAMS 200

/* Appends a parameter (copied). False if there are too many. */
bool web_request_add_param(struct web_request *r, struct sv name, struct sv value);
/* Takes the fields of an application/x-www-form-urlencoded body. False if there are too many. */
bool web_request_parse_form(struct web_request *r, struct sv body);
void web_request_clear(struct web_request *r);
void web_response_clear(struct web_response *r);
/* The route for METHOD and PATH; NULL with *STATUS 404, or 405 with the allowed methods in ALLOW. */
const struct web_route *web_route_find(const struct web_route *routes, size_t n, const char *method, const char *path, int *status,
				       struct buf *allow);

#endif
