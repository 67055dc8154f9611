// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/yaml_resolve.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"

static const struct {
	const char *text;
	double v;
} float_words[] = {{".inf", INFINITY},	 {".Inf", INFINITY},   {".INF", INFINITY},   {"+.inf", INFINITY},
		   {"+.Inf", INFINITY},	 {"+.INF", INFINITY},  {"-.inf", -INFINITY}, {"-.Inf", -INFINITY},
		   {"-.INF", -INFINITY}, {".nan", NAN},	       {".NaN", NAN},	     {".NAN", NAN}};

/* 1 or 2 digits at *S, which moves on; -1: none. */
static int short_number(const char **s)
{
	if (**s < '0' || **s > '9')
		return -1;
	int n = *(*s)++ - '0';
	return **s >= '0' && **s <= '9' ? n * 10 + *(*s)++ - '0' : n;
}

static bool skip_char(const char **s, const char *set)
{
	return **s && strchr(set, **s) ? (*s)++, true : false;
}

/* 2006-1-2, with T or a blank and 15:4:5.9, behind a T also Z or +07:00. */
static bool is_timestamp(const char *s)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (strspn(s, "0123456789") != 4 || s[4] != '-')
		return false;
	int year = atoi(s), month, day, hour, minute, second;
	s += 5;
	month = short_number(&s);
	if (month < 1 || month > 12 || !skip_char(&s, "-"))
		return false;
	day = short_number(&s);
	bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;
	if (day < 1 || day > days[month - 1] + (month == 2 && leap))
		return false;
	if (!*s)
		return true;
	bool zoned = *s != ' ';
	if (!skip_char(&s, "Tt "))
		return false;
	hour = short_number(&s);
	if (hour < 0 || hour > 23 || !skip_char(&s, ":"))
		return false;
	minute = short_number(&s);
	if (minute < 0 || minute > 59 || !skip_char(&s, ":"))
		return false;
	second = short_number(&s);
	if (second < 0 || second > 59)
		return false;
	if ((*s == '.' || *s == ',') && s[1] >= '0' && s[1] <= '9')
		s += 1 + strspn(s + 1, "0123456789");
	if (!zoned || (*s == 'Z' && !s[1]))
		return zoned ? true : !*s;
	return skip_char(&s, "+-") && strlen(s) == 5 && strspn(s, "0123456789") == 2 && s[2] == ':' &&
	       strspn(s + 3, "0123456789") == 2 && atoi(s) < 25 && atoi(s + 3) < 60;
}

/* strconv.ParseInt and ParseUint with base 0 on S without underscores. */
static bool parse_int(const char *s, struct yaml_value *v)
{
	bool neg = *s == '-', sign = neg || *s == '+';
	uint64_t u;
	if (!text_parse_go_uint(s + sign, &u) || (sign && u > (uint64_t)INT64_MAX + neg))
		return false;
	v->tag = "!!int";
	if (u > INT64_MAX && !neg) {
		v->type = YAML_T_UINT;
		v->u = u;
	} else {
		v->type = YAML_T_INT;
		v->i = neg ? (int64_t)(0 - u) : (int64_t)u;
	}
	return true;
}

static bool parse_float(const char *s, struct yaml_value *v)
{
	v->type = YAML_T_FLOAT;
	v->tag = "!!float";
	return text_parse_go_float(sv_of(s), &v->f) == 0;
}

/* Digits with a point and an exponent, nothing else that ParseFloat would take. */
static bool is_plain_float(const char *s)
{
	s += *s == '+' || *s == '-';
	size_t whole = strspn(s, "0123456789"), part = 0;
	s += whole;
	if (*s == '.') {
		part = strspn(s + 1, "0123456789");
		s += 1 + part;
	}
	if (!whole && !part)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '+' || *s == '-';
		size_t n = strspn(s, "0123456789");
		if (!n)
			return false;
		s += n;
	}
	return !*s;
}

