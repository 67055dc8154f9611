// SPDX-License-Identifier: GPL-2.0-or-later
/* scrapetool CONFIG ADDRESS: the scraper, the window and the API alone, without the kernel's side: for comparing with Prometheus. SIGHUP
 * reads CONFIG again, SIGTERM ends it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "config/config.h"
#include "scrape/scrape.h"

static void report(void *self, const char *message)
{
	fprintf(stderr, "%s\n", message);
}

static bool load(const char *path, struct scraper *s, struct store *store)
{
	struct config *cfg;
	char *error = NULL;
	if (config_load(path, &cfg, &error)) {
		fprintf(stderr, "%s\n", error);
		free(error);
		return false;
	}
	scraper_apply(s, cfg->scraping);
	store_set_limits(store, cfg->window.retention, cfg->window.size);
	config_free(cfg);
	return true;
}

int main(int argc, char **argv)
{
	struct web_route routes[API_MAX_ROUTES];
	struct web *web;
	char *error = NULL;
	sigset_t mask;
	int sig;
	if (argc != 3) {
		fprintf(stderr, "usage: scrapetool CONFIG ADDRESS\n");
		return 2;
	}
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	struct store *store = store_new(NULL);
	struct scraper *scraper = scraper_new(&(struct scraper_options){.store = store, .report = report});
	struct api api = {.store = store, .scraper = scraper, .version = "", .revision = "", .build_date = "", .instance = argv[2]};
	const char *address = argv[2];
	struct web_options opt = {.addresses = &address, .n_addresses = 1, .routes = routes, .n_routes = api_routes(&api, routes)};
	if (!load(argv[1], scraper, store))
		return 1;
	if (web_new(&opt, &web, &error) || web_start(web, &error)) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	while (sigwait(&mask, &sig) == 0 && sig == SIGHUP)
		load(argv[1], scraper, store);
	web_free(web);
	scraper_free(scraper);
	store_free(store);
	return 0;
}
