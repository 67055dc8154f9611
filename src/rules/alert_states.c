// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/alert_states.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "model/text.h"

#define VERSION 1
#define TIME_MAX 253402300800ll /* s: the year 10000; what is later was never written by us */

void alert_states_add(struct alert_states *s, struct labels *labels, int64_t active_at, int64_t seen)
{
	if (s->n >= ALERT_STATES_MAX) {
		s->left_out++;
		return;
	}
	array_grow(s->v, s->n, s->cap);
	s->v[s->n].labels = labels_ref(labels);
	s->v[s->n].active_at = active_at;
	s->v[s->n++].seen = seen;
}

void alert_states_clear(struct alert_states *s)
{
	for (size_t i = 0; i < s->n; i++)
		labels_unref(s->v[i].labels);
	free(s->v);
	*s = (struct alert_states){0};
}

/* NULL: a label that is not UTF-8 cannot stand in JSON. */
static json_t *labels_json(const struct labels *ls)
{
	json_t *o = json_object();
	for (uint32_t i = 0; i < ls->n; i++) {
		const struct label *l = &ls->l[i];
		if (!text_is_utf8(l->name) || !text_is_utf8(l->value) || memchr(l->name.p, 0, l->name.n)) {
			json_decref(o);
			return NULL;
		}
		json_object_set_new_nocheck(o, l->name.p, json_stringn_nocheck(l->value.p, l->value.n));
	}
	return o;
}

static int dump(const char *p, size_t n, void *arg)
{
	buf_add(arg, p, n);
	return ((struct buf *)arg)->failed ? -1 : 0;
}

/* One alert a line, so that the file can be read by people. Alerts that would pass the ceiling are left out. */
static void print(struct alert_states *s, struct buf *out)
{
	buf_addf(out, "{\"version\": %d, \"alerts\": [", VERSION);
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++) {
		json_t *labels = labels_json(s->v[i].labels);
		_cleanup_buf_ struct buf line = BUF_LIMIT(1 << 20);
		if (labels) {
			json_t *o = json_object();
			json_object_set_new(o, "labels", labels);
			json_object_set_new(o, "activeAt", json_integer(s->v[i].active_at));
			json_object_set_new(o, "seen", json_integer(s->v[i].seen));
			json_dump_callback(o, dump, &line, JSON_COMPACT);
			json_decref(o);
		}
		if (!line.n || line.failed || out->n + line.n + 16 > ALERT_STATES_MAX_BYTES) {
			s->left_out++;
			continue;
		}
		buf_adds(out, n++ ? ",\n" : "\n");
		buf_add(out, line.p, line.n);
	}
	buf_adds(out, "\n]}\n");
}

static int write_all(int fd, const struct buf *b)
{
	for (size_t at = 0; at < b->n;) {
		ssize_t n = write(fd, b->p + at, b->n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static void sync_folder(const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);
	_cleanup_close_ int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		fsync(fd);
}

static int open_beside(const char *path, const char *beside)
{
	const int how = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(beside, how, 0600);
	if (fd < 0 && errno == ENOENT) {
		_cleanup_free_ char *copy = xstrdup(path);
		if (mkdir(dirname(copy), 0755) == 0)
			fd = open(beside, how, 0600);
	}
	return fd < 0 ? -errno : fd;
}

int alert_states_save(const char *path, struct alert_states *s, char **error)
{
	if (!s->n) {
		int why = unlink(path) == 0 ? 0 : errno;
		if (why && why != ENOENT)
			*error = xasprintf("cannot remove %s: %s", path, strerror(why));
		return why == ENOENT ? 0 : -why;
	}
	_cleanup_free_ char *beside = xasprintf("%s.tmp", path);
	_cleanup_buf_ struct buf text = BUF_INIT;
	print(s, &text);
	int fd = open_beside(path, beside), rc = fd < 0 ? fd : write_all(fd, &text);
	if (fd >= 0 && close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(beside, path) < 0)
		rc = -errno;
	if (rc == 0) {
		sync_folder(path);
		return 0;
	}
	if (fd >= 0)
		unlink(beside);
	*error = xasprintf("cannot write %s: %s", path, strerror(-rc));
	return rc;
}

static struct labels *read_labels(json_t *o)
{
	struct labels_builder b;
	const char *name;
	json_t *value;
	size_t n = 0;
	if (!json_is_object(o) || !json_is_string(json_object_get(o, "alertname")))
		return NULL;
	labels_builder_init(&b, NULL);
	json_object_foreach(o, name, value) {
		n += json_is_string(value);
		if (json_is_string(value))
			labels_builder_set(&b, sv_of(name), sv_make(json_string_value(value), json_string_length(value)));
	}
	struct labels *ls = n == json_object_size(o) ? labels_builder_build(&b) : NULL;
	labels_builder_free(&b);
	return ls;
}

static bool is_within(int64_t v, int64_t most)
{
	return v >= -most && v <= most;
}

/* NULL, or what is wrong (heap). */
static char *parse(const char *text, size_t len, struct alert_states *s)
{
	json_error_t e;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e), *a;
	if (!root)
		return xasprintf("line %d: %s", e.line, e.text);
	char *wrong = NULL;
	json_t *alerts = json_object_get(root, "alerts");
	size_t i;
	if (json_integer_value(json_object_get(root, "version")) != VERSION || !json_is_array(alerts))
		wrong = xasprintf("not a list of alerts of version %d", VERSION);
	else if (json_array_size(alerts) > ALERT_STATES_MAX)
		wrong = xasprintf("more than %d alerts", ALERT_STATES_MAX);
	json_array_foreach(wrong ? NULL : alerts, i, a) {
		json_t *active_at = json_object_get(a, "activeAt"), *seen = json_object_get(a, "seen");
		struct labels *ls = read_labels(json_object_get(a, "labels"));
		int64_t at = json_integer_value(active_at), t = json_integer_value(seen);
		if (!ls || !json_is_integer(active_at) || !json_is_integer(seen) || !is_within(at, TIME_MAX) || !is_within(t, TIME_MAX * 1000)) {
			labels_unref(ls);
			wrong = xasprintf("alert %zu has no labels or no times", i + 1);
			break;
		}
		alert_states_add(s, ls, at, t);
		labels_unref(ls);
	}
	json_decref(root);
	return wrong;
}

int alert_states_load(const char *path, struct alert_states *s, char **error)
{
	_cleanup_buf_ struct buf text = BUF_LIMIT(ALERT_STATES_MAX_BYTES);
	/* Not blocked by a FIFO that somebody put there. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		int rc = -errno;
		if (rc == -ENOENT)
			return 0;
		*error = xasprintf("cannot read %s: %m", path);
		return rc;
	}
	char part[16384];
	ssize_t n;
	while ((n = read(fd, part, sizeof(part))) > 0 && !text.failed)
		buf_add(&text, part, (size_t)n);
	if (n < 0) {
		int rc = -errno;
		*error = xasprintf("cannot read %s: %m", path);
		return rc;
	}
	_cleanup_free_ char *wrong = text.failed ? xasprintf("more than %zu bytes", ALERT_STATES_MAX_BYTES) : parse(text.p, text.n, s);
	if (!wrong)
		return 0;
	alert_states_clear(s);
	_cleanup_free_ char *aside = xasprintf("%s.broken", path);
	if (rename(path, aside) < 0)
		*error = xasprintf("%s is broken: %s; it cannot be set aside: %m", path, wrong);
	else
		*error = xasprintf("%s is broken: %s; it is now %s", path, wrong, aside);
	return -EBADMSG;
}
