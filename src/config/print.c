// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration as YAML again, for who asks what is in force: what is written, the defaults of global, no secrets. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "config/config.h"
#include "config/decode.h"
#include "model/text.h"
#include "net/options.h"

/* Keys whose values, or everything below, nobody should read. */
static bool is_secret(const char *key)
{
	static const char *const names[] = {"password",	    "credentials", "bearer_token", "client_secret", "client_certificate_key",
					    "secret_key",   "secret",	   "secrets",	   "token",	    "auth_token",
					    "api_key",	    "key",	   "proxy_connect_header", "account_key", "application_secret",
					    "consumer_key", "application_credential_secret", "application_key", "private_key", "service_account_key"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	return false;
}

static void indent(size_t depth, struct buf *out)
{
	for (size_t i = 0; i < depth; i++)
		buf_adds(out, "  ");
}

/* S is followed by a NUL. A password inside of a URL is masked. */
static void add_text(struct sv s, bool plain, struct buf *out)
{
	_cleanup_free_ char *shown = strlen(s.p) == s.n ? net_url_shown(s.p) : NULL;
	if (shown)
		s = sv_of(shown);
	if (plain && s.n && !memchr(s.p, '\n', s.n))
		buf_addsv(out, s);
	else
		text_go_quote(s, out);
}

static void add_scalar(const struct yaml_node *node, bool secret, struct buf *out)
{
	if (node->kind == YAML_NULL)
		buf_adds(out, "null");
	else if (secret)
		buf_adds(out, "<secret>");
	else
		add_text(sv_make(node->text, node->len), node->plain && !node->tag, out);
}

static void add_node(const struct yaml_node *node, bool secret, size_t depth, struct buf *out);

/* Behind the colon of a key or the dash of an item. */
static void add_value(const struct yaml_node *node, bool secret, size_t depth, struct buf *out)
{
	if (node->kind == YAML_NULL || node->kind == YAML_SCALAR || !node->n) {
		buf_addc(out, ' ');
		if (node->kind == YAML_MAP || node->kind == YAML_SEQ)
			buf_adds(out, node->kind == YAML_MAP ? "{}" : "[]");
		else
			add_scalar(node, secret, out);
		buf_addc(out, '\n');
		return;
	}
	buf_addc(out, '\n');
	add_node(node, secret, depth, out);
}

static void add_pair(const struct yaml_node *map, size_t i, bool secret, size_t depth, struct buf *out)
{
	const struct yaml_node *key = map->keys[i];
	indent(depth, out);
	add_scalar(key, false, out);
	buf_addc(out, ':');
	add_value(map->values[i], secret || (key->text && is_secret(key->text)), depth + 1, out);
}

static void add_node(const struct yaml_node *node, bool secret, size_t depth, struct buf *out)
{
	for (size_t i = 0; i < node->n && !out->failed; i++) {
		if (node->kind == YAML_MAP) {
			add_pair(node, i, secret, depth, out);
			continue;
		}
		indent(depth, out);
		buf_addc(out, '-');
		add_value(node->values[i], secret, depth + 1, out);
	}
}

static void add_duration(const char *key, int64_t ms, struct buf *out)
{
	buf_addf(out, "  %s: ", key);
	text_duration(ms, out);
	buf_addc(out, '\n');
}

void config_print(const struct config *cfg, const struct yaml_node *root, struct buf *out)
{
	static const char *const said[] = {"scrape_interval", "scrape_timeout", "evaluation_interval", "external_labels"};
	const struct config_global *g = &cfg->global;
	const struct yaml_node *global = root ? yaml_get(root, "global") : NULL;
	buf_adds(out, "global:\n");
	add_duration(said[0], g->scrape_interval, out);
	add_duration(said[1], g->scrape_timeout, out);
	add_duration(said[2], g->evaluation_interval, out);
	for (uint32_t i = 0; i < g->external_labels->n; i++) {
		const struct label *l = &g->external_labels->l[i];
		buf_adds(out, i ? "    " : "  external_labels:\n    ");
		add_text(l->name, text_is_legacy_label_name(l->name), out);
		buf_adds(out, ": ");
		text_go_quote(l->value, out);
		buf_addc(out, '\n');
	}
	for (size_t i = 0; global && i < global->n; i++) {
		bool again = false;
		for (size_t k = 0; k < ARRAY_SIZE(said); k++)
			again |= global->keys[i]->text && strcmp(global->keys[i]->text, said[k]) == 0;
		if (!again)
			add_pair(global, i, false, 1, out);
	}
	for (size_t i = 0; root && i < root->n; i++)
		if (root->values[i] != global)
			add_pair(root, i, false, 0, out);
}
