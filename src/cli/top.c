// SPDX-License-Identifier: GPL-2.0-or-later
/* reqtally top: scrapes, shows, waits, and does what keys say. Without a terminal, table after table. */
#include "cli/top.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/regex.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "model/text.h"
#include "net/fetch.h"

#define BODY_MAX ((size_t)512 << 20)
#define TIMEOUT_MS 10000
#define SLICE_MS 100 /* how long a key may wait while an answer is waited for */
#define KEPT_MAX ((size_t)16 << 20) /* a scrape that is kept to be put together by other labels */
#define HEAD_LINES 5 /* of top_print, before the rows */

static struct flag flags[] = {
	{.name = "url", .arg = "URL", .initial = "http://localhost:9839", .help = "the reqtally to ask"},
	{.name = "web.telemetry-path", .arg = "PATH", .initial = "/metrics", .help = "path of its metrics"},
	{.name = "http.config.file", .arg = "FILE", .help = "how to ask: credentials and TLS, in the form of Prometheus' HTTP client"},
	{.name = "interval", .letter = 'd', .arg = "DURATION", .initial = "2s", .help = "time between two tables"},
	{.name = "iterations", .letter = 'n', .arg = "N", .help = "tables to show; until it is stopped"},
	{.name = "by", .arg = "LABELS", .initial = "service,method,endpoint", .help = "labels that make a row, such as service,code or pod"},
	{.name = "sort",
	 .arg = "KEY",
	 .initial = "rate",
	 .help = "rate, failed, 4xx, avg, p50, p99, busy, in-flight, oldest or name"},
	{.name = "filter", .arg = "REGEX", .help = "only rows whose labels it is found in"},
	{.name = "rows", .arg = "N", .help = "rows of a table at most; what fits on the terminal, else all"},
	{.name = "total", .help = "figures since counting began, not of the interval"},
	{.name = "batch", .letter = 'b', .help = "print table after table, as without a terminal"},
	HELP_FLAG,
};

#define get(name) flag_get(flags, ARRAY_SIZE(flags), name)
#define given(name) flag_given(flags, ARRAY_SIZE(flags), name)

struct top {
	struct net_options http;
	struct http_fetcher *fetcher;
	char *metrics_url;
	struct top_by by;
	struct regex *filter;
	enum top_sort sort;
	int64_t interval_ms;
	uint64_t iterations, rows; /* 0: no bound */
	bool total, paused, help;
	struct terminal *terminal;
	struct top_figures *was, *now;
	struct buf was_body, now_body; /* on a terminal: what they were made of; empty if that is too much */
	size_t by_shown;	       /* number in groupings[]; 0: what --by says */
	char *error; /* of the last scrape */
	size_t skip, shown;
};

/* ---- scraping ---- */

static void on_fetched(void *ctx, const struct http_fetched *r)
{
	struct top *t = ctx;
	struct top_figures *f = NULL;
	struct sv body = sv_make(buf_str(r->body), r->body->n);
	_cleanup_free_ char *why = NULL;
	free(t->error);
	t->error = NULL;
	if (r->err)
		t->error = xasprintf("%s: %s", t->metrics_url, r->error);
	else if (r->status == 401 || r->status == 403)
		t->error = xasprintf("%s: HTTP status %d: give the credentials with --http.config.file", t->metrics_url, r->status);
	else if (r->status != 200)
		t->error = xasprintf("%s: HTTP status %d", t->metrics_url, r->status);
	else if (top_figures_parse(body, &t->by, (double)clock_mono_ns() / 1e9, &f, &why))
		t->error = xasprintf("%s: %s", t->metrics_url, why);
	if (!f)
		return; /* what was known stays on the screen, and the next interval is longer */
	top_figures_free(t->was);
	t->was = t->now;
	t->now = f;
	if (t->terminal) {
		buf_free(&t->was_body);
		t->was_body = t->now_body;
		t->now_body = BUF_LIMIT(KEPT_MAX);
		buf_addsv(&t->now_body, body);
	}
}

/* The key g goes through these. */
static const char *const groupings[] = {NULL, "service", "service,code", "service,method,endpoint"};

