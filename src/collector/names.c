// SPDX-License-Identifier: GPL-2.0-or-later
#include "collector/names.h"

#include "base/alloc.h"
#include "model/text.h"

const char *method_name(uint8_t method)
{
	static const char *const names[] = {
		"_OTHER",   "GET",	 "HEAD",  "POST", "PUT",  "DELETE", "CONNECT", "OPTIONS", "TRACE",  "PATCH",	"PROPFIND",   "PROPPATCH", "MKCOL",
		"COPY",	    "MOVE",	 "LOCK",  "UNLOCK", "REPORT", "SEARCH", "ACL", "MKCALENDAR", "MKACTIVITY", "CHECKOUT", "MERGE", "QUERY"};
	_Static_assert(sizeof(names) / sizeof(names[0]) == RT_METHODS, "a method has no name");
	return method < RT_METHODS ? names[method] : names[RT_METHOD_OTHER];
}

const char *lost_reason(enum rt_ledger what)
{
	static const char *const names[] = {
		[RT_LOST_MALFORMED - RT_LOST_FIRST] = "malformed",
		[RT_LOST_INCOMPLETE - RT_LOST_FIRST] = "incomplete",
		[RT_LOST_RESPONSE_MALFORMED - RT_LOST_FIRST] = "response_malformed",
		[RT_LOST_PIPELINE_DEPTH - RT_LOST_FIRST] = "pipeline_depth",
		[RT_LOST_GAP - RT_LOST_FIRST] = "gap",
		[RT_LOST_NO_MEMORY - RT_LOST_FIRST] = "no_memory",
		[RT_LOST_HANDOVER - RT_LOST_FIRST] = "handover",
		[RT_LOST_CONNECTION_BUDGET - RT_LOST_FIRST] = "connection_budget",
		[RT_LOST_RECLAIMED - RT_LOST_FIRST] = "reclaimed",
	};
	_Static_assert(ARRAY_SIZE(names) == RT_LOST_LAST - RT_LOST_FIRST + 1, "a loss without a name");
	return names[what - RT_LOST_FIRST];
}

const char *reclaimed_state(enum rt_reclaim_class what)
{
	static const char *const names[RT_RECLAIM_CLASSES] = {"idle", "request_line", "stream", "message"};
	return names[what];
}

void endpoint_label(const char *text, size_t len, struct buf *out)
{
	if (text_is_utf8(sv_make(text, len))) {
		buf_add(out, text, len);
		return;
	}
	for (size_t i = 0; i < len;) {
		size_t k = 1;
		while (k <= 4 && i + k <= len && !text_is_utf8(sv_make(text + i, k)))
			k++;
		if (k <= 4 && i + k <= len) {
			buf_add(out, text + i, k);
			i += k;
		} else {
			buf_addf(out, "%%%02X", (unsigned char)text[i++]);
		}
	}
}
