// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/relabel.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>
#include <wctype.h>

#include "base/alloc.h"
#include "base/md5.h"
#include "base/regex.h"
#include "model/text.h"

#define SEPARATOR ";"
#define PATTERN "(.*)"
#define REPLACEMENT "$1"
/* A label of this size is a mistake; templates that multiply text end here. */
#define VALUE_MAX ((size_t)1 << 20)

static const char *const action_names[RELABEL_N_ACTIONS] = {
	[RELABEL_REPLACE] = "replace",	   [RELABEL_KEEP] = "keep",	      [RELABEL_DROP] = "drop",
	[RELABEL_KEEPEQUAL] = "keepequal", [RELABEL_DROPEQUAL] = "dropequal", [RELABEL_HASHMOD] = "hashmod",
	[RELABEL_LABELMAP] = "labelmap",   [RELABEL_LABELDROP] = "labeldrop", [RELABEL_LABELKEEP] = "labelkeep",
	[RELABEL_LOWERCASE] = "lowercase", [RELABEL_UPPERCASE] = "uppercase",
};

const char *relabel_action_name(enum relabel_action action)
{
	return action_names[action];
}

bool relabel_action_parse(const char *s, enum relabel_action *action)
{
	for (int i = 0; i < RELABEL_N_ACTIONS; i++) {
		if (strcasecmp(s, action_names[i]) == 0) {
			*action = (enum relabel_action)i;
			return true;
		}
	}
	return false;
}

void relabel_rule_init(struct relabel_rule *r)
{
	*r = (struct relabel_rule){
		.separator = xstrdup(SEPARATOR), .pattern = xstrdup(PATTERN), .replacement = xstrdup(REPLACEMENT)};
}

void relabel_rule_free(struct relabel_rule *r)
{
	strings_free(&r->source_labels);
	free(r->separator);
	free(r->pattern);
	free(r->replacement);
	free(r->target_label);
	regex_free(r->regex);
	*r = (struct relabel_rule){0};
}

void relabel_rules_free(struct relabel_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		relabel_rule_free(&rules->v[i]);
	free(rules->v);
	*rules = (struct relabel_rules){0};
}

static bool is_name(const struct relabel_rule *r, struct sv s)
{
	return r->legacy_names ? text_is_legacy_label_name(s) : s.n > 0 && text_is_utf8(s);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A legacy name in which $1, ${1}, $name and ${name} may stand for parts. */
static bool is_name_template(const char *s)
{
	if (!*s || (*s >= '0' && *s <= '9'))
		return false;
	while (*s) {
		if (*s != '$') {
			if (!is_word(*s++))
				return false;
			continue;
		}
		bool brace = *++s == '{';
		s += brace;
		if (!is_word(*s))
			return false;
		while (is_word(*s))
			s++;
		if (brace && *s++ != '}')
			return false;
	}
	return true;
}

static bool needs_target(enum relabel_action a)
{
	return a == RELABEL_REPLACE || a == RELABEL_HASHMOD || a == RELABEL_LOWERCASE || a == RELABEL_UPPERCASE ||
	       a == RELABEL_KEEPEQUAL || a == RELABEL_DROPEQUAL;
}

/* What is wrong with the rule, or NULL. */
static char *complaint(const struct relabel_rule *r)
{
	const char *action = action_names[r->action];
	bool separator = strcmp(r->separator, SEPARATOR) != 0, pattern = strcmp(r->pattern, PATTERN) != 0,
	     replacement = strcmp(r->replacement, REPLACEMENT) != 0;
	if (r->action == RELABEL_HASHMOD && r->modulus == 0)
		return xstrdup("relabel configuration for hashmod requires non-zero modulus");
	if (needs_target(r->action)) {
		struct sv target = sv_of(r->target_label);
		if (!target.n)
			return xasprintf("relabel configuration for %s action requires 'target_label' value", action);
		bool ok = is_name(r, target);
		if (r->action == RELABEL_REPLACE)
			ok = r->legacy_names ? is_name_template(target.p) : text_is_utf8(target);
		if (!ok)
			return xasprintf("\"%s\" is invalid 'target_label' for %s action", target.p, action);
	}
	if (r->action == RELABEL_LABELMAP && r->legacy_names && !is_name_template(r->replacement))
		return xasprintf("\"%s\" is invalid 'replacement' for %s action", r->replacement, action);
	if ((r->action == RELABEL_LOWERCASE || r->action == RELABEL_UPPERCASE) && replacement)
		return xasprintf("'replacement' can not be set for %s action", action);
	if ((r->action == RELABEL_KEEPEQUAL || r->action == RELABEL_DROPEQUAL) &&
	    (pattern || r->modulus || separator || replacement))
		return xasprintf("%s action requires only 'source_labels' and 'target_label', and no other fields", action);
	if ((r->action == RELABEL_LABELDROP || r->action == RELABEL_LABELKEEP) &&
	    (r->source_labels.n || r->target_label || r->modulus || separator || replacement))
		return xasprintf("%s action requires only 'regex', and no other fields", action);
	for (size_t i = 0; i < r->source_labels.n; i++) {
		if (!is_name(r, sv_of(r->source_labels.v[i])))
			return xasprintf("\"%s\" is not a valid label name", r->source_labels.v[i]);
	}
	return NULL;
}

int relabel_rule_finish(struct relabel_rule *r, char **error)
{
	if (!r->regex) {
		int err = regex_new(sv_of(r->pattern), REGEX_ANCHORED | REGEX_DOTALL, &r->regex, error);
		if (err)
			return err;
	}
	char *why = complaint(r);
	if (why) {
		*error = why;
		return -EINVAL;
	}
	return 0;
}

static void join_sources(const struct relabel_rule *r, const struct labels_builder *b, struct buf *out)
{
	for (size_t i = 0; i < r->source_labels.n; i++) {
		if (i)
			buf_adds(out, r->separator);
		buf_addsv(out, labels_builder_get(b, sv_of(r->source_labels.v[i])));
	}
}

static struct sv buf_view(const struct buf *b)
{
	return sv_make(buf_str(b), b->n);
}

static void apply_replace(const struct relabel_rule *r, struct sv value, struct labels_builder *b)
{
	_cleanup_buf_ struct buf target = BUF_LIMIT(VALUE_MAX), text = BUF_LIMIT(VALUE_MAX);
	if (regex_expand(r->regex, value, sv_of(r->target_label), &target) != 1 || target.failed || !is_name(r, buf_view(&target)))
		return;
	if (regex_expand(r->regex, value, sv_of(r->replacement), &text) != 1 || text.failed)
		return;
	labels_builder_set(b, buf_view(&target), buf_view(&text)); /* an empty text deletes the label */
}

static void apply_hashmod(const struct relabel_rule *r, struct sv value, struct labels_builder *b)
{
	uint8_t digest[16];
	uint64_t h = 0;
	char text[24];
	md5_sum(value, digest);
	for (int i = 8; i < 16; i++)
		h = h << 8 | digest[i];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(h % r->modulus));
	labels_builder_set(b, sv_of(r->target_label), sv_of(text));
}

