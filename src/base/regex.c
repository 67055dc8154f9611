// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/regex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/alloc.h"
#include "base/regex_syntax.h"
#include "base/utf8.h"

#define MATCH_LIMIT 1000000u
#define HEAP_LIMIT_KIB (8u << 10)
#define REPLACE_MAX ((size_t)64 << 20)

struct regex {
	pcre2_code *code;
	pcre2_match_context *limits; /* read-only after construction */
	struct regex_syntax syntax;  /* for the group names; its pattern text is freed */
};

int regex_new(struct sv pattern, int flags, struct regex **out, char **error)
{
	struct regex *re = xcalloc(1, sizeof(*re));
	int err = regex_translate(pattern, &re->syntax, error);
	if (err) {
		regex_free(re);
		return err;
	}
	uint32_t opt = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX | PCRE2_NEVER_BACKSLASH_C;
	if (flags & REGEX_ANCHORED)
		opt |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
	if (flags & REGEX_DOTALL)
		opt |= PCRE2_DOTALL;
	pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
	re->limits = pcre2_match_context_create(NULL);
	if (!ctx || !re->limits)
		abort();
	pcre2_set_newline(ctx, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(ctx, REGEX_NEST_MAX * 2 + 10);
	pcre2_set_match_limit(re->limits, MATCH_LIMIT);
	pcre2_set_heap_limit(re->limits, HEAP_LIMIT_KIB);
	int code;
	size_t where;
	const struct buf *text = &re->syntax.out;
	re->code = pcre2_compile((PCRE2_SPTR)buf_str(text), text->n, opt, &code, &where, ctx);
	pcre2_compile_context_free(ctx);
	if (!re->code) {
		/* The syntax was checked before; what is left is an unknown class name or PCRE2's own size
		 * limits. */
		if (code == 147)
			*error = xasprintf("error parsing regexp: invalid character class range: `%.*s`",
					   SV_ARG(pattern));
		else
			*error =
			    xasprintf("error parsing regexp: expression too large: `%.*s`", SV_ARG(pattern));
		regex_free(re);
		return -EINVAL;
	}
	pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE); /* without it the interpreter is used */
	buf_free(&re->syntax.out);
	*out = re;
	return 0;
}

void regex_free(struct regex *re)
{
	if (!re)
		return;
	pcre2_code_free(re->code);
	pcre2_match_context_free(re->limits);
	regex_syntax_free(&re->syntax);
	free(re);
}

/* Every byte that is not UTF-8 becomes U+FFFD: Go's matcher sees it as that character. */
static char *make_valid(struct sv text, size_t *n)
{
	struct buf b = BUF_INIT;
	for (size_t i = 0; i < text.n;) {
		unsigned cp;
		size_t k = utf8_decode(text.p + i, text.n - i, &cp);
		if (k)
			buf_add(&b, text.p + i, k);
		else
			buf_adds(&b, "\xef\xbf\xbd");
		i += k ? k : 1;
	}
	*n = b.n;
	return buf_steal(&b);
}

