// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "config/decode.h"

#define WINDOW_SIZE_MIN (1ull << 20)
#define WINDOW_SIZE_MAX (16ull << 30)
#define WINDOW_RETENTION_MIN 60000

static const double default_buckets[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};

int config_read_file(const char *path, struct buf *out, char **error)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int err = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		err = errno;
	else if (S_ISDIR(st.st_mode))
		err = EISDIR;
	out->max = YAML_MAX_BYTES;
	while (!err) {
		char chunk[16384];
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return 0;
		if (n < 0) {
			err = errno == EINTR ? 0 : errno;
			continue;
		}
		buf_add(out, chunk, (size_t)n);
		if (out->failed)
			err = EFBIG;
	}
	*error = xasprintf("%s: %s", path, strerror(err));
	return -err;
}

int config_read_yaml(const char *path, struct yaml_doc **doc, char **error)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *why = NULL;
	int line = 0, col = 0, err = config_read_file(path, &text, error);
	if (err)
		return err;
	err = yaml_parse_at(buf_str(&text), text.n, doc, &why, &line, &col);
	if (err)
		*error = line ? xasprintf("%s:%d:%d: %s", path, line, col, why) : xasprintf("%s: %s", path, why);
	return err;
}

char *config_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

struct config *config_default(void)
{
	struct config *cfg = xcalloc(1, sizeof(*cfg));
	cfg->global = (struct config_global){.scrape_interval = 60000,
					     .scrape_timeout = 10000,
					     .evaluation_interval = 60000,
					     .external_labels = labels_empty()};
	cfg->alerting = xcalloc(1, sizeof(*cfg->alerting));
	cfg->alerting->refs = 1;
	cfg->alerting->external_labels = labels_empty();
	cfg->scraping = config_scraping_new();
	cfg->window = (struct config_window){.retention = 3600000, .size = 64ull << 20};
	memcpy(cfg->http.buckets, default_buckets, sizeof(default_buckets));
	cfg->http.n_buckets = ARRAY_SIZE(default_buckets);
	cfg->http.budget_endpoints = 1000;
	cfg->http.budget_series = 16384;
	cfg->http.budget_connections = 65536;
	cfg->yaml = BUF_LIMIT(2 * YAML_MAX_BYTES);
	config_print(cfg, NULL, &cfg->yaml);
	return cfg;
}

void config_free(struct config *cfg)
{
	if (!cfg)
		return;
	free(cfg->path);
	labels_unref(cfg->global.external_labels);
	free(cfg->global.scrape.escaping);
	config_alerting_unref(cfg->alerting);
	config_scraping_unref(cfg->scraping);
	struct strings *lists[] = {&cfg->scrape_files,	       &cfg->rule_patterns,		&cfg->rule_files,	       &cfg->http.routes,
				   &cfg->missing_rule_files,
				   &cfg->http.streams,		&cfg->http.include_services,   &cfg->http.exclude_services,
				   &cfg->not_acted_on,		&cfg->warnings};
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		strings_free(lists[i]);
	buf_free(&cfg->yaml);
	free(cfg->http.ports);
	free(cfg->http.exclude_ports);
	free(cfg);
}

