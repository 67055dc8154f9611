// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/web.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "exposition/web_guard.h"
#include "exposition/web_impl.h"
#include "exposition/web_listen.h"

static struct web_tls *tls_copy(const struct web_tls *t)
{
	struct web_tls *c = xmalloc(sizeof(*c));
	*c = *t;
	c->cert_pem = xstrdup(t->cert_pem);
	c->key_pem = xstrdup(t->key_pem);
	c->client_ca_pem = t->client_ca_pem ? xstrdup(t->client_ca_pem) : NULL;
	c->client_sans = xcalloc(t->n_client_sans, sizeof(*c->client_sans));
	for (size_t i = 0; i < t->n_client_sans; i++)
		c->client_sans[i] = xstrdup(t->client_sans[i]);
	return c;
}

static void tls_free(struct web_tls *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_client_sans; i++)
		free(t->client_sans[i]);
	free(t->client_sans);
	free(t->cert_pem);
	explicit_bzero(t->key_pem, strlen(t->key_pem));
	free(t->key_pem);
	free(t->client_ca_pem);
	free(t);
}

static struct web_options with_defaults(const struct web_options *opt)
{
	struct web_options o = *opt;
	o.max_connections = o.max_connections ? o.max_connections : 512;
	o.max_connections_per_ip = o.max_connections_per_ip ? o.max_connections_per_ip : 256;
	o.idle_seconds = o.idle_seconds ? o.idle_seconds : 30;
	o.workers = o.workers ? o.workers : 4;
	o.max_body = o.max_body ? o.max_body : (size_t)1 << 20;
	o.max_answer = o.max_answer ? o.max_answer : (size_t)32 << 20;
	/* The caller's arrays are not kept. */
	o.addresses = NULL;
	o.routes = NULL;
	o.security = NULL;
	return o;
}

int web_new(const struct web_options *opt, struct web **out, char **error)
{
	struct web *w = xcalloc(1, sizeof(*w));
	int r = 0;
	w->opt = with_defaults(opt);
	w->tail = &w->head;
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->setting, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->idle, NULL);
	w->guard = guard_new();
	w->routes = xmemdup(opt->routes, opt->n_routes * sizeof(*opt->routes));
	w->n_routes = opt->n_routes;
	w->listeners = xcalloc(opt->n_addresses + opt->n_sockets, sizeof(*w->listeners));
	if (opt->security) {
		r = guard_set(w->guard, opt->security, error);
		if (opt->security->tls)
			w->tls = tls_copy(opt->security->tls);
	}
	for (size_t i = 0; !r && i < opt->n_addresses + opt->n_sockets; i++) {
		struct listener *l = &w->listeners[i];
		r = i < opt->n_addresses ? web_listen(opt->addresses[i], &l->fd, &l->address, error)
					 : web_listen_inherited(opt->first_socket + (int)(i - opt->n_addresses), &l->fd, &l->address, error);
		if (!r)
			w->n_listeners++;
	}
	if (r) {
		web_free(w);
		return r;
	}
	*out = w;
	return 0;
}

static void service_free(struct service *sv)
{
	if (!sv)
		return;
	if (sv->daemon)
		MHD_stop_daemon(sv->daemon);
	tls_free(sv->tls);
	free(sv);
}

