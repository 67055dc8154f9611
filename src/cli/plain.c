// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/plain.h"

#include "model/text.h"

void plain_add(struct buf *b, const char *s)
{
	bool utf8 = text_is_utf8(sv_of(s));
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		/* C1 controls are two bytes in UTF-8, of which the first is 0xc2 and the second below 0xa0 */
		bool c1 = c == 0xc2 && (unsigned char)s[1] < 0xa0;
		buf_addc(b, c < ' ' || c == 0x7f || c1 || (c >= 0x80 && !utf8) ? '?' : (char)c);
		s += c1;
	}
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

size_t plain_width(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += !continues(*s);
	return n;
}

size_t plain_cut(const char *s, size_t n)
{
	size_t i = 0;
	for (; s[i] && (n || continues(s[i])); i++)
		n -= !continues(s[i]);
	return i;
}
