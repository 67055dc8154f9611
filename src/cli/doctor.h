/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `reqtally doctor`: what it has found out, and how that is judged and shown. Three parts look (the host, the running reqtally, the
 * listening sockets), each adds findings; two show (text, JSON). */
#ifndef RT_CLI_DOCTOR_H
#define RT_CLI_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/json.h"
#include "base/strings.h"
#include "collector/listeners.h"
#include "discovery/listeners.h"
#include "discovery/tls_library.h"

struct app;
struct net_options;
struct web_request;
struct web_response;

/* How bad: an OK or a note needs nobody; a warning is something a person should look at (exit code 1); a failure keeps reqtally from
 * counting (exit code 2). */
enum finding_level { FINDING_OK, FINDING_NOTE, FINDING_WARNING, FINDING_FAILURE };

enum finding_section { FINDING_HOST, FINDING_PROGRAM, FINDING_LOSS, FINDING_BUDGET, FINDING_SECTIONS };

struct finding {
	enum finding_section section;
	enum finding_level level;
	char *name;
	char *text;   /* what is so */
	char *advice; /* what it costs, or what to do; NULL: nothing */
};

struct budget {
	char *name;
	double used, limit;
};

struct loss {
	char *reason;
	double requests;
};

/* As a person would say it; see seen_name(). */
enum listener_seen {
	SEEN_UNKNOWN,	  /* no reqtally runs that could know */
	SEEN_HTTP,	  /* HTTP/1: counted */
	SEEN_TLS,	  /* connections begin with a TLS handshake */
	SEEN_HTTP2,
	SEEN_NOT_HTTP,
	SEEN_MID_CONNECTION, /* only connections older than reqtally, no request on them since */
	SEEN_NOTHING,	  /* no bytes since reqtally attached */
	SEEN_EXCLUDED,	  /* by the configuration */
	SEEN_KINDS,
};

struct doctor_listener {
	struct listener l;
	enum listener_seen seen;
	uint64_t connections[RT_VERDICTS];
	char *service, *namespace, *pod, *container; /* NULL: not known */
	struct tls_use tls;
	bool tls_looked; /* the process was looked into */
	bool hidden;	 /* counted, and not shown: http.include_services, http.exclude_services */
	char *text;	 /* one clause, for the table */
};

struct ledger {
	double seen, recorded, lost, in_flight;
};

struct doctor {
	const char *url;
	bool url_given; /* by the user: then somebody must answer there */
	bool running;	/* a reqtally answered */
	bool pinned;	/* none did, but its programs are attached and count */
	char *version;	/* its version */
	bool root;
	struct finding *v;
	size_t n, cap;
	struct ledger ledger;
	struct budget *budgets;
	size_t n_budgets, cap_budgets;
	struct loss *losses;
	size_t n_losses, cap_losses;
	struct listener_verdicts *verdicts;
	size_t n_verdicts;
	uint16_t (*excluded)[2]; /* ports that are not counted: first and last of each stretch */
	size_t n_excluded;
	struct strings include_services, exclude_services;
	struct doctor_listener *listeners;
	size_t n_listeners;
	bool listeners_looked;
	uint32_t namespaces, namespaces_unread, processes_hidden;
	uint64_t own_netns;
};

/* TEXT and ADVICE are taken; ADVICE may be NULL. */
void doctor_add(struct doctor *d, enum finding_section section, enum finding_level level, const char *name, char *text, char *advice);
enum finding_level doctor_worst(const struct doctor *d);
/* 0 healthy, 1 something needs a person, 2 it cannot run. */
int doctor_exit_code(const struct doctor *d);
void doctor_clear(struct doctor *d);

const char *level_name(enum finding_level level);   /* "ok", "note", "warning", "failure" */
const char *section_name(enum finding_section section); /* "host", "reqtally", "losses", "budgets" */
const char *seen_name(enum listener_seen seen); /* "http", "mid_connection", ...: the value of "seen" in JSON */

/* The kernel, the mounts, our rights. To be called after doctor_ask_program. */
void doctor_look_at_host(struct doctor *d);
/* Asks the reqtally at d->url. INTERVAL_MS > 0: losses are those of that time from now on, else all since it started. */
void doctor_ask_program(struct doctor *d, const struct net_options *http, int64_t interval_ms);
/* Judges what a running reqtally said: the data of its answer. EARLIER: the same of a while ago, or NULL. */
void doctor_judge_program(struct doctor *d, const json_t *data, const json_t *earlier);
/* Every listening process. To be called last. */
void doctor_look_at_listeners(struct doctor *d);
/* What a listener with such connections is seen as. HAS: a running reqtally said so. */
enum listener_seen doctor_seen(const uint64_t connections[RT_VERDICTS], bool has);
/* Fills L->text. */
void doctor_explain_listener(struct doctor_listener *l);

void doctor_print(const struct doctor *d, FILE *out);
json_t *doctor_json(const struct doctor *d);

/* The other end: GET and POST /api/v1/doctor of a running reqtally; CTX is the struct app. */
#define DOCTOR_PATH "/api/v1/doctor"
void doctor_serve(void *ctx, struct web_request *req, struct web_response *res);

#endif
