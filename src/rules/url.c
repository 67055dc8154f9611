// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/url.h"

void url_query_escape(struct sv s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (c && strchr("-_.~", c)))
			buf_addc(out, (char)c);
		else if (c == ' ')
			buf_addc(out, '+');
		else
			buf_addf(out, "%%%02X", c);
	}
}

struct sv url_path(struct sv url)
{
	const char *end = url.p + url.n;
	const char *p = url.n ? memmem(url.p, url.n, "://", 3) : NULL;
	p = p ? memchr(p + 3, '/', (size_t)(end - p - 3)) : NULL;
	if (!p)
		return SV("");
	size_t n = 0;
	while (p + n < end && p[n] != '?' && p[n] != '#')
		n++;
	return sv_make(p, n);
}