static void regroup_one(struct top *t, struct top_figures **f, const struct buf *body)
{
	_cleanup_free_ char *error = NULL;
	struct top_figures *other = NULL;
	if (*f && body->n)
		top_figures_parse(sv_make(body->p, body->n), &t->by, (*f)->at, &other, &error);
	top_figures_free(*f);
	*f = other;
}

static void regroup(struct top *t)
{
	t->by_shown = (t->by_shown + 1) % ARRAY_SIZE(groupings);
	top_by_parse(sv_of(t->by_shown ? groupings[t->by_shown] : get("by")), &t->by);
	t->skip = 0;
	regroup_one(t, &t->was, &t->was_body);
	regroup_one(t, &t->now, &t->now_body);
	if (!t->now) { /* it was too much to be kept: the next scrapes tell */
		top_figures_free(t->was);
		t->was = NULL;
	}
}

static void start_scrape(struct top *t)
{
	static const char *const headers[] = {"Accept", "text/plain;version=0.0.4"};
	const struct http_fetch fetch = {.url = t->metrics_url,
					 .options = &t->http,
					 .headers = headers,
					 .n_headers = 1,
					 .timeout_ms = TIMEOUT_MS,
					 .max_body = BODY_MAX};
	http_fetcher_start(t->fetcher, &fetch);
}

/* ---- showing ---- */

static void add_clock(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;
	strftime(out, size, "%H:%M:%S", localtime_r(&now, &tm));
}

static void add_help(struct buf *out)
{
	buf_adds(out,
		 "\n"
		 "  Order  r rate  f failed  4 4xx  a avg  5 p50  9 p99  b busy  i in flight  o oldest  n name\n"
		 "  Move   up, down, page up, page down, home\n"
		 "  Rows   g by service, by service and status, by endpoint, as --by says\n"
		 "  Other  t since counting began, or of the interval   space stop and go on   h this   q end\n\n"
		 "  A row is what was answered under these labels since the last table. Where nothing was, there is none.\n"
		 "  REQ/S        requests that ended, in a second\n"
		 "  FAIL%        of them: status 5xx, or 000 (the connection ended with no response)\n"
		 "  4XX%         of them: status 4xx; 499 is a client that went away first\n"
		 "  AVG P50 P99  from the first byte of the request to the last byte of the response; streams are left out\n"
		 "  BUSY         requests that were being answered at a time, on average: where the time goes\n"
		 "  NOW OLDEST   requests in flight, and the age of the oldest of them\n\n"
		 "  --by, --filter, --interval and more: reqtally top --help, reqtally(8)\n");
}

static void show(struct top *t)
{
	struct buf out = BUF_INIT;
	struct top_table table;
	char clock[16];
	struct top_view view = {.source = get("url"), .clock = clock, .sort = t->sort, .rows = t->rows ? t->rows : SIZE_MAX, .note = t->error};
	size_t lines = SIZE_MAX;

	add_clock(clock, sizeof(clock));
	if (t->terminal) {
		terminal_size(t->terminal, &lines, &view.width);
		lines = lines > HEAD_LINES ? lines - HEAD_LINES : 1;
		view.rows = view.rows < lines ? view.rows : lines;
		view.colours = true;
	}
	if (!t->now) {
		buf_addf(&out, "%s\n", t->error ? t->error : "asking...");
	} else {
		top_table_make(&table, t->now, t->was, t->total, t->sort, t->filter);
		if (t->skip + view.rows > table.n)
			t->skip = table.n > view.rows ? table.n - view.rows : 0;
		view.skip = t->skip;
		t->shown = view.rows;
		view.rows = t->help ? 0 : view.rows;
		top_print(&table, &view, &out);
		if (t->help)
			add_help(&out);
		top_table_free(&table);
	}
	if (t->terminal) {
		buf_addf(&out, t->paused ? "\033[7m stopped: space goes on \033[0m\n" : "");
		terminal_show(t->terminal, &out);
	} else {
		fwrite(buf_str(&out), 1, out.n, stdout);
		fflush(stdout);
	}
	buf_free(&out);
}

