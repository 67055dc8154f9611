// SPDX-License-Identifier: GPL-2.0-or-later
/* info(v, {matchers}): adds the labels of info metrics (target_info unless named otherwise) that share job
 * and instance with a series. Both are read at the same moments, so @ and offset of the first argument hold
 * for the info metrics too. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "promql/fn.h"

static struct sv identifying_names[] = {{"instance", 8}, {"job", 3}};
static const struct name_list identifying = {identifying_names, 2, 2};

static const struct name_list identifying_each[] = {{&identifying_names[0], 1, 1}, {&identifying_names[1], 1, 1}};
#define N_IDENTIFYING 2

static bool is_identifying(struct sv name)
{
	return sv_eqs(name, "instance") || sv_eqs(name, "job");
}

/* @ and offset of the first selector in E, those of subqueries around it added. */
static void find_timing(struct eval *ev, const struct expr *e, enum at_kind *at, int64_t *at_ms,
			int64_t *offset)
{
	const struct timing *t = e->kind == EXPR_VECTOR	    ? &e->vector.timing
				 : e->kind == EXPR_SUBQUERY ? &e->subquery.timing
							    : NULL;
	int64_t ms;
	if (t && *at == AT_NONE && t->at != AT_NONE) {
		*at = t->at;
		*at_ms = t->at == AT_TIME ? t->at_ms : t->at == AT_START ? ev->query_start : ev->query_end;
		*offset = 0;
	}
	if (t && duration_resolve(&t->offset, ev->query_step, ev->query_end - ev->query_start, &ms))
		*offset += ms;
	for (size_t i = 0; expr_child(e, i); i++) {
		const struct expr *c = expr_child(e, i);
		if (c->kind != EXPR_NUMBER && c->kind != EXPR_STRING) {
			find_timing(ev, c, at, at_ms, offset);
			return;
		}
	}
}

struct info_state {
	struct matcher *m;
	struct regex *any_info; /* NULL unless needed */
	size_t n;
	size_t n_names;	  /* the matchers on __name__ come first */
	bool all_labels;  /* no matcher names a data label */
	bool needs_match; /* some data label must not be empty */
	bool fixed;
	int64_t at_ms, offset;
};

static void free_state(void *extra)
{
	regex_free(((struct info_state *)extra)->any_info);
}

/* Without a matcher on the name it is target_info; with such that only exclude, it may be every other *_info. */
static struct matcher default_name(struct info_state *s, bool excluding)
{
	struct matcher m = {.type = MATCH_EQUAL, .name = SV(LABEL_NAME), .value = SV("target_info")};
	char *error = NULL;
	if (!excluding)
		return m;
	m.type = MATCH_REGEXP;
	m.value = SV(".+_info");
	if (regex_new(m.value, REGEX_ANCHORED | REGEX_DOTALL, &s->any_info, &error))
		free(error); /* cannot be: it is a constant */
	m.re = s->any_info;
	return m;
}

