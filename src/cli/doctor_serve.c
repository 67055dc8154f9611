// SPDX-License-Identifier: GPL-2.0-or-later
/* What a running reqtally knows of itself and tells `reqtally doctor`: its own metrics, and what connections of each listener turned
 * out to be. */
#include <string.h>

#include "api/reply.h"
#include "cli/app.h"
#include "cli/doctor.h"
#include "exposition/web.h"

static json_t *metrics_json(const struct snapshot *s)
{
	json_t *list = json_array();
	double in_flight = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct family *f = &s->families[i];
		bool flight = strcmp(f->name, "http_requests_in_flight") == 0;
		bool own = strncmp(f->name, "reqtally_", 9) == 0 || strncmp(f->name, "process_", 8) == 0;
		if ((!flight && !own) || f->type == FAMILY_HISTOGRAM)
			continue;
		for (size_t k = 0; k < f->n; k++) {
			if (flight) {
				in_flight += f->metrics[k].value;
				continue;
			}
			json_t *m = json_object();
			json_object_set_new(m, "name", json_string(f->name));
			json_object_set_new(m, "labels", reply_labels(f->metrics[k].labels));
			json_object_set_new(m, "value", reply_value(f->metrics[k].value));
			json_array_append_new(list, m);
		}
	}
	/* Of the other families only the sum: their labels may be many. */
	json_t *m = json_object();
	json_object_set_new(m, "name", json_string("http_requests_in_flight"));
	json_object_set_new(m, "labels", json_object());
	json_object_set_new(m, "value", reply_value(in_flight));
	json_array_append_new(list, m);
	return list;
}

static json_t *listeners_json(const struct app *a)
{
	struct listener_verdicts *v;
	json_t *list = json_array();
	size_t n;
	if (collector_listeners(a->loader, &v, &n))
		return list;
	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object(), *c = json_object();
		json_object_set_new(o, "cgroup", json_integer((json_int_t)v[i].cgroup_id));
		json_object_set_new(o, "port", json_integer(v[i].port));
		for (int k = 0; k < RT_VERDICTS; k++)
			json_object_set_new(c, verdict_name(k), json_integer((json_int_t)v[i].connections[k]));
		json_object_set_new(o, "connections", c);
		json_array_append_new(list, o);
	}
	free(v);
	return list;
}

void doctor_serve(void *ctx, struct web_request *req, struct web_response *res)
{
	struct app *a = ctx;
	struct snapshot *s = app_collect(a);
	if (!s) {
		reply_error(res, REPLY_INTERNAL, "the kernel's maps cannot be read");
		return;
	}
	json_t *o = json_object();
	json_object_set_new(o, "version", json_string(REQTALLY_VERSION));
	json_object_set_new(o, "metrics", metrics_json(s));
	json_object_set_new(o, "listeners", listeners_json(a));
	snapshot_unref(s);
	reply_json(res, o);
}
