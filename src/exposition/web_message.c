// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/web_message.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

const char *web_request_param(const struct web_request *r, const char *name)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (strcmp(r->params[i].name, name) == 0)
			return r->params[i].value;
	return NULL;
}

bool web_request_add_param(struct web_request *r, struct sv name, struct sv value)
{
	if (r->n_params == WEB_MAX_PARAMS)
		return false;
	/* Doubles at powers of two, from 8. */
	if (!r->n_params || (r->n_params >= 8 && !(r->n_params & (r->n_params - 1))))
		r->params = xreallocarray(r->params, r->n_params ? r->n_params * 2 : 8, sizeof(*r->params));
	r->params[r->n_params++] = (struct web_param){xmemdup(name.p, name.n), xmemdup(value.p, value.n), value.n};
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes in place (it never grows): `+` is a blank, %XX a byte; a lone % stays. */
static size_t form_decode(char *p, size_t n)
{
	size_t to = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '+') {
			p[to++] = ' ';
		} else if (p[i] == '%' && i + 2 < n && hex_digit(p[i + 1]) >= 0 && hex_digit(p[i + 2]) >= 0) {
			p[to++] = (char)(hex_digit(p[i + 1]) * 16 + hex_digit(p[i + 2]));
			i += 2;
		} else {
			p[to++] = p[i];
		}
	}
	return to;
}

bool web_request_parse_form(struct web_request *r, struct sv body)
{
	char *copy = xmemdup(body.p, body.n), *p = copy, *end = copy + body.n;
	bool ok = true;
	while (ok && p < end) {
		char *amp = memchr(p, '&', (size_t)(end - p)), *stop = amp ? amp : end;
		char *eq = memchr(p, '=', (size_t)(stop - p)), *value = eq ? eq + 1 : stop;
		size_t name_n = form_decode(p, (size_t)((eq ? eq : stop) - p));
		size_t value_n = form_decode(value, (size_t)(stop - value));
		if (name_n || value_n)
			ok = web_request_add_param(r, sv_make(p, name_n), sv_make(value, value_n));
		p = stop + 1;
	}
	free(copy);
	return ok;
}

void web_request_clear(struct web_request *r)
{
	for (size_t i = 0; i < r->n_params; i++) {
		free(r->params[i].name);
		free(r->params[i].value);
	}
	free(r->params);
	buf_free(&r->body);
	r->params = NULL;
	r->n_params = 0;
}

void web_response_header(struct web_response *r, const char *name, const char *value)
{
	array_grow(r->headers, r->n_headers, r->cap_headers);
	r->headers[r->n_headers++] = (struct web_header){xstrdup(name), xstrdup(value)};
}

void web_response_text(struct web_response *r, int status, const char *fmt, ...)
{
	r->status = status;
	r->content_type = NULL;
	buf_reset(&r->body);
	va_list ap;
	va_start(ap, fmt);
	buf_vaddf(&r->body, fmt, ap);
	va_end(ap);
	buf_addc(&r->body, '\n');
}

void web_response_clear(struct web_response *r)
{
	if (r->read_free)
		r->read_free(r->read_arg);
	r->read_free = NULL;
	for (size_t i = 0; i < r->n_headers; i++) {
		free(r->headers[i].name);
		free(r->headers[i].value);
	}
	free(r->headers);
	r->headers = NULL;
	r->n_headers = r->cap_headers = 0;
	buf_free(&r->body);
}

static bool method_matches(const struct web_route *route, const char *method)
{
	return strcmp(route->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

const struct web_route *web_route_find(const struct web_route *routes, size_t n, const char *method, const char *path, int *status,
				       struct buf *allow)
{
	const struct web_route *best = NULL;
	size_t best_len = 0;
	bool path_known = false;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(routes[i].path);
		if (routes[i].prefix ? strncmp(path, routes[i].path, len) != 0 : strcmp(path, routes[i].path) != 0)
			continue;
		if (!method_matches(&routes[i], method)) {
			path_known = true;
			buf_addf(allow, "%s%s", allow->n ? ", " : "", routes[i].method);
			if (strcmp(routes[i].method, "GET") == 0)
				buf_adds(allow, ", HEAD");
			continue;
		}
		/* An exact path is longer than any prefix of it. */
		if (!best || len > best_len || !routes[i].prefix) {
			best = &routes[i];
			best_len = routes[i].prefix ? len : SIZE_MAX;
		}
	}
	*status = best ? 200 : path_known ? 405 : 404;
	return best;
}
