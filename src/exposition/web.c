// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/web.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "exposition/web_guard.h"
#include "exposition/web_listen.h"
#include "exposition/web_message.h"

/* Life of a request, on the polling thread of its listener unless said otherwise:
 *   on_request (headers) -> on_request (body, piece by piece) -> on_request (end): the connection is suspended, the exchange queued
 *   -> worker: guard, route, handler, answer ready, connection resumed
 *   -> on_request again: the answer is handed to libmicrohttpd -> on_completed: freed.
 * The queue needs no bound of its own: a connection has at most one exchange, and connections are limited. */

#define CONNECTION_MEMORY ((size_t)64 << 10) /* head of a request, and the pieces of a streamed body */
/* Bodies that are made before they are sent (a scrape is not): of one answer, and of all that slow clients have not read yet. */
#define BODY_MAX ((size_t)32 << 20)
#define HELD_MAX ((size_t)64 << 20)
#define SMALL_BODY ((size_t)64 << 10) /* goes in any case: connections are few */
#define DEFAULT_TYPE "text/plain; charset=utf-8"

struct exchange {
	struct web *web;
	struct service *service;
	struct MHD_Connection *connection;
	struct exchange *next; /* in the queue */
	struct web_request req;
	struct web_response res;
	char *method, *path;
	char *user, *password; /* of basic auth, or NULL */
	bool form, too_large, bad_params;
	const struct web_route *route; /* NULL: STATUS 404, or 405 with ALLOW */
	int status;
	struct buf allow;
	size_t held; /* of web.held */
	bool queued, ready; /* ready is set by the worker before it resumes the connection */
};

/* A running daemon. New TLS material means a new one on the same socket, while the old one ends its connections. */
struct service {
	struct web *web;
	struct MHD_Daemon *daemon;
	struct web_tls *tls; /* NULL: plain */
	unsigned suspended;  /* its connections that wait for a worker */
	bool ending;	     /* suspend no more */
};

struct listener {
	int fd; /* libmicrohttpd's while a service runs */
	char *address;
	struct service *service;
};

struct web {
	struct listener *listeners;
	size_t n_listeners;
	struct web_route *routes;
	size_t n_routes;
	struct web_options opt;
	struct web_tls *tls; /* what services are begun with; NULL: plain */
	struct guard *guard;
	pthread_mutex_t lock; /* queue, stopping, stats, services' state */
	pthread_cond_t work, idle; /* there is something to do; a service has nothing suspended any more */
	pthread_mutex_t setting; /* one web_set_security at a time */
	struct exchange *head, **tail;
	size_t held; /* bytes of finished bodies */
	unsigned heavy; /* exchanges of heavy routes being worked on */
	bool stopping;
	pthread_t *threads;
	unsigned n_threads;
	struct web_stats stats;
};

struct header_search {
	const char *name;
	const char *only;
	unsigned n;
};

static enum MHD_Result find_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct header_search *s = arg;
	if (strcasecmp(name, s->name) == 0 && value) {
		s->only = value;
		s->n++;
	}
	return MHD_YES;
}

static enum MHD_Result join_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	void **search = arg;
	if (strcasecmp(name, search[0]) == 0 && value) {
		struct buf *b = search[1];
		buf_addf(b, "%s%s", b->n ? ", " : "", value);
	}
	return MHD_YES;
}

const char *web_request_header(struct web_request *r, const char *name)
{
	struct header_search s = {.name = name};
	MHD_get_connection_values(r->connection, MHD_HEADER_KIND, find_header, &s);
	if (s.n < 2)
		return s.only;
	/* Kept as a parameter no query can name, because it must live as long as the request. */
	struct buf joined = BUF_LIMIT(CONNECTION_MEMORY);
	void *search[2] = {(void *)name, &joined};
	MHD_get_connection_values(r->connection, MHD_HEADER_KIND, join_header, search);
	const char *kept = NULL;
	if (!joined.failed && web_request_add_param(r, SV(""), sv_make(joined.p, joined.n)))
		kept = r->params[r->n_params - 1].value;
	buf_free(&joined);
	return kept;
}

static enum MHD_Result add_query_param(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
				       size_t value_n)
{
	struct exchange *x = arg;
	if (name_n && !web_request_add_param(&x->req, sv_make(name, name_n), sv_make(value ? value : "", value ? value_n : 0)))
		x->bad_params = true;
	return MHD_YES;
}

static void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	pthread_mutex_lock(&x->web->lock);
	x->web->held -= x->held;
	pthread_mutex_unlock(&x->web->lock);
	web_request_clear(&x->req);
	web_response_clear(&x->res);
	buf_free(&x->allow);
	free(x->method);
	free(x->path);
	free(x->user);
	if (x->password)
		explicit_bzero(x->password, strlen(x->password));
	free(x->password);
	free(x);
}

/* --- the worker's half --- */

static void add_guard_header(void *arg, const char *name, const char *value)
{
	web_response_header(arg, name, value);
}

