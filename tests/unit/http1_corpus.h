/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads llhttp's test cases (Markdown: a ```http block is the input, the ```log block behind it what a parser
 * must find) and compares them with what our parser says, in the notation of feed_text(). */
#ifndef RT_TESTS_HTTP1_CORPUS_H
#define RT_TESTS_HTTP1_CORPUS_H

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct corpus_counts {
	int messages, same, by_design, defects, wrong, unused;
};

typedef int corpus_fn(const uint8_t *m, size_t n, int response, const char *methods, char *got, size_t size);

/* Where we say something else on purpose: what we say, and why. Anything else we say is wrong, agreement
 * included. */
struct corpus_difference {
	const char *file, *title, *ours, *why;
	int defect; /* not on purpose, but known: to agree is right too */
	int used;
};

#define WHY_FIELD "a header that cannot change framing is not checked; the server says 400"
#define WHY_LF "bare LF ends a line (RFC 9112 2.2), as nginx, Apache and Go have it"
#define WHY_CR "a CR without LF belongs to the line, which decides nothing; the server says 400"
#define WHY_LENIENT "llhttp is told to be lenient; we are not"
#define WHY_PROTOCOL "no HTTP/1"
#define WHY_EXTENSION "a chunk extension is passed over to the line's end"

static struct corpus_difference corpus_differences[] = {
    {"request/content-length.md", "Invalid whitespace token with `Content-Length` header field",
     "PUT /url @75 +4 done@79; partial",
     "a blank before the colon: strict servers answer 400 and close, the others mean the field", 0, 0},
    {"request/content-length.md",
     "No error on simultaneous `Content-Length` and `Transfer-Encoding: identity` (lenient)", "bad",
     WHY_LENIENT, 0, 0},
    {"request/content-length.md", "`Content-Length` with CR instead of dash", "PUT /url done@42; partial",
     WHY_FIELD, 0, 0},
    {"request/content-length.md", "Content-Length reset when no body is received", "PUT /url @42 +43 open",
     "llhttp's caller asks for the body to be left out; there is no such request", 0, 0},
    {"request/content-length.md", "Missing CRLF-CRLF before body (lenient)", "bad", WHY_LENIENT, 0, 0},
    {"request/invalid.md", "HTTP protocol and ANNOUNCE method", "_OTHER /music/sweet/music done@59",
     "any token is a method (RFC 9110 9.1)", 0, 0},
    {"request/invalid.md", "Headers separated by CR", "GET / done@33", WHY_CR, 0, 0},
    {"request/invalid.md", "Headers separated by LF", "POST / @73 +1 open", WHY_LF, 0, 0},
    {"request/invalid.md", "Headers separated by dummy characters (lenient)", "bad", WHY_LENIENT, 0, 0},
    {"request/invalid.md", "Empty headers separated by CR", "POST / done@91; bad", WHY_CR, 0, 0},
    {"request/invalid.md", "Empty headers separated by LF", "POST / @72 +1 open", WHY_LF, 0, 0},
    {"request/invalid.md", "Invalid header token #1", "GET / done@32", WHY_FIELD, 0, 0},
    {"request/invalid.md", "Invalid header token #2", "GET / done@35", WHY_FIELD, 0, 0},
    {"request/invalid.md", "Invalid header token #3", "GET / done@25", WHY_FIELD, 0, 0},
    {"request/invalid.md", "Invalid method", "_OTHER / done@21", "any token is a method (RFC 9110 9.1)", 0,
     0},
    {"request/invalid.md", "Illegal header field name line folding", "GET / done@34", WHY_FIELD, 0, 0},
    {"request/invalid.md", "Corrupted Connection header", "GET / done@98", WHY_FIELD, 0, 0},
    {"request/invalid.md", "Corrupted header name", "GET / done@101", WHY_FIELD, 0, 0},
    {"request/invalid.md", "Missing CR between headers", "GET / @64 +23 done@87; GET /admin done@127", WHY_LF,
     0, 0},
    {"request/invalid.md", "Invalid space after start line", "partial",
     "a line that begins with a blank is passed over as a whole; the server says 400", 0, 0},
    {"request/invalid.md", "Only LFs present", "POST / @76 +4 done@117; bad", WHY_LF, 0, 0},
    {"request/invalid.md", "Only LFs present (lenient)", "POST / @76 +4 done@117; bad",
     "a blank line behind the last chunk ends the message (RFC 9112 7.1), so its trailer is none", 0, 0},
    {"request/invalid.md", "Spaces before headers", "POST /hello done@72; GET /bye done@110",
     "a folded line belongs to the one before it; in lenient mode llhttp says the same", 0, 0},
    {"request/method.md", "CONNECT with body", "CONNECT  @127 open",
     "a Content-Length is believed until the answer makes a tunnel of the connection", 0, 0},
    {"request/method.md", "SOURCE request with ICE", "bad", WHY_PROTOCOL, 0, 0},
    {"request/method.md", "OPTIONS request with RTSP", "bad", WHY_PROTOCOL, 0, 0},
    {"request/method.md", "ANNOUNCE request with RTSP", "bad", WHY_PROTOCOL, 0, 0},
    {"request/method.md", "PRI request HTTP2", "_OTHER * done@18; bad",
     "PRI with version 1.1 is no HTTP/2 preface (RFC 9113 3.4) but a method we do not know", 0, 0},
    {"request/sample.md", "No HTTP version", "bad", "HTTP/0.9", 0, 0},
    {"request/invalid.md", "Invalid HTTP version", "partial", "any version is read: the server answers it, with 505 or otherwise", 0, 0},
    {"request/sample.md", "Line folding in header value with LF", "GET / done@119", WHY_LF, 0, 0},
    {"request/sample.md", "No LF after CR (lenient)", "bad", WHY_LENIENT, 0, 0},
    {"request/uri.md", "Disallow UTF-8 in URI path in strict mode", "GET /δ¶/δt/pope done@58",
     "servers take them, and they change no framing", 0, 0},
    {"response/connection.md", "HTTP/1.1 with keep-alive disabled and 204 status", "204 done@46; partial",
     "Connection is not looked at: what comes after the last response is not asked for", 0, 0},
    {"response/connection.md", "HTTP/1.1 with keep-alive disabled, content-length (lenient)",
     "200 @65 +5 done@70; bad", "the same", 0, 0},
    {"response/sample.md", "RTSP response", "bad", WHY_PROTOCOL, 0, 0},
    {"response/sample.md", "ICE response", "bad", WHY_PROTOCOL, 0, 0},
    {"response/sample.md", "No carriage ret", "200 @74 +51 open", WHY_LF, 0, 0},
    {"response/sample.md", "Spaces in header name", "200 @204 +16 done@220",
     "a header that cannot change framing is not checked", 0, 0},
    {"response/transfer-encoding.md", "Trailing space on chunked body", "200 @73 +65 done@159",
     "blanks behind a chunk's size change nothing", 0, 0},
    {"response/transfer-encoding.md", "No semicolon before chunk extensions", "200 @64 +2 done@93",
     WHY_EXTENSION, 0, 0},
    {"response/transfer-encoding.md", "No extension after semicolon", "200 @64 +2 done@77", WHY_EXTENSION, 0,
     0},
    {"response/transfer-encoding.md", "Unbalanced chunk extensions quoting", "200 @64 +11 open",
     WHY_EXTENSION, 0, 0},
    {"response/transfer-encoding.md", "Invalid OBS fold after chunked value", "200 @54 +5 done@69",
     "a folded line behind a framing header must be bad", 1, 0},
};

