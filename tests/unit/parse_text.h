/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a parser of scrapes hands over, as text to compare with. */
#ifndef RT_TESTS_UNIT_PARSE_TEXT_H
#define RT_TESTS_UNIT_PARSE_TEXT_H

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "model/histogram.h"
#include "model/text.h"
#include "scrape/parse.h"

/* Everything a parser hands over as text, a line each. */
static void show_labels(const struct label *l, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s%.*s=", i ? "," : "", SV_ARG(l[i].name));
		text_go_quote(l[i].value, out);
	}
}

static int on_sample(void *arg, const struct parsed_sample *s, char **error)
{
	struct buf *out = arg, text = BUF_LIMIT(1 << 20);
	struct label l[32];
	assert_true(s->n_labels < 31 && s->key.n > 0);
	parsed_labels(s, &text, l);
	assert_false(text.failed);
	show_labels(l, s->n_labels + 1, out);
	buf_addc(out, ' ');
	if (s->h)
		histogram_print(s->h, out);
	else
		text_float(s->v, 'g', out);
	if (s->h && s->h->hint == HINT_GAUGE)
		buf_adds(out, " gauge");
	if (s->has_t)
		buf_addf(out, " @%lld", (long long)s->t);
	buf_addc(out, '\n');
	buf_free(&text);
	return 0;
}

static void on_type(void *arg, struct sv name, enum metric_type type)
{
	buf_addf(arg, "type %.*s %s\n", SV_ARG(name), metric_type_name(type));
}

static void on_help(void *arg, struct sv name, struct sv text)
{
	buf_addf(arg, "help %.*s ", SV_ARG(name));
	text_go_quote(text, arg);
	buf_addc(arg, '\n');
}

static void on_unit(void *arg, struct sv name, struct sv unit)
{
	buf_addf(arg, "unit %.*s %.*s\n", SV_ARG(name), SV_ARG(unit));
}

typedef int parser(struct sv body, const struct parse_sink *sink, char **error);

/* BODY, flush against a page that cannot be read. */
static int parse_at_edge(parser *fn, struct sv body, struct buf *out, char **error)
{
	struct parse_sink sink = {on_sample, on_type, on_help, on_unit, out};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (body.n + page - 1) / page + 1;
	char *map = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + (pages - 1) * page, page, PROT_NONE), 0);
	char *at = map + (pages - 1) * page - body.n;
	if (body.n)
		memcpy(at, body.p, body.n);
	int err = fn(sv_make(at, body.n), &sink, error);
	munmap(map, pages * page);
	return err;
}

/* The message has WANT in it; what stood before the error was handed over. */
static void bad(parser *fn, struct sv body, const char *want)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	char *error = NULL;
	if (parse_at_edge(fn, body, &out, &error) != -EBADMSG)
		fail_msg("accepted: %.*s", SV_ARG(body));
	if (!strstr(error, want))
		assert_string_equal(error, want);
	free(error);
}

#endif
