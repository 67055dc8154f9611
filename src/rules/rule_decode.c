// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/rule_decode.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/text.h"

#define PROBLEMS_SHOWN 100

static void problem(struct decoder *d, char *s)
{
	if (d->problems.n < PROBLEMS_SHOWN)
		strings_take(&d->problems, s);
	else
		free(s);
}

/* A plain scalar that yaml.v3 resolves to a whole number: decimal, 0x, 0o, 0b, with underscores. */
static bool is_int(const struct yaml_node *n, int64_t *out)
{
	char tmp[64], *p = tmp, *end;
	if (n->kind != YAML_SCALAR || !n->plain || !n->len || n->len >= sizeof(tmp) ||
	    strlen(n->text) != n->len)
		return false;
	for (const char *s = n->text; *s; s++)
		if (*s != '_')
			*p++ = *s;
	*p = 0;
	p = tmp + (*tmp == '-' || *tmp == '+');
	if (*p < '0' || *p > '9')
		return false;
	bool neg = *tmp == '-';
	int base = 0;
	if (p[0] == '0' && (p[1] == 'b' || p[1] == 'o')) {
		base = p[1] == 'b' ? 2 : 8;
		p += 2;
		if (*p < '0' || *p > '7')
			return false;
	}
	errno = 0;
	unsigned long long u = strtoull(p, &end, base);
	if (*end || errno || u > (unsigned long long)INT64_MAX)
		return false;
	*out = neg ? -(int64_t)u : (int64_t)u;
	return true;
}

static bool is_float(const struct yaml_node *n, double *f)
{
	struct sv s = sv_make(n->text, n->len);
	if (n->kind != YAML_SCALAR || !n->plain || !n->len)
		return false;
	static const struct {
		const char *text;
		double v;
	} words[] = {{".inf", INFINITY},   {".Inf", INFINITY},	{".INF", INFINITY},   {"+.inf", INFINITY},
		     {"+.Inf", INFINITY},  {"+.INF", INFINITY}, {"-.inf", -INFINITY}, {"-.Inf", -INFINITY},
		     {"-.INF", -INFINITY}, {".nan", NAN},	{".NaN", NAN},	      {".NAN", NAN}};
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (sv_eqs(s, words[i].text)) {
			*f = words[i].v;
			return true;
		}
	return strchr("+-.0123456789", n->text[0]) && text_parse_float(s, f) && !isinf(*f) && !isnan(*f);
}

static const char *tag_of(const struct yaml_node *n)
{
	int64_t i;
	double f;
	bool b;
	switch (n->kind) {
	case YAML_NULL:
		return "!!null";
	case YAML_MAP:
		return "!!map";
	case YAML_SEQ:
		return "!!seq";
	case YAML_SCALAR:
		break;
	}
	return is_int(n, &i)		      ? "!!int"
	       : is_float(n, &f)	      ? "!!float"
	       : n->plain && yaml_bool(n, &b) ? "!!bool"
					      : "!!str";
}

void rule_decode_mismatch(struct decoder *d, const struct yaml_node *n, const char *type)
{
	if (n->kind != YAML_SCALAR) {
		problem(d, xasprintf("line %d: cannot unmarshal %s into %s", n->line, tag_of(n), type));
		return;
	}
	bool longer = n->len > 10;
	problem(d, xasprintf("line %d: cannot unmarshal %s `%.*s%s` into %s", n->line, tag_of(n),
			     longer ? 7 : (int)n->len, n->text, longer ? "..." : "", type));
}

bool rule_decode_unique(struct decoder *d, const struct yaml_node *map)
{
	struct strings found = {0};
	yaml_duplicates(map, &found);
	bool unique = !found.n;
	for (size_t i = 0; i < found.n; i++)
		problem(d, xstrdup(found.v[i]));
	strings_free(&found);
	return unique;
}

