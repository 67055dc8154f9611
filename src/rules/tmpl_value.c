// SPDX-License-Identifier: GPL-2.0-or-later
/* The arena and what is known of values: their Go types, truth, conversion to a number. */
#include "rules/tmpl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"

void *tmpl_alloc(struct tmpl_arena *a, size_t n)
{
	a->used += (n + 15) & ~(size_t)15;
	if (a->used > a->max)
		a->full = true;
	return arena_calloc(&a->mem, 1, n);
}

struct sv tmpl_dup(struct tmpl_arena *a, struct sv s)
{
	char *p = tmpl_alloc(a, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	return sv_make(p, s.n);
}

struct sv tmpl_dupf(struct tmpl_arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *s = xvasprintf(fmt, ap);
	va_end(ap);
	return tmpl_dup(a, sv_of(s));
}

const char *tmpl_type(struct value v)
{
	switch (v.kind) {
	case V_MISSING:
	case V_NIL:
		return "<nil>";
	case V_BOOL:
		return "bool";
	case V_INT:
		return v.is_int64 ? "int64" : "int";
	case V_UINT:
		return v.is_int64 ? "uint64" : "uint8"; /* inside of a time, or a byte of a string */
	case V_FLOAT:
		return "float64";
	case V_COMPLEX:
		return "complex128";
	case V_STRING:
		return v.is_html ? "template.HTML" : "string";
	case V_LABELS:
		return "map[string]string";
	case V_MAP:
		return "map[string]interface {}";
	case V_VECTOR:
		return "template.queryResult";
	case V_SAMPLE:
		return "*template.sample";
	case V_DATA:
		return "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL "
		       "string; Value interface {} }";
	case V_TIME:
		return "*time.Time";
	case V_DURATION:
		return "*time.Duration";
	case V_HISTOGRAM:
		return "*histogram.FloatHistogram";
	}
	return "";
}

bool tmpl_truth(struct value v)
{
	switch (v.kind) {
	case V_MISSING:
	case V_NIL:
		return false;
	case V_BOOL:
		return v.b;
	case V_INT:
	case V_UINT:
		return v.i != 0;
	case V_FLOAT:
		return v.f != 0;
	case V_COMPLEX:
		return v.c != 0;
	case V_STRING:
		return v.s.n > 0;
	case V_LABELS:
		return v.labels && v.labels->n > 0;
	case V_MAP:
		return v.map.n > 0;
	case V_VECTOR:
		return v.vec.n > 0;
	case V_SAMPLE:
	case V_DATA:
	case V_TIME:
	case V_DURATION:
	case V_HISTOGRAM:
		return true;
	}
	return false;
}

bool tmpl_to_float(struct tmpl_exec *ex, struct value v, double *f)
{
	switch (v.kind) {
	case V_FLOAT:
		*f = v.f;
		return true;
	case V_INT:
		*f = (double)v.i;
		return true;
	case V_STRING:
		if (v.is_html) {
			tmpl_fail(ex, "can't convert %s to float", tmpl_type(v));
			return false;
		}
		int rc = text_parse_go_float(v.s, f);
		if (rc < 0) {
			_cleanup_buf_ struct buf q = BUF_INIT;
			text_go_quote(v.s, &q);
			tmpl_fail(ex, "strconv.ParseFloat: parsing %s: %s", buf_str(&q),
				  rc == -ERANGE ? "value out of range" : "invalid syntax");
			return false;
		}
		return true;
	default:
		tmpl_fail(ex, "can't convert %s to float", tmpl_type(v));
		return false;
	}
}
