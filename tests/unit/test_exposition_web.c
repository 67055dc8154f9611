// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "exposition/scrape.h"
#include "exposition/web.h"
#include "exposition/web_message.h"

static void handle_hello(void *ctx, struct web_request *req, struct web_response *res)
{
	res->content_type = "text/x-hello";
	web_response_header(res, "X-Ctx", ctx);
	buf_addf(&res->body, "%s %s\n", req->method, req->path);
	for (size_t i = 0; i < req->n_params; i++)
		buf_addf(&res->body, "%s=%s;", req->params[i].name, req->params[i].value);
	const char *h = web_request_header(req, "x-multi");
	buf_addf(&res->body, "[%s]", h ? h : "none");
	buf_add(&res->body, req->body.p, req->body.n);
}

static void handle_slow(void *ctx, struct web_request *req, struct web_response *res)
{
	usleep(300000);
	web_response_text(res, 200, "slow");
}

/* Until nobody waits for it. */
static int left_alone;
static void handle_forsaken(void *ctx, struct web_request *req, struct web_response *res)
{
	for (int i = 0; i < 500 && !web_request_is_gone(req); i++)
		usleep(10000);
	__atomic_store_n(&left_alone, web_request_is_gone(req) ? 1 : -1, __ATOMIC_SEQ_CST);
}

static ssize_t endless_read(void *arg, char *p, size_t max)
{
	memset(p, 'x', max);
	return (ssize_t)max;
}

static int freed;
static void endless_free(void *arg)
{
	__atomic_add_fetch(&freed, 1, __ATOMIC_SEQ_CST);
}

static void handle_endless(void *ctx, struct web_request *req, struct web_response *res)
{
	res->read = endless_read;
	res->read_free = endless_free;
}

/* N mebibytes. */
static void handle_big(void *ctx, struct web_request *req, struct web_response *res)
{
	static const char line[1024];
	const char *n = web_request_param(req, "n");
	for (int i = 0; n && i < atoi(n) * 1024; i++)
		buf_add(&res->body, line, sizeof(line));
}

static void handle_snapshot(void *ctx, struct web_request *req, struct web_response *res)
{
	scrape_respond(req, res, ctx);
}

static struct snapshot *snapshot;

static struct web *start(struct web_options opt)
{
	static const char *const any[] = {"127.0.0.1:0"};
	const struct web_route routes[] = {
		{"GET", "/hello", false, handle_hello, "exact", false},
		{"POST", "/hello", false, handle_hello, "post", false},
		{"GET", "/hello/", true, handle_hello, "prefix", false},
		{"GET", "/hello/deep/", true, handle_hello, "deep", false},
		{"GET", "/slow", false, handle_slow, NULL, false},
		{"GET", "/forsaken", false, handle_forsaken, NULL, false},
		{"GET", "/heavy", false, handle_slow, NULL, true},
		{"GET", "/big", false, handle_big, NULL, false},
		{"GET", "/endless", false, handle_endless, NULL, false},
		{"GET", "/metrics", false, handle_snapshot, snapshot, false},
	};
	opt.routes = routes;
	opt.n_routes = ARRAY_SIZE(routes);
	if (!opt.addresses) {
		opt.addresses = any;
		opt.n_addresses = 1;
	}
	struct web *w = NULL;
	char *error = NULL;
	if (web_new(&opt, &w, &error) || web_start(w, &error))
		fail_msg("%s", error);
	return w;
}

static int dial(struct web *w)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	sa.sin_port = htons((uint16_t)atoi(strrchr(web_address(w, 0), ':') + 1));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	struct timeval tv = {.tv_sec = 20};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

/* Everything the server says until it closes. */
static char *drain(int fd)
{
	struct buf b = BUF_INIT;
	char p[4096];
	ssize_t n;
	while ((n = recv(fd, p, sizeof(p), 0)) > 0)
		buf_add(&b, p, (size_t)n);
	close(fd);
	return buf_steal(&b);
}

static char *talk(struct web *w, const char *request)
{
	int fd = dial(w);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	return drain(fd);
}

#define END "Host: x\r\nConnection: close\r\n\r\n"

