// SPDX-License-Identifier: GPL-2.0-or-later
#include "api/param.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/reply.h"
#include "model/text.h"

/* A quarter of what fits an int64 in ms, so that offsets and ranges can be added to it. */
#define SECONDS_MAX 2.3e15

static bool parse_seconds(const char *s, int64_t *ms)
{
	double v;
	if (text_parse_go_float(sv_of(s), &v) || !(fabs(v) < SECONDS_MAX))
		return false;
	*ms = llround(v * 1000);
	return true;
}

bool param_parse_time(const char *s, int64_t *ms)
{
	if (parse_seconds(s, ms))
		return true;
	/* What clients of Prometheus send for the beginning and the end of time: years of more than four digits. */
	if (strcmp(s, "-292273086-05-16T16:47:06Z") == 0 || strcmp(s, "292277025-08-18T07:12:54.999999999Z") == 0) {
		*ms = *s == '-' ? -(int64_t)(SECONDS_MAX * 1000) : (int64_t)(SECONDS_MAX * 1000);
		return true;
	}
	struct tm tm = {0};
	int used = 0;
	if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 ||
	    used != 19 || strspn(s, "0123456789-T:") < 19)
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	struct tm asked = tm;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	int64_t t = (int64_t)timegm(&tm) * 1000;
	if (tm.tm_mday != asked.tm_mday) /* 30 February moved on */
		return false;
	s += 19;
	if (*s == '.') {
		int64_t unit = 100;
		if (s[1] < '0' || s[1] > '9')
			return false;
		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			t += (*s - '0') * unit;
	}
	if (strcmp(s, "Z") != 0) {
		int h, m, n = 0;
		char sign;
		if (sscanf(s, "%c%2d:%2d%n", &sign, &h, &m, &n) != 3 || n != 6 || s[6] || (sign != '+' && sign != '-') || h > 23 || m > 59 ||
		    h < 0 || m < 0)
			return false;
		t -= (sign == '+' ? 1 : -1) * (h * 60 + m) * 60000ll;
	}
	*ms = t;
	return true;
}

bool param_parse_duration(const char *s, int64_t *ms)
{
	return parse_seconds(s, ms) || text_parse_duration(sv_of(s), ms);
}

static bool parse(const struct web_request *req, struct web_response *res, const char *name, int64_t fallback, int64_t *ms,
		  bool (*fn)(const char *, int64_t *), const char *what, const char *before)
{
	const char *s = web_request_param(req, name);
	*ms = fallback;
	if (!s || !*s || fn(s, ms))
		return true;
	reply_error(res, REPLY_BAD_DATA, "invalid parameter \"%s\": %s%s%scannot parse \"%s\" to a valid %s", name, before, *before ? name : "", *before ? "': " : "",
		    s, what);
	return false;
}

bool param_optional_time(const struct web_request *req, struct web_response *res, const char *name, int64_t fallback, int64_t *ms)
{
	return parse(req, res, name, fallback, ms, param_parse_time, "timestamp", "Invalid time value for '");
}

bool param_time(const struct web_request *req, struct web_response *res, const char *name, int64_t fallback, int64_t *ms)
{
	return parse(req, res, name, fallback, ms, param_parse_time, "timestamp", "");
}

bool param_duration(const struct web_request *req, struct web_response *res, const char *name, int64_t fallback, int64_t *ms)
{
	return parse(req, res, name, fallback, ms, param_parse_duration, "duration", "");
}

bool param_limit(const struct web_request *req, struct web_response *res, const char *name, uint64_t *limit)
{
	const char *s = web_request_param(req, name);
	*limit = 0;
	if (!s || !*s)
		return true;
	char *end;
	errno = 0;
	*limit = strtoull(s, &end, 10);
	if (!*end && *s >= '0' && *s <= '9' && !errno)
		return true;
	/* A negative number is a number. */
	bool negative = *s == '-' && s[1] && strspn(s + 1, "0123456789") == strlen(s + 1);
	if (negative)
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"%s\": %s must be non-negative", name, name);
	else
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"%s\": strconv.Atoi: parsing \"%s\": invalid syntax", name, s);
	return false;
}

bool param_number(const struct web_request *req, struct web_response *res, const char *name, int64_t *v)
{
	const char *s = web_request_param(req, name);
	char *end;
	if (!s || !*s)
		return true;
	errno = 0;
	*v = strtoll(s, &end, 10);
	if (!*end && !errno && strchr("+-0123456789", *s))
		return true;
	reply_error(res, REPLY_BAD_DATA, "%s must be a number", name);
	return false;
}
