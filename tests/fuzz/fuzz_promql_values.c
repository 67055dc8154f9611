// SPDX-License-Identifier: GPL-2.0-or-later
/* Series descriptions of rule tests: labels, expanding notation, histograms. */
#include <stdlib.h>

#include "promql/test_storage.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct arena arena = {0};
	struct test_storage storage = {0};
	struct test_row row = {0};
	const char *error = NULL;
	char *text = malloc(n ? n : 1);
	memcpy(text, data, n);
	if (test_row_parse(sv_make(text, n), &arena, &row, &error)) {
		test_storage_load(&storage, &row, 1, 60000, n & 1);
		test_storage_clear(&storage);
	} else if (!error) {
		abort();
	}
	labels_unref(row.labels);
	arena_free(&arena);
	free(text);
	return 0;
}
