// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/http_sd.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"
#include "net/fetch.h"

static void entry_free(struct http_sd_entry *e)
{
	if (!e)
		return;
	free(e->url);
	target_groups_free(&e->groups);
	free(e);
}

void http_sd_begin(struct http_sd_cache *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i]->fetching)
			http_fetcher_cancel(c->fetcher, c->v[i]);
		c->v[i]->fetching = false;
	}
	c->old = c->v;
	c->n_old = c->n;
	c->v = NULL;
	c->n = c->cap = 0;
}

void http_sd_add(struct http_sd_cache *c, size_t block, const struct config_http_sd *sd)
{
	struct http_sd_entry *e = NULL;
	for (size_t i = 0; i < c->n_old && !e; i++)
		if (c->old[i] && !strcmp(c->old[i]->url, sd->url)) {
			e = c->old[i];
			c->old[i] = NULL;
		}
	if (!e) {
		e = xcalloc(1, sizeof(*e));
		e->url = xstrdup(sd->url);
	}
	e->block = block;
	e->sd = sd;
	e->due = 0;
	array_grow(c->v, c->n, c->cap);
	c->v[c->n++] = e;
}

void http_sd_end(struct http_sd_cache *c)
{
	for (size_t i = 0; i < c->n_old; i++)
		entry_free(c->old[i]);
	free(c->old);
	c->old = NULL;
	c->n_old = 0;
	c->changed = true;
}

static void failed(struct http_sd_cache *c, const struct http_sd_entry *e, const char *why)
{
	_cleanup_free_ char *shown = net_url_shown(e->url);
	c->errors++;
	free(c->error);
	c->error = xasprintf("%s: %s", shown, why);
}

/* application/json, and of charsets the one it has anyway. */
static bool is_json(const char *type)
{
	static const char json[] = "application/json";
	if (!type || strncasecmp(type, json, strlen(json)))
		return false;
	type += strlen(json);
	if (*type != ';')
		return !*type;
	type += 1 + strspn(type + 1, " \t");
	return !strcasecmp(type, "charset=utf-8") || !strcasecmp(type, "charset=\"utf-8\"");
}

static bool same_groups(const struct target_groups *a, const struct target_groups *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct target_group *x = &a->v[i], *y = &b->v[i];
		if (labels_cmp(x->labels, y->labels) || x->targets.n != y->targets.n)
			return false;
		for (size_t k = 0; k < x->targets.n; k++)
			if (strcmp(x->targets.v[k], y->targets.v[k]))
				return false;
	}
	return true;
}

static void take_groups(struct http_sd_cache *c, struct http_sd_entry *e, struct sv body)
{
	struct target_groups groups = {0};
	_cleanup_free_ char *error = NULL;
	if (targets_read_json(e->url, body, "__meta_url", &groups, &error) < 0) {
		size_t n = strlen(e->url); /* the message begins with it */
		failed(c, e, strncmp(error, e->url, n) == 0 && strncmp(error + n, ": ", 2) == 0 ? error + n + 2 : error);
		return;
	}
	if (same_groups(&e->groups, &groups)) {
		target_groups_free(&groups);
		return;
	}
	target_groups_free(&e->groups);
	e->groups = groups;
	c->changed = true;
}

static void on_fetched(void *ctx, const struct http_fetched *r)
{
	struct http_sd_cache *c = ctx;
	struct http_sd_entry *e = r->arg;
	e->fetching = false;
	if (r->err) {
		failed(c, e, r->error);
	} else if (r->status != 200) {
		_cleanup_free_ char *why = xasprintf("server returned HTTP status %d%s%s", r->status, *r->reason ? " " : "", r->reason);
		failed(c, e, why);
	} else if (!is_json(r->content_type)) {
		_cleanup_free_ char *why = xasprintf("unsupported content type \"%s\", want application/json", r->content_type ? r->content_type : "");
		failed(c, e, why);
	} else {
		take_groups(c, e, sv_make(buf_str(r->body), r->body->n));
	}
}

static void ask(struct http_sd_cache *c, struct http_sd_entry *e, int64_t now)
{
	_cleanup_buf_ struct buf seconds = BUF_INIT;
	text_float((double)e->sd->refresh_interval / 1000, 'f', &seconds);
	const char *headers[] = {"Accept", "application/json", "X-Prometheus-Refresh-Interval-Seconds", buf_str(&seconds)};
	if (!c->fetcher)
		c->fetcher = http_fetcher_new(HTTP_SD_BODY_MAX);
	http_fetcher_start(c->fetcher, &(struct http_fetch){.url = e->url,
							    .options = &e->sd->http,
							    .headers = headers,
							    .n_headers = ARRAY_SIZE(headers) / 2,
							    .timeout_ms = e->sd->refresh_interval,
							    .max_body = HTTP_SD_BODY_MAX,
							    .gzip = true,
							    .arg = e});
	e->fetching = true;
	e->due = now + e->sd->refresh_interval;
}

bool http_sd_poll(struct http_sd_cache *c, int64_t now)
{
	for (size_t i = 0; i < c->n; i++) {
		struct http_sd_entry *e = c->v[i];
		if (!e->fetching && (e->due <= now || e->due > now + e->sd->refresh_interval)) /* the latter: the clock was set back */
			ask(c, e, now);
	}
	if (c->fetcher && http_fetcher_running(c->fetcher))
		http_fetcher_run(c->fetcher, 0, on_fetched, c);
	bool changed = c->changed;
	c->changed = false;
	return changed;
}

int64_t http_sd_next(const struct http_sd_cache *c, int64_t now)
{
	int64_t next = INT64_MAX;
	if (c->fetcher && http_fetcher_running(c->fetcher))
		return now + HTTP_SD_POLL_MS;
	for (size_t i = 0; i < c->n; i++)
		next = c->v[i]->due < next ? c->v[i]->due : next;
	return next;
}

void http_sd_free(struct http_sd_cache *c)
{
	http_fetcher_free(c->fetcher);
	for (size_t i = 0; i < c->n; i++)
		entry_free(c->v[i]);
	free(c->v);
	free(c->error);
	*c = (struct http_sd_cache){0};
}
