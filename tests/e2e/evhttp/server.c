// SPDX-License-Identifier: GPL-2.0-or-later
// `evhttp PORT`: libevent's HTTP server, which writes with writev what its buffers hold; paths as in wsgi.py.
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

static struct event_base *base;

static const struct {
	const char *path;
	int code, ms;
} paths[] = {
	{"/empty", 204, 0},	{"/old", 301, 0},	   {"/cached", 304, 0},	      {"/bad", 400, 0},
	{"/private", 403, 0},	{"/nothing/here", 404, 0}, {"/fail", 500, 0},	      {"/upstream", 502, 0},
	{"/slow/short", 200, 30}, {"/slow/medium", 200, 120}, {"/slow/long", 200, 400}, {"/chunked", 200, -1},
};

static void send_text(struct evhttp_request *request, int code, size_t n)
{
	struct evbuffer *body = evbuffer_new();
	evbuffer_add_printf(body, "%zu\n", n);
	evhttp_send_reply(request, code, "Whatever", body);
	evbuffer_free(body);
}

static void after_sleep(evutil_socket_t fd, short what, void *request)
{
	(void)fd, (void)what;
	send_text(request, 200, 0);
}

static void answer(struct evhttp_request *request, void *arg)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	int code = 200, ms = 0;

	(void)arg;
	for (size_t i = 0; path && i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(path, paths[i].path) == 0)
			code = paths[i].code, ms = paths[i].ms;
	if (ms > 0) {
		struct timeval wait = {0, ms * 1000};
		event_base_once(base, -1, EV_TIMEOUT, after_sleep, request, &wait);
	} else if (ms < 0) {
		struct evbuffer *piece = evbuffer_new();
		evhttp_send_reply_start(request, code, "OK");
		for (int i = 0; i < 10; i++) {
			evbuffer_add_printf(piece, "piece %d\n", i);
			evhttp_send_reply_chunk(request, piece);
		}
		evhttp_send_reply_end(request);
		evbuffer_free(piece);
	} else {
		send_text(request, code, evbuffer_get_length(evhttp_request_get_input_buffer(request)));
	}
}

int main(int argc, char **argv)
{
	base = event_base_new();
	struct evhttp *http = evhttp_new(base);
	evhttp_set_allowed_methods(http, 0xffff);
	if (argc != 2 || evhttp_bind_socket(http, "127.0.0.1", (unsigned short)atoi(argv[1])))
		return 1;
	evhttp_set_gencb(http, answer, NULL);
	return event_base_dispatch(base);
}
