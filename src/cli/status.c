// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/status.h"

#include <string.h>

#include "base/buf.h"
#include "cli/app.h"
#include "cli/cli.h"
#include "config/config.h"
#include "notifier/notifier.h"

static json_t *config_data(struct app *a)
{
	json_t *o = json_object();
	pthread_mutex_lock(&a->reload_lock);
	json_object_set_new(o, "yaml", json_string(buf_str(&a->config->yaml)));
	pthread_mutex_unlock(&a->reload_lock);
	return o;
}

/* As given, or the default; an empty text where there is neither. */
static json_t *flags_data(void)
{
	json_t *o = json_object();
	for (size_t i = 0; i < n_run_flags; i++) {
		const struct flag *f = &run_flags[i];
		if (!strcmp(f->name, "help") || !strcmp(f->name, "version"))
			continue;
		struct buf text = BUF_INIT;
		if (!f->n)
			buf_adds(&text, !f->arg ? "false" : f->initial ? f->initial : "");
		for (size_t k = f->repeats || !f->n ? 0 : f->n - 1; k < f->n; k++)
			buf_addf(&text, "%s%s", text.n ? "," : "", f->arg ? f->values[k] : "true");
		json_object_set_new(o, f->name, json_string(buf_str(&text)));
		buf_free(&text);
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
