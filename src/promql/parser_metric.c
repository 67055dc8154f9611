// SPDX-License-Identifier: GPL-2.0-or-later
/* A series written down as in tests: `name{a="b", "c.d"="e"}`, only equality. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "promql/lexer.h"
#include "promql/parser.h"
#include "promql/test_storage.h"

/* One `a="b"`, or the name in quotes. */
static bool parse_label(struct parser *p, struct labels_builder *b)
{
	enum token_type type = parser_cur(p)->type;
	struct sv name = parser_cur(p)->text, value;
	if (type == TOKEN_STRING) {
		if (!parser_string(p, &name))
			return false;
		if (parser_cur(p)->type == TOKEN_COMMA || parser_cur(p)->type == TOKEN_RIGHT_BRACE) {
			labels_builder_set(b, SV(LABEL_NAME), name);
			return true;
		}
	} else if (type == TOKEN_IDENTIFIER) {
		parser_advance(p);
	} else {
		parser_unexpected(p, "label set", "identifier or \"}\"");
		return false;
	}
	if (!parser_take(p, TOKEN_EQL)) {
		parser_unexpected(p, "label set", "\"=\"");
		return false;
	}
	if (parser_cur(p)->type != TOKEN_STRING) {
		parser_unexpected(p, "label set", "string");
		return false;
	}
	uint32_t at = parser_cur(p)->pos;
	if (!parser_string(p, &value))
		return false;
	if (labels_builder_get(b, name).n && !sv_eqs(name, LABEL_NAME)) {
		parser_fail(p, at, "label name \"%.*s\" is not unique", SV_ARG(name));
		return false;
	}
	labels_builder_set(b, name, value);
	return true;
}

static bool parse_label_set(struct parser *p, struct labels_builder *b)
{
	while (!parser_take(p, TOKEN_RIGHT_BRACE)) {
		if (!parse_label(p, b))
			return false;
		if (!parser_take(p, TOKEN_COMMA) && parser_cur(p)->type != TOKEN_RIGHT_BRACE) {
			parser_unexpected(p, "label set", "\",\" or \"}\"");
			return false;
		}
	}
	return true;
}

int promql_parse_metric(struct sv text, size_t *end, struct labels_builder *b, char **error)
{
	struct promql_expr e = {0};
	struct parser p = {.p = &e, .a = &e.arena};
	size_t n;
	e.text = sv_make(arena_strndup(&e.arena, text.p, text.n), text.n);
	p.tokens = lexer_run(e.text, &e.arena, &n);
	bool named = parser_is_metric_name(parser_cur(&p)->type);
	struct sv name = named ? parser_advance(&p)->text : SV("");
	/* In front of values a blank ends the series: `name {{count:1}}`. */
	bool apart = named && end && parser_cur(&p)->pos > p.last_end;
	bool braces = !apart && parser_take(&p, TOKEN_LEFT_BRACE);
	if (braces)
		parse_label_set(&p, b);
	if (named) /* whatever the braces say */
		labels_builder_set(b, SV(LABEL_NAME), name);
	/* What follows a series has a lexer of its own; but it must not begin with something else than a series. */
	if (!p.error && !end && parser_cur(&p)->type != TOKEN_EOF)
		parser_unexpected(&p, NULL, NULL);
	if (!p.error && end && !named && !braces && parser_cur(&p)->type != TOKEN_EOF) {
		/* A number may have an x behind it here. */
		struct token t = {.type = TOKEN_NUMBER};
		bool number = false;
		if (text.n && text.p[0] >= '0' && text.p[0] <= '9')
			t.text = sv_make(e.text.p, lexer_number(e.text, &number));
		if (number)
			p.tokens = &t;
		parser_unexpected(&p, "series values", NULL);
	}
	if (!p.error && end)
		*end = p.last_end;
	arena_free(&e.arena);
	if (!p.error)
		return 0;
	*error = p.error;
	return -EINVAL;
}
