// SPDX-License-Identifier: GPL-2.0-or-later
/* Patterns of the RE2 dialect: refused with a message or compiled; a match is bounded whatever the pattern. The first byte chooses the
 * flags, the pattern ends at the first newline, the text at the second, the rest is the template of a replacement. */
#include <stdlib.h>

#include "base/regex.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct sv part[3];
	if (!n)
		return 0;
	int flags = data[0] & 3;
	char *text = malloc(n);
	memcpy(text, data + 1, n - 1);
	struct sv rest = sv_make(text, n - 1);
	for (int i = 0; i < 3; i++) {
		const char *end = i < 2 && rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
		size_t len = end ? (size_t)(end - rest.p) : rest.n;
		part[i] = sv_make(rest.p, len);
		rest = end ? sv_make(end + 1, rest.n - len - 1) : sv_make(rest.p + len, 0);
	}
	struct regex *re = NULL;
	char *error = NULL;
	int err = regex_new(part[0], flags, &re, &error);
	if ((err == 0) != (re != NULL) || (err != 0) != (error != NULL))
		abort();
	if (re) {
		struct buf b = BUF_LIMIT(1 << 20), all = BUF_LIMIT(1 << 20);
		int m = regex_match(re, part[1]);
		int e = regex_expand(re, part[1], part[2], &b);
		if (m != e || (m != 1 && b.n))
			abort();
		regex_replace_all(re, part[1], part[2], &all);
		/* Bytes that are no UTF-8 do not come out as they went in. */
		bool ascii = true;
		for (size_t i = 0; i < part[1].n; i++)
			ascii &= (unsigned char)part[1].p[i] < 0x80;
		if (m == 0 && ascii && !(flags & REGEX_ANCHORED) && !sv_eq(sv_make(all.p, all.n), part[1]))
			abort();
		buf_free(&b);
		buf_free(&all);
	}
	regex_free(re);
	free(error);
	free(text);
	return 0;
}
