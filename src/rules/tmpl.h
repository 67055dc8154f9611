/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of the template language. tmpl_lex.c cuts the text into tokens, tmpl_parse.c builds the tree,
 * tmpl_exec.c walks it with values of tmpl_value.c, calling the functions of tmpl_builtin.c (Go's) and
 * tmpl_prom.c (Prometheus'); tmpl_printf.c is Go's fmt. Tree and values live in arenas that go at once, so
 * nothing in here is freed singly. */
#ifndef RT_RULES_TMPL_H
#define RT_RULES_TMPL_H

#include "base/arena.h"
#include "base/cleanup.h"
#include "rules/template.h"

/* Arena with a ceiling: past it allocations come from the same arena, but `full` is set and the walk stops.
 */
struct tmpl_arena {
	struct arena mem;
	size_t used, max;
	bool full;
};

void *tmpl_alloc(struct tmpl_arena *a, size_t n); /* zeroed */
struct sv tmpl_dup(struct tmpl_arena *a, struct sv s);
struct sv tmpl_dupf(struct tmpl_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Room for one more in an array of the arena. */
#define tmpl_grow(a, v, n, cap) arena_grow_with(tmpl_alloc, a, v, n, cap)

/* Tokens */
enum tok {
	TOK_ERROR,
	TOK_BOOL,
	TOK_CHAR,
	TOK_CHAR_CONSTANT,
	TOK_COMPLEX,
	TOK_ASSIGN,
	TOK_DECLARE,
	TOK_EOF,
	TOK_FIELD,
	TOK_IDENT,
	TOK_LEFT,
	TOK_LPAREN,
	TOK_NUMBER,
	TOK_PIPE,
	TOK_RAW_STRING,
	TOK_RIGHT,
	TOK_RPAREN,
	TOK_SPACE,
	TOK_STRING,
	TOK_TEXT,
	TOK_VARIABLE,
	TOK_KEYWORD, /* only a mark: keywords follow */
	TOK_BLOCK,
	TOK_BREAK,
	TOK_CONTINUE,
	TOK_DOT,
	TOK_DEFINE,
	TOK_ELSE,
	TOK_END,
	TOK_IF,
	TOK_NIL,
	TOK_RANGE,
	TOK_TEMPLATE,
	TOK_WITH,
};

struct tmpl_token {
	enum tok type;
	size_t pos;
	int line;
	struct sv val; /* for TOK_ERROR the message */
};

/* All tokens of TEXT up to and with the first TOK_ERROR or TOK_EOF. */
struct tmpl_token *tmpl_lex(struct tmpl_arena *a, struct sv text, size_t *n);
/* Value of a double-quoted Go string or a character constant (quotes included). False, or a text that says why, if it is
 * malformed. */
bool tmpl_unquote(struct tmpl_arena *a, struct sv quoted, struct sv *out);
const char *tmpl_unquote_char(struct sv quoted, uint32_t *cp);
uint32_t tmpl_utf8_next(struct sv s, size_t *i); /* rune at *i, which moves on; U+FFFD for a broken byte */

/* Tree */
enum node_type {
	NODE_LIST,
	NODE_TEXT,
	NODE_ACTION,
	NODE_PIPE,
	NODE_COMMAND,
	NODE_FIELD,
	NODE_CHAIN,
	NODE_VARIABLE,
	NODE_IDENT,
	NODE_DOT,
	NODE_NIL,
	NODE_BOOL,
	NODE_NUMBER,
	NODE_STRING,
	NODE_IF,
	NODE_WITH,
	NODE_RANGE,
	NODE_TEMPLATE,
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_END,
	NODE_ELSE,
};

struct tmpl_node {
	enum node_type type;
	size_t pos;
	struct sv text;	  /* text; number and string as written; identifier; name of a template */
	struct sv str;	  /* string: its value */
	struct sv *ident; /* field, chain, variable: names without dots (a variable's first with its $) */
	size_t n_ident, cap_ident;
	struct tmpl_node **kids; /* list: items, pipe: commands, command: arguments */
	size_t n_kids, cap_kids;
	struct tmpl_node *decl[2]; /* pipe: variables */
	size_t n_decl;
	bool is_assign;
	struct tmpl_node *pipe; /* action, if, with, range, template; chain: what it starts from */
	struct tmpl_node *list, *otherwise;    /* control structures */
	bool is_int, is_uint, is_float, is_complex, truth; /* number; bool's value */
	int64_t i;
	uint64_t u;
	double f;
	_Complex double c;
};

struct tmpl_define {
	struct sv name;
	struct tmpl_node *root;
};

struct template
{
	struct tmpl_arena arena;
	struct sv name;
	struct sv text;		  /* with the preamble */
	struct tmpl_define *defs; /* the first is the template itself */
	size_t n_defs, cap_defs;
};

/* The value of a NODE_NUMBER from its text. NULL, or what is wrong with it (heap). */
char *tmpl_parse_number(struct tmpl_node *n, enum tok type);
void tmpl_node_print(const struct tmpl_node *n, struct buf *out);
bool tmpl_has_function(struct sv name);

/* Values */
enum vkind {
	V_MISSING, /* no value: reflect.Value{} */
	V_NIL,
	V_BOOL,
	V_INT,
	V_UINT,
	V_FLOAT,
	V_COMPLEX,
	V_STRING,
	V_LABELS,   /* map[string]string */
	V_MAP,	    /* map[string]interface {} */
	V_VECTOR,   /* template.queryResult */
	V_SAMPLE,   /* *template.sample */
	V_DATA,	    /* the root: a struct */
	V_TIME,	    /* *time.Time, in ns since the epoch: i */
	V_DURATION, /* *time.Duration, in ns: i */
	V_HISTOGRAM, /* *histogram.FloatHistogram */
};

struct tmpl_sample {
	const struct labels *labels;
	double value;
};

struct tmpl_map_entry;

struct value {
	enum vkind kind;
	bool is_int64;	   /* V_INT: of type int64, as times and durations give them */
	bool is_html;	   /* V_STRING: of type template.HTML, which no parameter of type string takes */
	bool is_interface; /* not yet taken out of an interface{}, which is the type that messages name */
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double f;
		_Complex double c;
		struct sv s;
		const struct labels *labels;
		struct {
			const struct tmpl_map_entry *e; /* sorted by key */
			size_t n;
		} map;
		struct {
			struct tmpl_sample *v;
			size_t n;
		} vec;
		const struct tmpl_sample *sample;
		const struct histogram *histogram;
		const struct template_env *env; /* the root's fields */
	};
};

struct tmpl_map_entry {
	struct sv key;
	struct value v;
};

static inline struct value v_string(struct sv s)
{
	return (struct value){.kind = V_STRING, .s = s};
}
static inline struct value v_float(double f)
{
	return (struct value){.kind = V_FLOAT, .f = f};
}
static inline struct value v_int(int64_t i)
{
	return (struct value){.kind = V_INT, .i = i};
}
static inline struct value v_bool(bool b)
{
	return (struct value){.kind = V_BOOL, .b = b};
}

/* The Go type's name. */
const char *tmpl_type(struct value v);
bool tmpl_truth(struct value v);
/* Field, map entry or method without arguments NAME of V. False: there is none. An entry that a map lacks is
 * the zero value. */
bool tmpl_field(struct tmpl_arena *a, struct value v, struct sv name, struct value *out, bool *is_method);

struct tmpl_exec;

/* What a function wants: the parameter types of Go's signature. */
enum ptype { P_ANY, P_STRING, P_VECTOR, P_SAMPLE, P_VALUE /* reflect.Value: anything, missing too */ };

struct tmpl_func {
	const char *name;
	int n_fixed; /* parameters, without the variadic one */
	bool variadic;
	enum ptype p[3]; /* the last holds for the variadic ones */
	/* ARGV are checked. Returns the value, or tmpl_fail()s. */
	struct value (*call)(struct tmpl_exec *ex, struct value *argv, size_t n);
};

extern const struct tmpl_func tmpl_builtins[], tmpl_prom_funcs[];

struct tmpl_variable {
	struct sv name;
	struct value v;
};

struct tmpl_exec {
	const struct template *t;
	const struct template_env *env;
	struct tmpl_arena *arena;
	struct buf *out;
	struct tmpl_variable *vars;
	size_t n_vars, cap_vars;
	const struct tmpl_define *def; /* being executed: its name stands in messages */
	const struct tmpl_node *at;
	const struct tmpl_node *callee; /* the first argument of the function being called as written, or NULL */
	uint64_t steps;
	int depth;
	char *error;		      /* the first one; heap */
	char *call_error;	      /* set by a function: heap */
	struct promql_value *queries; /* results that samples point into */
	size_t n_queries, cap_queries;
};

/* Lets a running function fail: "error calling NAME: MSG". Returns V_MISSING. */
struct value tmpl_fail(struct tmpl_exec *ex, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* v.(T) to float64 as Prometheus converts: numbers and numeric strings. */
bool tmpl_to_float(struct tmpl_exec *ex, struct value v, double *f);

/* Go's fmt */
struct tmpl_spec {
	bool plus, minus, sharp, space, zero, has_width, has_prec;
	bool plus_v, sharp_v; /* of %+v and %#v, where they mean another thing */
	int width, prec;
};

/* V, at DEPTH in what is printed, under the verb and the flags of a directive. */
void tmpl_format_value(const struct tmpl_spec *f, uint32_t verb, struct value v, int depth, struct buf *out);
void tmpl_format_string(const struct tmpl_spec *f, uint32_t verb, struct value v, struct buf *out);
void tmpl_format_sample(const struct tmpl_spec *f, uint32_t verb, const struct tmpl_sample *s, struct buf *out);
void tmpl_format_bad_verb(const struct tmpl_spec *f, uint32_t verb, struct value v, struct buf *out);
void tmpl_format_pad(const struct tmpl_spec *f, struct sv s, struct buf *out);
/* strconv.FormatFloat: FORM is one of b e E f g G x X; PREC below 0 is as many digits as are needed, or 6 for e and f. */
void tmpl_fmt_float_text(double d, char form, int prec, struct buf *out);
/* The flag #: puts a point, and for some forms zeros, into B, which holds a sign and a finite number in that form. */
void tmpl_fmt_float_sharp(char form, int prec, struct buf *b);
void tmpl_fmt_value(struct value v, struct buf *out);				  /* %v */
void tmpl_fmt_print(const struct value *v, size_t n, bool line, struct buf *out); /* Sprint, Sprintln */
void tmpl_fmt_printf(struct sv format, const struct value *v, size_t n, struct buf *out);
bool tmpl_can_backquote(struct sv s); /* strconv.CanBackquote */
/* time.Time.String() and Format(LAYOUT), UTC; time.Duration.String(). */
void tmpl_fmt_time(int64_t ns, struct sv layout, struct buf *out);
void tmpl_fmt_duration(int64_t ns, struct buf *out);
#define TMPL_TIME_LAYOUT SV("2006-01-02 15:04:05.999999999 -0700 MST")

#endif
