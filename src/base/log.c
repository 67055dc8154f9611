// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"

#define MESSAGE_MAX 8192
#define CUT "..."

static enum log_level min_level = LOG_LEVEL_INFO;
static enum log_format out_format = LOG_FORMAT_LOGFMT;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level min, enum log_format format)
{
	min_level = min;
	out_format = format;
}

bool log_level_parse(const char *s, enum log_level *level)
{
	for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++)
		if (strcmp(s, level_names[i]) == 0) {
			*level = i;
			return true;
		}
	return false;
}

bool log_format_parse(const char *s, enum log_format *format)
{
	if (strcmp(s, "logfmt") == 0)
		*format = LOG_FORMAT_LOGFMT;
	else if (strcmp(s, "json") == 0)
		*format = LOG_FORMAT_JSON;
	else
		return false;
	return true;
}

/* The character at S, which is not ASCII; the bytes it takes. */
static size_t add_character(struct buf *b, const char *s)
{
	uint32_t code;
	size_t n = utf8_decode(s, strnlen(s, 4), &code);

	buf_adds(b, n ? "" : "\xef\xbf\xbd");
	buf_add(b, s, n);
	return n ? n : 1;
}

/* Quoted so that one message stays one line, in logfmt as in JSON; what is no UTF-8, such as a part of a file, becomes U+FFFD, or no
 * reader of JSON would take the line. */
static void add_quoted(struct buf *b, const char *s)
{
	buf_addc(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c == '\n')
			buf_adds(b, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_addf(b, "\\u%04x", c);
		else if (c < 0x80)
			buf_addc(b, (char)c);
		else
			s += add_character(b, s) - 1;
	}
	buf_addc(b, '"');
}

void log_write(enum log_level level, const char *fmt, ...)
{
	if (level < min_level)
		return;
	char msg[MESSAGE_MAX];
	_cleanup_buf_ struct buf line = BUF_LIMIT(65536);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(msg)) /* the beginning says most */
		memcpy(msg + sizeof(msg) - sizeof(CUT), CUT, sizeof(CUT));

	struct timeval tv;
	struct tm tm;
	char when[40];
	gettimeofday(&tv, NULL);
	gmtime_r(&tv.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	bool json = out_format == LOG_FORMAT_JSON;
	buf_addf(&line, json ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"msg\":" : "time=%s.%03dZ level=%s msg=", when,
		 (int)(tv.tv_usec / 1000), level_names[level]);
	add_quoted(&line, msg);
	buf_adds(&line, json ? "}\n" : "\n");
	/* One write, so that threads do not interleave. */
	if (write(STDERR_FILENO, line.p, line.n) < 0)
		return;
}
