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
	_cleanup_free_ char *dir = config_dir_of(path);
	struct strings not_acted_on = {0}, warnings = {0};
	struct yaml_doc *doc;
	int err = config_read_yaml(path, &doc, error);
	if (err)
		return err;
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
