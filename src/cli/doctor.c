// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/doctor.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "config/config.h"
#include "model/text.h"
#include "net/options.h"

#define DEFAULT_URL "http://127.0.0.1:9839"

void doctor_add(struct doctor *d, enum finding_section section, enum finding_level level, const char *name, char *text, char *advice)
{
	array_grow(d->v, d->n, d->cap);
	d->v[d->n++] = (struct finding){.section = section, .level = level, .name = xstrdup(name), .text = text, .advice = advice};
}

enum finding_level doctor_worst(const struct doctor *d)
{
	enum finding_level worst = FINDING_OK;
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].level > worst)
			worst = d->v[i].level;
	return worst;
}

int doctor_exit_code(const struct doctor *d)
{
	enum finding_level worst = doctor_worst(d);
	return worst == FINDING_FAILURE ? 2 : worst == FINDING_WARNING ? 1 : 0;
}

void doctor_clear(struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].name);
		free(d->v[i].text);
		free(d->v[i].advice);
	}
	for (size_t i = 0; i < d->n_budgets; i++)
		free(d->budgets[i].name);
	for (size_t i = 0; i < d->n_losses; i++)
		free(d->losses[i].reason);
	for (size_t i = 0; i < d->n_listeners; i++) {
		struct doctor_listener *l = &d->listeners[i];
		char *owned[] = {l->service, l->namespace, l->pod, l->container, l->text};
		for (size_t k = 0; k < ARRAY_SIZE(owned); k++)
			free(owned[k]);
	}
	free(d->v);
	free(d->budgets);
	free(d->losses);
	free(d->verdicts);
	free(d->excluded);
	strings_free(&d->include_services);
	strings_free(&d->exclude_services);
	free(d->listeners);
	free(d->version);
	*d = (struct doctor){0};
}

static struct flag flags[] = {
	{.name = "url", .arg = "URL", .initial = DEFAULT_URL, .help = "where the reqtally runs that is to be asked; given: it must answer"},
	{.name = "http.config.file", .arg = "FILE", .help = "how to ask: credentials and TLS, in the form of Prometheus' HTTP client"},
	{.name = "interval", .arg = "TIME", .help = "judge what is lost in this time from now, not since the start; such as 10s"},
	{.name = "skip-listeners", .help = "do not look at the listening processes"},
	{.name = "json", .help = "one JSON object (docs/doctor.md)"},
	HELP_FLAG,
};

static const char usage[] = "reqtally doctor [FLAGS]\n\n"
			    "Says whether reqtally can run here, how the one that runs does, and how each listening process is seen.\n"
			    "Exit code: 0 healthy, 1 something needs a look, 2 it cannot count (or the command line is wrong).";

#define get(name) flag_get(flags, ARRAY_SIZE(flags), name)
#define given(name) flag_given(flags, ARRAY_SIZE(flags), name)

static int examine(int64_t interval_ms, const struct net_options *http)
{
	_cleanup_free_ char *url = xstrdup(get("url"));
	struct doctor d = {.url = url, .url_given = given("url")};
	for (size_t n = strlen(url); n && url[n - 1] == '/';)
		url[--n] = 0;
	doctor_ask_program(&d, http, interval_ms);
	doctor_look_at_host(&d);
	if (!given("skip-listeners"))
		doctor_look_at_listeners(&d);
	int code = doctor_exit_code(&d);
	if (given("json")) {
		json_t *o = doctor_json(&d);
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
	} else {
		doctor_print(&d, stdout);
	}
	doctor_clear(&d);
	return fflush(stdout) ? EXIT_USAGE : code;
}

static int doctor(int argc, char **argv)
{
	_cleanup_free_ char **rest = xcalloc((size_t)argc + 1, sizeof(*rest)), *error = NULL;
	struct net_options http;
	int64_t interval_ms = 0;
	int n_rest;

	if (flags_parse(flags, ARRAY_SIZE(flags), argc, argv, rest, &n_rest))
		return EXIT_USAGE;
	if (flags_help_given(flags, ARRAY_SIZE(flags), usage))
		return EXIT_OK;
	if (n_rest) {
		fprintf(stderr, "reqtally: doctor takes no argument, got \"%s\" (see reqtally doctor --help)\n", rest[0]);
		return EXIT_USAGE;
	}
	if (get("interval") && (!text_parse_duration(sv_of(get("interval")), &interval_ms) || interval_ms > 3600000)) {
		fprintf(stderr, "reqtally: --interval: \"%s\" is not accepted; it must be a duration of at most an hour, such as 10s\n",
			get("interval"));
		return EXIT_USAGE;
	}
	if (strncmp(get("url"), "http://", 7) != 0 && strncmp(get("url"), "https://", 8) != 0) {
		fprintf(stderr, "reqtally: --url: \"%s\" is not accepted; it must begin with http:// or https://\n", get("url"));
		return EXIT_USAGE;
	}
	if (get("http.config.file")) {
		if (config_http_client_load(get("http.config.file"), &http, &error)) {
			fprintf(stderr, "reqtally: %s\n", error);
			return EXIT_USAGE;
		}
	} else {
		net_options_init(&http);
	}
	int code = examine(interval_ms, &http);
	net_options_free(&http);
	return code;
}

int cmd_doctor(int argc, char **argv)
{
	int code = doctor(argc, argv);
	flags_free(flags, ARRAY_SIZE(flags));
	return code;
}
