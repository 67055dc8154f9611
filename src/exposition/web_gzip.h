/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_EXPOSITION_WEB_GZIP_H
#define RT_EXPOSITION_WEB_GZIP_H

#include "exposition/web.h"

/* Packs the body of RES if it is worth it and REQ takes it so. */
void web_gzip(struct web_request *req, struct web_response *res);

#endif
