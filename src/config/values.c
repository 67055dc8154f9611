// SPDX-License-Identifier: GPL-2.0-or-later
/* Decoders of single values and of lists of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "config/decode.h"
#include "model/text.h"

static bool is_scalar(struct decoder *d, const struct yaml_node *node, const char *want)
{
	if (node->kind == YAML_SCALAR && !memchr(node->text, 0, node->len))
		return true;
	decode_fail(d, node, "%s: want %s, got %s", buf_str(&d->path), want,
		    node->kind == YAML_MAP    ? "a map"
		    : node->kind == YAML_SEQ  ? "a list"
		    : node->kind == YAML_NULL ? "nothing"
					      : "text with a NUL byte");
	return false;
}

/* A null leaves the default; as in Go, any scalar is a string. */
void decode_string(struct decoder *d, const struct yaml_node *node, void *to)
{
	char **s = to;
	if (node->kind == YAML_NULL || !is_scalar(d, node, "text"))
		return;
	free(*s);
	*s = xstrdup(node->text);
}

void decode_bool(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (node->kind == YAML_NULL)
		return;
	if (!yaml_bool(node, to) && is_scalar(d, node, "true or false"))
		decode_fail(d, node, "%s: want true or false, got \"%s\"", buf_str(&d->path), node->text);
}

void decode_duration(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (node->kind == YAML_NULL || !is_scalar(d, node, "a duration such as 30s or 1m30s"))
		return;
	if (!text_parse_duration(sv_make(node->text, node->len), to))
		decode_fail(d, node, "%s: not a valid duration string: \"%s\"; want numbers with units y w d h m s ms, such as 30s or 1h30m",
			    buf_str(&d->path), node->text);
}

/* Whole numbers as Go's YAML reads them: 100_000, 0x10 and 1e3 too. */
static bool parse_uint(const struct yaml_node *node, uint64_t *n)
{
	char text[64];
	size_t len = 0;
	double f;
	for (size_t i = 0; i < node->len && len + 1 < sizeof(text); i++)
		if (node->text[i] != '_')
			text[len++] = node->text[i];
	text[len] = 0;
	if (text_parse_go_uint(text, n))
		return true;
	if (!strpbrk(text, ".eE") || !text_parse_float(sv_of(text), &f) || !(f >= 0 && f < 0x1p64) || f != (double)(uint64_t)f)
		return false;
	*n = (uint64_t)f;
	return true;
}

bool decode_uint_in(struct decoder *d, const struct yaml_node *node, uint64_t min, uint64_t max, uint64_t *v)
{
	if (node->kind == YAML_NULL || !is_scalar(d, node, "a whole number"))
		return false;
	uint64_t n = 0;
	if (!parse_uint(node, &n) || n < min || n > max) {
		if (max == UINT64_MAX)
			decode_fail(d, node, "%s: want a whole number, got \"%s\"", buf_str(&d->path), node->text);
		else
			decode_fail(d, node, "%s: want a whole number from %llu to %llu, got \"%s\"", buf_str(&d->path),
				    (unsigned long long)min, (unsigned long long)max, node->text);
		return false;
	}
	*v = n;
	return true;
}

void decode_uint(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_uint_in(d, node, 0, UINT64_MAX, to);
}

bool decode_double(struct decoder *d, const struct yaml_node *node, double *v)
{
	if (!is_scalar(d, node, "a number"))
		return false;
	if (node->plain && text_parse_float(sv_make(node->text, node->len), v) && isfinite(*v))
		return true;
	decode_fail(d, node, "%s: want a number, got \"%s\"", buf_str(&d->path), node->text);
	return false;
}

static void add_string(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (is_scalar(d, node, "text"))
		strings_add(to, node->text);
}

void decode_strings(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, add_string, to);
}

static bool is_label_name(const struct decoder *d, const char *s)
{
	struct sv v = sv_of(s);
	return d->legacy_names ? text_is_legacy_label_name(v) : v.n > 0 && text_is_utf8(v);
}

