// SPDX-License-Identifier: GPL-2.0-or-later
/* http: our own section; which requests are counted, and how. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/config.h"
#include "config/decode.h"

static void decode_buckets(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_http *h = to;
	if (!decode_is_list(d, node))
		return;
	if (node->n == 0 || node->n > CONFIG_BUCKETS_MAX) {
		decode_fail(d, node, "%s: want 1 to %d bounds in seconds, got %zu", buf_str(&d->path), CONFIG_BUCKETS_MAX, node->n);
		return;
	}
	h->n_buckets = 0;
	for (size_t i = 0; i < node->n; i++) {
		double v;
		if (!decode_double(d, node->values[i], &v))
			return;
		if (v <= 0 || (i && v <= h->buckets[i - 1])) {
			decode_fail(d, node->values[i], "%s: want bounds above 0 in ascending order (+Inf is always there), got %s%s%s",
				    buf_str(&d->path), node->values[i]->text, i ? " after " : "", i ? node->values[i - 1]->text : "");
			return;
		}
		h->buckets[h->n_buckets++] = v;
	}
}

static bool is_literal_byte(unsigned char c)
{
	return c > ' ' && c < 0x7f && !strchr("?#{}*\"\\", c);
}

/* One segment of N bytes at S: plain text, or {name}. */
static const char *segment_complaint(const char *s, size_t n)
{
	if (n == 0)
		return "it has an empty segment";
	if (s[0] == '{') {
		if (n < 3 || s[n - 1] != '}')
			return "{name} must be a whole segment between slashes";
		for (size_t i = 1; i < n - 1; i++) {
			if (!is_literal_byte((unsigned char)s[i]))
				return "a name in braces may hold letters, digits, and marks such as _ - .";
		}
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '*')
			return "a star is only accepted as /** at the end";
		if (s[i] == '{' || s[i] == '}')
			return "{name} must be a whole segment between slashes";
		if (!is_literal_byte((unsigned char)s[i]))
			return "it holds a byte that no path has: blanks, quotes, ?, # and non-ASCII are written %XX";
	}
	return NULL;
}

static const char *route_complaint(const char *s, size_t len)
{
	if (s[0] != '/')
		return "it must begin with /";
	if (len > CONFIG_ROUTE_LENGTH)
		return "it is longer than 191 bytes";
	const char *p = s + 1, *end = s + len;
	if (p == end)
		return NULL; /* the root */
	for (;;) {
		const char *slash = memchr(p, '/', (size_t)(end - p)), *stop = slash ? slash : end;
		if (!slash && stop - p == 2 && memcmp(p, "**", 2) == 0)
			return NULL;
		if (!slash && p == end)
			return NULL; /* ends in a slash */
		const char *why = segment_complaint(p, (size_t)(stop - p));
		if (why || !slash)
			return why;
		p = slash + 1;
	}
}

static void decode_route(struct decoder *d, const struct yaml_node *node, void *to)
{
	char *s = NULL;
	struct strings *routes = to;
	decode_string(d, node, &s);
	if (!s)
		return;
	const char *why = route_complaint(s, strlen(s));
	if (why)
		decode_fail(d, node, "%s: \"%s\" is not a route such as /users/{name}/orders or /static/**: %s", buf_str(&d->path), s, why);
	else if (strings_has(routes, s))
		decode_fail(d, node, "%s: \"%s\" is listed twice", buf_str(&d->path), s);
	else
		strings_add(routes, s);
	free(s);
}

static void decode_routes(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (node->n > CONFIG_ROUTES_MAX)
		decode_fail(d, node, "%s: want at most %d, got %zu", buf_str(&d->path), CONFIG_ROUTES_MAX, node->n);
	decode_list(d, node, decode_route, to);
}