static void expect_has(struct web *w, const char *request, const char *const *wants)
{
	_cleanup_free_ char *got = talk(w, request);
	for (; *wants; wants++)
		if (!strstr(got, *wants))
			fail_msg("no \"%s\" in the answer to\n%s\n%s", *wants, request, got);
}
#define expect(w, request, ...) expect_has(w, request, (const char *const[]){__VA_ARGS__, NULL})

static void test_routes(void **state)
{
	struct web *w = start((struct web_options){0});
	expect(w, "GET /hello?a=1&b=%2B+x&a=2 HTTP/1.1\r\nX-Multi: 1\r\nX-Multi: 2\r\n" END, "HTTP/1.1 200", "X-Ctx: exact",
	       "Content-Type: text/x-hello", "GET /hello\na=1;b=+ x;a=2;[1, 2]");
	expect(w, "GET /hello/x%20y HTTP/1.1\r\n" END, "X-Ctx: prefix", "GET /hello/x y\n");
	expect(w, "GET /hello/deep/er HTTP/1.1\r\n" END, "X-Ctx: deep", "[none]");
	expect(w, "GET /nowhere HTTP/1.1\r\n" END, "HTTP/1.1 404", "404 page not found\n", "text/plain; charset=utf-8");
	expect(w, "DELETE /hello HTTP/1.1\r\n" END, "HTTP/1.1 405", "Allow: GET, HEAD, POST", "Method Not Allowed\n");
	expect(w, "POST /slow HTTP/1.1\r\nContent-Length: 0\r\n" END, "HTTP/1.1 405", "Allow: GET, HEAD");
	expect(w, "POST /hello?q=late HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n" END
		  "q=%3d1+2&e&x=%4",
	       "X-Ctx: post", "q==1 2;e=;x=%4;q=late;");
	expect(w, "POST /hello HTTP/1.1\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n" END "3\r\nabc\r\n0\r\n\r\n",
	       "[none]abc");
	_cleanup_free_ char *head = talk(w, "HEAD /hello HTTP/1.1\r\n" END);
	assert_non_null(strstr(head, "HTTP/1.1 200"));
	assert_non_null(strstr(head, "Content-Length: 18\r\n"));
	assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
	/* Two requests on one connection. */
	_cleanup_free_ char *twice = talk(w, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\n" END);
	assert_non_null(strstr(twice, "HTTP/1.1 404"));
	assert_true(web_stats(w).requests >= 11);
	web_free(w);
}

static void test_limits(void **state)
{
	struct web *w = start((struct web_options){.max_body = 1000});
	_cleanup_buf_ struct buf b = BUF_INIT;
	buf_adds(&b, "POST /hello HTTP/1.1\r\nContent-Length: 1001\r\n" END);
	for (int i = 0; i < 1001; i++)
		buf_addc(&b, 'x');
	expect(w, buf_str(&b), "HTTP/1.1 413");
	buf_reset(&b);
	buf_adds(&b, "GET /hello?");
	for (int i = 0; i < 201; i++)
		buf_adds(&b, "a=b&");
	buf_adds(&b, " HTTP/1.1\r\n" END);
	expect(w, buf_str(&b), "HTTP/1.1 400", "more than 200 parameters");
	buf_reset(&b);
	buf_adds(&b, "GET /hello HTTP/1.1\r\nX: ");
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, "\r\n" END);
	int fd = dial(w);
	(void)!send(fd, b.p, b.n, MSG_NOSIGNAL);
	_cleanup_free_ char *got = drain(fd);
	assert_null(strstr(got, "HTTP/1.1 200"));
	expect(w, "\r\n\r\nnonsense\r\n\r\n", "");
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 200");
	web_free(w);
}

/* Is the connection served within a second? */
static bool is_served(int fd)
{
	static const char request[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 || poll(&p, 1, 1000) != 1)
		return false;
	return recv(fd, &c, 1, 0) == 1;
}