void decode_labels(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct labels **out = to;
	if (node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_MAP) {
		decode_fail(d, node, "%s: want a map of label names and values", buf_str(&d->path));
		return;
	}
	struct label *l = xmalloc((node->n + 1) * sizeof(*l));
	for (size_t i = 0; i < node->n && !d->error; i++) {
		const struct yaml_node *k = node->keys[i], *v = node->values[i];
		if (!k->text || !is_label_name(d, k->text) || strlen(k->text) != k->len)
			decode_fail(d, k, "%s: \"%s\" is not a valid label name; want %s", buf_str(&d->path), k->text ? k->text : "",
				    d->legacy_names ? "letters, digits and underscores, no digit first" : "one or more UTF-8 characters");
		else if (v->kind == YAML_NULL)
			l[i] = (struct label){sv_make(k->text, k->len), SV("")};
		else if (is_scalar(d, v, "text as label value"))
			l[i] = (struct label){sv_make(k->text, k->len), sv_make(v->text, v->len)};
	}
	if (!d->error) {
		labels_unref(*out);
		*out = labels_new(l, node->n);
	}
	free(l);
}

static char *join_dir(const struct decoder *d, const char *path)
{
	if (path[0] == '/' || strcmp(d->dir, ".") == 0)
		return xstrdup(path);
	return xasprintf("%s/%s", d->dir, path);
}

void decode_file(struct decoder *d, const struct yaml_node *node, void *to)
{
	char **s = to;
	if (node->kind == YAML_NULL || !is_scalar(d, node, "a file name"))
		return;
	free(*s);
	*s = *node->text ? join_dir(d, node->text) : NULL;
}

static void add_file(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (!is_scalar(d, node, "a file name"))
		return;
	if (!*node->text)
		decode_fail(d, node, "%s: empty file name", buf_str(&d->path));
	else
		strings_take(to, join_dir(d, node->text));
}

void decode_files(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, add_file, to);
}

void decode_scheme(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (node->kind == YAML_NULL || !is_scalar(d, node, "http or https"))
		return;
	if (strcmp(node->text, "http") != 0 && strcmp(node->text, "https") != 0)
		decode_fail(d, node, "%s: want http or https, got \"%s\"", buf_str(&d->path), node->text);
	else
		decode_string(d, node, to);
}

static void decode_action(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (node->kind == YAML_NULL || !is_scalar(d, node, "an action"))
		return;
	if (relabel_action_parse(node->text, to))
		return;
	_cleanup_buf_ struct buf b = BUF_INIT;
	for (int i = 0; i < RELABEL_N_ACTIONS; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", relabel_action_name((enum relabel_action)i));
	decode_fail(d, node, "unknown relabel action \"%s\"; accepted: %s", node->text, buf_str(&b));
}

static void decode_relabel_rule(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"source_labels", decode_strings, offsetof(struct relabel_rule, source_labels), 0},
		{"separator", decode_string, offsetof(struct relabel_rule, separator), 0},
		{"target_label", decode_string, offsetof(struct relabel_rule, target_label), 0},
		{"regex", decode_string, offsetof(struct relabel_rule, pattern), 0},
		{"modulus", decode_uint, offsetof(struct relabel_rule, modulus), 0},
		{"replacement", decode_string, offsetof(struct relabel_rule, replacement), 0},
		{"action", decode_action, offsetof(struct relabel_rule, action), 0},
	};
	struct relabel_rules *rules = to;
	array_grow(rules->v, rules->n, rules->cap);
	struct relabel_rule *r = &rules->v[rules->n++];
	relabel_rule_init(r);
	r->legacy_names = d->legacy_names;
	decode_map(d, node, r, fields, ARRAY_SIZE(fields));
	char *why = NULL;
	if (!d->error && relabel_rule_finish(r, &why) < 0) {
		const struct yaml_node *regex = yaml_get(node, "regex");
		decode_fail(d, !r->regex && regex ? regex : node, "%s: %s", buf_str(&d->path), why);
		free(why);
	}
}

void decode_relabel_rules(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, decode_relabel_rule, to);
}

void check_any(struct decoder *d, const struct yaml_node *node, void *to)
{
}

void check_string(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (node->kind != YAML_NULL)
		is_scalar(d, node, "text");
}

void check_bool(struct decoder *d, const struct yaml_node *node, void *to)
{
	bool v;
	decode_bool(d, node, &v);
}

void check_duration(struct decoder *d, const struct yaml_node *node, void *to)
{
	int64_t v;
	decode_duration(d, node, &v);
}

void check_uint(struct decoder *d, const struct yaml_node *node, void *to)
{
	uint64_t v;
	decode_uint(d, node, &v);
}