static void decode_service(struct decoder *d, const struct yaml_node *node, void *to)
{
	char *s = NULL;
	decode_string(d, node, &s);
	if (s && (!*s || strlen(s) > 253))
		decode_fail(d, node, "%s: want the name of a service or a glob such as php-*, got \"%s\"", buf_str(&d->path), s);
	else if (s)
		strings_add_once(to, s);
	free(s);
}

static void decode_services(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (node->n > CONFIG_NAMES_MAX)
		decode_fail(d, node, "%s: want at most %d, got %zu", buf_str(&d->path), CONFIG_NAMES_MAX, node->n);
	decode_list(d, node, decode_service, to);
}

static void ports_from(struct decoder *d, const struct yaml_node *node, uint16_t **ports, size_t *n)
{
	if (!decode_is_list(d, node))
		return;
	if (node->n > CONFIG_NAMES_MAX) {
		decode_fail(d, node, "%s: want at most %d, got %zu", buf_str(&d->path), CONFIG_NAMES_MAX, node->n);
		return;
	}
	*ports = xcalloc(node->n, sizeof(**ports));
	for (size_t i = 0; i < node->n; i++) {
		uint64_t v;
		if (node->values[i]->kind == YAML_NULL)
			decode_fail(d, node->values[i], "%s: empty item", buf_str(&d->path));
		if (d->error || !decode_uint_in(d, node->values[i], 1, 65535, &v))
			return;
		(*ports)[(*n)++] = (uint16_t)v;
	}
}

static void decode_ports(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_http *h = to;
	ports_from(d, node, &h->ports, &h->n_ports);
}

static void decode_exclude_ports(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_http *h = to;
	ports_from(d, node, &h->exclude_ports, &h->n_exclude_ports);
}

static void budget(struct decoder *d, const struct yaml_node *node, uint64_t min, uint64_t max, uint32_t *to)
{
	uint64_t v;
	if (decode_uint_in(d, node, min, max, &v))
		*to = (uint32_t)v;
}

static void decode_budget_endpoints(struct decoder *d, const struct yaml_node *node, void *to)
{
	budget(d, node, 1, 65535, to);
}

static void decode_budget_map(struct decoder *d, const struct yaml_node *node, void *to)
{
	budget(d, node, 64, 1 << 20, to);
}

static void decode_budgets(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"endpoints_per_service", decode_budget_endpoints, offsetof(struct config_http, budget_endpoints), 0},
		{"series", decode_budget_map, offsetof(struct config_http, budget_series), 0},
		{"connections", decode_budget_map, offsetof(struct config_http, budget_connections), 0},
	};
	decode_map(d, node, to, fields, ARRAY_SIZE(fields));
}

void decode_http_section(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"buckets", decode_buckets, 0, 0},
		{"routes", decode_routes, offsetof(struct config_http, routes), 0},
		{"streams", decode_routes, offsetof(struct config_http, streams), 0},
		{"include_services", decode_services, offsetof(struct config_http, include_services), 0},
		{"exclude_services", decode_services, offsetof(struct config_http, exclude_services), 0},
		{"ports", decode_ports, 0, 0},
		{"exclude_ports", decode_exclude_ports, 0, 0},
		{"budgets", decode_budgets, 0, 0},
	};
	decode_map(d, node, to, fields, ARRAY_SIZE(fields));
}

static bool matches_any(const struct strings *globs, const char *name)
{
	for (size_t i = 0; i < globs->n; i++) {
		if (fnmatch(globs->v[i], name, 0) == 0)
			return true;
	}
	return false;
}

bool config_wants_service(const struct config_http *http, const char *name)
{
	if (matches_any(&http->exclude_services, name))
		return false;
	return http->include_services.n == 0 || matches_any(&http->include_services, name);
}

static bool has_port(const uint16_t *ports, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (ports[i] == port)
			return true;
	}
	return false;
}

bool config_wants_port(const struct config_http *http, uint16_t port)
{
	if (has_port(http->exclude_ports, http->n_exclude_ports, port))
		return false;
	return http->n_ports == 0 || has_port(http->ports, http->n_ports, port);
}