static void test_connection_limit(void **state)
{
	struct web *w = start((struct web_options){.max_connections_per_ip = 3, .idle_seconds = 1});
	int fds[5], served = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(w);
		served += is_served(fds[i]);
	}
	assert_int_equal(served, 3);
	assert_true(web_stats(w).connections <= 3);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	/* Idle connections are closed by the server, which makes room. */
	int idle = dial(w);
	char c;
	assert_int_equal(recv(idle, &c, 1, 0), 0);
	close(idle);
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 200");
	web_free(w);

	/* A dashboard or a proxy keeps its connections. */
	int many[100];
	w = start((struct web_options){0});
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		many[i] = dial(w);
		assert_true(is_served(many[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		close(many[i]);
	web_free(w);

	w = start((struct web_options){.max_connections = 2, .idle_seconds = 1});
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(w);
	usleep(100000);
	assert_int_equal(web_stats(w).connections, 2);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	web_free(w);
}

static void test_slow_clients_do_not_block(void **state)
{
	struct web *w = start((struct web_options){.workers = 1});
	/* Two that send half a head, one that never reads an endless body. */
	int half = dial(w), half_body = dial(w), deaf = dial(w);
	(void)!send(half, "GET /he", 7, MSG_NOSIGNAL);
	static const char post[] = "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
	(void)!send(half_body, post, sizeof(post) - 1, MSG_NOSIGNAL);
	static const char endless[] = "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n";
	(void)!send(deaf, endless, sizeof(endless) - 1, MSG_NOSIGNAL);
	usleep(100000);
	for (int i = 0; i < 20; i++)
		expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 200");
	web_free(w); /* with all three open */
	assert_int_equal(freed, 1);
	close(half);
	close(half_body);
	close(deaf);
}

/* A byte now and then is not idle, and no request either: after twice the idle time it is over, and others are not affected. */
static void test_trickling_requests_end(void **state)
{
	struct web *w = start((struct web_options){.idle_seconds = 1});
	int kept = dial(w), slow[3];
	bool over[3] = {false};
	for (int i = 0; i < 3; i++)
		slow[i] = dial(w);
	for (int round = 0; round < 60 && !(over[0] && over[1] && over[2]); round++) {
		for (int i = 0; i < 3; i++) {
			struct pollfd p = {.fd = slow[i], .events = POLLIN | POLLRDHUP};
			if (!over[i] && (send(slow[i], round ? "x" : "GET /hello HTTP/1.1\r\nX: ", round ? 1 : 24, MSG_NOSIGNAL) < 0 ||
					 (poll(&p, 1, 0) > 0 && p.revents)))
				over[i] = true;
		}
		if (round < 10) /* one that asks all the time stays */
			assert_true(is_served(kept));
		usleep(100000);
	}
	for (int i = 0; i < 3; i++) {
		assert_true(over[i]);
		close(slow[i]);
	}
	close(kept);
	assert_int_equal(web_stats(w).requests, 10);
	web_free(w);
}

static void test_gone_clients_are_noticed(void **state)
{
	static const char request[] = "GET /forsaken HTTP/1.1\r\nHost: x\r\n\r\n";
	struct web *w = start((struct web_options){0});
	int fd = dial(w);
	assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
	usleep(100000);
	assert_int_equal(__atomic_load_n(&left_alone, __ATOMIC_SEQ_CST), 0);
	close(fd);
	for (int i = 0; i < 600 && !__atomic_load_n(&left_alone, __ATOMIC_SEQ_CST); i++)
		usleep(10000);
	assert_int_equal(__atomic_load_n(&left_alone, __ATOMIC_SEQ_CST), 1);
	web_free(w);
}

static void test_heavy_routes_leave_room(void **state)
{
	struct web *w = start((struct web_options){.workers = 2});
	int fds[6];
	static const char heavy[] = "GET /heavy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(w);
		(void)!send(fds[i], heavy, sizeof(heavy) - 1, MSG_NOSIGNAL);
	}
	usleep(50000);
	/* Six heavy ones take 1.8 s, one after the other; the others are through before the second is done. */
	for (int i = 0; i < 20; i++)
		expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 200");
	struct pollfd p = {.fd = fds[2], .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		_cleanup_free_ char *got = drain(fds[i]);
		assert_non_null(strstr(got, "slow"));
	}
	web_free(w);
}

/* Answers that are worth it are packed for who asks. */
static void test_gzip(void **state)
{
	static const char ask[] = "GET /big?n=2 HTTP/1.1\r\nAccept-Encoding: deflate, gzip\r\n" END;
	struct web *w = start((struct web_options){0});
	struct buf got = BUF_INIT;
	char piece[4096];
	ssize_t n;
	int fd = dial(w);
	assert_int_equal(send(fd, ask, strlen(ask), MSG_NOSIGNAL), (ssize_t)strlen(ask));
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
		buf_add(&got, piece, (size_t)n);
	close(fd);
	const char *body = strstr(buf_str(&got), "\r\n\r\n") + 4;
	assert_non_null(strstr(buf_str(&got), "Content-Encoding: gzip\r\n"));
	assert_non_null(strstr(buf_str(&got), "Vary: Accept-Encoding\r\n"));
	size_t packed = got.n - (size_t)(body - got.p), most = 3 << 20;
	assert_true(packed < 100000);
	char *plain = xcalloc(1, most);
	z_stream z = {.next_in = (Bytef *)body, .avail_in = (uInt)packed, .next_out = (Bytef *)plain, .avail_out = (uInt)most};
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, 2 << 20);
	assert_int_equal(z.avail_in, 0);
	inflateEnd(&z);
	free(plain);
	buf_free(&got);
	expect(w, "GET /big?n=2 HTTP/1.1\r\nAccept-Encoding: gzip;q=0\r\n" END, "Content-Length: 2097152\r\n");
	_cleanup_free_ char *small = talk(w, "GET /hello HTTP/1.1\r\nAccept-Encoding: gzip\r\n" END);
	assert_null(strstr(small, "Content-Encoding"));
	web_free(w);
}

