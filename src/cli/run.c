// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/regex.h"
#include "cli/app.h"
#include "cli/cli.h"
#include "cli/features.h"
#include "loader/loader.h"
#include "model/text.h"

#define SOCKETS_MAX 64

struct flag run_flags[] = {
	{.name = "config.file", .arg = "FILE", .help = "configuration in Prometheus' shape; without it: defaults and the bundled rule"},
	{.name = "web.listen-address", .arg = "ADDRESS", .initial = ":9839", .help = "where to serve; repeatable", .repeats = true},
	{.name = "web.systemd-socket", .help = "serve on the sockets that systemd has bound, instead of addresses"},
	{.name = "web.telemetry-path", .arg = "PATH", .initial = "/metrics", .help = "path of the metrics"},
	{.name = "web.config.file", .arg = "FILE", .help = "TLS, users and headers, as the Prometheus exporters take it"},
	{.name = "web.cors.origin", .arg = "REGEX", .initial = ".*", .help = "origins whose pages may read the API; anchored"},
	{.name = "web.external-url", .arg = "URL", .help = "how others reach this server, for links in alerts"},
	ENABLE_FEATURE_FLAG,
	{.name = "rules.alert.state-file",
	 .arg = "FILE",
	 .initial = "/var/lib/reqtally/alert-state.json",
	 .help = "where since when alerts are active is kept over a restart; empty: nowhere"},
	{.name = "rules.alert.for-outage-tolerance",
	 .arg = "DURATION",
	 .initial = "1h",
	 .help = "the longest outage after which an alert's `for` goes on"},
	{.name = "rules.alert.for-grace-period",
	 .arg = "DURATION",
	 .initial = "10m",
	 .help = "what is left of a `for` at least after a restart; a shorter one starts anew"},
	{.name = "rules.alert.resend-delay", .arg = "DURATION", .initial = "1m", .help = "how long until a firing alert is sent again"},
	{.name = "bpf.pin-path",
	 .arg = "FOLDER",
	 .initial = LOADER_PIN_PATH,
	 .help = "where programs and maps are pinned, so that a restart misses nothing"},
	{.name = "no-pin", .help = "pin nothing: programs and figures end with the process"},
	{.name = "log.level", .arg = "LEVEL", .initial = "info", .help = "debug, info, warn or error"},
	{.name = "log.format", .arg = "FORMAT", .initial = "logfmt", .help = "logfmt or json"},
	{.name = "version", .help = "print the version and exit"},
	{.name = "help", .help = "print this and exit"},
};
const size_t n_run_flags = ARRAY_SIZE(run_flags);

static int usage(const char *flag, const char *got, const char *accepted)
{
	fprintf(stderr, "reqtally: --%s: \"%s\" is not accepted; it must be %s\n", flag, got, accepted);
	return EXIT_USAGE;
}

#define get(name) flag_get(run_flags, n_run_flags, name)

static bool get_duration(const char *name, int64_t *ms)
{
	if (text_parse_duration(sv_of(get(name)), ms))
		return true;
	usage(name, get(name), "a duration such as 30s, 10m or 1h30m");
	return false;
}

/* sd_listen_fds(3): how many sockets systemd has handed over to this very process. */
static size_t systemd_sockets(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	if (!pid || !n || strtol(pid, NULL, 10) != getpid())
		return 0;
	long sockets = strtol(n, NULL, 10);
	return sockets > 0 && sockets <= SOCKETS_MAX ? (size_t)sockets : 0;
}

/* A path that can be asked for as it stands and hides none of the others. */
static bool free_path(const char *path)
{
	return path[0] == '/' && path[1] && strncmp(path, "/api/", 5) != 0 && strncmp(path, "/-/", 3) != 0 && !strpbrk(path, " %?#");
}

static int run(int argc, char **argv)
{
	_cleanup_free_ char **rest = xcalloc((size_t)argc + 1, sizeof(*rest));
	int n_rest;
	enum log_level level;
	enum log_format format;

	if (flags_parse(run_flags, n_run_flags, argc, argv, rest, &n_rest))
		return EXIT_USAGE;
	if (flag_given(run_flags, n_run_flags, "help")) {
		char *help[] = {"reqtally", "--help"};
		return cli_main(2, help);
	}
	if (n_rest) {
		fprintf(stderr, "reqtally: unexpected argument \"%s\" (see reqtally --help)\n", rest[0]);
		return EXIT_USAGE;
	}
	if (!log_level_parse(get("log.level"), &level))
		return usage("log.level", get("log.level"), "debug, info, warn or error");
	if (!log_format_parse(get("log.format"), &format))
		return usage("log.format", get("log.format"), "logfmt or json");
	if (!free_path(get("web.telemetry-path")))
		return usage("web.telemetry-path", get("web.telemetry-path"), "a path such as /metrics, and not one of our own");
	log_setup(level, format);

	static const char *const default_address[] = {":9839"};
	const struct flag *listen = &run_flags[1];
	bool no_pin = flag_given(run_flags, n_run_flags, "no-pin");
	if (no_pin && flag_given(run_flags, n_run_flags, "bpf.pin-path")) {
		fprintf(stderr, "reqtally: --no-pin and --bpf.pin-path exclude each other\n");
		return EXIT_USAGE;
	}
	struct app_options opt = {
		.pin_path = no_pin ? NULL : get("bpf.pin-path"),
		.pin_required = flag_given(run_flags, n_run_flags, "bpf.pin-path"),
		.config_file = get("config.file"),
		.web_config_file = get("web.config.file"),
		.telemetry_path = get("web.telemetry-path"),
		.external_url = get("web.external-url"),
		.alert_state_file = get("rules.alert.state-file"),
		.addresses = listen->n ? listen->values : default_address,
		.n_addresses = listen->n ? listen->n : 1,
	};
	if (flag_given(run_flags, n_run_flags, "web.systemd-socket")) {
		opt.n_addresses = 0;
		opt.n_sockets = systemd_sockets();
		if (!opt.n_sockets) {
			fprintf(stderr, "reqtally: --web.systemd-socket: systemd has handed over no sockets (LISTEN_PID, LISTEN_FDS)\n");
			return EXIT_FAILED;
		}
	}
	if (!get_duration("rules.alert.for-outage-tolerance", &opt.outage_tolerance_ms) ||
	    !get_duration("rules.alert.for-grace-period", &opt.grace_ms) || !get_duration("rules.alert.resend-delay", &opt.resend_delay_ms))
		return EXIT_USAGE;
	struct regex *cors = NULL;
	char *error = NULL;
	if (strcmp(get("web.cors.origin"), ".*") != 0 && regex_new(sv_of(get("web.cors.origin")), REGEX_ANCHORED, &cors, &error)) {
		fprintf(stderr, "reqtally: --web.cors.origin: %s\n", error);
		free(error);
		return EXIT_USAGE;
	}
	opt.cors_origin = cors;
	features_enable(run_flags, n_run_flags, &opt.promql);
	struct app app;
	if (app_start(&app, &opt, &error)) {
		fprintf(stderr, "reqtally: %s\n", error);
		free(error);
		return EXIT_FAILED;
	}
	int code = app_run(&app);
	app_stop(&app);
	return code;
}

int cmd_run(int argc, char **argv)
{
	int code = run(argc, argv);
	flags_free(run_flags, n_run_flags);
	return code;
}
