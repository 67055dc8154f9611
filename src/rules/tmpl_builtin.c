// SPDX-License-Identifier: GPL-2.0-or-later
/* Go's own template functions. */
#include "rules/tmpl.h"

#include "base/alloc.h"
#include "model/text.h"
#include "rules/url.h"

static struct value from_buf(struct tmpl_exec *ex, struct buf *b)
{
	if (b->failed)
		return tmpl_fail(ex, "exceeded maximum output of %zu bytes", b->max);
	return v_string(tmpl_dup(ex->arena, sv_make(buf_str(b), b->n)));
}

static const struct value missing = {.kind = V_MISSING};

static bool is_none(struct value v)
{
	return v.kind == V_MISSING || v.kind == V_NIL;
}

/* and, or: only reached with nothing left to decide. */
static struct value fn_and_or(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return v[n - 1];
}

static struct value fn_not(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return v_bool(!tmpl_truth(v[0]));
}

/* The type's name, of a pointer that of what it points to. */
static const char *pointed_type(struct value v)
{
	const char *type = tmpl_type(v);
	return type + (*type == '*');
}

static struct value fn_len(struct tmpl_exec *ex, struct value *v, size_t n)
{
	switch (v[0].kind) {
	case V_STRING:
		return v_int((int64_t)v[0].s.n);
	case V_LABELS:
		return v_int(v[0].labels ? v[0].labels->n : 0);
	case V_MAP:
		return v_int((int64_t)v[0].map.n);
	case V_VECTOR:
		return v_int((int64_t)v[0].vec.n);
	case V_MISSING:
	case V_NIL:
		return tmpl_fail(ex, "reflect: call of reflect.Value.Type on zero Value");
	case V_SAMPLE:
		if (!v[0].sample)
			return tmpl_fail(ex, "len of nil pointer");
		/* fallthrough */
	default:
		return tmpl_fail(ex, "len of type %s", pointed_type(v[0]));
	}
}

/* An index argument within 0..max. */
static bool get_index(struct tmpl_exec *ex, struct value v, int64_t max, int64_t *out)
{
	if (v.kind != V_INT && v.kind != V_UINT) {
		if (is_none(v))
			tmpl_fail(ex, "cannot index slice/array with nil");
		else
			tmpl_fail(ex, "cannot index slice/array with type %s", tmpl_type(v));
		return false;
	}
	if (v.i < 0 || v.i > max) {
		tmpl_fail(ex, "index out of range: %lld", (long long)v.i);
		return false;
	}
	*out = v.i;
	return true;
}

static struct value fn_index(struct tmpl_exec *ex, struct value *v, size_t n)
{
	struct value item = v[0];
	if (is_none(item))
		return tmpl_fail(ex, "index of untyped nil");
	for (size_t i = 1; i < n && !ex->call_error; i++) {
		int64_t k;
		switch (item.kind) {
		case V_STRING:
			if (!get_index(ex, v[i], (int64_t)item.s.n, &k))
				return missing;
			if ((size_t)k == item.s.n)
				return tmpl_fail(ex, "reflect: string index out of range");
			item = (struct value){.kind = V_UINT, .u = (unsigned char)item.s.p[k]};
			break;
		case V_VECTOR:
			if (!get_index(ex, v[i], (int64_t)item.vec.n, &k))
				return missing;
			if ((size_t)k == item.vec.n)
				return tmpl_fail(ex, "reflect: slice index out of range");
			item = (struct value){.kind = V_SAMPLE, .sample = &item.vec.v[k]};
			break;
		case V_LABELS:
		case V_MAP:
			if (is_none(v[i]))
				return tmpl_fail(ex, "value is nil; should be of type string");
			if (v[i].kind != V_STRING || v[i].is_html)
				return tmpl_fail(ex, "value has type %s; should be string", tmpl_type(v[i]));
			if (item.kind == V_LABELS) {
				item = v_string(item.labels ? labels_get(item.labels, v[i].s) : SV(""));
				break;
			}
			struct value found = {.kind = V_NIL};
			for (size_t e = 0; e < item.map.n; e++)
				if (sv_eq(item.map.e[e].key, v[i].s))
					found = item.map.e[e].v;
			item = found;
			break;
		case V_MISSING:
		case V_NIL:
			return tmpl_fail(ex, "index of nil pointer");
		case V_SAMPLE:
			if (!item.sample)
				return tmpl_fail(ex, "index of nil pointer");
			/* fallthrough */
		default:
			return tmpl_fail(ex, "can't index item of type %s", pointed_type(item));
		}
	}
	return item;
}