static void test_large_answers(void **state)
{
	struct web *w = start((struct web_options){0});
	expect(w, "GET /big?n=31 HTTP/1.1\r\n" END, "HTTP/1.1 200", "Content-Length: 32505856\r\n");
	expect(w, "GET /big?n=33 HTTP/1.1\r\n" END, "HTTP/1.1 500", "response larger than");
	/* Clients that do not read: what they hold is bounded. */
	int fds[6];
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		static const char big[] = "GET /big?n=31 HTTP/1.1\r\nHost: x\r\n\r\n";
		fds[i] = dial(w);
		(void)!send(fds[i], big, sizeof(big) - 1, MSG_NOSIGNAL);
	}
	int refused = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		char status[16] = "";
		assert_int_equal(recv(fds[i], status, 12, MSG_WAITALL), 12);
		refused += strcmp(status, "HTTP/1.1 503") == 0;
	}
	assert_int_equal(refused, 4);
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 200"); /* small ones still go */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	web_free(w);
}

struct client {
	struct web *w;
	int good;
};

static void *client_thread(void *arg)
{
	static const char *const requests[] = {"GET /hello?a=1 HTTP/1.1\r\n" END, "GET /metrics HTTP/1.1\r\nAccept-Encoding: gzip\r\n" END,
					       "GET /nowhere HTTP/1.1\r\n" END, "HEAD /metrics HTTP/1.1\r\n" END};
	struct client *c = arg;
	for (int i = 0; i < 100; i++) {
		_cleanup_free_ char *got = talk(c->w, requests[i % 4]);
		c->good += strncmp(got, i % 4 == 2 ? "HTTP/1.1 404" : "HTTP/1.1 200", 12) == 0;
	}
	return NULL;
}

static void test_many_at_once(void **state)
{
	struct web *w = start((struct web_options){.max_connections_per_ip = 64});
	struct client clients[8];
	pthread_t threads[ARRAY_SIZE(clients)];
	static struct web_header headers[] = {{"X-Frame-Options", "deny"}};
	char *error;
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		clients[i] = (struct client){.w = w};
		pthread_create(&threads[i], NULL, client_thread, &clients[i]);
	}
	for (int i = 0; i < 50; i++) {
		struct web_security sec = {.headers = headers, .n_headers = i % 2};
		assert_int_equal(web_set_security(w, &sec, &error), 0);
		usleep(1000);
	}
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(clients[i].good, 100);
	}
	assert_int_equal(web_stats(w).requests, 800);
	web_free(w);
}