/* The block's text as bytes: \r \n \t \f \xHH, an escaped line end is none, and real line ends are CRLF but
 * for the last one. */
static inline size_t corpus_bytes(const char *text, size_t n, uint8_t *out)
{
	size_t k = 0;

	if (n && text[n - 1] == '\n')
		n--;
	for (size_t i = 0; i < n; i++) {
		char c = text[i], next = i + 1 < n ? text[i + 1] : 0;
		if (c == '\n') {
			out[k++] = '\r';
			out[k++] = '\n';
		} else if (c != '\\') {
			out[k++] = c;
		} else if (next == '\n') {
			i++;
		} else if (next == 'r' || next == 'n' || next == 't' || next == 'f') {
			out[k++] = next == 'r' ? '\r' : next == 'n' ? '\n' : next == 't' ? '\t' : '\f';
			i++;
		} else if (next == 'x' && i + 3 < n && isxdigit((unsigned char)text[i + 2]) &&
			   isxdigit((unsigned char)text[i + 3])) {
			char hex[3] = {text[i + 2], text[i + 3], 0};
			unsigned v = strtoul(hex, NULL, 16); /* a character, to be written as UTF-8 */
			if (v >= 0x80)
				out[k++] = 0xc0 | v >> 6;
			out[k++] = v < 0x80 ? v : 0x80 | (v & 0x3f);
			i += 3;
		} else {
			out[k++] = c;
		}
	}
	return k;
}

