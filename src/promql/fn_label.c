// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "model/text.h"
#include "promql/fn.h"

/* Setting __name__ gives the series a new name that stays. */
static struct vsample relabelled(struct vsample s, const struct labels *l, struct sv dst)
{
	if (sv_eqs(dst, LABEL_NAME))
		s.drop = false;
	s.l = l;
	return s;
}

static bool valid_destination(struct eval *ev, const struct expr *call, struct sv dst)
{
	if (dst.n && text_is_utf8(dst))
		return true;
	ev_fail(ev, -EINVAL, "invalid destination label name in %s(): %.*s", call->call.fn->name,
		SV_ARG(dst));
	return false;
}

static const struct labels *replace(struct eval *ev, const struct regex *re, struct sv src, struct sv dst,
				    struct sv template, const struct labels *l)
{
	struct buf b = BUF_LIMIT(1 << 20);
	const struct labels *r = l;
	int rc = regex_expand(re, labels_get(l, src), template, &b);
	if (rc < 0)
		ev_fail(ev, rc, "label_replace(): the pattern is too expensive");
	if (rc == 1)
		r = ev_with_label(ev, l, dst, sv_make(buf_str(&b), b.n));
	buf_free(&b);
	return r;
}

static void free_regex(void *re)
{
	regex_free(re);
}

/* Checks the arguments, and compiles the expression once for all steps; false: ev->err. */
static bool replace_begin(struct eval *ev, const struct expr *call)
{
	struct sv pattern = eval_string(call->call.args[4]);
	struct node *state = &ev->nodes[call->id];
	struct regex *re = state->extra;
	char *error = NULL;
	if (!ev->err && !re && regex_new(pattern, REGEX_ANCHORED | REGEX_DOTALL, &re, &error)) {
		ev_fail(ev, -EINVAL, "invalid regular expression in label_replace(): %.*s", SV_ARG(pattern));
		free(error);
	}
	if (ev->err)
		return false;
	state->extra = re;
	state->free_extra = free_regex;
	return valid_destination(ev, call, eval_string(call->call.args[1]));
}

static const struct labels *replaced(struct eval *ev, const struct expr *call, const struct labels *l)
{
	return replace(ev, ev->nodes[call->id].extra, eval_string(call->call.args[3]), eval_string(call->call.args[1]),
		       eval_string(call->call.args[2]), l);
}

VECTOR_FN(fn_label_replace)
{
	struct vec v = eval_vector(ev, call->call.args[0]), out = {0};
	struct sv dst = eval_string(call->call.args[1]), src = eval_string(call->call.args[3]);
	if (!replace_begin(ev, call))
		return out;
	const struct regex *re = ev->nodes[call->id].extra;
	bool again = ev->step > 0; /* the same labels come at the next step */
	vec_reserve(ev, &out, v.n);
	for (size_t i = 0; i < v.n && !ev->err; i++) {
		const struct labels *r = again ? pool_recall(&ev->pool, (uintptr_t)call, v.s[i].l, NULL) : NULL;
		if (!r) {
			r = replaced(ev, call, v.s[i].l);
			if (again)
				pool_remember(&ev->pool, (uintptr_t)call, v.s[i].l, NULL, r);
		}
		/* A name that is set to what it was is set all the same. */
		bool set = r != v.s[i].l ||
			   (sv_eqs(dst, LABEL_NAME) && regex_match(re, labels_get(v.s[i].l, src)) == 1);
		vec_add(ev, &out, set ? relabelled(v.s[i], r, dst) : v.s[i]);
	}
	ev_check_unique(ev, call, &out);
	return out;
}

static bool join_begin(struct eval *ev, const struct expr *call)
{
	for (size_t k = 3; k < call->call.n; k++)
		if (!eval_string(call->call.args[k]).n) {
			ev_fail(ev, -EINVAL, "invalid source label name in label_join(): ");
			return false;
		}
	return valid_destination(ev, call, eval_string(call->call.args[1]));
}

static const struct labels *joined(struct eval *ev, const struct expr *call, const struct labels *l)
{
	struct buf b = BUF_LIMIT(1 << 20);
	for (size_t k = 3; k < call->call.n; k++) {
		if (k > 3)
			buf_addsv(&b, eval_string(call->call.args[2]));
		buf_addsv(&b, labels_get(l, eval_string(call->call.args[k])));
	}
	const struct labels *r = ev_with_label(ev, l, eval_string(call->call.args[1]), sv_make(buf_str(&b), b.n));
	buf_free(&b);
	return r;
}

VECTOR_FN(fn_label_join)
{
	struct vec v = eval_vector(ev, call->call.args[0]), out = {0};
	if (ev->err || !join_begin(ev, call))
		return out;
	for (size_t i = 0; i < v.n; i++) {
		const struct labels *l = v.s[i].l, *r = pool_recall(&ev->pool, (uintptr_t)call, l, NULL);
		if (!r) {
			r = joined(ev, call, l);
			pool_remember(&ev->pool, (uintptr_t)call, l, NULL, r);
		}
		vec_add(ev, &out, relabelled(v.s[i], r, eval_string(call->call.args[1])));
	}
	ev_check_unique(ev, call, &out);
	return out;
}

bool fn_relabels(const struct expr *call)
{
	return call->call.fn->kind == FUNCTION_VECTOR &&
	       (call->call.fn->fn.vector == fn_label_replace || call->call.fn->fn.vector == fn_label_join);
}

bool fn_relabel(struct eval *ev, const struct expr *call, const struct labels *const *from, size_t n, const struct labels **to)
{
	bool replaces = call->call.fn->fn.vector == fn_label_replace;
	if (replaces ? !replace_begin(ev, call) : !join_begin(ev, call))
		return false;
	for (size_t i = 0; i < n && !ev->err; i++)
		to[i] = replaces ? replaced(ev, call, from[i]) : joined(ev, call, from[i]);
	return !ev->err;
}