static void test_stop_waits_for_handlers(void **state)
{
	struct web *w = start((struct web_options){.workers = 2});
	int fds[4];
	static const char slow[] = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(w);
		(void)!send(fds[i], slow, sizeof(slow) - 1, MSG_NOSIGNAL);
	}
	usleep(100000);
	web_free(w); /* two handlers run, two requests wait */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {"", "9839", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", ":x", "::1:80", "[::1:80", "[::1]80",
					  "999.1.1.1:0", "192.0.2.1:0", ":-1"};
	char *error;
	struct web *w;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct web_options opt = {.addresses = &bad[i], .n_addresses = 1};
		error = NULL;
		assert_true(web_new(&opt, &w, &error) < 0);
		if (!strstr(error, bad[i]))
			fail_msg("\"%s\" is not named in: %s", bad[i], error);
		free(error);
	}
	static const char *const several[] = {"127.0.0.1:0", ":0", "localhost:0"};
	w = start((struct web_options){.addresses = several, .n_addresses = 3});
	assert_non_null(strstr(web_address(w, 0), "127.0.0.1:"));
	assert_non_null(web_address(w, 2));
	assert_null(web_address(w, 3));
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 200");
	/* A port in use: named, and at web_new already. */
	const char *taken = web_address(w, 0);
	struct web_options opt = {.addresses = &taken, .n_addresses = 1};
	struct web *second;
	assert_int_equal(web_new(&opt, &second, &error), -EADDRINUSE);
	_cleanup_free_ char *want = xasprintf("cannot listen on \"%s\": Address already in use", taken);
	assert_string_equal(error, want);
	free(error);
	web_free(w);
}

