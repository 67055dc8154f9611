// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/status.h"

#include <string.h>

#include "base/buf.h"
#include "cli/app.h"
#include "cli/cli.h"
#include "config/config.h"
#include "model/text.h"
#include "notifier/notifier.h"

static void add_duration(struct buf *b, const char *key, int64_t ms)
{
	buf_addf(b, "  %s: ", key);
	text_duration(ms, b);
	buf_addc(b, '\n');
}

static json_t *config_data(struct app *a)
{
	struct buf b = BUF_INIT;
	pthread_mutex_lock(&a->reload_lock);
	const struct config *c = a->config;
	buf_adds(&b, "global:\n");
	add_duration(&b, "scrape_interval", c->global.scrape_interval);
	add_duration(&b, "scrape_timeout", c->global.scrape_timeout);
	add_duration(&b, "evaluation_interval", c->global.evaluation_interval);
	const struct labels *ls = c->global.external_labels;
	for (uint32_t i = 0; ls && i < ls->n; i++) {
		buf_addf(&b, "%s    %.*s: ", i ? "" : "  external_labels:\n", SV_ARG(ls->l[i].name));
		text_go_quote(ls->l[i].value, &b);
		buf_addc(&b, '\n');
	}
	for (size_t i = 0; i < c->rule_patterns.n; i++) {
		buf_addf(&b, "%s- ", i ? "" : "rule_files:\n");
		text_go_quote(sv_of(c->rule_patterns.v[i]), &b);
		buf_addc(&b, '\n');
	}
	pthread_mutex_unlock(&a->reload_lock);
	json_t *o = json_object();
	json_object_set_new(o, "yaml", json_string(buf_str(&b)));
	buf_free(&b);
	return o;
}

/* As given, or the default; an empty text where there is neither. */
static json_t *flags_data(void)
{
	json_t *o = json_object();
	for (size_t i = 0; i < n_run_flags; i++) {
		const struct flag *f = &run_flags[i];
		if (strcmp(f->name, "help") && strcmp(f->name, "version"))
			json_object_set_new(o, f->name,
					    json_string(f->arg ? (f->n ? f->values[f->n - 1] : f->initial ? f->initial : "")
							       : (f->n ? "true" : "false")));
	}
	return o;
}

static json_t *alertmanagers_data(struct app *a)
{
	json_t *o = json_object(), *active = json_array();
	struct notifier_stats st;
	notifier_stats(a->notifier, &st);
	for (size_t i = 0; i < st.n; i++) {
		json_t *one = json_object();
		json_object_set_new(one, "url", json_string(st.v[i].url));
		json_array_append_new(active, one);
	}
	notifier_stats_free(&st);
	json_object_set_new(o, "activeAlertmanagers", active);
	json_object_set_new(o, "droppedAlertmanagers", json_array());
	return o;
}

json_t *status_data(void *app, const char *what)
{
	if (strcmp(what, "config") == 0)
		return config_data(app);
	return strcmp(what, "flags") == 0 ? flags_data() : alertmanagers_data(app);
}
