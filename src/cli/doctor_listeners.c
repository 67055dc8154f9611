// SPDX-License-Identifier: GPL-2.0-or-later
/* Every listening process: who it is, what its connections turned out to be, and what that means. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "cli/doctor.h"
#include "config/config.h"
#include "discovery/cgroup_tree.h"
#include "discovery/discovery.h"

const char *seen_name(enum listener_seen seen)
{
	static const char *const names[SEEN_KINDS] = {
		[SEEN_UNKNOWN] = "unknown",		      [SEEN_HTTP] = "http",	  [SEEN_TLS] = "tls",
		[SEEN_HTTP2] = "http2",			      [SEEN_NOT_HTTP] = "not_http", [SEEN_MID_CONNECTION] = "mid_connection",
		[SEEN_NOTHING] = "nothing_yet",		      [SEEN_EXCLUDED] = "excluded",
	};
	return names[seen];
}

enum listener_seen doctor_seen(const uint64_t n[RT_VERDICTS], bool has)
{
	uint64_t other = n[RT_VERDICT_OTHER] + n[RT_VERDICT_SERVER_FIRST];
	if (!has)
		return SEEN_UNKNOWN;
	if (n[RT_VERDICT_HTTP])
		return SEEN_HTTP;
	/* A scanner's stray bytes do not make a TLS server something else. */
	if (n[RT_VERDICT_TLS] && n[RT_VERDICT_TLS] >= n[RT_VERDICT_HTTP2] && n[RT_VERDICT_TLS] >= other)
		return SEEN_TLS;
	if (n[RT_VERDICT_HTTP2] && n[RT_VERDICT_HTTP2] >= other)
		return SEEN_HTTP2;
	if (other)
		return SEEN_NOT_HTTP;
	return n[RT_VERDICT_MIDDLE] ? SEEN_MID_CONNECTION : SEEN_NOTHING;
}

static void add_count(struct buf *b, uint64_t n)
{
	buf_addf(b, "%" PRIu64 " connection%s", n, n == 1 ? "" : "s");
}

static void add_library(struct buf *b, const struct tls_use *use)
{
	buf_adds(b, tls_library_name(use->library));
	if (use->file[0])
		buf_addf(b, " (%s)", use->file);
}

static void explain_tls(const struct doctor_listener *l, struct buf *b)
{
	buf_adds(b, "TLS");
	if (l->tls.library) {
		buf_adds(b, " by ");
		add_library(b, &l->tls);
	}
	buf_adds(b, ", ");
	add_count(b, l->connections[RT_VERDICT_TLS]);
	buf_adds(b, ": not counted; ");
	if (!l->tls.library)
		buf_adds(b, l->tls_looked ? "its library is none that is known" : "its library cannot be seen from here");
	else if (tls_library_readable(l->tls.library))
		buf_adds(b, "probes on that library could read it, which is planned");
	else
		buf_adds(b, "that library cannot be read: end TLS in a proxy on this machine, whose clear side is counted");
}

void doctor_explain_listener(struct doctor_listener *l)
{
	struct buf b = BUF_INIT;
	const uint64_t *n = l->connections;
	switch (l->seen) {
	case SEEN_HTTP:
		buf_adds(&b, "HTTP/1, ");
		add_count(&b, n[RT_VERDICT_HTTP]);
		if (n[RT_VERDICT_TLS] || n[RT_VERDICT_HTTP2])
			buf_addf(&b, "; and not counted: %" PRIu64 " of TLS, %" PRIu64 " of HTTP/2", n[RT_VERDICT_TLS], n[RT_VERDICT_HTTP2]);
		break;
	case SEEN_TLS:
		explain_tls(l, &b);
		break;
	case SEEN_HTTP2:
		buf_adds(&b, "HTTP/2, ");
		add_count(&b, n[RT_VERDICT_HTTP2]);
		buf_adds(&b, ": not counted yet");
		break;
	case SEEN_NOT_HTTP:
		buf_adds(&b, n[RT_VERDICT_SERVER_FIRST] > n[RT_VERDICT_OTHER] ? "not HTTP, the server speaks first, " : "not HTTP, ");
		add_count(&b, n[RT_VERDICT_OTHER] + n[RT_VERDICT_SERVER_FIRST]);
		break;
	case SEEN_MID_CONNECTION:
		buf_adds(&b, "attached in the middle of ");
		add_count(&b, n[RT_VERDICT_MIDDLE]);
		buf_adds(&b, ": counted from the next request on, if it is HTTP/1 in clear text");
		break;
	case SEEN_EXCLUDED:
		buf_adds(&b, "left alone by the configuration (http.ports, http.exclude_ports)");
		break;
	case SEEN_NOTHING:
		if (l->l.connections) {
			add_count(&b, l->l.connections);
			buf_addf(&b, " open, silent since reqtally was attached");
		} else {
			buf_adds(&b, "nothing yet");
		}
		break;
	default:
		buf_adds(&b, "no reqtally runs that could tell");
		break;
	}
	if ((l->seen == SEEN_UNKNOWN || l->seen == SEEN_NOTHING) && l->tls.library) {
		buf_adds(&b, "; has ");
		add_library(&b, &l->tls);
	}
	if (l->hidden && l->seen != SEEN_EXCLUDED)
		buf_adds(&b, "; its service is not shown (http.include_services, http.exclude_services)");
	if (!l->l.pid)
		buf_adds(&b, "; its process cannot be seen from here");
	free(l->text);
	l->text = buf_steal(&b);
}