static struct value fn_slice(struct tmpl_exec *ex, struct value *v, size_t n)
{
	struct value item = v[0];
	if (is_none(item))
		return tmpl_fail(ex, "slice of untyped nil");
	if (n > 4)
		return tmpl_fail(ex, "too many slice indexes: %zu", n - 1);
	if (item.kind == V_STRING && n == 4)
		return tmpl_fail(ex, "cannot 3-index slice a string");
	if (item.kind != V_STRING && item.kind != V_VECTOR)
		return tmpl_fail(ex, "can't slice item of type %s", tmpl_type(item));
	int64_t len = (int64_t)(item.kind == V_STRING ? item.s.n : item.vec.n), idx[3] = {0, len, len};
	for (size_t i = 1; i < n; i++)
		if (!get_index(ex, v[i], len, &idx[i - 1]))
			return item;
	if (idx[0] > idx[1])
		return tmpl_fail(ex, "invalid slice index: %lld > %lld", (long long)idx[0],
				 (long long)idx[1]);
	if (idx[1] > idx[2])
		return tmpl_fail(ex, "invalid slice index: %lld > %lld", (long long)idx[1],
				 (long long)idx[2]);
	if (item.kind == V_STRING) {
		item.s = sv_make(item.s.p + idx[0], (size_t)(idx[1] - idx[0]));
		return item;
	}
	if (item.vec.n)
		item.vec.v += idx[0];
	item.vec.n = (size_t)(idx[1] - idx[0]);
	return item;
}

static struct value fn_print(struct tmpl_exec *ex, struct value *v, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	tmpl_fmt_print(v, n, false, &b);
	return from_buf(ex, &b);
}

static struct value fn_println(struct tmpl_exec *ex, struct value *v, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	tmpl_fmt_print(v, n, true, &b);
	return from_buf(ex, &b);
}

static struct value fn_printf(struct tmpl_exec *ex, struct value *v, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	tmpl_fmt_printf(v[0].s, v + 1, n - 1, &b);
	return from_buf(ex, &b);
}

/* What the escapers work on: all arguments printed one after the other as fmt.Sprint does, each as an action would print it. */
static void print_args(struct tmpl_exec *ex, struct value *v, size_t n, struct buf *b)
{
	bool text_before = true;
	for (size_t i = 0; i < n; i++) {
		bool is_text = v[i].kind == V_STRING || is_none(v[i]);
		if (i && !is_text && !text_before)
			buf_addc(b, ' ');
		tmpl_fmt_value(v[i], b);
		text_before = is_text;
	}
}

static struct value fn_html(struct tmpl_exec *ex, struct value *v, size_t n)
{
	_cleanup_buf_ struct buf in = BUF_LIMIT(TEMPLATE_MAX_OUTPUT), b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	print_args(ex, v, n, &in);
	for (size_t i = 0; i < in.n; i++)
		switch (in.p[i]) {
		case 0:
			buf_adds(&b, "\xef\xbf\xbd");
			break;
		case '"':
			buf_adds(&b, "&#34;");
			break;
		case '\'':
			buf_adds(&b, "&#39;");
			break;
		case '&':
			buf_adds(&b, "&amp;");
			break;
		case '<':
			buf_adds(&b, "&lt;");
			break;
		case '>':
			buf_adds(&b, "&gt;");
			break;
		default:
			buf_addc(&b, in.p[i]);
		}
	return from_buf(ex, &b);
}