/* 1, 0 or -E2BIG; -EILSEQ if the text is not UTF-8. */
static int run(const struct regex *re, struct sv text, size_t from, uint32_t opt, pcre2_match_data *m)
{
	PCRE2_SPTR p = (PCRE2_SPTR)(text.p ? text.p : "");
	int rc = pcre2_match(re->code, p, text.n, from, opt, m, re->limits);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(re->code, p, text.n, from, opt | PCRE2_NO_JIT, m, re->limits);
	if (rc >= 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	return rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21 ? -EILSEQ : -E2BIG;
}

static pcre2_match_data *match_data(const struct regex *re)
{
	pcre2_match_data *m = pcre2_match_data_create_from_pattern(re->code, NULL);
	if (!m)
		abort();
	return m;
}

int regex_match(const struct regex *re, struct sv text)
{
	pcre2_match_data *m = match_data(re);
	int rc = run(re, text, 0, 0, m);
	if (rc == -EILSEQ) {
		size_t n;
		char *valid = make_valid(text, &n);
		rc = run(re, sv_make(valid, n), 0, 0, m);
		free(valid);
	}
	pcre2_match_data_free(m);
	return rc;
}

static void add_group_text(const struct regex *re, struct sv text, const size_t *at, size_t group,
			   struct buf *out)
{
	if (group <= re->syntax.n_groups && at[2 * group] != PCRE2_UNSET)
		buf_add(out, text.p + at[2 * group], at[2 * group + 1] - at[2 * group]);
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* TEMPLATE behind a `$`: the name and how many bytes it takes, 0 if there is none. Numbers have no leading
 * zero. */
static size_t template_name(struct sv t, struct sv *name, long *num)
{
	size_t i = 0, brace = t.n && t.p[0] == '{';
	for (i = brace; i < t.n && is_word(t.p[i]); i++)
		;
	*name = sv_make(t.p + brace, i - brace);
	if (!name->n || (brace && (i >= t.n || t.p[i] != '}')))
		return 0;
	*num = 0;
	for (size_t k = 0; k < name->n && *num >= 0; k++)
		*num = name->p[k] < '0' || name->p[k] > '9' || *num >= 100000000
			   ? -1
			   : *num * 10 + (name->p[k] - '0');
	if (name->p[0] == '0' && name->n > 1)
		*num = -1;
	return i + brace;
}

static void expand(const struct regex *re, struct sv text, const size_t *at, struct sv t, struct buf *out)
{
	while (t.n) {
		const char *dollar = memchr(t.p, '$', t.n);
		size_t n = dollar ? (size_t)(dollar - t.p) : t.n;
		buf_add(out, t.p, n);
		if (!dollar)
			return;
		t = sv_make(dollar + 1, t.n - n - 1);
		struct sv name;
		long num;
		size_t used = 0;
		if (t.n && t.p[0] == '$') {
			buf_addc(out, '$');
			used = 1;
		} else if (!(used = template_name(t, &name, &num))) {
			buf_addc(out, '$'); /* malformed: a dollar sign like any other */
		} else if (num >= 0) {
			add_group_text(re, text, at, (size_t)num, out);
		} else {
			for (size_t k = 1; k <= re->syntax.n_groups; k++)
				if (re->syntax.names[k] && sv_eqs(name, re->syntax.names[k]))
					add_group_text(re, text, at, k, out);
		}
		t = sv_make(t.p + used, t.n - used);
	}
}

static int expand_first(const struct regex *re, struct sv text, struct sv template, struct buf *out)
{
	pcre2_match_data *m = match_data(re);
	int rc = run(re, text, 0, 0, m);
	if (rc == 1)
		expand(re, text, pcre2_get_ovector_pointer(m), template, out);
	pcre2_match_data_free(m);
	return rc;
}

static int replace_all(const struct regex *re, struct sv text, struct sv template, struct buf *out)
{
	struct buf b = BUF_LIMIT(REPLACE_MAX);
	pcre2_match_data *m = match_data(re);
	size_t from = 0, copied = 0;
	int rc = 1;
	while (from <= text.n && (rc = run(re, text, from, 0, m)) == 1) {
		const size_t *at = pcre2_get_ovector_pointer(m);
		size_t b0 = at[0], e0 = at[1];
		/* An empty match just behind the previous match does not count. */
		if (e0 > b0 || b0 != copied || b0 == 0) {
			buf_add(&b, text.p + copied, b0 - copied);
			expand(re, text, at, template, &b);
			copied = e0;
		}
		unsigned cp;
		if (e0 > from)
			from = e0;
		else if (from < text.n)
			from += utf8_decode(text.p + from, text.n - from, &cp);
		else
			break;
	}
	pcre2_match_data_free(m);
	if (rc >= 0 && !b.failed) {
		buf_add(&b, text.p + copied, text.n - copied);
		if (!b.failed)
			buf_add(out, buf_str(&b), b.n);
	}
	rc = rc < 0 ? rc : b.failed ? -E2BIG : 0;
	buf_free(&b);
	return rc;
}

int regex_expand(const struct regex *re, struct sv text, struct sv template, struct buf *out)
{
	int rc = expand_first(re, text, template, out);
	if (rc != -EILSEQ)
		return rc;
	size_t n;
	char *valid = make_valid(text, &n);
	rc = expand_first(re, sv_make(valid, n), template, out);
	free(valid);
	return rc;
}

int regex_replace_all(const struct regex *re, struct sv text, struct sv template, struct buf *out)
{
	int rc = replace_all(re, text, template, out);
	if (rc != -EILSEQ)
		return rc;
	size_t n;
	char *valid = make_valid(text, &n);
	rc = replace_all(re, sv_make(valid, n), template, out);
	free(valid);
	return rc;
}