static bool is_name_byte(char c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* How many bytes of S, which stands behind a dollar, are the name of a variable as Go's os.Expand reads it, NAME being it without braces:
 * letters, digits and underscores, one digit or sign of a shell's own, or anything in braces. An empty NAME with bytes taken is broken
 * and goes; none taken is no name, and the dollar stays. */
static size_t env_name(struct sv s, struct sv *name)
{
	static const char own[] = "*#$@!?-0123456789";
	size_t n = 0;
	*name = SV("");
	if (!s.n)
		return 0;
	if (s.p[0] == '{') {
		const char *end = memchr(s.p, '}', s.n);
		if (!end)
			return 1;
		*name = sv_make(s.p + 1, (size_t)(end - s.p - 1));
		return name->n + 2;
	}
	if (memchr(own, s.p[0], sizeof(own) - 1)) {
		n = 1;
	} else {
		while (n < s.n && is_name_byte(s.p[n]))
			n++;
	}
	*name = sv_make(s.p, n);
	return n;
}

/* $name and ${name} become the environment's value, $$ a dollar, as Prometheus 3 does in external labels. */
static void expand_env(struct decoder *d, const struct yaml_node *at, struct sv s, struct buf *out)
{
	for (size_t i = 0; i < s.n;) {
		struct sv name;
		if (s.p[i] != '$') {
			buf_addc(out, s.p[i++]);
			continue;
		}
		size_t taken = env_name(sv_make(s.p + i + 1, s.n - i - 1), &name);
		i += 1 + taken;
		if (!taken || sv_eqs(name, "$"))
			buf_addc(out, '$');
		if (!name.n || sv_eqs(name, "$"))
			continue;
		_cleanup_free_ char *text = xstrndup(name.p, name.n);
		const char *value = getenv(text);
		if (value)
			buf_adds(out, value);
		else
			decode_warn(d, at, "external_labels: environment variable %s is not set, taken as empty", text);
	}
}

static void decode_external_labels(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct labels **out = to;
	struct labels_builder b;
	decode_labels(d, node, out);
	if (d->error)
		return;
	labels_builder_init(&b, NULL);
	for (uint32_t i = 0; i < (*out)->n; i++) {
		_cleanup_buf_ struct buf text = BUF_INIT;
		expand_env(d, node, (*out)->l[i].value, &text);
		labels_builder_set(&b, (*out)->l[i].name, sv_make(buf_str(&text), text.n));
	}
	labels_unref(*out);
	*out = labels_builder_build(&b);
	labels_builder_free(&b);
}

static void decode_global(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"scrape_interval", decode_duration, offsetof(struct config_global, scrape_interval), 0},
		{"scrape_timeout", decode_duration, offsetof(struct config_global, scrape_timeout), 0},
		{"evaluation_interval", decode_duration, offsetof(struct config_global, evaluation_interval), 0},
		{"rule_query_offset", decode_duration, offsetof(struct config_global, rule_query_offset), 0},
		{"external_labels", decode_external_labels, offsetof(struct config_global, external_labels), 0},
		{"metric_name_validation_scheme", check_name_scheme, 0, 0},
		{"query_log_file", check_string, 0, FIELD_INERT},
		{"scrape_failure_log_file", check_string, 0, FIELD_INERT},
		SCRAPE_COMMON_FIELDS(struct config_global, scrape),
	};
	struct config_global *g = to;
	const struct yaml_node *scheme = yaml_get(node, "metric_name_validation_scheme"), *timeout = yaml_get(node, "scrape_timeout");
	/* Other keys of the section are read by this one's light. */
	g->legacy_names = d->legacy_names = scheme && scheme->text && strcmp(scheme->text, "legacy") == 0;
	decode_map(d, node, g, fields, ARRAY_SIZE(fields));
	if (!g->scrape_interval)
		g->scrape_interval = 60000;
	if (!g->evaluation_interval)
		g->evaluation_interval = 60000;
	if (timeout && g->scrape_timeout > g->scrape_interval)
		decode_fail(d, timeout, "global scrape timeout greater than scrape interval");
	if (g->scrape_timeout == 0 || g->scrape_timeout > g->scrape_interval)
		g->scrape_timeout = g->scrape_interval < 10000 ? g->scrape_interval : 10000;
}

/* The folder's own name is no pattern. */
static char *glob_in_dir(const char *dir, const char *pattern)
{
	struct buf b = BUF_INIT;
	if (pattern[0] != '/' && strcmp(dir, ".") != 0) {
		for (const char *p = dir; *p; p++) {
			if (strchr("*?[]\\", *p))
				buf_addc(&b, '\\');
			buf_addc(&b, *p);
		}
		buf_addc(&b, '/');
	}
	buf_adds(&b, pattern);
	return buf_steal(&b);
}

static void decode_rule_file(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config *cfg = to;
	char *pattern = NULL;
	decode_string(d, node, &pattern);
	if (!pattern)
		return;
	const char *slash = strrchr(pattern, '/'), *star = strchr(pattern, '*');
	if (!*pattern || (star && slash && star < slash)) {
		decode_fail(d, node, "invalid rule file path \"%s\"; want a file name, or a glob with * in its last part", pattern);
		free(pattern);
		return;
	}
	_cleanup_free_ char *full = glob_in_dir(d->dir, pattern);
	glob_t g = {0};
	int r = glob(full, GLOB_ERR, NULL, &g);
	for (size_t i = 0; r == 0 && i < g.gl_pathc; i++)
		strings_add_once(&cfg->rule_files, g.gl_pathv[i]);
	if (r && !star)
		strings_add(&cfg->missing_rule_files, full);
	if (r == GLOB_NOMATCH)
		decode_warn(d, node, "rule_files: no file matches %s", full);
	else if (r != 0)
		decode_warn(d, node, "rule_files: cannot look for %s: %s", full, strerror(errno));
	globfree(&g);
	strings_take(&cfg->rule_patterns, pattern);
}