void check_number(struct decoder *d, const struct yaml_node *node, void *to)
{
	double v;
	if (node->kind != YAML_NULL)
		decode_double(d, node, &v);
}

/* Bytes with a unit, in powers of 1024 as Prometheus has them: 512MB, 1.5GiB, 0. */
void decode_size(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const char powers[] = "KMGTPE";
	uint64_t *bytes = to;
	double v;
	if (node->kind == YAML_NULL || !is_scalar(d, node, "a size such as 512MB"))
		return;
	size_t digits = strspn(node->text, "0123456789.");
	const char *unit = node->text + digits;
	bool ok = text_parse_float(sv_make(node->text, digits), &v), any = false;
	if (ok && *unit) {
		for (size_t i = 0; powers[i] && !any; i++)
			if (strncasecmp(unit, &powers[i], 1) == 0) {
				v = ldexp(v, 10 * (int)(i + 1));
				unit++;
				any = true;
			}
		if (any && strcasecmp(unit, "iB") == 0)
			unit++;
		ok = (any && !*unit) || strcasecmp(unit, "B") == 0;
	} else {
		ok = ok && strcmp(node->text, "0") == 0;
	}
	if (!ok || v >= 0x1p63)
		decode_fail(d, node, "%s: want a size with a unit such as 512MB, got \"%s\"", buf_str(&d->path), node->text);
	else
		*bytes = (uint64_t)v;
}

void check_size(struct decoder *d, const struct yaml_node *node, void *to)
{
	uint64_t v;
	decode_size(d, node, &v);
}

void check_strings(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, check_string, NULL);
}

void check_labels(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct labels *ls = NULL;
	decode_labels(d, node, &ls);
	labels_unref(ls);
}

/* http or https, a host, perhaps a port; the rest as it may be. */
static const char *url_complaint(const char *s)
{
	if (strncasecmp(s, "http://", 7) != 0 && strncasecmp(s, "https://", 8) != 0)
		return "it must begin with http:// or https://";
	s = strstr(s, "://") + 3;
	size_t n = strcspn(s, "/?#");
	const char *at = memchr(s, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - s);
		s = at + 1;
	}
	size_t host = n && s[0] == '[' ? strcspn(s, "]") + 1 : strcspn(s, ":/?#");
	if (host == 0 || host > n)
		return "it has no host";
	if (host == n)
		return NULL;
	char *end;
	unsigned long port = strtoul(s + host + 1, &end, 10);
	if (s[host] != ':' || end != s + n || port > 65535 || (s[host + 1] && !strchr("0123456789/?#", s[host + 1])))
		return "its port is not a number up to 65535";
	return NULL;
}

void check_url(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (!is_scalar(d, node, "a URL such as http://host:9093/path"))
		return;
	const char *why = url_complaint(node->text);
	for (size_t i = 0; i < node->len && !why; i++) {
		if ((unsigned char)node->text[i] <= ' ' || node->text[i] == 0x7f)
			why = "it holds a blank or control character";
	}
	if (why)
		decode_fail(d, node, "%s: \"%s\" is not a valid URL: %s", buf_str(&d->path), node->text, why);
}

void check_relabel_rules(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct relabel_rules rules = {0};
	decode_relabel_rules(d, node, &rules);
	relabel_rules_free(&rules);
}

void check_list(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_is_list(d, node);
}

void check_map(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (node->kind != YAML_MAP && node->kind != YAML_NULL)
		decode_fail(d, node, "%s: want a map of keys and values", buf_str(&d->path));
}

void check_name_scheme(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (node->kind == YAML_NULL || !is_scalar(d, node, "legacy or utf8"))
		return;
	if (*node->text && strcmp(node->text, "legacy") != 0 && strcmp(node->text, "utf8") != 0)
		decode_fail(d, node, "%s: want legacy or utf8, got \"%s\"", buf_str(&d->path), node->text);
}

/* Header names and single values, of remote_write and tracing. */
void check_headers(struct decoder *d, const struct yaml_node *node, void *to)
{
	check_map(d, node, NULL);
	for (size_t i = 0; i < node->n && !d->error; i++) {
		const struct yaml_node *k = node->keys[i];
		if (!k->text || !*k->text || strcasecmp(k->text, "authorization") == 0)
			decode_fail(d, k, "%s: the authorization header is set with basic_auth or authorization", buf_str(&d->path));
		check_string(d, node->values[i], NULL);
	}
}
