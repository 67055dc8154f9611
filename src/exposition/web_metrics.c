// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/web_metrics.h"

void web_metrics(struct web *w, struct snapshot *s)
{
	struct web_stats st = web_stats(w);
	family_add_value(snapshot_family(s, "reqtally_web_connections", FAMILY_GAUGE, NULL, "Open connections to the web server."),
			 labels_empty(), st.connections);
	family_add_value(snapshot_family(s, "reqtally_web_requests_total", FAMILY_COUNTER, NULL, "Requests to the web server."), labels_empty(),
			 (double)st.requests);
	struct family *f =
		snapshot_family(s, "reqtally_web_rejected_total", FAMILY_COUNTER, NULL, "Requests to the web server that were turned away.");
	family_add_value(f, labels_from("reason", "rate_limit", NULL), (double)st.rejected_rate);
	family_add_value(f, labels_from("reason", "unauthorized", NULL), (double)st.rejected_auth);
}