/* Sockets that somebody else has bound. */
static void test_inherited(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct web *w = NULL;
	char *error = NULL;
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	struct web_options opt = {.first_socket = fd, .n_sockets = 1};
	assert_int_equal(web_new(&opt, &w, &error), -EINVAL); /* it does not listen */
	assert_non_null(strstr(error, "is no listening socket"));
	free(error);
	assert_int_equal(listen(fd, 5), 0);
	static const char *const none[] = {NULL};
	w = start((struct web_options){.addresses = none, .n_addresses = 0, .first_socket = fd, .n_sockets = 1});
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 200");
	web_free(w);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void test_security(void **state)
{
	static struct web_header headers[] = {{"X-Frame-Options", "deny"}};
	struct web_user users[] = {{"alice", NULL}};
	const char *hash = crypt("secret", "$2b$04$abcdefghijklmnopqrstuu"); /* bcrypt at its lowest cost */
	assert_int_equal(strlen(hash), 60);
	_cleanup_free_ char *copy = xstrdup(hash);
	users[0].bcrypt = copy;
	struct web_security sec = {.users = users, .n_users = 1, .headers = headers, .n_headers = 1};
	struct web *w = start((struct web_options){.security = &sec});
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 401", "WWW-Authenticate: Basic", "X-Frame-Options: deny");
	for (int i = 0; i < 3; i++) /* alice:secret, the second time from the cache */
		expect(w, "GET /hello HTTP/1.1\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\n" END, "HTTP/1.1 200",
		       "X-Frame-Options: deny");
	expect(w, "GET /hello HTTP/1.1\r\nAuthorization: Basic YWxpY2U6d3Jvbmc=\r\n" END, "HTTP/1.1 401"); /* alice:wrong */
	expect(w, "GET /hello HTTP/1.1\r\nAuthorization: Basic Ym9iOnNlY3JldA==\r\n" END, "HTTP/1.1 401"); /* bob:secret */
	expect(w, "GET /hello HTTP/1.1\r\nAuthorization: Basic Ym9iOm5vYm9keQ==\r\n" END, "HTTP/1.1 401"); /* bob:nobody */
	expect(w, "GET /hello HTTP/1.1\r\nAuthorization: Basic !!\r\n" END, "HTTP/1.1 401");
	assert_int_equal(web_stats(w).rejected_auth, 5);
	char *error;
	struct web_user broken[] = {{"eve", "plaintext"}};
	assert_int_equal(web_set_security(w, &(struct web_security){.users = broken, .n_users = 1}, &error), -EINVAL);
	assert_non_null(strstr(error, "\"eve\""));
	free(error);
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 401"); /* the old state is kept */
	assert_int_equal(web_set_security(w, &(struct web_security){.rate_interval_ns = 3600000000000u, .rate_burst = 2}, &error), 0);
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 200");
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 200");
	expect(w, "GET /hello HTTP/1.1\r\n" END, "HTTP/1.1 429", "Too Many Requests");
	web_free(w);
}

static void test_scrape(void **state)
{
	struct web *w = start((struct web_options){0});
	expect(w, "GET /metrics HTTP/1.1\r\n" END, "HTTP/1.1 200", "Content-Type: text/plain; version=0.0.4; charset=utf-8;",
	       "x_total{a=\"b\"} 3\n");
	expect(w, "GET /metrics HTTP/1.1\r\nAccept: text/html;q=0.1\r\nAccept: application/openmetrics-text;version=1.0.0\r\n" END,
	       "Content-Type: application/openmetrics-text; version=1.0.0;", "# EOF\n");
	expect(w, "GET /metrics HTTP/1.1\r\nAccept-Encoding: gzip\r\n" END, "Content-Encoding: gzip", "\x1f\x8b\x08");
	expect(w, "GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.", "x_total{a=\"b\"} 3\n");
	_cleanup_free_ char *head = talk(w, "HEAD /metrics HTTP/1.1\r\n" END);
	assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
	web_free(w);
}

static int sh(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *cmd = xvasprintf(fmt, ap);
	va_end(ap);
	return system(cmd);
}

static char *slurp(const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	char *p = xcalloc(1, 20000);
	(void)!fread(p, 1, 19999, f);
	fclose(f);
	return p;
}

static void test_tls(void **state)
{
	if (access("/usr/bin/openssl", X_OK) || access("/usr/bin/curl", X_OK)) {
		print_message("SKIP openssl or curl is not installed\n");
		skip();
	}
	char dir[] = "/tmp/test_exposition_web.XXXXXX";
	assert_non_null(mkdtemp(dir));
	assert_int_equal(sh("cd %s && exec >/dev/null 2>&1 && k='-newkey rsa:2048 -nodes -days 2' && "
			    "openssl req -x509 $k -keyout key.pem -out cert.pem -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 && "
			    "openssl req -x509 $k -keyout cakey.pem -out ca.pem -subj /CN=ca && "
			    "openssl req $k -keyout ckey.pem -out c.csr -subj /CN=client && "
			    "printf 'subjectAltName=DNS:scraper,IP:10.1.2.3\\nextendedKeyUsage=clientAuth,serverAuth\\n' > ext && "
			    "openssl x509 -req -in c.csr -CA ca.pem -CAkey cakey.pem -CAcreateserial -days 2 -extfile ext -out ccert.pem",
			    dir),
			 0);
	_cleanup_free_ char *cert = slurp(dir, "cert.pem"), *ca = slurp(dir, "ca.pem"), *key = slurp(dir, "key.pem");
	struct web_tls tls = {.cert_pem = cert, .key_pem = key};
	struct web_security sec = {.tls = &tls};
	static const char curl[] = "curl -sSf -m 20 -o /dev/null --cacert %s/cert.pem https://%s/hello %s 2>/dev/null";
	struct web *w = start((struct web_options){.security = &sec});
	assert_int_equal(sh(curl, dir, web_address(w, 0), "--tlsv1.3"), 0);
	assert_int_equal(sh(curl, dir, web_address(w, 0), "--tls-max 1.2"), 0);
	assert_int_not_equal(sh(curl, dir, web_address(w, 0), "--ciphers DEFAULT@SECLEVEL=0 --tls-max 1.1"), 0);
	web_free(w);

	_cleanup_free_ char *with = xasprintf("--cert %s/ccert.pem --key %s/ckey.pem", dir, dir);
	tls.client_ca_pem = ca;
	tls.client_auth = WEB_REQUIRE_AND_VERIFY_CLIENT_CERT;
	w = start((struct web_options){.security = &sec});
	assert_int_not_equal(sh(curl, dir, web_address(w, 0), ""), 0);
	assert_int_equal(sh(curl, dir, web_address(w, 0), with), 0);
	_cleanup_free_ char *foreign = xasprintf("--cert %s/cert.pem --key %s/key.pem", dir, dir);
	assert_int_not_equal(sh(curl, dir, web_address(w, 0), foreign), 0);
	web_free(w);

	tls.client_auth = WEB_VERIFY_CLIENT_CERT_IF_GIVEN;
	w = start((struct web_options){.security = &sec});
	assert_int_equal(sh(curl, dir, web_address(w, 0), ""), 0);
	assert_int_not_equal(sh(curl, dir, web_address(w, 0), foreign), 0);
	web_free(w);

	tls.client_auth = WEB_REQUIRE_AND_VERIFY_CLIENT_CERT;
	char *sans[] = {"other", "10.1.2.3"};
	tls.client_sans = sans;
	tls.n_client_sans = 2;
	w = start((struct web_options){.security = &sec});
	assert_int_equal(sh(curl, dir, web_address(w, 0), with), 0);
	web_free(w);
	tls.n_client_sans = 1;
	w = start((struct web_options){.security = &sec});
	assert_int_not_equal(sh(curl, dir, web_address(w, 0), with), 0);
	web_free(w);

	/* New material while it runs: the client certificate is no longer asked for, another is shown. */
	tls.client_auth = WEB_NO_CLIENT_CERT;
	tls.client_ca_pem = NULL;
	tls.n_client_sans = 0;
	w = start((struct web_options){.security = &sec});
	int held = dial(w), i;
	char *error = NULL;
	assert_int_equal(sh(curl, dir, web_address(w, 0), ""), 0);
	_cleanup_free_ char *cert2 = slurp(dir, "ccert.pem"), *key2 = slurp(dir, "ckey.pem");
	tls.cert_pem = cert2;
	tls.key_pem = "nonsense";
	for (i = 0; i < 2; i++) {
		assert_int_equal(web_set_security(w, &sec, &error), -EINVAL);
		assert_non_null(strstr(error, "certificate"));
		free(error);
		assert_int_equal(sh(curl, dir, web_address(w, 0), ""), 0);
	}
	tls.key_pem = key2;
	assert_int_equal(web_set_security(w, &sec, &error), 0);
	assert_int_not_equal(sh(curl, dir, web_address(w, 0), ""), 0);
	assert_int_equal(sh("curl -sSf -m 20 -o /dev/null --cacert %s/ca.pem --connect-to scraper:443:%s https://scraper/hello", dir,
			    web_address(w, 0)),
			 0);
	assert_int_equal(web_set_security(w, &(struct web_security){0}, &error), -EINVAL);
	free(error);
	web_free(w);
	close(held);

	/* A broken key is an error at the start. */
	tls.key_pem = "nonsense";
	static const char *const any[] = {"127.0.0.1:0"};
	struct web_options opt = {.addresses = any, .n_addresses = 1, .security = &sec};
	error = NULL;
	assert_int_equal(web_new(&opt, &w, &error), 0);
	assert_true(web_start(w, &error) < 0);
	assert_non_null(strstr(error, "certificate"));
	free(error);
	web_free(w);
	sh("rm -r %s", dir);
}

int main(void)
{
	snapshot = snapshot_new(NULL, 0);
	family_add_value(snapshot_family(snapshot, "x_total", FAMILY_COUNTER, NULL, "x"), labels_from("a", "b", NULL), 3);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),	  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_connection_limit), cmocka_unit_test(test_slow_clients_do_not_block),
		cmocka_unit_test(test_many_at_once), cmocka_unit_test(test_gzip), cmocka_unit_test(test_large_answers), cmocka_unit_test(test_trickling_requests_end), cmocka_unit_test(test_gone_clients_are_noticed), cmocka_unit_test(test_heavy_routes_leave_room), cmocka_unit_test(test_stop_waits_for_handlers), cmocka_unit_test(test_addresses), cmocka_unit_test(test_inherited),
		cmocka_unit_test(test_security),  cmocka_unit_test(test_scrape),
		cmocka_unit_test(test_tls),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	snapshot_unref(snapshot);
	return failed;
}