static struct value fn_js(struct tmpl_exec *ex, struct value *v, size_t n)
{
	_cleanup_buf_ struct buf in = BUF_LIMIT(TEMPLATE_MAX_OUTPUT), b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	print_args(ex, v, n, &in);
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		if (c == '\\' || c == '\'' || c == '"')
			buf_addf(&b, "\\%c", c);
		else if (c < 0x20 || strchr("<>&=", c))
			buf_addf(&b, "\\u%04X", c);
		else
			buf_addc(&b, (char)c);
	}
	return from_buf(ex, &b);
}

static struct value fn_urlquery(struct tmpl_exec *ex, struct value *v, size_t n)
{
	_cleanup_buf_ struct buf in = BUF_LIMIT(TEMPLATE_MAX_OUTPUT), b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	print_args(ex, v, n, &in);
	url_query_escape(sv_make(buf_str(&in), in.n), &b);
	return from_buf(ex, &b);
}

static struct value fn_call(struct tmpl_exec *ex, struct value *v, size_t n)
{
	/* No value of ours is a function. Go names it as it is written, or where it comes through a pipe by its value. */
	if (is_none(v[0]))
		return tmpl_fail(ex, "call of nil");
	_cleanup_buf_ struct buf name = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	if (ex->callee)
		tmpl_node_print(ex->callee, &name);
	else if (v[0].kind == V_STRING)
		buf_addsv(&name, v[0].s);
	else
		buf_addf(&name, "<%s Value>", tmpl_type(v[0]));
	return tmpl_fail(ex, "non-function %s of type %s", buf_str(&name), tmpl_type(v[0]));
}

static bool is_basic(struct value v)
{
	return v.kind >= V_BOOL && v.kind <= V_STRING;
}

/* reflect.Kind of what is no basic value. */
enum kind { KIND_INVALID, KIND_MAP, KIND_SLICE, KIND_POINTER, KIND_STRUCT };

static enum kind kind_of(struct value v)
{
	switch (v.kind) {
	case V_LABELS:
	case V_MAP:
		return KIND_MAP;
	case V_VECTOR:
		return KIND_SLICE;
	case V_DATA:
		return KIND_STRUCT;
	case V_MISSING:
	case V_NIL:
		return KIND_INVALID;
	default:
		return KIND_POINTER;
	}
}

static bool is_nil(struct value v)
{
	return is_none(v) || (v.kind == V_VECTOR && !v.vec.v) || (v.kind == V_SAMPLE && !v.sample);
}

static void not_comparable(struct tmpl_exec *ex, struct value a, struct value b, bool both)
{
	_cleanup_buf_ struct buf x = BUF_LIMIT(TEMPLATE_MAX_OUTPUT), y = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	tmpl_fmt_printf(SV("%s"), &a, 1, &x);
	tmpl_fmt_printf(SV("%v"), &b, 1, &y);
	if (both)
		tmpl_fail(ex, "non-comparable types %s: %s, %s: %s", buf_str(&x), tmpl_type(a), tmpl_type(b), buf_str(&y));
	else
		tmpl_fail(ex, "non-comparable type %s: %s", buf_str(&x), tmpl_type(a));
}

/* 1 equal, 0 not, -1 failed. */
static int equal(struct tmpl_exec *ex, struct value a, struct value b)
{
	bool basic = is_basic(a);
	if (basic != is_basic(b) || (basic && a.kind != b.kind)) {
		/* Whole numbers compare with and without sign. */
		if ((a.kind == V_INT && b.kind == V_UINT) || (a.kind == V_UINT && b.kind == V_INT))
			return (a.kind == V_INT ? a.i : b.i) >= 0 && a.u == b.u;
		if (is_none(a) || is_none(b))
			return 0;
		tmpl_fail(ex, "incompatible types for comparison");
		return -1;
	}
	switch (a.kind) {
	case V_BOOL:
		return a.b == b.b;
	case V_FLOAT:
		return a.f == b.f;
	case V_COMPLEX:
		return a.c == b.c;
	case V_STRING:
		return sv_eq(a.s, b.s);
	case V_INT:
	case V_UINT:
		return a.i == b.i;
	default:
		break;
	}
	enum kind k = kind_of(a), l = kind_of(b);
	if (k != l && k != KIND_INVALID && l != KIND_INVALID) {
		not_comparable(ex, a, b, true);
		return -1;
	}
	if (is_nil(a) || is_nil(b))
		return is_nil(a) == is_nil(b);
	if (k != KIND_POINTER) {
		not_comparable(ex, b, b, false);
		return -1;
	}
	return a.kind == b.kind && a.i == b.i; /* times and durations of their own: their values */
}

