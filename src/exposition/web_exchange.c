// SPDX-License-Identifier: GPL-2.0-or-later
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "exposition/web_guard.h"
#include "exposition/web_gzip.h"
#include "exposition/web_impl.h"
#include "exposition/web_message.h"

/* Life of a request, on the polling thread of its listener unless said otherwise:
 *   web_on_request: headers; body, piece by piece; at its end the connection is suspended and the exchange queued
 *   -> web_worker: guard, route, handler, answer ready, connection resumed
 *   -> web_on_request again: the answer is handed to libmicrohttpd -> web_on_completed: freed.
 * The queue needs no bound of its own: a connection has at most one exchange, and connections are limited. */

#define SMALL_BODY ((size_t)64 << 10) /* goes in any case: connections are few */
#define QUIET_NS 1000000000u
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

bool web_request_is_gone(const struct web_request *r)
{
	const union MHD_ConnectionInfo *i = r->connection ? MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD) : NULL;
	struct pollfd p = {.fd = i ? i->connect_fd : -1, .events = POLLRDHUP};
	return poll(&p, 1, 0) > 0;
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
	bool fits = w->held + x->res.body.cap <= 2 * w->opt.max_answer;
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
		web_gzip(&x->req, res);
	} else if (x->status == 405) {
		web_response_text(res, 405, "Method Not Allowed");
		web_response_header(res, "Allow", buf_str(&x->allow));
	} else {
		web_response_text(res, 404, "404 page not found");
	}
	bool too_long = res->body.failed;
	if (too_long || !hold(x)) {
		buf_free(&res->body);
		res->body = BUF_LIMIT(w->opt.max_answer);
		if (too_long)
			web_response_text(res, 500, "response larger than %zu bytes", w->opt.max_answer);
		else
			web_response_text(res, 503, "too many large responses are being read");
	}
	guard_headers(w->guard, add_guard_header, res);
}

/* libmicrohttpd's own limit is one of idle time: a byte now and then would hold a connection for ever, and there are few. */
static void sweep(struct web *w)
{
	uint64_t now = clock_mono_ns(), patience = (uint64_t)w->opt.idle_seconds * 2000000000u;
	if (now - w->swept_ns < patience / 16)
		return;
	w->swept_ns = now;
	for (struct peer_connection *c = w->connections; c; c = c->next)
		if (c->since_ns && !c->cut && now - c->since_ns > patience) {
			c->cut = true;
			shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees its end and closes it */
		}
}

static void wait_until(struct web *w, uint64_t ns)
{
	struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
	pthread_cond_clockwait(&w->work, &w->lock, CLOCK_MONOTONIC, &t);
}

/* Waits for work. After an answer one of the workers waits no longer than until there has been none for a while: what answers took then goes back to
 * the system. While connections are open one waits no longer than until the next sweep. */
static void wait_for_work(struct web *w)
{
	if (w->answered_ns && !w->tidying) {
		w->tidying = true;
		wait_until(w, w->answered_ns + QUIET_NS);
		w->tidying = false;
		if (clock_mono_ns() - w->answered_ns >= QUIET_NS) {
			w->answered_ns = 0;
			pthread_mutex_unlock(&w->lock);
			memory_give_back();
			pthread_mutex_lock(&w->lock);
		}
	} else if (w->connections && !w->watched) {
		w->watched = true;
		wait_until(w, clock_mono_ns() + (uint64_t)w->opt.idle_seconds * 250000000u);
		w->watched = false;
		sweep(w);
	} else {
		pthread_cond_wait(&w->work, &w->lock);
	}
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

void *web_worker(void *arg)
{
	struct web *w = arg;
	struct exchange *x;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!(x = dequeue(w)) && !w->stopping)
			wait_for_work(w);
		if (!x)
			break; /* stopping, and nobody waits for an answer */
		struct service *sv = x->service;
		bool stopping = w->stopping, heavy = x->route && x->route->heavy;
		w->heavy += heavy;
		if (!w->watched && w->connections && w->connections->next)
			pthread_cond_signal(&w->work); /* others than this one are to be watched */
		pthread_mutex_unlock(&w->lock);

		if (stopping)
			web_response_text(&x->res, 503, "shutting down");
		else
			answer(x);
		__atomic_store_n(&x->ready, true, __ATOMIC_RELEASE);
		MHD_resume_connection(x->connection); /* x may be gone from here on */

		pthread_mutex_lock(&w->lock);
		w->heavy -= heavy;
		w->answered_ns = clock_mono_ns();
		if (heavy && w->head)
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
	/* Both kinds of body live in the exchange, which outlasts the sending: it is freed in web_on_completed. */
	if (res->read)
		r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, CONNECTION_MEMORY, read_body, res, NULL);
	else
		r = MHD_create_response_from_buffer(res->body.n, (void *)buf_str(&res->body), MHD_RESPMEM_PERSISTENT);
	if (!r)
		return MHD_NO;
	/* libmicrohttpd 0.9.75 ends the answer to a HEAD with an empty chunk, which the client would take for the next answer. */
	if (res->read && strcmp(x->method, "HEAD") == 0)
		MHD_set_response_options(r, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	if (res->status != 204) /* nothing has no type */
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
	x->res.body = BUF_LIMIT(w->opt.max_answer);
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

static struct peer_connection *peer_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return i ? i->socket_context : NULL;
}

static enum MHD_Result enqueue(struct exchange *x)
{
	struct web *w = x->web;
	struct peer_connection *peer = peer_of(x->connection);
	if (x->form) {
		x->bad_params = !web_request_parse_form(&x->req, sv_make(x->req.body.p, x->req.body.n));
		buf_free(&x->req.body);
	}
	MHD_get_connection_values_n(x->connection, MHD_GET_ARGUMENT_KIND, add_query_param, x);
	pthread_mutex_lock(&w->lock);
	if (peer)
		peer->since_ns = 0;
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

enum MHD_Result web_on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
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

void web_on_completed(void *cls, struct MHD_Connection *c, void **req_cls, enum MHD_RequestTerminationCode why)
{
	struct web *w = ((struct service *)cls)->web;
	struct peer_connection *peer = peer_of(c);
	exchange_free(*req_cls);
	*req_cls = NULL;
	pthread_mutex_lock(&w->lock);
	if (peer)
		peer->since_ns = clock_mono_ns();
	pthread_mutex_unlock(&w->lock);
}

static void connection_opened(struct web *w, struct MHD_Connection *c, void **socket_cls)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	w->stats.connections++;
	if (!i)
		return;
	struct peer_connection *peer = xcalloc(1, sizeof(*peer));
	peer->fd = i->connect_fd;
	peer->since_ns = clock_mono_ns();
	peer->next = w->connections;
	peer->at = &w->connections;
	if (peer->next)
		peer->next->at = &peer->next;
	w->connections = peer;
	*socket_cls = peer;
	if (!w->watched)
		pthread_cond_signal(&w->work); /* somebody has to look after it */
}

static void connection_closed(struct web *w, void **socket_cls)
{
	struct peer_connection *peer = *socket_cls;
	w->stats.connections--;
	*socket_cls = NULL;
	if (!peer)
		return;
	*peer->at = peer->next;
	if (peer->next)
		peer->next->at = peer->at;
	free(peer);
}

void web_on_connection(void *cls, struct MHD_Connection *c, void **socket_cls, enum MHD_ConnectionNotificationCode what)
{
	struct web *w = ((struct service *)cls)->web;
	pthread_mutex_lock(&w->lock);
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		connection_opened(w, c, socket_cls);
	else
		connection_closed(w, socket_cls);
	pthread_mutex_unlock(&w->lock);
}
