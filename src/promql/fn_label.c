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
	struct labels_builder lb;
	const struct labels *r = l;
	int rc = regex_expand(re, labels_get(l, src), template, &b);
	if (rc < 0)
		ev_fail(ev, rc, "label_replace(): the pattern is too expensive");
	if (rc == 1) {
		labels_builder_init(&lb, l);
		labels_builder_set(&lb, dst, sv_make(buf_str(&b), b.n));
		r = ev_intern(ev, labels_builder_build(&lb));
		labels_builder_free(&lb);
	}
	buf_free(&b);
	return r;
}

static void free_regex(void *re)
{
	regex_free(re);
}

VECTOR_FN(fn_label_replace)
{
	struct vec v = eval_vector(ev, call->call.args[0]), out = {0};
	struct sv dst = eval_string(call->call.args[1]), template = eval_string(call->call.args[2]);
	struct sv src = eval_string(call->call.args[3]), pattern = eval_string(call->call.args[4]);
	struct node *state = &ev->nodes[call->id];
	struct regex *re = state->extra; /* compiled once for all steps */
	char *error = NULL;
	if (ev->err)
		return out;
	if (!re && regex_new(pattern, REGEX_ANCHORED | REGEX_DOTALL, &re, &error)) {
		ev_fail(ev, -EINVAL, "invalid regular expression in label_replace(): %.*s", SV_ARG(pattern));
		free(error);
		return out;
	}
	state->extra = re;
	state->free_extra = free_regex;
	if (!valid_destination(ev, call, dst))
		return out;
	for (size_t i = 0; i < v.n && !ev->err; i++) {
		const struct labels *r = pool_recall(&ev->pool, (uintptr_t)call, v.s[i].l, NULL);
		if (!r) {
			r = replace(ev, re, src, dst, template, v.s[i].l);
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

VECTOR_FN(fn_label_join)
{
	struct vec v = eval_vector(ev, call->call.args[0]), out = {0};
	struct sv dst = eval_string(call->call.args[1]), sep = eval_string(call->call.args[2]);
	for (size_t k = 3; k < call->call.n; k++)
		if (!eval_string(call->call.args[k]).n) {
			ev_fail(ev, -EINVAL, "invalid source label name in label_join(): ");
			return out;
		}
	if (!valid_destination(ev, call, dst))
		return out;
	for (size_t i = 0; i < v.n; i++) {
		const struct labels *l = v.s[i].l, *r = pool_recall(&ev->pool, (uintptr_t)call, l, NULL);
		if (!r) {
			struct buf b = BUF_LIMIT(1 << 20);
			struct labels_builder lb;
			for (size_t k = 3; k < call->call.n; k++) {
				if (k > 3)
					buf_addsv(&b, sep);
				buf_addsv(&b, labels_get(l, eval_string(call->call.args[k])));
			}
			labels_builder_init(&lb, l);
			labels_builder_set(&lb, dst, sv_make(buf_str(&b), b.n));
			r = ev_intern(ev, labels_builder_build(&lb));
			labels_builder_free(&lb);
			buf_free(&b);
			pool_remember(&ev->pool, (uintptr_t)call, l, NULL, r);
		}
		vec_add(ev, &out, relabelled(v.s[i], r, dst));
	}
	ev_check_unique(ev, call, &out);
	return out;
}
