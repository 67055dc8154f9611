// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers, durations and quoting: what was read and written is read again as the same. */
#include <stdlib.h>

#include "base/buf.h"
#include "model/text.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct buf b = BUF_INIT;
	double v, again;
	int64_t ms, ms_again;
	char *text = malloc(n ? n : 1);
	memcpy(text, data, n);
	struct sv s = sv_make(text, n);

	if (text_parse_float(s, &v)) {
		static const char formats[] = "feg";
		for (int i = 0; i < 3; i++) {
			b.n = 0;
			text_float(v, formats[i], &b);
			if (!text_parse_float(sv_make(b.p, b.n), &again) || (memcmp(&v, &again, 8) && v == v))
				abort();
		}
		b.n = 0;
		text_canonical_bound(v, &b);
	}
	if (text_parse_duration(s, &ms)) {
		b.n = 0;
		text_duration(ms, &b);
		if (!text_parse_duration(sv_make(b.p, b.n), &ms_again) || ms != ms_again)
			abort();
	}
	b.n = 0;
	text_go_quote(s, &b);
	if (b.n < 2 || !text_is_utf8(sv_make(b.p, b.n)))
		abort();
	if (text_is_legacy_label_name(s) && !text_is_legacy_metric_name(s))
		abort();
	buf_free(&b);
	free(text);
	return 0;
}