static locale_t utf8_locale;

static void utf8_locale_init(void)
{
	utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Letters of any script, whatever the process' locale is. Without C.UTF-8 on the system: ASCII. */
static void change_case(struct sv s, bool upper, struct buf *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, utf8_locale_init);
	locale_t old = utf8_locale ? uselocale(utf8_locale) : (locale_t)0;
	mbstate_t in = {0}, to = {0};
	for (size_t i = 0; i < s.n;) {
		wchar_t w;
		char c[MB_LEN_MAX];
		size_t n = mbrtowc(&w, s.p + i, s.n - i, &in);
		if (n == 0 || n > s.n - i) { /* NUL, or bytes that are no text: as they are */
			buf_addc(out, s.p[i++]);
			memset(&in, 0, sizeof(in));
			continue;
		}
		size_t m = wcrtomb(c, (wchar_t)(upper ? towupper((wint_t)w) : towlower((wint_t)w)), &to);
		if (m == (size_t)-1) {
			memset(&to, 0, sizeof(to));
			buf_add(out, s.p + i, n);
		} else {
			buf_add(out, c, m);
		}
		i += n;
	}
	if (old)
		uselocale(old);
}

/* labelmap, labeldrop, labelkeep: over the labels as they were before the rule. */
static void apply_to_names(const struct relabel_rule *r, struct labels_builder *b)
{
	_cleanup_labels_ struct labels *before = labels_builder_build(b);
	for (uint32_t i = 0; i < before->n; i++) {
		struct sv name = before->l[i].name;
		bool match = regex_match(r->regex, name) == 1;
		if (r->action == RELABEL_LABELMAP) {
			_cleanup_buf_ struct buf to = BUF_LIMIT(VALUE_MAX);
			if (match && regex_expand(r->regex, name, sv_of(r->replacement), &to) == 1 && !to.failed &&
			    is_name(r, buf_view(&to)))
				labels_builder_set(b, buf_view(&to), before->l[i].value);
		} else if (match == (r->action == RELABEL_LABELDROP)) {
			labels_builder_del(b, name);
		}
	}
}

static bool apply_rule(const struct relabel_rule *r, struct labels_builder *b)
{
	_cleanup_buf_ struct buf joined = BUF_INIT, text = BUF_INIT;
	join_sources(r, b, &joined);
	struct sv value = buf_view(&joined);
	switch (r->action) {
	case RELABEL_KEEP:
		return regex_match(r->regex, value) == 1;
	case RELABEL_DROP:
		return regex_match(r->regex, value) != 1;
	case RELABEL_KEEPEQUAL:
		return sv_eq(labels_builder_get(b, sv_of(r->target_label)), value);
	case RELABEL_DROPEQUAL:
		return !sv_eq(labels_builder_get(b, sv_of(r->target_label)), value);
	case RELABEL_REPLACE:
		apply_replace(r, value, b);
		return true;
	case RELABEL_HASHMOD:
		apply_hashmod(r, value, b);
		return true;
	case RELABEL_LOWERCASE:
	case RELABEL_UPPERCASE:
		change_case(value, r->action == RELABEL_UPPERCASE, &text);
		labels_builder_set(b, sv_of(r->target_label), buf_view(&text));
		return true;
	default:
		apply_to_names(r, b);
		return true;
	}
}

bool relabel_apply(const struct relabel_rules *rules, struct labels_builder *b)
{
	for (size_t i = 0; i < rules->n; i++) {
		if (!apply_rule(&rules->v[i], b))
			return false;
	}
	return true;
}

struct labels *relabel_labels(const struct relabel_rules *rules, const struct labels *ls)
{
	if (rules->n == 0)
		return labels_ref(ls);
	struct labels_builder b;
	labels_builder_init(&b, ls);
	struct labels *out = relabel_apply(rules, &b) ? labels_builder_build(&b) : NULL;
	labels_builder_free(&b);
	return out;
}