static struct info_state *info_load(struct eval *ev, const struct expr *call)
{
	struct node *n = &ev->nodes[call->id];
	if (n->loaded)
		return n->extra;
	n->loaded = true;
	const struct expr *sel = call->call.n > 1 ? call->call.args[1] : NULL;
	struct info_state *s = n->extra = arena_calloc(&ev->arena, 1, sizeof(*s));
	n->free_extra = free_state;
	size_t given = sel ? sel->vector.n : 0;
	bool positive = false;
	s->m = arena_calloc(&ev->arena, given + 1, sizeof(*s->m));
	s->all_labels = true;
	for (int names = 1; names >= 0; names--) {
		for (size_t i = 0; i < given; i++) {
			const struct matcher *m = &sel->vector.matchers[i];
			if (sv_eqs(m->name, LABEL_NAME) != names)
				continue;
			s->m[s->n++] = *m;
			positive = positive || (names && (m->type == MATCH_EQUAL || m->type == MATCH_REGEXP));
			if (!names) {
				s->all_labels = false;
				s->needs_match = s->needs_match || !matcher_matches(m, SV(""));
			}
		}
		if (names && !positive) {
			s->m[s->n] = default_name(s, s->n > 0);
			s->n++;
		}
		if (names)
			s->n_names = s->n;
	}
	enum at_kind at = AT_NONE;
	find_timing(ev, call->call.args[0], &at, &s->at_ms, &s->offset);
	s->fixed = at != AT_NONE;
	int64_t lo = (s->fixed ? s->at_ms : ev->start) - s->offset - ev->opt.lookback_ms,
		hi = (s->fixed ? s->at_ms : ev->end) - s->offset;
	int rc = ev->src->select(ev->src->self, s->m, s->n, lo + 1, hi, &n->set, &ev->error);
	if (rc) {
		ev->err = rc;
		if (!ev->error)
			ev->error = xstrdup("reading samples failed");
		return s;
	}
	n->has_set = true;
	n->series = arena_calloc(&ev->arena, n->set.n + 1, sizeof(*n->series));
	for (size_t i = 0; i < n->set.n; i++)
		n->series[n->n++] =
		    (struct range_series){.l = ev_intern(ev, labels_ref(n->set.series[i].labels)),
					  .s = n->set.series[i].samples,
					  .n = n->set.series[i].n};
	return s;
}

/* One info series that is alive at this step; the next one of the same job and instance. */
struct live {
	const struct labels *l;
	int64_t t;
	struct live *next;
};

static void add_live(struct eval *ev, struct ptrmap *map, struct live **heads, uint32_t *n_heads,
		     const struct labels *l, int64_t t)
{
	bool is_new;
	uint32_t *slot =
	    ptrmap_slot(map, ev_project(ev, (uintptr_t)&identifying, l, &identifying, true), &is_new);
	if (is_new) {
		*slot = (*n_heads)++;
		heads[*slot] = NULL;
	}
	/* Of two with one name the newer sample counts: the other's target has gone without a stale marker.
	 */
	for (struct live *k = heads[*slot]; k; k = k->next) {
		if (!sv_eq(ev_name(k->l), ev_name(l)))
			continue;
		if (k->t == t) {
			struct buf b = BUF_INIT;
			labels_print(k->l, &b);
			buf_addf(&b, " @ %lld, new ", (long long)t);
			labels_print(l, &b);
			ev_fail(ev, -EINVAL, "found duplicate series for info metric: existing %s @ %lld", buf_str(&b), (long long)t);
			buf_free(&b);
		}
		if (k->t < t) {
			k->l = l;
			k->t = t;
		}
		return;
	}
	struct live *x = arena_alloc(ev->tmp, sizeof(*x));
	*x = (struct live){l, t, heads[*slot]};
	heads[*slot] = x;
}

static bool is_info_series(const struct info_state *s, const struct labels *l)
{
	for (size_t i = 0; i < s->n_names; i++)
		if (!matcher_matches(&s->m[i], ev_name(l)))
			return false;
	return true;
}

static bool wanted(const struct info_state *s, struct sv name)
{
	if (s->all_labels)
		return true;
	for (size_t i = s->n_names; i < s->n; i++)
		if (sv_eq(s->m[i].name, name))
			return true;
	return false;
}

/* BASE with the data labels of all LIVE ones; its own labels stand. NULL if they contradict each other. */
static const struct labels *enriched(struct eval *ev, const struct info_state *s, const struct labels *base,
				     const struct live *live)
{
	struct labels_builder b, added;
	const struct labels *r = NULL;
	labels_builder_init(&b, base);
	labels_builder_init(&added, NULL);
	for (; live; live = live->next)
		for (uint32_t i = 0; i < live->l->n; i++) {
			const struct label *l = &live->l->l[i];
			if (sv_eqs(l->name, LABEL_NAME) || is_identifying(l->name) || !wanted(s, l->name) ||
			    labels_get(base, l->name).n)
				continue;
			struct sv other = labels_builder_get(&added, l->name);
			if (other.n && !sv_eq(other, l->value)) {
				ev_fail(ev, -EINVAL, "conflicting label: %.*s", SV_ARG(l->name));
				goto out;
			}
			labels_builder_set(&added, l->name, l->value);
			labels_builder_set(&b, l->name, l->value);
		}
	r = ev_intern(ev, labels_builder_build(&b));
out:
	labels_builder_free(&b);
	labels_builder_free(&added);
	return r;
}