bool rule_decode_struct(struct decoder *d, const struct yaml_node *node, const char *type,
			const struct decode_field *fields, void *out)
{
	if (node->kind == YAML_NULL)
		return true;
	if (node->kind != YAML_MAP) {
		rule_decode_mismatch(d, node, type);
		return false;
	}
	if (!rule_decode_unique(d, node))
		return false;
	for (size_t i = 0; i < node->n && !d->fatal; i++) {
		const struct yaml_node *key = node->keys[i];
		const struct decode_field *f = fields;
		if (key->kind == YAML_MAP || key->kind == YAML_SEQ) {
			rule_decode_mismatch(d, key, "string");
			continue;
		}
		while (f->key && strcmp(f->key, key->text))
			f++;
		if (f->key)
			f->decode(d, node->values[i], (char *)out + f->offset);
		else if (!d->ignore_unknown)
			problem(d, xasprintf("line %d: field %s not found in type %s", key->line, key->text,
					     type));
	}
	return true;
}

void rule_decode_list(struct decoder *d, const struct yaml_node *node, const char *type,
		      void (*fn)(struct decoder *d, const struct yaml_node *item, void *arg), void *arg)
{
	if (node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_SEQ) {
		rule_decode_mismatch(d, node, type);
		return;
	}
	for (size_t i = 0; i < node->n && !d->fatal; i++)
		if (node->values[i]->kind != YAML_NULL)
			fn(d, node->values[i], arg);
}

const struct yaml_node *rule_decode_scalar(struct decoder *d, const struct yaml_node *node, const char *type)
{
	if (node->kind == YAML_SCALAR || node->kind == YAML_NULL)
		return node;
	rule_decode_mismatch(d, node, type);
	return NULL;
}

void rule_decode_text(struct decoder *d, const struct yaml_node *value, void *out)
{
	char **text = out;
	const struct yaml_node *n = rule_decode_scalar(d, value, "string");
	if (!n || n->kind == YAML_NULL)
		return;
	free(*text);
	*text = xmemdup(n->text, n->len);
}

void rule_decode_node(struct decoder *d, const struct yaml_node *value, void *out)
{
	*(const struct yaml_node **)out = value;
}

void rule_decode_string(struct decoder *d, const struct yaml_node *value, void *out)
{
	const struct yaml_node *n = rule_decode_scalar(d, value, "string");
	if (n && n->kind == YAML_SCALAR)
		*(const struct yaml_node **)out = n;
}

void rule_decode_duration(struct decoder *d, const struct yaml_node *value, void *out)
{
	const struct yaml_node *n = rule_decode_scalar(d, value, "string");
	if (!n || n->kind == YAML_NULL || text_parse_duration(sv_make(n->text, n->len), out))
		return;
	_cleanup_buf_ struct buf q = BUF_INIT;
	text_go_quote(sv_make(n->text, n->len), &q);
	if (!d->fatal)
		d->fatal = n->len ? xasprintf("not a valid duration string: %s", buf_str(&q))
				  : xstrdup("empty duration string");
}

void rule_decode_int(struct decoder *d, const struct yaml_node *value, void *out)
{
	double f;
	if (value->kind == YAML_NULL || is_int(value, out))
		return;
	if (is_float(value, &f) && fabs(f) < 9.2e18)
		*(int64_t *)out = (int64_t)f;
	else
		rule_decode_mismatch(d, value, "int");
}

void rule_decode_bool(struct decoder *d, const struct yaml_node *value, void *out)
{
	if (value->kind != YAML_NULL && !(value->kind == YAML_SCALAR && yaml_bool(value, out)))
		rule_decode_mismatch(d, value, "bool");
}

void rule_decode_float(struct decoder *d, const struct yaml_node *value, void *out)
{
	int64_t i;
	if (value->kind == YAML_NULL || is_float(value, out))
		return;
	if (is_int(value, &i))
		*(double *)out = (double)i;
	else
		rule_decode_mismatch(d, value, "float64");
}

int decoder_finish(struct decoder *d, char **error)
{
	if (d->fatal) {
		*error = d->fatal;
		strings_free(&d->problems);
		return -EINVAL;
	}
	if (!d->problems.n)
		return 0;
	struct buf b = BUF_INIT;
	buf_adds(&b, "yaml: unmarshal errors:");
	for (size_t i = 0; i < d->problems.n; i++)
		buf_addf(&b, "\n  %s", d->problems.v[i]);
	strings_free(&d->problems);
	*error = buf_steal(&b);
	return -EINVAL;
}