/* Serves the listening socket FD with the TLS material of the web server. NULL if libmicrohttpd refuses. */
static struct service *service_start(struct web *w, int fd)
{
	struct service *sv = xcalloc(1, sizeof(*sv));
	unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
	unsigned limit = w->opt.max_connections / (unsigned)w->n_listeners;
	struct buf priorities = BUF_LIMIT(256);
	struct MHD_OptionItem items[16];
	size_t n = 0;
	sv->web = w;
	sv->tls = w->tls ? tls_copy(w->tls) : NULL;
#define OPTION(name, number, pointer) (items[n++] = (struct MHD_OptionItem){(name), (intptr_t)(number), (pointer)})
	OPTION(MHD_OPTION_LISTEN_SOCKET, fd, NULL);
	OPTION(MHD_OPTION_CONNECTION_LIMIT, limit ? limit : 1, NULL);
	OPTION(MHD_OPTION_PER_IP_CONNECTION_LIMIT, w->opt.max_connections_per_ip, NULL);
	OPTION(MHD_OPTION_CONNECTION_TIMEOUT, w->opt.idle_seconds, NULL);
	OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL);
	OPTION(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
	if (sv->tls) {
		flags |= MHD_USE_TLS;
		guard_tls_priorities(sv->tls, &priorities);
		OPTION(MHD_OPTION_HTTPS_MEM_CERT, 0, sv->tls->cert_pem);
		OPTION(MHD_OPTION_HTTPS_MEM_KEY, 0, sv->tls->key_pem);
		OPTION(MHD_OPTION_HTTPS_PRIORITIES, 0, priorities.p);
		/* Its presence makes libmicrohttpd ask for a certificate at all. */
		if (sv->tls->client_ca_pem)
			OPTION(MHD_OPTION_HTTPS_MEM_TRUST, 0, sv->tls->client_ca_pem);
	}
	OPTION(MHD_OPTION_END, 0, NULL);
#undef OPTION
	sv->daemon = MHD_start_daemon(flags, 0, NULL, NULL, web_on_request, sv, MHD_OPTION_NOTIFY_COMPLETED, web_on_completed, sv,
				      MHD_OPTION_NOTIFY_CONNECTION, web_on_connection, sv, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
	buf_free(&priorities);
	if (!sv->daemon) {
		service_free(sv);
		return NULL;
	}
	return sv;
}

int web_start(struct web *w, char **error)
{
	w->threads = xcalloc(w->opt.workers, sizeof(*w->threads));
	for (; w->n_threads < w->opt.workers; w->n_threads++) {
		int r = pthread_create(&w->threads[w->n_threads], NULL, web_worker, w);
		if (r) {
			*error = xasprintf("web server: cannot start a thread: %s", strerror(r));
			return -r;
		}
	}
	for (size_t i = 0; i < w->n_listeners; i++) {
		struct listener *l = &w->listeners[i];
		/* A copy, because libmicrohttpd closes the socket on some failures only. */
		int fd = dup(l->fd);
		l->service = service_start(w, l->fd);
		if (l->service) {
			close(fd);
		} else {
			l->fd = fd;
			*error = xasprintf("web server on %s did not start%s", l->address,
					   w->tls ? ": is the certificate or its key broken?" : "");
			return -EIO;
		}
	}
	return 0;
}

const char *web_address(const struct web *w, size_t i)
{
	return i < w->n_listeners ? w->listeners[i].address : NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_tls(const struct web_tls *a, const struct web_tls *b)
{
	bool same = same_text(a->cert_pem, b->cert_pem) && same_text(a->key_pem, b->key_pem) &&
		    same_text(a->client_ca_pem, b->client_ca_pem) && a->client_auth == b->client_auth && a->min_version == b->min_version &&
		    a->max_version == b->max_version && a->n_client_sans == b->n_client_sans;
	for (size_t i = 0; same && i < a->n_client_sans; i++)
		same = same_text(a->client_sans[i], b->client_sans[i]);
	return same;
}

/* Waits until nothing of SV is with a worker, and ends it with its connections. */
static void service_retire(struct service *sv)
{
	struct web *w = sv->web;
	pthread_mutex_lock(&w->lock);
	sv->ending = true;
	while (sv->suspended)
		pthread_cond_wait(&w->idle, &w->lock);
	pthread_mutex_unlock(&w->lock);
	service_free(sv);
}

/* Begins a new service with w->tls on L's socket, and retires the old one; if it cannot, the old material is put back. */
static int renew(struct web *w, struct listener *l, struct web_tls *before, char **error)
{
	int fd = MHD_quiesce_daemon(l->service->daemon);
	/* A broken certificate must not cost the socket: see web_start. */
	int copy = dup(fd);
	struct service *fresh = service_start(w, fd);
	int r = 0;
	if (fresh) {
		close(copy);
	} else {
		*error = xasprintf("web server on %s: the certificate or its key is broken", l->address);
		r = -EINVAL;
		struct web_tls *broken = w->tls;
		w->tls = before;
		fresh = service_start(w, copy);
		w->tls = broken;
		if (!fresh) { /* cannot be: it ran with these until now */
			*error = (free(*error), xasprintf("web server on %s does not start any more", l->address));
			close(copy);
		}
	}
	service_retire(l->service);
	l->service = fresh;
	if (!fresh)
		l->fd = -1;
	return r;
}

int web_set_security(struct web *w, const struct web_security *s, char **error)
{
	int r = 0;
	if (!w->tls != !(s && s->tls)) {
		*error = xasprintf("TLS cannot be switched on or off while the server runs: restart it");
		return -EINVAL;
	}
	r = guard_check(s, error);
	if (r)
		return r;
	pthread_mutex_lock(&w->setting);
	if (w->tls && !same_tls(w->tls, s->tls)) {
		struct web_tls *before = w->tls;
		w->tls = tls_copy(s->tls);
		for (size_t i = 0; !r && i < w->n_listeners; i++)
			if (w->listeners[i].service)
				r = renew(w, &w->listeners[i], before, error);
		if (r) {
			tls_free(w->tls);
			w->tls = before;
		} else {
			tls_free(before);
		}
	}
	if (!r)
		r = guard_set(w->guard, s, error);
	pthread_mutex_unlock(&w->setting);
	return r;
}

struct web_stats web_stats(struct web *w)
{
	pthread_mutex_lock(&w->lock);
	struct web_stats s = w->stats;
	pthread_mutex_unlock(&w->lock);
	return s;
}

void web_free(struct web *w)
{
	if (!w)
		return;
	/* First no new connections, then the workers' last answers, which resume every suspended connection: libmicrohttpd must not
	 * be stopped with one. */
	for (size_t i = 0; i < w->n_listeners; i++)
		if (w->listeners[i].service)
			w->listeners[i].fd = MHD_quiesce_daemon(w->listeners[i].service->daemon);
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	for (size_t i = 0; i < w->n_listeners; i++) {
		struct listener *l = &w->listeners[i];
		service_free(l->service);
		if (l->fd >= 0)
			close(l->fd);
		free(l->address);
	}
	free(w->listeners);
	free(w->routes);
	free(w->threads);
	guard_free(w->guard);
	tls_free(w->tls);
	pthread_mutex_destroy(&w->lock);
	pthread_mutex_destroy(&w->setting);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->idle);
	free(w);
}