static void count(struct web *w, uint64_t *counter)
{
	pthread_mutex_lock(&w->lock);
	(*counter)++;
	pthread_mutex_unlock(&w->lock);
}

/* Books the body of an answer; false if too many wait already to be read. */
static bool hold(struct exchange *x)
{
	struct web *w = x->web;
	if (x->res.body.cap <= SMALL_BODY)
		return true;
	pthread_mutex_lock(&w->lock);
	bool fits = w->held + x->res.body.cap <= HELD_MAX;
	if (fits) {
		x->held = x->res.body.cap;
		w->held += x->held;
	}
	pthread_mutex_unlock(&w->lock);
	return fits;
}

static void answer(struct exchange *x)
{
	struct web *w = x->web;
	struct web_response *res = &x->res;
	count(w, &w->stats.requests);
	if (!guard_admit(w->guard)) {
		count(w, &w->stats.rejected_rate);
		web_response_text(res, 429, "Too Many Requests");
	} else if (guard_needs_auth(w->guard) && !guard_check_password(w->guard, x->user, x->password)) {
		count(w, &w->stats.rejected_auth);
		web_response_text(res, 401, "Unauthorized");
		web_response_header(res, "WWW-Authenticate", "Basic");
	} else if (x->too_large) {
		web_response_text(res, 413, "request body larger than %zu bytes", w->opt.max_body);
	} else if (x->bad_params) {
		web_response_text(res, 400, "more than %d parameters", WEB_MAX_PARAMS);
	} else if (x->route) {
		x->route->handle(x->route->ctx, &x->req, res);
	} else if (x->status == 405) {
		web_response_text(res, 405, "Method Not Allowed");
		web_response_header(res, "Allow", buf_str(&x->allow));
	} else {
		web_response_text(res, 404, "404 page not found");
	}
	bool too_long = res->body.failed;
	if (too_long || !hold(x)) {
		buf_free(&res->body);
		res->body = BUF_LIMIT(BODY_MAX);
		if (too_long)
			web_response_text(res, 500, "response larger than %zu bytes", BODY_MAX);
		else
			web_response_text(res, 503, "too many large responses are being read");
	}
	guard_headers(w->guard, add_guard_header, res);
}

/* Takes the first exchange off the queue that may be worked on now. */
static struct exchange *dequeue(struct web *w)
{
	unsigned most = w->opt.workers > 1 ? w->opt.workers / 2 : 1;
	struct exchange **p = &w->head, *x;
	while ((x = *p) && !w->stopping && x->route && x->route->heavy && w->heavy >= most)
		p = &x->next;
	if (!x)
		return NULL;
	*p = x->next;
	if (w->tail == &x->next)
		w->tail = p;
	return x;
}

static void *worker(void *arg)
{
	struct web *w = arg;
	struct exchange *x;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!(x = dequeue(w)) && !w->stopping)
			pthread_cond_wait(&w->work, &w->lock);
		if (!x)
			break; /* stopping, and nobody waits for an answer */
		struct service *sv = x->service;
		bool stopping = w->stopping, heavy = x->route && x->route->heavy;
		w->heavy += heavy;
		pthread_mutex_unlock(&w->lock);

		if (stopping)
			web_response_text(&x->res, 503, "shutting down");
		else
			answer(x);
		__atomic_store_n(&x->ready, true, __ATOMIC_RELEASE);
		MHD_resume_connection(x->connection); /* x may be gone from here on */

		pthread_mutex_lock(&w->lock);
		w->heavy -= heavy;
		if (heavy)
			pthread_cond_signal(&w->work); /* one that had to wait may go on */
		if (--sv->suspended == 0)
			pthread_cond_broadcast(&w->idle);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* --- the polling thread's half --- */

static ssize_t read_body(void *arg, uint64_t pos, char *p, size_t max)
{
	struct web_response *res = arg;
	ssize_t n = res->read(res->read_arg, p, max);
	return n > 0 ? n : n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result send_answer(struct exchange *x)
{
	struct web_response *res = &x->res;
	struct MHD_Response *r;
	/* Both kinds of body live in the exchange, which outlasts the sending: it is freed in on_completed. */
	if (res->read)
		r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, CONNECTION_MEMORY, read_body, res, NULL);
	else
		r = MHD_create_response_from_buffer(res->body.n, (void *)buf_str(&res->body), MHD_RESPMEM_PERSISTENT);
	if (!r)
		return MHD_NO;
	/* libmicrohttpd 0.9.75 ends the answer to a HEAD with an empty chunk, which the client would take for the next answer. */
	if (res->read && strcmp(x->method, "HEAD") == 0)
		MHD_set_response_options(r, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, res->content_type ? res->content_type : DEFAULT_TYPE);
	for (size_t i = 0; i < res->n_headers; i++)
		MHD_add_response_header(r, res->headers[i].name, res->headers[i].value);
	enum MHD_Result ok = MHD_queue_response(x->connection, (unsigned)(res->status ? res->status : 200), r);
	MHD_destroy_response(r);
	return ok;
}