/* A URL's path, as a label has it: without scheme, authority, query and fragment. */
static inline void corpus_path(const char *url, char *out, size_t size)
{
	const char *p = url;

	if (*p != '/' && *p != '*') {
		const char *authority = strstr(p, "://");
		p = authority ? authority + 3 : p;
		p += strcspn(p, "/?#");
	}
	snprintf(out, size, "%s%.*s", *p == '/' || *p == '*' ? "" : "/", (int)strcspn(p, "?#"), p);
}

/* One ```log block: its messages in the notation of feed_text(.., brief, ..), and how many bytes of the input
 * count: after an upgrade llhttp leaves the rest to its caller. */
struct corpus_expected {
	char text[4096];
	size_t input;
};

struct corpus_message {
	char method[64], url[512];
	int open, head, status, skip, upgraded;
	unsigned head_at;
	unsigned long body;
};

static inline void corpus_say(struct corpus_expected *e, const struct corpus_message *m, int response,
			      const char *end, long at)
{
	size_t n = strlen(e->text);
	const char *gap = n ? "; " : "";
	static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "PROPPATCH",
		"MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "ACL", "MKCALENDAR", "MKACTIVITY", "CHECKOUT", "MERGE", "QUERY"};
	char path[512] = "", body[32] = "", head[32] = "", line[640] = "", where[32] = "";

	if (m->body)
		snprintf(body, sizeof(body), "+%lu ", m->body);
	if (m->head && at != (long)m->head_at)
		snprintf(head, sizeof(head), "@%u ", m->head_at);
	if (at >= 0)
		snprintf(where, sizeof(where), "@%ld", at);
	if (m->head && response) {
		snprintf(line, sizeof(line), "%d ", m->status);
	} else if (m->head) {
		const char *method = "_OTHER";
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (!strcmp(m->method, known[i]))
				method = known[i];
		if (strcmp(method, "CONNECT"))
			corpus_path(m->url, path, sizeof(path));
		snprintf(line, sizeof(line), "%s %s ", method, path);
	}
	snprintf(e->text + n, sizeof(e->text) - n, "%s%s%s%s%s%s", gap, line, head, body, end, where);
}

static inline void corpus_expect(const char *log, size_t n, int response, struct corpus_expected *e)
{
	struct corpus_message m = {0};
	char line[1024];

	for (const char *p = log, *end = log + n; p < end;) {
		const char *eol = memchr(p, '\n', end - p);
		size_t len = eol ? (size_t)(eol - p) : (size_t)(end - p);
		snprintf(line, sizeof(line), "%.*s", (int)len, p);
		p += len + 1;
		unsigned at, size;
		int used = 0;
		if (sscanf(line, "off=%u %n", &at, &used) != 1)
			continue;
		const char *what = line + used;
		if (!strcmp(what, "message begin")) {
			memset(&m, 0, sizeof(m));
			m.open = 1;
		} else if (sscanf(what, "len=%u span[%n", &size, &used) == 1) {
			const char *name = what + used, *value = strchr(name, '=');
			if (!strncmp(name, "method]", 7))
				snprintf(m.method, sizeof(m.method), "%.*s", (int)size, value + 2);
			else if (!strncmp(name, "url]", 4))
				snprintf(m.url + strlen(m.url), sizeof(m.url) - strlen(m.url), "%.*s",
					 (int)size, value + 2);
			else if (!strncmp(name, "body]", 5))
				m.body += size;
		} else if (!strncmp(what, "headers complete", 16)) {
			m.head = 1;
			m.head_at = at;
			if (response)
				sscanf(what, "headers complete status=%d", &m.status);
		} else if (!strcmp(what, "message complete")) {
			int interim = response && m.status < 200;
			corpus_say(e, &m, response,
				   interim ? m.status == 101 ? "upgrade" : "interim" : "done", at);
			m.open = 0;
		} else if (!strncmp(what, "error code=22", 13) ||
			   !strncmp(what, "error code=23", 13)) { /* a pause */
			if (m.open)
				corpus_say(e, &m, response, "done", at);
			e->input = at;
			return;
		} else if (!strncmp(what, "error", 5)) {
			if (!m.open)
				memset(&m, 0, sizeof(m));
			corpus_say(e, &m, response, "bad", -1);
			return;
		}
	}
	if (m.open)
		corpus_say(e, &m, response, m.head ? "open" : "partial", -1);
}