/* The counts of listener L: those of its socket's cgroup and port. Where the cgroup is not known, those of its port. */
static bool find_verdicts(const struct doctor *d, const struct listener *l, uint64_t out[RT_VERDICTS])
{
	memset(out, 0, RT_VERDICTS * sizeof(*out));
	for (size_t i = 0; i < d->n_verdicts; i++) {
		const struct listener_verdicts *v = &d->verdicts[i];
		uint64_t cgroup = l->cgroup_id ? l->cgroup_id : l->process_cgroup_id;
		if (v->port != l->port || (cgroup && v->cgroup_id != cgroup))
			continue;
		for (int k = 0; k < RT_VERDICTS; k++)
			out[k] += v->connections[k];
	}
	return d->running || d->pinned;
}

static bool is_excluded(const struct doctor *d, uint16_t port)
{
	for (size_t i = 0; i < d->n_excluded; i++)
		if (port >= d->excluded[i][0] && port <= d->excluded[i][1])
			return true;
	return false;
}

/* As the collector decides it: the service's name and the program's must both be wanted. */
static bool is_hidden(const struct doctor *d, const struct doctor_listener *l)
{
	const struct config_http filter = {.include_services = d->include_services, .exclude_services = d->exclude_services};
	if (!l->service || !d->running)
		return false;
	return !config_wants_service(&filter, l->service) || (strcmp(l->service, l->l.comm) != 0 && !config_wants_service(&filter, l->l.comm));
}

static char *copy_unless_empty(const char *s)
{
	return *s ? xstrdup(s) : NULL;
}

static void name_listener(struct discovery *names, struct doctor_listener *l)
{
	uint64_t cgroup = l->l.process_cgroup_id ? l->l.process_cgroup_id : l->l.cgroup_id;
	if (!names || !cgroup || (!l->l.pid && cgroup == 1))
		return;
	const struct service_id *id = discovery_lookup(names, cgroup, l->l.comm);
	l->service = copy_unless_empty(id->service);
	l->namespace = copy_unless_empty(id->namespace);
	l->pod = copy_unless_empty(id->pod);
	l->container = copy_unless_empty(id->container);
}

static void add_summary(struct doctor *d, const struct listeners *found)
{
	if (found->truncated)
		doctor_add(d, FINDING_HOST, FINDING_NOTE, "listeners", xasprintf("more than %d: the rest is not shown", LISTENERS_MAX), NULL);
	if (found->namespaces_unread)
		doctor_add(d, FINDING_HOST, FINDING_NOTE, "listeners",
			   xasprintf("%u network namespaces could not be read", found->namespaces_unread), NULL);
	if (found->processes_hidden)
		doctor_add(d, FINDING_HOST, FINDING_NOTE, "listeners",
			   xasprintf("%u process%s cannot be looked into", found->processes_hidden, found->processes_hidden == 1 ? "" : "es"),
			   xstrdup(d->root ? "CAP_SYS_PTRACE is missing, or they belong to a user namespace beside ours"
					   : "not root: names, TLS libraries and other network namespaces are missing"));
}

void doctor_look_at_listeners(struct doctor *d)
{
	_cleanup_free_ char *root = NULL, *error = NULL;
	struct listeners found;
	if (find_cgroup2_mount(&root, &error)) {
		free(error); /* reported with the host */
		error = NULL;
	}
	if (listeners_read(root, true, &found, &error)) {
		doctor_add(d, FINDING_HOST, FINDING_WARNING, "listeners", take(error), NULL);
		return;
	}
	struct discovery *names = root ? discovery_new(root) : NULL;
	d->listeners = xcalloc(found.n + 1, sizeof(*d->listeners));
	d->listeners_looked = true;
	d->namespaces = found.namespaces;
	d->namespaces_unread = found.namespaces_unread;
	d->processes_hidden = found.processes_hidden;
	d->own_netns = found.own_netns;
	for (size_t i = 0; i < found.n; i++) {
		struct doctor_listener *l = &d->listeners[d->n_listeners++];
		l->l = found.v[i];
		l->seen = doctor_seen(l->connections, find_verdicts(d, &l->l, l->connections));
		if (is_excluded(d, l->l.port))
			l->seen = SEEN_EXCLUDED;
		name_listener(names, l);
		l->hidden = is_hidden(d, l);
		/* Looking into a program costs some reading: only where the answer matters. */
		if (l->l.pid && (l->seen == SEEN_TLS || l->seen == SEEN_UNKNOWN || l->seen == SEEN_NOTHING))
			l->tls_looked = tls_library_find(l->l.pid, &l->tls) == 0;
		doctor_explain_listener(l);
	}
	add_summary(d, &found);
	discovery_free(names);
	listeners_free(&found);
}
