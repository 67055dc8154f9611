// SPDX-License-Identifier: GPL-2.0-or-later
/* reqtally query EXPR: an instant query to a running reqtally, printed as `promtool query instant` prints it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/cli.h"
#include "config/config.h"
#include "model/labels.h"
#include "net/http.h"
#include "rules/url.h"

#define REPLY_MAX ((size_t)256 << 20)
#define TIMEOUT_MS 150000 /* the server's own is two minutes */

static void print_metric(const json_t *metric)
{
	struct labels_builder b;
	const char *name;
	json_t *value;
	labels_builder_init(&b, NULL);
	json_object_foreach((json_t *)metric, name, value)
		labels_builder_set(&b, sv_of(name), sv_make(json_string_value(value), json_string_length(value)));
	_cleanup_labels_ struct labels *ls = labels_builder_build(&b);
	_cleanup_buf_ struct buf text = BUF_INIT;
	labels_builder_free(&b);
	labels_print(ls, &text);
	fputs(buf_str(&text), stdout);
}

/* `VALUE @[TIME]`; a native histogram as JSON. */
static void print_point(json_t *point)
{
	json_t *v = json_array_get(point, 1);
	char *time = json_dumps(json_array_get(point, 0), JSON_ENCODE_ANY | JSON_REAL_PRECISION(14));
	char *histogram = json_is_object(v) ? json_dumps(v, JSON_COMPACT) : NULL;
	printf("%s @[%s]\n", histogram ? histogram : json_string_value(v), time);
	free(histogram);
	free(time);
}

static void print_result(const json_t *data)
{
	const char *type = json_string_value(json_object_get(data, "resultType"));
	json_t *result = json_object_get(data, "result"), *s, *p;
	size_t i, k;
	if (!type)
		return;
	if (strcmp(type, "scalar") == 0 || strcmp(type, "string") == 0) {
		if (strcmp(type, "scalar") == 0)
			printf("scalar: ");
		if (strcmp(type, "string") == 0)
			printf("%s\n", json_string_value(json_array_get(result, 1)));
		else
			print_point(result);
		return;
	}
	if (!json_array_size(result))
		putchar('\n');
	json_array_foreach(result, i, s) {
		static const char *const lists[] = {"values", "histograms"};
		json_t *one = json_object_get(s, "value");
		one = one ? one : json_object_get(s, "histogram");
		print_metric(json_object_get(s, "metric"));
		printf(one ? " => " : " =>\n");
		if (one)
			print_point(one);
		for (size_t l = 0; !one && l < ARRAY_SIZE(lists); l++)
			json_array_foreach(json_object_get(s, lists[l]), k, p)
				print_point(p);
	}
}

static int ask(const char *url, const struct net_options *options, const char *expr, const char *time)
{
	_cleanup_buf_ struct buf form = BUF_INIT;
	_cleanup_free_ char *endpoint = NULL, *error = NULL;
	size_t n = strlen(url);
	while (n && url[n - 1] == '/')
		n--;
	endpoint = xasprintf("%s%.*s/api/v1/query", strstr(url, "://") ? "" : "http://", (int)n, url);
	buf_adds(&form, "query=");
	url_query_escape(sv_of(expr), &form);
	if (time) {
		buf_adds(&form, "&time=");
		url_query_escape(sv_of(time), &form);
	}
	struct http_reply reply = {0};
	struct http_client *c = http_client_new(options);
	int err = http_client_post(c, endpoint, "application/x-www-form-urlencoded", form.p, form.n, TIMEOUT_MS, REPLY_MAX, &reply, &error);
	http_client_free(c);
	if (err) {
		fprintf(stderr, "reqtally: %s: %s\n", endpoint, error);
		return EXIT_FAILED;
	}
	json_t *root = json_loadb(reply.body ? reply.body : "", reply.n, 0, NULL), *note;
	const char *status = json_string_value(json_object_get(root, "status"));
	int code = status && strcmp(status, "success") == 0 ? EXIT_OK : EXIT_FAILED;
	size_t i;
	json_array_foreach(json_object_get(root, "warnings"), i, note)
		fprintf(stderr, "%s\n", json_string_value(note));
	json_array_foreach(json_object_get(root, "infos"), i, note)
		fprintf(stderr, "%s\n", json_string_value(note));
	if (code == EXIT_OK)
		print_result(json_object_get(root, "data"));
	else if (status)
		fprintf(stderr, "reqtally: %s: %s\n", json_string_value(json_object_get(root, "errorType")),
			json_string_value(json_object_get(root, "error")));
	else
		fprintf(stderr, "reqtally: %s: HTTP status %d, no answer of the API\n", endpoint, reply.status);
	json_decref(root);
	http_reply_free(&reply);
	return code;
}

static int query(struct flag *flags, size_t n_flags, int argc, char **argv)
{
	_cleanup_free_ char **rest = xcalloc((size_t)argc + 1, sizeof(*rest)), *error = NULL;
	const char *usage = "reqtally query [FLAGS] EXPR\n\nAsks a running reqtally, as `promtool query instant` does.", *file;
	struct net_options options;
	int n;

	if (flags_parse(flags, n_flags, argc, argv, rest, &n))
		return EXIT_USAGE;
	if (flags_help_given(flags, n_flags, usage))
		return EXIT_OK;
	if (n != 1) {
		fprintf(stderr, "usage: reqtally query [FLAGS] EXPR (see reqtally query --help)\n");
		return EXIT_USAGE;
	}
	file = flag_get(flags, n_flags, "http.config.file");
	if (!file)
		net_options_init(&options);
	else if (config_http_client_load(file, &options, &error)) {
		fprintf(stderr, "reqtally: %s\n", error);
		return EXIT_USAGE;
	}
	int code = ask(flag_get(flags, n_flags, "url"), &options, rest[0], flag_get(flags, n_flags, "time"));
	net_options_free(&options);
	return code;
}

int cmd_query(int argc, char **argv)
{
	struct flag flags[] = {
		{.name = "url", .arg = "URL", .initial = "http://localhost:9839", .help = "the reqtally to ask"},
		{.name = "http.config.file", .arg = "FILE", .help = "how to ask: credentials and TLS, in the form of Prometheus' HTTP client"},
		{.name = "time", .arg = "TIME", .help = "seconds since the epoch or RFC 3339; now"},
		HELP_FLAG};
	int code = query(flags, ARRAY_SIZE(flags), argc, argv);
	flags_free(flags, ARRAY_SIZE(flags));
	return code;
}