static bool parse_bool(const char *s, enum yaml_version version, struct yaml_value *v)
{
	static const char *const yes[] = {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"};
	static const char *const no[] = {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"};
	size_t n = version == YAML_V2 ? ARRAY_SIZE(yes) : 3;
	v->type = YAML_T_BOOL;
	v->tag = "!!bool";
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, yes[i]) || !strcmp(s, no[i])) {
			v->b = !strcmp(s, yes[i]);
			return true;
		}
	return false;
}

/* A text that is not marked as one. TAG: the explicit one, or NULL. */
static void resolve_text(const struct yaml_node *n, const char *tag, enum yaml_version version, struct yaml_value *v)
{
	const char *s = n->text;
	bool number = *s && strchr("+-0123456789", *s);
	*v = (struct yaml_value){.type = YAML_T_NULL, .tag = "!!null"};
	if (!*s || !strcmp(s, "~") || !strcmp(s, "null") || !strcmp(s, "Null") || !strcmp(s, "NULL"))
		return;
	if (parse_bool(s, version, v))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(float_words); i++)
		if (!strcmp(s, float_words[i].text)) {
			*v = (struct yaml_value){.type = YAML_T_FLOAT, .tag = "!!float", .f = float_words[i].v};
			return;
		}
	if (*s == '.' && parse_float(s, v))
		return;
	if (number && (!tag || !strcmp(tag, "!!timestamp")) && is_timestamp(s)) {
		*v = (struct yaml_value){.type = YAML_T_TIMESTAMP, .tag = "!!timestamp"};
		return;
	}
	if (number && n->len < 512 && strlen(s) == n->len) {
		char plain[512], *p = plain;
		for (; *s; s++)
			if (*s != '_')
				*p++ = *s;
		*p = 0;
		if (parse_int(plain, v) || (is_plain_float(plain) && parse_float(plain, v)))
			return;
	}
	*v = (struct yaml_value){.type = YAML_T_STRING, .tag = !strcmp(n->text, "<<") && version == YAML_V3 ? "!!merge" : "!!str"};
}

int yaml_resolve(const struct yaml_node *n, enum yaml_version version, struct yaml_value *v, char **error)
{
	static const char *const known[] = {"!!str", "!!bool", "!!int", "!!float", "!!null", "!!timestamp"};
	const char *tag = n->tag;
	bool resolvable = !tag;
	*v = (struct yaml_value){.type = YAML_T_STRING, .tag = "!!str"};
	if ((!tag && n->quoted) || (tag && !strcmp(tag, "!!str")))
		return 0;
	for (size_t i = 0; tag && i < ARRAY_SIZE(known); i++)
		resolvable |= !strcmp(tag, known[i]);
	if (!resolvable) {
		v->type = !strcmp(tag, "!!binary") ? YAML_T_BINARY : YAML_T_STRING;
		v->tag = tag;
		return 0;
	}
	resolve_text(n, tag, version, v);
	if (!tag || !strcmp(tag, v->tag))
		return 0;
	if (!strcmp(tag, "!!float") && v->type == YAML_T_INT) {
		v->type = YAML_T_FLOAT;
		v->f = (double)v->i;
		v->tag = tag;
		return 0;
	}
	*error = xasprintf("cannot decode %s `%s` as a %s", v->tag, n->text, tag);
	return -EINVAL;
}

char *yaml_binary(const struct yaml_node *n, size_t *len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = xmalloc(n->len + 4);
	size_t used = 0, pads = 0;
	unsigned bits = 0;
	*len = 0;
	for (size_t i = 0; i < n->len; i++) {
		char c = n->text[i];
		const char *d = c ? strchr(digits, c) : NULL;
		if (c == '\n' || c == '\r')
			continue;
		if (c == '=' && used % 4 >= 2 && pads < 2)
			pads++;
		else if (!d || pads)
			goto bad;
		bits = bits << 6 | (d ? (unsigned)(d - digits) : 0);
		if (++used % 4)
			continue;
		out[(*len)++] = (char)(bits >> 16);
		out[(*len)++] = (char)(bits >> 8);
		out[(*len)++] = (char)bits;
	}
	if (used % 4)
		goto bad;
	*len -= pads;
	out[*len] = 0;
	return out;
bad:
	free(out);
	return NULL;
}
