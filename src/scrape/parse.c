// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/parse.h"

#include "model/text.h"

const char *metric_type_name(enum metric_type type)
{
	static const char *const names[N_METRIC_TYPES] = {
		[METRIC_UNKNOWN] = "unknown", [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram",
		[METRIC_GAUGEHISTOGRAM] = "gaugehistogram", [METRIC_SUMMARY] = "summary", [METRIC_INFO] = "info",
		[METRIC_STATESET] = "stateset",
	};
	return names[type];
}

/* Room for it has been made. Anything but \\ \" \n stays as it stands. */
static struct sv unescape(struct sv s, struct buf *text)
{
	size_t from = text->n;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\\' && i + 1 < s.n && (s.p[i + 1] == '\\' || s.p[i + 1] == '"' || s.p[i + 1] == 'n')) {
			i++;
			c = s.p[i] == 'n' ? '\n' : s.p[i];
		}
		text->p[text->n++] = c;
	}
	return sv_make(text->p + from, text->n - from);
}

#define BOUND_MAX 32 /* the longest number in its canonical spelling has 24 characters */

void parsed_labels(const struct parsed_sample *s, struct buf *text, struct label *out)
{
	size_t need = s->name.n + 1;
	for (size_t i = 0; i < s->n_labels; i++)
		need += s->labels[i].name.n + s->labels[i].value.n + (s->bound && sv_eqs(s->labels[i].name, s->bound) ? BOUND_MAX : 0);
	buf_reset(text);
	out[0] = (struct label){SV(LABEL_NAME), s->name};
	bool room = buf_reserve(text, need); /* the views stay: it does not grow any more */
	if (s->name_escaped && room)
		out[0].value = unescape(s->name, text);
	for (size_t i = 0; i < s->n_labels; i++) {
		const struct parsed_label *l = &s->labels[i];
		struct label *to = &out[i + 1];
		*to = (struct label){l->name, l->value};
		if (l->escaped && room) {
			to->name = unescape(l->name, text);
			to->value = unescape(l->value, text);
		}
		double v;
		if (s->bound && room && sv_eqs(l->name, s->bound) && text_parse_float(to->value, &v)) {
			size_t from = text->n;
			text_canonical_bound(v, text);
			to->value = sv_make(text->p + from, text->n - from);
		}
	}
}
