// SPDX-License-Identifier: GPL-2.0-or-later
/* What a running reqtally knows of itself and tells `reqtally doctor`: its own metrics, and what connections of each listener turned
 * out to be. */
#include <string.h>

#include "api/reply.h"
#include "cli/app.h"
#include "cli/doctor.h"
#include "config/config.h"
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

static json_t *strings_json(const struct strings *s)
{
	json_t *list = json_array();
	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(list, reply_string(s->v[i]));
	return list;
}

/* What the configuration leaves out: ports that are not counted, as pairs of the first and the last; services that are not shown. */
static json_t *filters_json(const struct config_http *h)
{
	json_t *o = json_object(), *ports = json_array();
	for (uint32_t p = 1, from = 0; p <= 65536; p++) {
		bool out = p < 65536 && !config_wants_port(h, (uint16_t)p);
		if (out && !from) {
			from = p;
		} else if (!out && from) {
			json_array_append_new(ports, json_pack("[i,i]", (int)from, (int)p - 1));
			from = 0;
		}
	}
	json_object_set_new(o, "excluded_ports", ports);
	json_object_set_new(o, "include_services", strings_json(&h->include_services));
	json_object_set_new(o, "exclude_services", strings_json(&h->exclude_services));
	return o;
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
	json_object_set_new(o, "filters", filters_json(&a->first->http)); /* in the kernel since the start */
	snapshot_unref(s);
	reply_json(res, o);
}
