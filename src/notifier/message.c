// SPDX-License-Identifier: GPL-2.0-or-later
#include "notifier/message.h"

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "model/text.h"

struct message *message_new(const struct notifier_alert *alert, struct labels *labels)
{
	struct message *m = xcalloc(1, sizeof(*m));
	m->labels = labels;
	m->annotations = alert->annotations ? labels_ref(alert->annotations) : NULL;
	m->starts_at = alert->starts_at;
	m->ends_at = alert->ends_at;
	m->generator_url = alert->generator_url ? xstrdup(alert->generator_url) : NULL;
	return m;
}

void message_free(struct message *m)
{
	if (!m)
		return;
	labels_unref(m->labels);
	labels_unref(m->annotations);
	free(m->generator_url);
	free(m);
}

/* The length of the UTF-8 sequence at P of at most N bytes, 0 if there is none. */
static size_t sequence(const char *p, size_t n)
{
	for (size_t k = 1; k <= 4 && k <= n; k++) {
		if (text_is_utf8(sv_make(p, k)))
			return k;
	}
	return 0;
}

static void add_utf8(struct sv s, struct buf *out)
{
	while (s.n) {
		size_t k = sequence(s.p, s.n);
		if (k)
			buf_add(out, s.p, k);
		else
			buf_adds(out, "\xef\xbf\xbd");
		s.p += k ? k : 1;
		s.n -= k ? k : 1;
	}
}

static json_t *or_die(json_t *j)
{
	if (!j)
		abort();
	return j;
}

static json_t *json_text(struct sv s)
{
	json_t *j = json_stringn(s.p, s.n);
	if (j)
		return j;
	_cleanup_buf_ struct buf b = BUF_INIT;
	add_utf8(s, &b);
	return or_die(json_stringn(buf_str(&b), b.n));
}

static json_t *json_labels(const struct labels *ls)
{
	json_t *o = or_die(json_object());
	for (uint32_t i = 0; ls && i < ls->n; i++) {
		json_t *value = json_text(ls->l[i].value);
		if (text_is_utf8(ls->l[i].name)) {
			json_object_setn_new(o, ls->l[i].name.p, ls->l[i].name.n, value);
			continue;
		}
		_cleanup_buf_ struct buf name = BUF_INIT;
		add_utf8(ls->l[i].name, &name);
		json_object_setn_new(o, buf_str(&name), name.n, value);
	}
	return o;
}

/* RFC 3339 in UTC with exactly three digits of a second. */
static json_t *json_time(int64_t ms)
{
	int64_t s = ms / 1000, rest = ms % 1000;
	if (rest < 0) {
		rest += 1000;
		s--;
	}
	struct tm tm;
	time_t t = (time_t)s;
	char day[40], all[64];
	if (!gmtime_r(&t, &tm) || !strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm))
		return or_die(json_string("1970-01-01T00:00:00.000Z"));
	snprintf(all, sizeof(all), "%s.%03dZ", day, (int)rest);
	return or_die(json_string(all));
}

char *message_json(struct message *const *messages, size_t n)
{
	json_t *list = or_die(json_array());
	for (size_t i = 0; i < n; i++) {
		const struct message *m = messages[i];
		json_t *o = or_die(json_object());
		json_object_set_new(o, "labels", json_labels(m->labels));
		json_object_set_new(o, "annotations", json_labels(m->annotations));
		if (m->starts_at)
			json_object_set_new(o, "startsAt", json_time(m->starts_at));
		if (m->ends_at)
			json_object_set_new(o, "endsAt", json_time(m->ends_at));
		if (m->generator_url)
			json_object_set_new(o, "generatorURL", json_text(sv_of(m->generator_url)));
		json_array_append_new(list, o);
	}
	char *text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	if (!text)
		abort();
	return text;
}

void message_refusal(int status, const char *body, size_t n, struct buf *out)
{
	_cleanup_buf_ struct buf text = BUF_LIMIT(out->max);
	add_utf8(sv_make(body, n), &text);
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			text.p[i] = ' ';
	while (text.n && text.p[text.n - 1] == ' ')
		text.n--;
	buf_addf(out, "bad response status %d%s", status, text.n ? ": " : "");
	buf_add(out, text.p, text.n);
}
