// SPDX-License-Identifier: GPL-2.0-or-later
/* --http.config.file: how to speak to a server, by itself in a file. */
#include <errno.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "config/config.h"
#include "config/decode.h"

struct client_file {
	struct net_options http;
};

int config_http_client_load(const char *path, struct net_options *out, char **error)
{
	static const struct field fields[] = {HTTP_CLIENT_FIELDS(struct client_file, http)};
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *dir = config_dir_of(path), *why = NULL;
	struct strings not_acted_on = {0}, warnings = {0};
	struct yaml_doc *doc;
	int line = 0, col = 0, err = config_read_file(path, &text, error);
	if (err)
		return err;
	err = yaml_parse_at(buf_str(&text), text.n, &doc, &why, &line, &col);
	if (err) {
		*error = line ? xasprintf("%s:%d:%d: %s", path, line, col, why) : xasprintf("%s: %s", path, why);
		return err;
	}
	struct client_file f;
	struct decoder d = {.file = path,
			    .dir = dir,
			    .path = BUF_LIMIT((size_t)64 << 10),
			    .not_acted_on = &not_acted_on,
			    .warnings = &warnings};
	net_options_init(&f.http);
	decode_map(&d, yaml_root(doc), &f, fields, ARRAY_SIZE(fields));
	if (!d.error)
		decode_http_client_end(&d, yaml_root(doc), &f.http);
	yaml_doc_free(doc);
	buf_free(&d.path);
	strings_free(&not_acted_on);
	strings_free(&warnings);
	if (d.error) {
		*error = d.error;
		net_options_free(&f.http);
		return -EINVAL;
	}
	*out = f.http;
	return 0;
}
