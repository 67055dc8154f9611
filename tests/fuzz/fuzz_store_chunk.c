// SPDX-License-Identifier: GPL-2.0-or-later
/* Any sequence of samples comes out of a chunk as it went in. 10 bytes of input a sample: how far the time goes on, and the value. */
#include <stdlib.h>
#include <string.h>

#include "store/chunk.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	int64_t t[CHUNK_SAMPLES], now = 0;
	double v[CHUNK_SAMPLES];
	struct chunk_tail tail;
	struct chunk *c = chunk_new(NULL);
	uint32_t count = 0;
	for (; count < CHUNK_SAMPLES && n >= 10; count++, data += 10, n -= 10) {
		unsigned shift = data[1] >> 3; /* steps of all sizes */
		now += 1 + ((int64_t)((data[0] | data[1] << 8) & 0x7ff) << shift);
		memcpy(&v[count], data + 2, sizeof(double));
		t[count] = now;
		c = chunk_append(c, &tail, t[count], v[count]);
	}
	c = chunk_seal(c);
	struct chunk_iter it;
	chunk_iter_init(&it, c);
	for (uint32_t i = 0; i < count; i++)
		if (!chunk_iter_next(&it) || it.t != t[i] || memcmp(&it.v, &v[i], sizeof(double)) != 0)
			abort();
	if (chunk_iter_next(&it))
		abort();
	/* All of it, and from its middle on. */
	struct sample got[CHUNK_SAMPLES];
	for (uint32_t from = 0; count && from < count; from += count / 3 + 1) {
		if (chunk_decode(c, t[from], INT64_MAX, got) != count - from)
			abort();
		for (uint32_t i = from; i < count; i++)
			if (got[i - from].t != t[i] || memcmp(&got[i - from].v, &v[i], sizeof(double)) != 0)
				abort();
	}
	free(c);
	return 0;
}
