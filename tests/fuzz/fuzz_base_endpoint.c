// SPDX-License-Identifier: GPL-2.0-or-later
/* Paths and what endpoints they become. The first byte says whether the path was cut before; the rest is the path, as the parser hands
 * it on: at most RT_ENDPOINT_MAX bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static void check(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "not so: %s\n", what);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	if (n < 2 || n - 1 > RT_ENDPOINT_MAX)
		return 0;
	int cut = data[0] & 1;
	size_t len = n - 1;
	char *path = malloc(len), *once = calloc(1, RT_ENDPOINT_MAX), *twice = calloc(1, RT_ENDPOINT_MAX);
	struct endpoint state;
	memcpy(path, data + 1, len);
	path[0] = '/';
	__u16 a = endpoint_normalise(&state, path, len, once, cut);
	if (!cut && !memchr(path, 0, len)) {
		char from[RT_ENDPOINT_MAX];
		memset(from, data[0], sizeof(from));
		memcpy(from, path, len);
		__u16 words = endpoint_words(from, len, twice);
		check(!words || (words == a && !memcmp(twice, once, a)), "the short way says the same, or nothing");
	}
	check(a && a <= RT_ENDPOINT_MAX, "the length fits");
	check(once[0] == '/' || once[0] == '{', "it begins like a path");
	__u16 b = endpoint_normalise(&state, once, a, twice, 0);
	check(a == b && !memcmp(once, twice, a), "an endpoint's endpoint is itself");
	/* As many segments as the path has, unless its end was cut off. */
	size_t before = 0, after = 0;
	for (size_t i = 0; i < len; i++)
		before += path[i] == '/';
	for (size_t i = 0; i < a; i++)
		after += once[i] == '/';
	check(after <= before || (cut && after == before + 1) || memmem(once, a, "{rest}", 6), "no segment is made up");
	/* Digits only: any other number gives the same endpoint. */
	char *other = malloc(len);
	int digits = 1;
	for (size_t i = 1; i < len; i++) {
		digits &= path[i] >= '0' && path[i] <= '9';
		other[i] = '7';
	}
	if (digits && len > 1) {
		other[0] = '/';
		b = endpoint_normalise(&state, other, len, twice, cut);
		check(a == b && !memcmp(once, twice, a), "all numbers of one length are one endpoint");
	}
	free(path);
	free(once);
	free(twice);
	free(other);
	return 0;
}