static struct exchange *exchange_new(struct service *sv, struct MHD_Connection *c, const char *url, const char *method)
{
	struct web *w = sv->web;
	struct exchange *x = xcalloc(1, sizeof(*x));
	x->web = w;
	x->service = sv;
	x->connection = c;
	x->method = xstrdup(method);
	x->path = xstrdup(url);
	x->req.connection = c;
	x->req.method = x->method;
	x->req.path = x->path;
	x->req.body = BUF_LIMIT(w->opt.max_body);
	x->allow = BUF_LIMIT(256);
	x->route = web_route_find(w->routes, w->n_routes, method, url, &x->status, &x->allow);
	x->res.body = BUF_LIMIT(BODY_MAX);
	const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
	static const char form[] = "application/x-www-form-urlencoded";
	x->form = strcmp(method, "POST") == 0 && type && strncasecmp(type, form, sizeof(form) - 1) == 0;
	char *password = NULL, *user = MHD_basic_auth_get_username_password(c, &password);
	if (user && password) {
		x->user = xstrdup(user);
		x->password = xstrdup(password);
	}
	if (password)
		explicit_bzero(password, strlen(password));
	MHD_free(user);
	MHD_free(password);
	return x;
}

static enum MHD_Result enqueue(struct exchange *x)
{
	struct web *w = x->web;
	if (x->form) {
		x->bad_params = !web_request_parse_form(&x->req, sv_make(x->req.body.p, x->req.body.n));
		buf_free(&x->req.body);
	}
	MHD_get_connection_values_n(x->connection, MHD_GET_ARGUMENT_KIND, add_query_param, x);
	pthread_mutex_lock(&w->lock);
	bool stopping = w->stopping, ending = x->service->ending;
	if (!stopping && !ending) {
		x->queued = true;
		x->service->suspended++;
		MHD_suspend_connection(x->connection); /* before a worker can see and resume it */
		*w->tail = x;
		w->tail = &x->next;
		pthread_cond_signal(&w->work);
	}
	pthread_mutex_unlock(&w->lock);
	if (!stopping && !ending)
		return MHD_YES;
	/* When the server stops the workers may be gone, and a suspended connection would never come back. A service that ends for
	 * another to take over answers its last requests by itself. */
	if (stopping)
		web_response_text(&x->res, 503, "shutting down");
	else
		answer(x);
	return send_answer(x);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
				  const char *upload, size_t *upload_n, void **req_cls)
{
	struct service *sv = cls;
	struct exchange *x = *req_cls;
	if (!x) {
		if (sv->tls) {
			const union MHD_ConnectionInfo *tls = MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
			if (!tls || guard_check_peer(tls->tls_session, sv->tls))
				return MHD_NO; /* as after a failed handshake: the connection is closed */
		}
		*req_cls = exchange_new(sv, c, url, method);
		return MHD_YES;
	}
	if (*upload_n) {
		buf_add(&x->req.body, upload, *upload_n);
		x->too_large |= x->req.body.failed;
		*upload_n = 0;
		return MHD_YES;
	}
	if (__atomic_load_n(&x->ready, __ATOMIC_ACQUIRE))
		return send_answer(x);
	return x->queued ? MHD_YES : enqueue(x);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **req_cls, enum MHD_RequestTerminationCode why)
{
	exchange_free(*req_cls);
	*req_cls = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *c, void **socket_cls, enum MHD_ConnectionNotificationCode what)
{
	struct web *w = ((struct service *)cls)->web;
	pthread_mutex_lock(&w->lock);
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		w->stats.connections++;
	else
		w->stats.connections--;
	pthread_mutex_unlock(&w->lock);
}

/* --- life of the server --- */

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
	o.max_connections = o.max_connections ? o.max_connections : 64;
	o.max_connections_per_ip = o.max_connections_per_ip ? o.max_connections_per_ip : 16;
	o.idle_seconds = o.idle_seconds ? o.idle_seconds : 30;
	o.workers = o.workers ? o.workers : 4;
	o.max_body = o.max_body ? o.max_body : (size_t)1 << 20;
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
	w->listeners = xcalloc(opt->n_addresses, sizeof(*w->listeners));
	if (opt->security) {
		r = guard_set(w->guard, opt->security, error);
		if (opt->security->tls)
			w->tls = tls_copy(opt->security->tls);
	}
	for (size_t i = 0; !r && i < opt->n_addresses; i++) {
		r = web_listen(opt->addresses[i], &w->listeners[i].fd, &w->listeners[i].address, error);
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
	sv->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, sv, MHD_OPTION_NOTIFY_COMPLETED, on_completed, sv,
				      MHD_OPTION_NOTIFY_CONNECTION, on_connection, sv, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
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
		int r = pthread_create(&w->threads[w->n_threads], NULL, worker, w);
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