static struct value fn_eq(struct tmpl_exec *ex, struct value *v, size_t n)
{
	if (n == 1)
		return tmpl_fail(ex, "missing argument for comparison");
	for (size_t i = 1; i < n; i++) {
		int r = equal(ex, v[0], v[i]);
		if (r)
			return v_bool(r > 0);
	}
	return v_bool(false);
}

static struct value fn_ne(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return v_bool(!equal(ex, v[0], v[1]));
}

/* a < b; failures leave call_error. */
static bool less(struct tmpl_exec *ex, struct value a, struct value b)
{
	if (!is_basic(a) || !is_basic(b)) {
		tmpl_fail(ex, "invalid type for comparison");
		return false;
	}
	if (a.kind == V_INT && b.kind == V_UINT)
		return a.i < 0 || a.u < b.u;
	if (a.kind == V_UINT && b.kind == V_INT)
		return b.i >= 0 && a.u < b.u;
	if (a.kind != b.kind) {
		tmpl_fail(ex, "incompatible types for comparison");
		return false;
	}
	switch (a.kind) {
	case V_INT:
		return a.i < b.i;
	case V_UINT:
		return a.u < b.u;
	case V_FLOAT:
		return a.f < b.f;
	case V_STRING:
		return sv_cmp(a.s, b.s) < 0;
	default:
		tmpl_fail(ex, "invalid type for comparison");
		return false;
	}
}

static struct value fn_lt(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return v_bool(less(ex, v[0], v[1]));
}

static struct value fn_le(struct tmpl_exec *ex, struct value *v, size_t n)
{
	bool l = less(ex, v[0], v[1]);
	return v_bool(l || (!ex->call_error && equal(ex, v[0], v[1]) == 1));
}

/* gt and ge are the negations of le and lt, so that every comparison with NaN but != is as in Go's templates.
 */
static struct value fn_gt(struct tmpl_exec *ex, struct value *v, size_t n)
{
	struct value r = fn_le(ex, v, n);
	return v_bool(!r.b);
}

static struct value fn_ge(struct tmpl_exec *ex, struct value *v, size_t n)
{
	return v_bool(!less(ex, v[0], v[1]));
}

const struct tmpl_func tmpl_builtins[] = {
    {"and", 1, true, {P_VALUE, P_VALUE}, fn_and_or},
    {"or", 1, true, {P_VALUE, P_VALUE}, fn_and_or},
    {"not", 1, false, {P_VALUE}, fn_not},
    {"len", 1, false, {P_VALUE}, fn_len},
    {"index", 1, true, {P_VALUE, P_VALUE}, fn_index},
    {"slice", 1, true, {P_VALUE, P_VALUE}, fn_slice},
    {"print", 0, true, {P_ANY}, fn_print},
    {"println", 0, true, {P_ANY}, fn_println},
    {"printf", 1, true, {P_STRING, P_ANY}, fn_printf},
    {"html", 0, true, {P_ANY}, fn_html},
    {"js", 0, true, {P_ANY}, fn_js},
    {"urlquery", 0, true, {P_ANY}, fn_urlquery},
    {"call", 1, true, {P_VALUE, P_VALUE}, fn_call},
    {"eq", 1, true, {P_VALUE, P_VALUE}, fn_eq},
    {"ne", 2, false, {P_VALUE, P_VALUE}, fn_ne},
    {"lt", 2, false, {P_VALUE, P_VALUE}, fn_lt},
    {"le", 2, false, {P_VALUE, P_VALUE}, fn_le},
    {"gt", 2, false, {P_VALUE, P_VALUE}, fn_gt},
    {"ge", 2, false, {P_VALUE, P_VALUE}, fn_ge},
    {0},
};
