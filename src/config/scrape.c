// SPDX-License-Identifier: GPL-2.0-or-later
/* scrape_configs: which targets there are and how they are asked. */
#include "config/scrape.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "config/config.h"
#include "config/decode.h"
#include "model/text.h"

#define JOBS_MAX 1000
#define SCRAPE_FILES_MAX 100

static const char *const protocol_names[N_PROTOCOLS] = {
	[PROTOCOL_NONE] = "",
	[PROTOCOL_PROTO] = "PrometheusProto",
	[PROTOCOL_OM_1] = "OpenMetricsText1.0.0",
	[PROTOCOL_OM_0] = "OpenMetricsText0.0.1",
	[PROTOCOL_TEXT_1] = "PrometheusText1.0.0",
	[PROTOCOL_TEXT_0] = "PrometheusText0.0.4",
};

static void decode_protocol(struct decoder *d, const struct yaml_node *node, void *to)
{
	char *s = NULL;
	decode_string(d, node, &s);
	int p = N_PROTOCOLS - 1;
	while (s && p > PROTOCOL_NONE && strcmp(s, protocol_names[p]) != 0)
		p--;
	if (s && p == PROTOCOL_NONE)
		decode_fail(d, node,
			    "%s: unknown scrape protocol \"%s\"; accepted: PrometheusProto, OpenMetricsText1.0.0, OpenMetricsText0.0.1, "
			    "PrometheusText1.0.0, PrometheusText0.0.4",
			    buf_str(&d->path), s);
	else if (s)
		*(enum config_protocol *)to = (enum config_protocol)p;
	free(s);
}

void decode_protocols(struct decoder *d, const struct yaml_node *node, void *to)
{
	enum config_protocol *list = to;
	size_t n = 0;
	if (!decode_is_list(d, node))
		return;
	memset(list, 0, N_PROTOCOLS * sizeof(*list));
	for (size_t i = 0; i < node->n && !d->error; i++) {
		enum config_protocol p = PROTOCOL_NONE;
		decode_item(d, node, i, decode_protocol, &p);
		for (size_t k = 0; k < n && !d->error; k++)
			if (list[k] == p)
				decode_fail(d, node->values[i], "%s: duplicated protocol \"%s\"", buf_str(&d->path), protocol_names[p]);
		if (!d->error)
			list[n++] = p;
	}
	if (!d->error && n == 0)
		decode_fail(d, node, "%s: want at least one protocol", buf_str(&d->path));
}

void decode_switch(struct decoder *d, const struct yaml_node *node, void *to)
{
	bool v;
	if (node->kind == YAML_NULL)
		return;
	decode_bool(d, node, &v);
	if (!d->error)
		*(signed char *)to = v;
}

void decode_escaping(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const char *const accepted[] = {"allow-utf-8", "underscores", "dots", "values"};
	char **s = to;
	decode_string(d, node, s);
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
		if (!*s || strcmp(*s, accepted[i]) == 0)
			return;
	if (**s)
		decode_fail(d, node, "%s: want allow-utf-8, underscores, dots or values, got \"%s\"", buf_str(&d->path), *s);
}

static void decode_params(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_job *job = to;
	check_map(d, node, NULL);
	for (size_t i = 0; i < node->n && !d->error; i++) {
		if (!node->keys[i]->text) {
			decode_fail(d, node->keys[i], "%s: want the name of a parameter", buf_str(&d->path));
			return;
		}
		array_grow(job->params, job->n_params, job->cap_params);
		struct config_param *p = &job->params[job->n_params++];
		*p = (struct config_param){.name = xstrdup(node->keys[i]->text)};
		decode_strings(d, node->values[i], &p->values);
	}
}

static void decode_factor(struct decoder *d, const struct yaml_node *node, void *to)
{
	double *v = to;
	if (node->kind != YAML_NULL && decode_double(d, node, v) && *v != 0 && !(*v > 1))
		decode_fail(d, node, "%s: want a factor above 1, got \"%s\"", buf_str(&d->path), node->text);
}