/* ---- keys ---- */

/* False: it is to end. */
static bool on_key(struct top *t, int key)
{
	static const struct {
		char key;
		enum top_sort sort;
	} orders[] = {{'r', TOP_SORT_RATE}, {'f', TOP_SORT_FAILED},    {'4', TOP_SORT_CLIENT_ERRORS}, {'a', TOP_SORT_AVG},
		      {'5', TOP_SORT_P50},  {'9', TOP_SORT_P99},       {'p', TOP_SORT_P99},	      {'b', TOP_SORT_BUSY},
		      {'i', TOP_SORT_IN_FLIGHT}, {'o', TOP_SORT_OLDEST}, {'n', TOP_SORT_NAME}};
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		if (key == orders[i].key) {
			t->sort = orders[i].sort;
			t->skip = 0;
		}
	switch (key) {
	case 'q':
	case 'Q':
	case 4: /* Ctrl-D */
	case KEY_END:
		return false;
	case 'g':
		regroup(t);
		break;
	case 't':
		t->total = !t->total;
		break;
	case ' ':
		t->paused = !t->paused;
		break;
	case 'h':
	case '?':
		t->help = !t->help;
		break;
	case KEY_HOME:
		t->skip = 0;
		break;
	case KEY_UP:
	case 'k':
		t->skip -= t->skip > 0;
		break;
	case KEY_DOWN:
	case 'j':
		t->skip++; /* show() bounds it */
		break;
	case KEY_PAGE_UP:
		t->skip -= t->skip < t->shown ? t->skip : t->shown;
		break;
	case KEY_PAGE_DOWN:
		t->skip += t->shown;
		break;
	default:
		break;
	}
	return true;
}

/* ---- the two ways to run ---- */

static void scrape(struct top *t)
{
	start_scrape(t);
	while (http_fetcher_running(t->fetcher))
		http_fetcher_run(t->fetcher, TIMEOUT_MS, on_fetched, t);
}

/* Without a terminal. The first table is of the first interval; with --total there is nothing to wait for. */
static int print_tables(struct top *t)
{
	int code = EXIT_OK;
	scrape(t);
	for (uint64_t i = 0; !t->iterations || i < t->iterations; i++) {
		if (!t->now) {
			/* Nobody there at all: waiting is for a terminal. */
			fprintf(stderr, "reqtally: %s\n", t->error);
			return EXIT_FAILED;
		}
		if (i || !t->total) {
			struct timespec pause = {t->interval_ms / 1000, t->interval_ms % 1000 * 1000000};
			nanosleep(&pause, NULL);
			scrape(t);
		}
		code = t->error ? EXIT_FAILED : EXIT_OK;
		if (t->error) {
			fprintf(stderr, "reqtally: %s\n", t->error);
			continue;
		}
		if (i)
			putchar('\n');
		show(t);
		if (ferror(stdout))
			return EXIT_FAILED;
	}
	return code;
}

static int on_screen(struct top *t)
{
	uint64_t due = clock_mono_ns(), tables = 0;
	bool go_on = true;
	show(t);
	while (go_on) {
		uint64_t now = clock_mono_ns();
		if (!t->paused && now >= due && !http_fetcher_running(t->fetcher)) {
			start_scrape(t);
			due = now + (uint64_t)t->interval_ms * 1000000;
		}
		int key;
		if (http_fetcher_running(t->fetcher)) {
			http_fetcher_run(t->fetcher, SLICE_MS, on_fetched, t);
			if (!http_fetcher_running(t->fetcher)) {
				show(t);
				tables += t->was || t->total;
				go_on = !t->iterations || tables < t->iterations;
			}
			key = terminal_wait(t->terminal, 0);
		} else {
			uint64_t left = due > now ? (due - now) / 1000000 + 1 : 1;
			key = terminal_wait(t->terminal, t->paused ? -1 : (int)left);
		}
		if (key != KEY_NONE) {
			go_on = go_on && on_key(t, key);
			show(t);
		}
	}
	return t->error ? EXIT_FAILED : EXIT_OK;
}

