// SPDX-License-Identifier: GPL-2.0-or-later
/* What a client sends and what a label may hold: header lists, forms, label values. */
#include <stdlib.h>

#include "base/alloc.h"
#include "exposition/negotiate.h"
#include "exposition/web_message.h"
#include "model/text.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	char *text = xmemdup(data, n); /* a header ends at its first NUL */
	struct negotiated got = negotiate_accept(text);
	if (!negotiated_content_type(got))
		abort();
	negotiate_gzip(text);
	free(text);

	char *exact = malloc(n ? n : 1); /* without a NUL behind it */
	for (size_t i = 0; i < n; i++)
		exact[i] = (char)data[i];
	struct web_request req = {0};
	web_request_parse_form(&req, sv_make(exact, n));
	web_request_param(&req, "query");
	web_request_clear(&req);

	struct buf value = BUF_INIT, help = BUF_INIT, name = BUF_INIT;
	escape_label_value(sv_make(exact, n), &value);
	escape_help(sv_make(exact, n), n & 1, &help);
	for (int e = ESCAPING_UNDERSCORES; e <= ESCAPING_VALUES; e++)
		escape_name(sv_make(exact, n), (enum escaping)e, &name);
	if (!text_is_utf8(sv_make(value.p, value.n)) || !text_is_utf8(sv_make(help.p, help.n)) || !text_is_utf8(sv_make(name.p, name.n)))
		abort();
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == '\n' || value.p[i] == 0)
			abort();
	buf_free(&value);
	buf_free(&help);
	buf_free(&name);
	free(exact);
	return 0;
}