/* A common mistake: a URL where an address belongs. With relabelling it may still become an address. */
static void check_addresses(struct decoder *d, const struct yaml_node *node, const struct config_job *job)
{
	const struct yaml_node *statics = yaml_get(node, "static_configs");
	for (size_t i = 0; i < job->static_targets.n && job->relabel.n == 0; i++) {
		const struct strings *targets = &job->static_targets.v[i].targets;
		for (size_t j = 0; j < targets->n; j++)
			if (strchr(targets->v[j], '/'))
				decode_fail(d, yaml_get(statics->values[i], "targets")->values[j],
					    "\"%s\" is not a valid hostname; want host:port, the scheme and the path have keys of their own",
					    targets->v[j]);
	}
}

static void decode_job_name(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_job *job = to;
	decode_string(d, node, &job->name);
	if (job->name && !*job->name)
		decode_fail(d, node, "job_name is empty");
}

static void decode_file_sds(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_job *job = to;
	if (!decode_is_list(d, node))
		return;
	for (size_t i = 0; i < node->n && !d->error; i++) {
		array_grow(job->file_sd, job->n_file_sd, job->cap_file_sd);
		struct config_file_sd *sd = &job->file_sd[job->n_file_sd++];
		*sd = (struct config_file_sd){0};
		decode_item(d, node, i, decode_file_sd, sd);
	}
}

static void decode_job(struct decoder *d, const struct yaml_node *node, void *to)
{
	typedef struct config_job self;
	static const struct field fields[] = {
		{"job_name", decode_job_name, 0, FIELD_REQUIRED},
		{"scrape_interval", decode_duration, offsetof(self, common.interval), 0},
		{"scrape_timeout", decode_duration, offsetof(self, common.timeout), 0},
		{"metrics_path", decode_string, offsetof(self, metrics_path), 0},
		{"scheme", decode_scheme, offsetof(self, scheme), 0},
		{"params", decode_params, 0, 0},
		{"honor_labels", decode_bool, offsetof(self, honor_labels), 0},
		{"honor_timestamps", decode_bool, offsetof(self, honor_timestamps), 0},
		{"track_timestamps_staleness", decode_bool, offsetof(self, track_timestamps_staleness), 0},
		{"enable_compression", decode_bool, offsetof(self, compression), 0},
		{"fallback_scrape_protocol", decode_protocol, offsetof(self, fallback), 0},
		{"scrape_classic_histograms", decode_switch, offsetof(self, common.always_classic), FIELD_UNLISTED},
		{"scrape_failure_log_file", check_string, 0, FIELD_INERT},
		{"native_histogram_bucket_limit", decode_uint, offsetof(self, common.limits.histogram_buckets), 0},
		{"native_histogram_min_bucket_factor", decode_factor, offsetof(self, min_bucket_factor), 0},
		{"metric_name_validation_scheme", check_name_scheme, 0, 0},
		{"static_configs", decode_target_groups, offsetof(self, static_targets), 0},
		{"file_sd_configs", decode_file_sds, 0, 0},
		{"http_sd_configs", decode_http_sds, offsetof(self, http_sd), 0},
		{"relabel_configs", decode_relabel_rules, offsetof(self, relabel), 0},
		{"metric_relabel_configs", decode_relabel_rules, offsetof(self, metric_relabel), 0},
		SCRAPE_COMMON_FIELDS(self, common),
		HTTP_CLIENT_FIELDS(self, http),
		OTHER_SD_FIELDS,
	};
	struct config_scraping *s = to;
	array_grow(s->v, s->n, s->cap);
	self *job = &s->v[s->n++];
	*job = (self){.metrics_path = xstrdup("/metrics"),
		      .scheme = xstrdup("http"),
		      .honor_timestamps = true,
		      .compression = true,
		      .common = {.native_histograms = -1, .always_classic = -1, .nhcb = -1, .extra = -1}};
	net_options_init(&job->http);
	const struct yaml_node *scheme = yaml_get(node, "metric_name_validation_scheme");
	bool legacy = d->legacy_names;
	if (scheme && scheme->text && *scheme->text)
		d->legacy_names = strcmp(scheme->text, "legacy") == 0;
	job->common.legacy_names = d->legacy_names;
	decode_map(d, node, job, fields, ARRAY_SIZE(fields));
	decode_http_client_end(d, node, &job->http);
	d->legacy_names = legacy;
	if (d->error)
		return;
	check_addresses(d, node, job);
	for (size_t i = 0; i + 1 < s->n; i++)
		if (strcmp(s->v[i].name, job->name) == 0)
			decode_fail(d, yaml_get(node, "job_name"), "found multiple scrape configs with job name \"%s\"", job->name);
	if (s->n > JOBS_MAX)
		decode_fail(d, node, "more than %d scrape configs", JOBS_MAX);
}

