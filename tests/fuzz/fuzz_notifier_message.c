// SPDX-License-Identifier: GPL-2.0-or-later
/* What goes to an Alertmanager is valid JSON with all labels, whatever they hold; what comes back from one becomes one line of text. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "model/text.h"
#include "notifier/message.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static void try_alert(struct sv s)
{
	struct label pairs[16];
	size_t n = 0;
	while (s.n && n < 16) {
		size_t a = (unsigned char)s.p[0] % 16, b;
		s = sv_make(s.p + 1, s.n - 1);
		a = a < s.n ? a : s.n;
		b = s.n - a < 2 * a ? s.n - a : 2 * a;
		pairs[n++] = (struct label){sv_make(s.p, a), sv_make(s.p + a, b)};
		s = sv_make(s.p + a + b, s.n - a - b);
	}
	struct labels *ls = labels_new(pairs, n), *notes = labels_from("summary", "x", NULL);
	struct notifier_alert alert = {.labels = ls, .annotations = notes, .starts_at = 1700000000000, .generator_url = "http://x/"};
	struct message *m = message_new(&alert, labels_ref(ls));
	char *json = message_json(&m, 1);
	json_error_t je;
	json_t *root = json_loads(json, JSON_ALLOW_NUL, &je);
	json_t *got = json_object_get(json_array_get(root, 0), "labels");
	/* Names that differ only in bytes that are no UTF-8 fall together. */
	bool nul_name = false; /* jansson writes such a key and does not read it */
	for (uint32_t i = 0; i < ls->n; i++)
		nul_name |= memchr(ls->l[i].name.p, 0, ls->l[i].name.n) != NULL;
	if (!nul_name && (!root || !json_is_object(got) || json_object_size(got) > ls->n))
		abort();
	for (uint32_t i = 0; i < ls->n; i++) {
		json_t *v = json_object_getn(got, ls->l[i].name.p, ls->l[i].name.n);
		/* A value replaced under a name that fell together with this one may be another. */
		if (root && text_is_utf8(ls->l[i].name) && text_is_utf8(ls->l[i].value) && (!v || json_string_length(v) != ls->l[i].value.n))
			abort();
	}
	json_decref(root);
	free(json);
	message_free(m);
	labels_unref(ls);
	labels_unref(notes);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	char *text = malloc(n + 1);
	memcpy(text, data, n);
	text[n] = 0;
	try_alert(sv_make(text, n));
	struct buf b = BUF_LIMIT(4096);
	message_refusal(400, text, n, &b);
	if (b.failed && n < 1024)
		abort();
	if (!text_is_utf8(sv_make(buf_str(&b), b.n)))
		abort();
	for (size_t i = 0; i < b.n; i++)
		if ((unsigned char)b.p[i] < ' ' || b.p[i] == 0x7f)
			abort();
	buf_free(&b);
	free(text);
	return 0;
}
