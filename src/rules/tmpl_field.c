// SPDX-License-Identifier: GPL-2.0-or-later
/* What stands behind a dot: fields, entries of maps and, for times, the methods people use. */
#include "rules/tmpl.h"

#include <stdlib.h>

#include "base/alloc.h"

bool tmpl_field(struct tmpl_arena *a, struct value v, struct sv name, struct value *out, bool *is_method)
{
	const struct template_env *env = v.env;
	*is_method = false;
	switch (v.kind) {
	case V_DATA:
		if (sv_eqs(name, "Labels"))
			*out = (struct value){.kind = V_LABELS, .labels = env->labels};
		else if (sv_eqs(name, "ExternalLabels"))
			*out = (struct value){.kind = V_LABELS, .labels = env->external_labels};
		else if (sv_eqs(name, "ExternalURL"))
			*out = v_string(sv_of(env->external_url ? env->external_url : ""));
		else if (sv_eqs(name, "Value"))
			*out = env->histogram ? (struct value){.kind = V_HISTOGRAM, .histogram = env->histogram} : v_float(env->value);
		else
			return false;
		out->is_interface = sv_eqs(name, "Value");
		return true;
	case V_SAMPLE:
		if (sv_eqs(name, "Labels"))
			*out = (struct value){.kind = V_LABELS, .labels = v.sample->labels};
		else if (sv_eqs(name, "Value"))
			*out = v_float(v.sample->value);
		else
			return false;
		return true;
	case V_LABELS:
		*out = v_string(v.labels ? labels_get(v.labels, name) : SV(""));
		return true;
	case V_MAP:
		*out = (struct value){.kind = V_NIL};
		for (size_t i = 0; i < v.map.n; i++)
			if (sv_eq(v.map.e[i].key, name))
				*out = v.map.e[i].v;
		out->is_interface = true;
		return true;
	case V_TIME:
	case V_DURATION: {
		static const struct {
			enum vkind kind;
			const char *name, *layout;
			int64_t div;
		} methods[] = {{V_TIME, "Unix", NULL, 1000000000},
			       {V_TIME, "UnixMilli", NULL, 1000000},
			       {V_TIME, "UnixMicro", NULL, 1000},
			       {V_TIME, "UnixNano", NULL, 1},
			       {V_TIME, "Nanosecond", ".000000000", 0},
			       {V_TIME, "Year", "2006", 0},
			       {V_TIME, "Day", "2", 0},
			       {V_TIME, "Hour", "15", 0},
			       {V_TIME, "Minute", "4", 0},
			       {V_TIME, "Second", "5", 0},
			       {V_TIME, "YearDay", "002", 0},
			       {V_TIME, "Month", "January", -1},
			       {V_TIME, "Weekday", "Monday", -1},
			       {V_DURATION, "Milliseconds", NULL, 1000000},
			       {V_DURATION, "Microseconds", NULL, 1000},
			       {V_DURATION, "Nanoseconds", NULL, 1},
			       {V_DURATION, "Seconds", "f", 1000000000},
			       {V_DURATION, "Minutes", "f", 60000000000},
			       {V_DURATION, "Hours", "f", 3600000000000}};
		*is_method = true;
		if (v.kind == V_TIME && (sv_eqs(name, "UTC") || sv_eqs(name, "Local"))) {
			*out = v; /* all times are told in UTC */
			return true;
		}
		if (v.kind == V_TIME && sv_eqs(name, "IsZero")) {
			*out = v_bool(false); /* the year 1 is out of reach */
			return true;
		}
		_cleanup_buf_ struct buf b = BUF_INIT;
		if (sv_eqs(name, "String")) {
			tmpl_fmt_value(v, &b);
			*out = v_string(tmpl_dup(a, sv_make(buf_str(&b), b.n)));
			return true;
		}
		for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
			if (methods[i].kind != v.kind || !sv_eqs(name, methods[i].name))
				continue;
			if (!methods[i].layout) { /* towards minus infinity, as Time.Unix does */
				*out = v_int(v.i / methods[i].div -
					     (v.kind == V_TIME && v.i % methods[i].div < 0));
				out->is_int64 = true;
			} else if (v.kind == V_DURATION) {
				*out = v_float((double)v.i / (double)methods[i].div);
			} else {
				tmpl_fmt_time(v.i, sv_of(methods[i].layout), &b);
				*out = methods[i].div ? v_string(tmpl_dup(a, sv_make(buf_str(&b), b.n)))
						      : v_int(strtol(buf_str(&b) + (b.p[0] == '.'), NULL, 10));
			}
			return true;
		}
		return false;
	}
	default:
		return false;
	}
}