void decode_scrape_configs(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, decode_job, to);
}

/* --- what global says for all --- */

static void take_over(uint64_t *v, uint64_t common)
{
	if (!*v)
		*v = common;
}

static void take_protocols(struct config_scrape_common *c, const struct config_scrape_common *g)
{
	static const enum config_protocol usual[] = {PROTOCOL_PROTO, PROTOCOL_OM_1, PROTOCOL_OM_0, PROTOCOL_TEXT_1, PROTOCOL_TEXT_0};
	if (c->protocols[0])
		return;
	if (g->protocols[0]) {
		memcpy(c->protocols, g->protocols, sizeof(c->protocols));
		return;
	}
	/* Only the protobuf format can carry native histograms; without them the text formats cost less. */
	size_t from = c->native_histograms ? 0 : 1;
	for (size_t i = from; i < ARRAY_SIZE(usual); i++)
		c->protocols[i - from] = usual[i];
}

static uint64_t fingerprint(const struct yaml_node *node, uint64_t seed)
{
	seed = hash_bytes(&node->kind, sizeof(node->kind), seed);
	if (node->text)
		seed = hash_bytes(node->text, node->len + 1, seed);
	for (size_t i = 0; i < node->n; i++) {
		if (node->kind == YAML_MAP)
			seed = fingerprint(node->keys[i], seed);
		seed = fingerprint(node->values[i], seed);
	}
	return seed;
}

static void finish_job(struct decoder *d, const struct yaml_node *node, struct config_job *job, const struct config_global *g)
{
	struct config_scrape_common *c = &job->common;
	struct config_scrape_limits *l = &c->limits;
	const struct config_scrape_limits *gl = &g->scrape.limits;
	if (!c->interval)
		c->interval = g->scrape_interval;
	if (c->timeout > c->interval)
		decode_fail(d, node, "scrape timeout greater than scrape interval for scrape config with job name \"%s\"", job->name);
	if (!c->timeout)
		c->timeout = g->scrape_timeout < c->interval ? g->scrape_timeout : c->interval;
	if (c->native_histograms < 0)
		c->native_histograms = g->scrape.native_histograms > 0;
	if (c->nhcb < 0)
		c->nhcb = g->scrape.nhcb > 0;
	if (c->extra < 0)
		c->extra = g->scrape.extra > 0;
	if (c->always_classic < 0)
		c->always_classic = g->scrape.always_classic > 0;
	if (!c->escaping || !*c->escaping) {
		free(c->escaping);
		c->escaping = xstrdup(c->legacy_names						? "underscores"
				      : g->scrape.escaping && *g->scrape.escaping && !g->legacy_names ? g->scrape.escaping
											      : "allow-utf-8");
	} else if (c->legacy_names && strcmp(c->escaping, "allow-utf-8") == 0) {
		decode_fail(d, node, "metric_name_escaping_scheme allow-utf-8 goes with metric_name_validation_scheme utf8 only");
	}
	take_protocols(c, &g->scrape);
	take_over(&l->body_size, gl->body_size);
	take_over(&l->samples, gl->samples);
	take_over(&l->targets, gl->targets);
	take_over(&l->labels, gl->labels);
	take_over(&l->label_name_length, gl->label_name_length);
	take_over(&l->label_value_length, gl->label_value_length);
	take_over(&l->keep_dropped, gl->keep_dropped);
	job->fingerprint = fingerprint(node, hash_bytes(l, sizeof(*l), (uint64_t)c->legacy_names));
}