/* The values of each identifying label in a vector: no other info series are looked at. */
struct identities {
	struct ptrmap values[N_IDENTIFYING];
	bool any[N_IDENTIFYING];
};

static void find_identities(struct eval *ev, const struct info_state *s, const struct vec *base, struct identities *found)
{
	for (size_t k = 0; k < N_IDENTIFYING; k++) {
		ptrmap_init(&found->values[k], ev->tmp, base->n + 1);
		found->any[k] = false;
		for (size_t i = 0; i < base->n; i++) {
			const struct labels *l = base->s[i].l;
			const struct labels *value = ev_project(ev, (uintptr_t)&identifying_each[k], l, &identifying_each[k], true);
			bool is_new;
			if (!value->n || is_info_series(s, l))
				continue;
			ptrmap_slot(&found->values[k], value, &is_new);
			found->any[k] = true;
		}
	}
}

static bool may_join(struct eval *ev, struct identities *base, const struct labels *info)
{
	for (size_t k = 0; k < N_IDENTIFYING; k++)
		if (base->any[k] &&
		    !ptrmap_find(&base->values[k], ev_project(ev, (uintptr_t)&identifying_each[k], info, &identifying_each[k], true)))
			return false;
	return base->any[0] || base->any[1];
}

VECTOR_FN(fn_info)
{
	struct vec base = eval_vector(ev, call->call.args[0]), out = {0};
	if (ev->err)
		return out;
	const struct info_state *s = info_load(ev, call);
	const struct node *n = &ev->nodes[call->id];
	int64_t t = (s->fixed ? s->at_ms : ev->t) - s->offset;
	struct ptrmap map;
	uint32_t n_heads = 0;
	ptrmap_init(&map, ev->tmp, n->n + 1);
	struct live **heads = arena_alloc(ev->tmp, (n->n + 1) * sizeof(*heads));
	struct identities ids;
	find_identities(ev, s, &base, &ids);
	for (size_t i = 0; i < n->n && !ev->err; i++) {
		const struct sample *last = NULL;
		for (size_t k = n->series[i].n; k-- > 0 && !last;)
			if (n->series[i].s[k].t <= t)
				last = &n->series[i].s[k];
		if (!last || last->t <= t - ev->opt.lookback_ms || (!last->h && sample_is_stale(&last->v)) ||
		    !may_join(ev, &ids, n->series[i].l))
			continue;
		if (last->h) {
			struct buf b = BUF_INIT;
			labels_print(n->series[i].l, &b);
			ev_fail(ev, -EINVAL, "this should be an info metric, with float samples: %s",
				buf_str(&b));
			buf_free(&b);
			break;
		}
		add_live(ev, &map, heads, &n_heads, n->series[i].l, last->t);
	}
	for (size_t i = 0; i < base.n && !ev->err; i++) {
		struct vsample x = base.s[i];
		if (is_info_series(s, x.l)) {
			vec_add(ev, &out, x);
			continue;
		}
		const struct labels *key = ev_project(ev, (uintptr_t)&identifying, x.l, &identifying, true);
		uint32_t *slot = key->n ? ptrmap_find(&map, key) : NULL;
		if (!slot) {
			if (!s->needs_match)
				vec_add(ev, &out, x);
			continue;
		}
		x.l = enriched(ev, s, x.l, heads[*slot]);
		if (x.l)
			vec_add(ev, &out, x);
	}
	return out;
}
