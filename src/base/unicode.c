// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/unicode.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/regex.h"
#include "base/utf8.h"

static struct regex *alnum, *print;

static struct regex *compile(const char *pattern)
{
	struct regex *re = NULL;
	char *error = NULL;
	if (regex_new(sv_of(pattern), 0, &re, &error) < 0)
		abort();
	return re;
}

static void compile_all(void)
{
	alnum = compile("\\pL|\\p{Nd}");
	print = compile("\\pL|\\pM|\\pN|\\pP|\\pS");
}

static bool is(uint32_t cp, struct regex **re)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char text[4];
	pthread_once(&once, compile_all);
	return regex_match(*re, sv_make(text, utf8_encode(cp, text))) == 1;
}

bool unicode_is_alnum(uint32_t cp)
{
	if (cp < 0x80)
		return (cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
	return is(cp, &alnum);
}

bool unicode_is_print(uint32_t cp)
{
	return cp < 0x80 ? cp >= 0x20 && cp < 0x7f : is(cp, &print);
}