static void finish_jobs(struct decoder *d, const struct yaml_node *list, size_t from, struct config *cfg)
{
	for (size_t i = from; i < cfg->scraping->n && !d->error; i++)
		finish_job(d, list->values[i - from], &cfg->scraping->v[i], &cfg->global);
}

static void decode_file_jobs(struct decoder *d, const char *path, struct config *cfg)
{
	static const struct field fields[] = {{"scrape_configs", decode_scrape_configs, 0, 0}};
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *why = NULL, *dir = config_dir_of(path);
	struct yaml_doc *doc;
	int line = 0, col = 0;
	if (config_read_file(path, &text, &d->error))
		return;
	if (yaml_parse_at(buf_str(&text), text.n, &doc, &why, &line, &col)) {
		d->error = xasprintf("%s:%d:%d: %s", path, line, col, why);
		return;
	}
	const char *file = d->file, *old_dir = d->dir;
	size_t from = cfg->scraping->n;
	d->file = path;
	d->dir = dir;
	decode_map(d, yaml_root(doc), cfg->scraping, fields, ARRAY_SIZE(fields));
	finish_jobs(d, yaml_get(yaml_root(doc), "scrape_configs"), from, cfg);
	d->file = file;
	d->dir = old_dir;
	yaml_doc_free(doc);
}

void decode_scrape_end(struct decoder *d, const struct yaml_node *root, const struct strings *files, struct config *cfg)
{
	finish_jobs(d, yaml_get(root, "scrape_configs"), 0, cfg);
	const struct yaml_node *list = yaml_get(root, "scrape_config_files");
	for (size_t i = 0, read = 0; i < files->n && !d->error; i++) {
		glob_t g = {0};
		if (glob(files->v[i], 0, NULL, &g))
			decode_warn(d, list->values[i], "scrape_config_files: no file matches %s", files->v[i]);
		for (size_t k = 0; k < g.gl_pathc && !d->error; k++)
			if (++read > SCRAPE_FILES_MAX)
				decode_fail(d, list->values[i], "scrape_config_files: more than %d files", SCRAPE_FILES_MAX);
			else
				decode_file_jobs(d, g.gl_pathv[k], cfg);
		globfree(&g);
	}
}

struct config_scraping *config_scraping_new(void)
{
	struct config_scraping *s = xcalloc(1, sizeof(*s));
	s->refs = 1;
	return s;
}

struct config_scraping *config_scraping_ref(struct config_scraping *s)
{
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

static void job_free(struct config_job *job)
{
	for (size_t i = 0; i < job->n_params; i++) {
		free(job->params[i].name);
		strings_free(&job->params[i].values);
	}
	free(job->params);
	for (size_t i = 0; i < job->n_file_sd; i++)
		strings_free(&job->file_sd[i].files);
	free(job->file_sd);
	config_http_sds_free(&job->http_sd);
	target_groups_free(&job->static_targets);
	relabel_rules_free(&job->relabel);
	relabel_rules_free(&job->metric_relabel);
	net_options_free(&job->http);
	free(job->name);
	free(job->metrics_path);
	free(job->scheme);
	free(job->common.escaping);
}

void config_scraping_unref(struct config_scraping *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < s->n; i++)
		job_free(&s->v[i]);
	free(s->v);
	free(s);
}