/* ---- the command line ---- */

static int usage(const char *flag, const char *accepted)
{
	fprintf(stderr, "reqtally: --%s: \"%s\" is not accepted; it must be %s\n", flag, get(flag), accepted);
	return EXIT_USAGE;
}

static bool count(const char *flag, uint64_t *n)
{
	const char *text = get(flag);
	if (!text)
		return true;
	*n = 0;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || *n > 100000000)
			return false;
		*n = *n * 10 + (uint64_t)(*p - '0');
	}
	return *n > 0;
}

static int configure(struct top *t)
{
	_cleanup_free_ char *error = NULL;
	const char *url = get("url"), *path = get("web.telemetry-path");
	size_t n = strlen(url);
	while (n && url[n - 1] == '/')
		n--;
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return usage("url", "an address that begins with http:// or https://");
	if (path[0] != '/')
		return usage("web.telemetry-path", "a path such as /metrics");
	t->metrics_url = xasprintf("%.*s%s", (int)n, url, path);
	if (!text_parse_duration(sv_of(get("interval")), &t->interval_ms) || t->interval_ms < 100 || t->interval_ms > 3600000)
		return usage("interval", "a duration from 100ms to 1h");
	if (!count("iterations", &t->iterations))
		return usage("iterations", "a number above 0");
	if (!count("rows", &t->rows))
		return usage("rows", "a number above 0");
	if (!top_by_parse(sv_of(get("by")), &t->by))
		return usage("by", "one to six names of labels with commas between them, none twice");
	t->sort = top_sort_parse(get("sort"));
	if (t->sort == TOP_SORTS)
		return usage("sort", "rate, failed, 4xx, avg, p50, p99, busy, in-flight, oldest or name");
	if (get("filter") && regex_new(sv_of(get("filter")), 0, &t->filter, &error)) {
		fprintf(stderr, "reqtally: --filter: %s\n", error);
		return EXIT_USAGE;
	}
	if (get("http.config.file")) {
		net_options_free(&t->http);
		if (config_http_client_load(get("http.config.file"), &t->http, &error)) {
			fprintf(stderr, "reqtally: %s\n", error);
			return EXIT_USAGE;
		}
	}
	t->total = given("total");
	return EXIT_OK;
}

static int top(int argc, char **argv)
{
	_cleanup_free_ char **rest = xcalloc((size_t)argc + 1, sizeof(*rest));
	struct top t = {.was_body = BUF_INIT, .now_body = BUF_INIT};
	int n_rest;

	if (flags_parse(flags, ARRAY_SIZE(flags), argc, argv, rest, &n_rest))
		return EXIT_USAGE;
	if (flags_help_given(flags, ARRAY_SIZE(flags),
			     "reqtally top [FLAGS]\n\n"
			     "Shows what services answer, and how: rate, failures, durations, requests in flight. Keys: h on the screen."))
		return EXIT_OK;
	if (n_rest) {
		fprintf(stderr, "reqtally: top takes no argument, got \"%s\" (see reqtally top --help)\n", rest[0]);
		return EXIT_USAGE;
	}
	net_options_init(&t.http);
	int code = configure(&t);
	if (code == EXIT_OK) {
		t.fetcher = http_fetcher_new(BODY_MAX);
		t.terminal = given("batch") ? NULL : terminal_open();
		if (t.terminal) {
			code = on_screen(&t);
			terminal_close(t.terminal);
			if (t.error)
				fprintf(stderr, "reqtally: %s\n", t.error);
		} else {
			code = print_tables(&t);
		}
		http_fetcher_free(t.fetcher);
	}
	top_figures_free(t.was);
	top_figures_free(t.now);
	buf_free(&t.was_body);
	buf_free(&t.now_body);
	regex_free(t.filter);
	net_options_free(&t.http);
	free(t.metrics_url);
	free(t.error);
	return code;
}

int cmd_top(int argc, char **argv)
{
	int code = top(argc, argv);
	flags_free(flags, ARRAY_SIZE(flags));
	return code;
}
