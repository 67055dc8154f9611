// SPDX-License-Identifier: GPL-2.0-or-later
/* Bodies of scrapes. The first byte chooses the reader; the rest is the body, exactly as long as its memory. */
#include <stdlib.h>

#include "base/alloc.h"
#include "model/histogram.h"
#include "model/text.h"
#include "scrape/nhcb.h"
#include "scrape/parse.h"

struct counts {
	size_t samples;
	struct buf text;
};

static int on_sample(void *arg, const struct parsed_sample *s, char **error)
{
	struct counts *c = arg;
	if (++c->samples > 100000)
		abort(); /* a sample takes at least a few bytes */
	if (!s->key.n || !s->name.p)
		abort();
	struct label *l = xcalloc(s->n_labels + 1, sizeof(*l));
	parsed_labels(s, &c->text, l);
	struct labels *ls = labels_new(l, s->n_labels + 1);
	labels_unref(ls);
	free(l);
	if (s->h) {
		struct buf out = BUF_LIMIT(1 << 20);
		if ((s->h->schema < -4 || s->h->schema > 8) && !histogram_is_custom(s->h))
			abort();
		histogram_print(s->h, &out);
		enum histogram_note note = NOTE_NONE;
		histogram_quantile(s->h, 0.9, &note);
		buf_free(&out);
	}
	return 0;
}

static void on_type(void *arg, struct sv name, enum metric_type type)
{
	if (!metric_type_name(type))
		abort();
}

static void on_help(void *arg, struct sv name, struct sv text)
{
	if (!text_is_utf8(text))
		abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct counts c = {.text = BUF_LIMIT(1 << 20)};
	struct parse_sink sink = {.sample = on_sample, .type = on_type, .help = on_help, .unit = on_help, .arg = &c};
	char *error = NULL;
	if (!n)
		return 0;
	struct parse_options opt = {.native = data[0] & 4, .classic = data[0] & 8, .max_buckets = data[0] & 16 ? 3 : 0,
				    .min_factor = data[0] & 32 ? 1.5 : 0};
	char *body = malloc(n - 1 ? n - 1 : 1);
	for (size_t i = 1; i < n; i++)
		body[i - 1] = (char)data[i];
	struct sv s = sv_make(body, n - 1);
	struct nhcb *nhcb = data[0] & 64 ? nhcb_new(&sink, data[0] & 8, 20) : NULL;
	const struct parse_sink *to = nhcb ? nhcb_sink(nhcb) : &sink;
	int r = (data[0] & 3) == 0   ? parse_text(s, to, &error)
		: (data[0] & 3) == 1 ? parse_openmetrics(s, to, &error)
				     : parse_protobuf(s, &opt, to, &error);
	if (!r && nhcb)
		r = nhcb_end(nhcb, &error);
	nhcb_free(nhcb);
	if (!r != !error || (error && !*error))
		abort();
	free(error);
	free(body);
	buf_free(&c.text);
	return 0;
}
