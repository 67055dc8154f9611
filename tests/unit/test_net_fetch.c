// SPDX-License-Identifier: GPL-2.0-or-later
/* Many GETs from one thread: when their ends are told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "http_server.h"
#include "net/fetch.h"

#define LONG_MS 20000

static struct http_server *server;

static int setup(void **state)
{
	server = server_start();
	return 0;
}

static int teardown(void **state)
{
	server_stop(server);
	return 0;
}

static bool was_asked(void)
{
	pthread_mutex_lock(&server->lock);
	bool any = server->n > 0;
	pthread_mutex_unlock(&server->lock);
	return any;
}

static void on_done(void *ctx, const struct http_fetched *r)
{
	int *status = ctx;
	*status = r->err ? r->err : r->status;
}

/* An answer that is there already when http_fetcher_run is called is told at once: nothing more comes that could end its waiting. */
static void test_answer_that_has_come(void **state)
{
	struct net_options o;
	char *url = xasprintf("http://127.0.0.1:%d/", server->port);
	int status = 0;
	net_options_init(&o);
	server_set(server, 200, "", "all of it", false);
	struct http_fetcher *f = http_fetcher_new(1 << 20);
	http_fetcher_start(f, &(struct http_fetch){.url = url, .options = &o, .timeout_ms = LONG_MS, .max_body = 1 << 16});
	for (int i = 0; !was_asked() && i < 1000; i++) { /* connects and asks, and reads nothing yet */
		http_fetcher_run(f, 0, on_done, &status);
		usleep(10000);
	}
	usleep(100000); /* the answer comes into the socket */
	uint64_t begun = clock_mono_ns();
	for (int i = 0; !status && i < 2; i++)
		http_fetcher_run(f, LONG_MS / 2, on_done, &status);
	assert_int_equal(status, 200);
	assert_int_equal(http_fetcher_running(f), 0);
	/* A bound that is no measurement: it slept through LONG_MS / 2, or it did not. */
	assert_true((clock_mono_ns() - begun) / 1000000 < LONG_MS / 2);
	http_fetcher_free(f);
	net_options_free(&o);
	free(url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answer_that_has_come, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
