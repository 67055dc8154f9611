// SPDX-License-Identifier: GPL-2.0-or-later
#include "notifier/discovery.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/relabel.h"

#define API_PATH "/api/v2/alerts"

void endpoints_free(struct endpoints *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].url);
	free(e->v);
	*e = (struct endpoints){0};
}

static void failed(struct file_sd_cache *d, char *why)
{
	d->errors++;
	free(d->error);
	d->error = why;
}

bool peer_discovery_refresh(struct file_sd_cache *d, const struct config_alerting *alerting)
{
	file_sd_begin(d);
	for (size_t i = 0; i < alerting->n; i++)
		for (size_t j = 0; j < alerting->v[i].n_file_sd; j++)
			file_sd_look(d, i, &alerting->v[i].file_sd[j]);
	return file_sd_end(d);
}

/* "/" + prefix + API_PATH, without doubled slashes. */
static char *api_path(const char *prefix)
{
	struct buf b = BUF_INIT;
	buf_addc(&b, '/');
	for (const char *p = prefix; *p; p++) {
		if (*p != '/' || b.p[b.n - 1] != '/')
			buf_addc(&b, *p);
	}
	if (b.p[b.n - 1] == '/')
		b.p[--b.n] = 0;
	buf_adds(&b, API_PATH);
	return buf_steal(&b);
}

static void set_default(struct labels_builder *b, const char *name, const char *value)
{
	if (labels_builder_get(b, sv_of(name)).n == 0)
		labels_builder_set(b, sv_of(name), sv_of(value));
}

/* The URL for one target, or NULL if relabelling drops it or leaves no address. */
static char *url_of(const struct config_alertmanagers *a, const struct target_group *g, const char *address)
{
	_cleanup_free_ char *path = api_path(a->path_prefix);
	struct labels_builder b;
	char *url = NULL;
	labels_builder_init(&b, g->labels);
	labels_builder_set(&b, SV("__address__"), sv_of(address));
	set_default(&b, "__scheme__", a->scheme);
	set_default(&b, "__alerts_path__", path);
	if (relabel_apply(&a->relabel, &b)) {
		struct sv host = labels_builder_get(&b, SV("__address__")), scheme = labels_builder_get(&b, SV("__scheme__")),
			  to = labels_builder_get(&b, SV("__alerts_path__"));
		bool web = sv_eqs(scheme, "http") || sv_eqs(scheme, "https");
		if (host.n && !memchr(host.p, '/', host.n) && web)
			url = xasprintf("%.*s://%.*s%s%.*s", SV_ARG(scheme), SV_ARG(host), to.n && to.p[0] == '/' ? "" : "/", SV_ARG(to));
	}
	labels_builder_free(&b);
	return url;
}

static void add_group(struct file_sd_cache *d, const struct config_alerting *alerting, size_t block, const struct target_group *g,
		      size_t max, struct endpoints *out)
{
	for (size_t i = 0; i < g->targets.n; i++) {
		_cleanup_free_ char *url = url_of(&alerting->v[block], g, g->targets.v[i]);
		bool known = !url;
		for (size_t j = 0; j < out->n && !known; j++)
			known = out->v[j].block == block && strcmp(out->v[j].url, url) == 0;
		if (known)
			continue;
		if (out->n == max) {
			failed(d, xasprintf("more than %zu Alertmanagers, %s is left out", max, url));
			return;
		}
		array_grow(out->v, out->n, out->cap);
		out->v[out->n++] = (struct endpoint){block, take(url)};
	}
}

void peer_discovery_endpoints(struct file_sd_cache *d, const struct config_alerting *alerting, size_t max, struct endpoints *out)
{
	for (size_t block = 0; block < alerting->n; block++) {
		const struct target_groups *statics = &alerting->v[block].static_targets;
		for (size_t i = 0; i < statics->n; i++)
			add_group(d, alerting, block, &statics->v[i], max, out);
		for (size_t i = 0; i < d->n; i++) {
			for (size_t j = 0; d->v[i].block == block && j < d->v[i].groups.n; j++)
				add_group(d, alerting, block, &d->v[i].groups.v[j], max, out);
		}
	}
}