static void decode_rule_files(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, decode_rule_file, to);
}

static void decode_alerting_section(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config *cfg = to;
	decode_alerting(d, node, cfg->alerting);
}

static void decode_jobs(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config *cfg = to;
	decode_scrape_configs(d, node, cfg->scraping);
}

static void decode_scrape_files(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config *cfg = to;
	decode_files(d, node, &cfg->scrape_files);
}

static void decode_window(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"retention", decode_duration, offsetof(struct config_window, retention), 0},
		{"size", decode_size, offsetof(struct config_window, size), 0},
	};
	struct config_window *w = to;
	decode_map(d, node, w, fields, ARRAY_SIZE(fields));
	const struct yaml_node *size = yaml_get(node, "size"), *retention = yaml_get(node, "retention");
	if (size && (w->size < WINDOW_SIZE_MIN || w->size > WINDOW_SIZE_MAX))
		decode_fail(d, size, "window.size: want 1MB to 16GB, got \"%s\"", size->text);
	if (retention && w->retention < WINDOW_RETENTION_MIN)
		decode_fail(d, retention, "window.retention: want at least 1m, got \"%s\"", retention->text);
}

static void decode_root(struct decoder *d, const struct yaml_node *root, struct config *cfg)
{
	static const struct field fields[] = {
		{"global", decode_global, offsetof(struct config, global), 0},
		{"rule_files", decode_rule_files, 0, 0},
		{"alerting", decode_alerting_section, 0, 0},
		{"http", decode_http_section, offsetof(struct config, http), 0},
		{"window", decode_window, offsetof(struct config, window), 0},
		{"scrape_configs", decode_jobs, 0, 0},
		{"scrape_config_files", decode_scrape_files, 0, 0},
		{"remote_write", check_remote_write, 0, FIELD_INERT},
		{"remote_read", check_remote_read, 0, FIELD_INERT},
		{"storage", check_storage, 0, FIELD_INERT},
		{"tracing", check_tracing, 0, FIELD_INERT},
		{"otlp", check_otlp, 0, FIELD_INERT},
		{"runtime", check_runtime, 0, FIELD_INERT},
	};
	/* What global says about names holds for all sections, wherever it stands. */
	const struct yaml_node *scheme = yaml_get(yaml_get(root, "global"), "metric_name_validation_scheme");
	d->legacy_names = scheme && scheme->text && strcmp(scheme->text, "legacy") == 0;
	decode_map(d, root, cfg, fields, ARRAY_SIZE(fields));
	decode_scrape_end(d, root, &cfg->scrape_files, cfg);
	labels_unref(cfg->alerting->external_labels);
	cfg->alerting->external_labels = labels_ref(cfg->global.external_labels);
}

int config_parse(const char *name, const char *dir, const char *text, size_t len, struct config **out, char **error)
{
	struct yaml_doc *doc;
	_cleanup_free_ char *why = NULL;
	int line = 0, col = 0, err = yaml_parse_at(text, len, &doc, &why, &line, &col);
	if (err) {
		*error = line ? xasprintf("%s:%d:%d: %s", name, line, col, why) : xasprintf("%s: %s", name, why);
		return err;
	}
	struct config *cfg = config_default();
	struct decoder d = {.file = name,
			    .dir = dir,
			    .path = BUF_LIMIT((size_t)64 << 10),
			    .not_acted_on = &cfg->not_acted_on,
			    .warnings = &cfg->warnings};
	cfg->path = xstrdup(name);
	decode_root(&d, yaml_root(doc), cfg);
	if (!d.error) {
		buf_reset(&cfg->yaml);
		config_print(cfg, yaml_root(doc), &cfg->yaml);
	}
	buf_free(&d.path);
	yaml_doc_free(doc);
	if (d.error) {
		config_free(cfg);
		*error = d.error;
		return -EINVAL;
	}
	*out = cfg;
	return 0;
}

int config_load(const char *path, struct config **cfg, char **error)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *dir = config_dir_of(path);
	int err = config_read_file(path, &text, error);
	return err ? err : config_parse(path, dir, buf_str(&text), text.n, cfg, error);
}