static inline void corpus_case(const char *file, const char *title, int response, const uint8_t *m, size_t n,
			       const struct corpus_expected *e, corpus_fn *fn, struct corpus_counts *counts)
{
	char got[4096];
	struct corpus_difference *d = corpus_differences, *end = d + sizeof(corpus_differences) / sizeof(*d);

	fn(m, n < e->input ? n : e->input, response, NULL, got, sizeof(got));
	counts->messages++;
	while (d < end && (strcmp(d->file, file) || strcmp(d->title, title)))
		d++;
	if (d < end)
		d->used = 1;
	int same = !strcmp(got, e->text);
	if (same && (d == end || d->defect)) {
		counts->same++;
	} else if (!same && d < end && !strcmp(got, d->ours)) {
		if (d->defect)
			printf("%s: %s: known defect: %s\n", file, title, d->why), counts->defects++;
		else
			counts->by_design++;
	} else {
		counts->wrong++;
		printf("%s: %s\n     got: %s\nexpected: %s\n%s%s\n", file, title, got, e->text,
		       d < end ? "   table: " : "", d < end ? d->ours : "");
	}
}

/* The text between the line after FROM's first FENCE and the next ```; *AFTER is behind it. */
static inline const char *corpus_block(const char *from, const char *limit, const char *fence, size_t *n,
				       const char **after)
{
	const char *p = strstr(from, fence);

	if (!p || (limit && p >= limit))
		return NULL;
	p += strlen(fence);
	const char *end = strstr(p, "\n```");
	if (!end)
		return NULL;
	*n = end + 1 - p;
	*after = end + 4;
	return p;
}

static inline int corpus_file(const char *path, const char *name, corpus_fn *fn, struct corpus_counts *counts)
{
	static char text[1 << 20];
	static uint8_t m[1 << 16];
	char title[256];
	FILE *f = fopen(path, "r");

	if (!f)
		return -errno;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	for (const char *p = strstr(text, "<!-- meta="), *next; p; p = next) {
		next = strstr(p + 1, "<!-- meta=");
		const char *t = p, *after;
		while (t > text && strncmp(t, "\n## ", 4) && strncmp(t, "\n### ", 5))
			t--;
		t += 1 + strspn(t + 1, "# ");
		snprintf(title, sizeof(title), "%.*s", (int)strcspn(t, "\n"), t);
		const char *eol = strchr(p, '\n'), *type = strstr(p, "\"response");
		int response = type && type < eol;
		size_t input_n, log_n;
		const char *input = corpus_block(p, next, "```http\n", &input_n, &after);
		const char *log = input ? corpus_block(after, next, "```log\n", &log_n, &after) : NULL;
		if (!log || input_n * 2 > sizeof(m))
			return -EINVAL;
		struct corpus_expected e = {.input = SIZE_MAX};
		corpus_expect(log, log_n, response, &e);
		corpus_case(name, title, response, m, corpus_bytes(input, input_n, m), &e, fn, counts);
	}
	return 0;
}

/* Runs all cases through FN. 0, -ENOENT without a corpus, -EINVAL if a file is not as expected. */
static inline int corpus_run(corpus_fn *fn, struct corpus_counts *counts)
{
	const char *shared = getenv("RT_SHARED") ?: "../shared";
	char pattern[512];
	glob_t g;
	int r = 0;

	snprintf(pattern, sizeof(pattern), "%s/http-corpus/llhttp/*/*.md", shared);
	if (glob(pattern, 0, NULL, &g))
		return -ENOENT;
	for (size_t i = 0; i < g.gl_pathc && !r; i++)
		r = corpus_file(g.gl_pathv[i], strstr(g.gl_pathv[i], "llhttp/") + 7, fn, counts);
	globfree(&g);
	for (size_t i = 0; i < sizeof(corpus_differences) / sizeof(corpus_differences[0]); i++) {
		const struct corpus_difference *d = &corpus_differences[i];
		if (!d->used && ++counts->unused)
			printf("%s: %s: in the table, but there is no such case\n", d->file, d->title);
	}
	return r;
}

#endif
