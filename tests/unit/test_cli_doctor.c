// SPDX-License-Identifier: GPL-2.0-or-later
/* What doctor makes of what it has found: verdicts, advice, exit codes, text and JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/doctor.h"

static void test_seen(void **state)
{
	static const struct {
		uint64_t n[RT_VERDICTS];
		enum listener_seen seen;
	} cases[] = {
		{{0}, SEEN_NOTHING},
		{{[RT_VERDICT_HTTP] = 1}, SEEN_HTTP},
		{{[RT_VERDICT_HTTP] = 1, [RT_VERDICT_TLS] = 100, [RT_VERDICT_OTHER] = 7}, SEEN_HTTP},
		{{[RT_VERDICT_TLS] = 5, [RT_VERDICT_OTHER] = 2}, SEEN_TLS}, /* scanners */
		{{[RT_VERDICT_TLS] = 1, [RT_VERDICT_SERVER_FIRST] = 20}, SEEN_NOT_HTTP},
		{{[RT_VERDICT_HTTP2] = 3}, SEEN_HTTP2},
		{{[RT_VERDICT_HTTP2] = 3, [RT_VERDICT_TLS] = 4}, SEEN_TLS},
		{{[RT_VERDICT_OTHER] = 1}, SEEN_NOT_HTTP},
		{{[RT_VERDICT_SERVER_FIRST] = 1, [RT_VERDICT_MIDDLE] = 9}, SEEN_NOT_HTTP},
		{{[RT_VERDICT_MIDDLE] = 1}, SEEN_MID_CONNECTION},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (doctor_seen(cases[i].n, true) != cases[i].seen)
			fail_msg("case %zu: %s", i, seen_name(doctor_seen(cases[i].n, true)));
		assert_int_equal(doctor_seen(cases[i].n, false), SEEN_UNKNOWN);
	}
}

static void test_explanations(void **state)
{
	static const struct {
		struct doctor_listener l;
		const char *text;
	} cases[] = {
		{{.l.pid = 1, .seen = SEEN_HTTP, .connections = {[RT_VERDICT_HTTP] = 1}}, "HTTP/1, 1 connection"},
		{{.l.pid = 1, .seen = SEEN_HTTP, .connections = {[RT_VERDICT_HTTP] = 2, [RT_VERDICT_TLS] = 3}},
		 "HTTP/1, 2 connections; and not counted: 3 of TLS, 0 of HTTP/2"},
		{{.l.pid = 1,
		  .seen = SEEN_TLS,
		  .connections = {[RT_VERDICT_TLS] = 2},
		  .tls = {TLS_OPENSSL, "libssl.so.3"},
		  .tls_looked = true},
		 "TLS by OpenSSL (libssl.so.3), 2 connections: not counted; probes on that library could read it, which is planned"},
		{{.l.pid = 1, .seen = SEEN_TLS, .connections = {[RT_VERDICT_TLS] = 2}, .tls = {TLS_RUSTLS, "app"}, .tls_looked = true},
		 "TLS by rustls (app), 2 connections: not counted; that library cannot be read: end TLS in a proxy on this machine, whose clear "
		 "side is counted"},
		{{.l.pid = 1, .seen = SEEN_TLS, .connections = {[RT_VERDICT_TLS] = 1}, .tls_looked = true},
		 "TLS, 1 connection: not counted; its library is none that is known"},
		{{.seen = SEEN_TLS, .connections = {[RT_VERDICT_TLS] = 1}},
		 "TLS, 1 connection: not counted; its library cannot be seen from here; its process cannot be seen from here"},
		{{.l.pid = 1, .seen = SEEN_NOTHING}, "nothing yet"},
		{{.l.pid = 1, .l.connections = 3, .seen = SEEN_NOTHING}, "3 connections open, silent since reqtally was attached"},
		{{.l.pid = 1, .seen = SEEN_NOTHING, .tls = {TLS_GO, "prog"}}, "nothing yet; has Go crypto/tls (prog)"},
		{{.l.pid = 1, .seen = SEEN_NOT_HTTP, .connections = {[RT_VERDICT_SERVER_FIRST] = 4}},
		 "not HTTP, the server speaks first, 4 connections"},
		{{.l.pid = 1, .seen = SEEN_MID_CONNECTION, .connections = {[RT_VERDICT_MIDDLE] = 1}},
		 "attached in the middle of 1 connection: counted from the next request on, if it is HTTP/1 in clear text"},
		{{.l.pid = 1, .seen = SEEN_HTTP, .hidden = true, .connections = {[RT_VERDICT_HTTP] = 1}},
		 "HTTP/1, 1 connection; its service is not shown (http.include_services, http.exclude_services)"},
		{{.l.pid = 1, .seen = SEEN_EXCLUDED, .hidden = true}, "left alone by the configuration (http.ports, http.exclude_ports)"},
		{{.l.pid = 1, .seen = SEEN_UNKNOWN}, "no reqtally runs that could tell"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doctor_listener l = cases[i].l;
		doctor_explain_listener(&l);
		assert_string_equal(l.text, cases[i].text);
		free(l.text);
	}
}

#define METRIC(name, labels, value) "{\"name\":\"" name "\",\"labels\":{" labels "},\"value\":\"" value "\"}"
#define ANSWER(lost, used)                                                                                                                    \
	"{\"version\":\"" REQTALLY_VERSION "\",\"metrics\":[" METRIC("reqtally_requests_seen_total", "", "1000") ","                         \
	METRIC("reqtally_requests_recorded_total", "", "980") "," METRIC("reqtally_requests_lost_total", "\"reason\":\"gap\"", lost) ","      \
	METRIC("reqtally_requests_lost_total", "\"reason\":\"malformed\"", "9") "," METRIC("http_requests_in_flight", "", "1") ","           \
	METRIC("reqtally_bpf_map_entries", "\"map\":\"series\"", used) ","                                                                    \
	METRIC("reqtally_bpf_map_max_entries", "\"map\":\"series\"", "16384") ","                                                             \
	METRIC("reqtally_config_last_reload_successful", "", "1") "," METRIC("reqtally_feature_enabled", "\"feature\":\"queue_time\"", "0")  \
	"],\"listeners\":[{\"cgroup\":7,\"port\":80,\"connections\":{\"http\":3,\"tls\":1}}],\"filters\":{\"excluded_ports\":[[1,79],[81,65535]],\"include_services\":[],\"exclude_services\":[\"x*\"]}}"

static struct doctor judged(const char *answer, const char *earlier)
{
	struct doctor d = {.url = "http://x"};
	json_t *now = json_loads(answer, 0, NULL), *before = earlier ? json_loads(earlier, 0, NULL) : NULL;
	assert_non_null(now);
	doctor_judge_program(&d, now, before);
	json_decref(now);
	json_decref(before);
	return d;
}

static const struct finding *finding(const struct doctor *d, enum finding_section section, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].section == section && strcmp(d->v[i].name, name) == 0)
			return &d->v[i];
	return NULL;
}

static void test_healthy(void **state)
{
	struct doctor d = judged(ANSWER("0", "100"), NULL);
	assert_int_equal(doctor_exit_code(&d), 0);
	assert_int_equal(doctor_worst(&d), FINDING_NOTE); /* what clients did wrong, and the feature */
	assert_int_equal(finding(&d, FINDING_LOSS, "malformed")->level, FINDING_NOTE);
	assert_null(finding(&d, FINDING_LOSS, "gap"));
	assert_int_equal(finding(&d, FINDING_BUDGET, "series")->level, FINDING_OK);
	assert_string_equal(finding(&d, FINDING_BUDGET, "series")->text, "100 of 16384");
	assert_int_equal(finding(&d, FINDING_PROGRAM, "ledger")->level, FINDING_OK);
	assert_int_equal(finding(&d, FINDING_PROGRAM, "queue_time")->level, FINDING_NOTE);
	assert_int_equal(d.n_excluded, 2);
	assert_int_equal(d.excluded[1][0], 81);
	assert_int_equal(d.excluded[1][1], 65535);
	assert_true(strings_has(&d.exclude_services, "x*"));
	assert_int_equal(d.n_verdicts, 1);
	assert_int_equal(d.verdicts[0].cgroup_id, 7);
	assert_int_equal(d.verdicts[0].port, 80);
	assert_int_equal(d.verdicts[0].connections[RT_VERDICT_HTTP], 3);
	doctor_clear(&d);
}

static void test_degraded(void **state)
{
	struct doctor d = judged(ANSWER("10", "100"), NULL);
	assert_int_equal(doctor_exit_code(&d), 1);
	assert_int_equal(finding(&d, FINDING_LOSS, "gap")->level, FINDING_WARNING);
	assert_string_equal(finding(&d, FINDING_LOSS, "gap")->text, "10 of 1000 requests");
	assert_non_null(finding(&d, FINDING_LOSS, "gap")->advice);
	doctor_clear(&d);
	/* Nothing of it was lost since a moment ago. */
	d = judged(ANSWER("10", "100"), ANSWER("10", "100"));
	assert_int_equal(doctor_exit_code(&d), 0);
	doctor_clear(&d);
	d = judged(ANSWER("12", "100"), ANSWER("10", "100"));
	assert_int_equal(doctor_exit_code(&d), 1);
	doctor_clear(&d);
	d = judged(ANSWER("0", "15000"), NULL);
	assert_int_equal(doctor_exit_code(&d), 1);
	assert_string_equal(finding(&d, FINDING_BUDGET, "series")->advice, "nearly spent: raise http.budgets.series");
	doctor_clear(&d);
	d = judged(ANSWER("500", "1"), NULL); /* 1000 != 980 + 509 + 1 */
	assert_int_equal(finding(&d, FINDING_PROGRAM, "ledger")->level, FINDING_WARNING);
	doctor_clear(&d);
}

/* An answer that is none: nothing is believed, nothing breaks. */
static void test_odd_answers(void **state)
{
	static const char *const odd[] = {
		"{\"metrics\":[]}",
		"{\"metrics\":[1,null,{\"name\":5},{\"name\":\"reqtally_requests_lost_total\"},{\"name\":\"reqtally_bpf_map_entries\",\"labels\":[]}]}",
		"{\"metrics\":[" METRIC("reqtally_requests_lost_total", "\"reason\":\"x\\u001b[2J\"", "NaN") "],\"listeners\":[3,{}]}",
		"{\"metrics\":[" METRIC("reqtally_bpf_map_entries", "\"map\":\"series\"", "1e400") "],\"listeners\":\"x\"}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct doctor d = judged(odd[i], odd[(i + 1) % ARRAY_SIZE(odd)]);
		json_t *o = doctor_json(&d);
		char *text = json_dumps(o, 0);
		assert_non_null(text);
		free(text);
		json_decref(o);
		doctor_clear(&d);
	}
}

static char *printed(const struct doctor *d)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	doctor_print(d, f);
	fclose(f);
	return text;
}

static struct doctor sample(void)
{
	struct doctor d = judged(ANSWER("10", "100"), NULL);
	d.listeners = xcalloc(2, sizeof(*d.listeners));
	d.n_listeners = 2;
	d.listeners_looked = d.root = true;
	d.namespaces = 2;
	d.own_netns = 1;
	d.listeners[0] = (struct doctor_listener){.l = {.port = 80, .pid = 42, .comm = "nginx", .netns = 1, .n_addresses = 1, .processes = 3},
						  .seen = SEEN_HTTP,
						  .connections = {3, 1},
						  .service = xstrdup("nginx")};
	d.listeners[1] = (struct doctor_listener){.l = {.port = 8443, .pid = 7, .comm = "e\033[2Jvil", .netns = 9, .n_addresses = 1, .processes = 1},
						  .seen = SEEN_TLS,
						  .connections = {[RT_VERDICT_TLS] = 2},
						  .namespace = xstrdup("shop"),
						  .pod = xstrdup("web-0"),
						  .tls = {TLS_GO, "app"}};
	for (size_t i = 0; i < 2; i++)
		doctor_explain_listener(&d.listeners[i]);
	return d;
}

static void test_text(void **state)
{
	struct doctor d = sample();
	char *text = printed(&d);
	static const char *const parts[] = {
		"  warning  gap        10 of 1000 requests\n",
		"Listening: 2 in 2 network namespaces\n",
		"  PORT  ADDRESS  PROCESS   PID   NETNS  SERVICE     SEEN AS\n",
		"    80  0.0.0.0  nginx     42+2  -      nginx       HTTP/1, 3 connections",
		"  8443  0.0.0.0  e?[2Jvil  7     9      shop/web-0  TLS by Go crypto/tls (app), 2 connections",
		"Coverage: 1 counted, 1 TLS,",
		"Something needs a look",
	};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strstr(text, parts[i]))
			fail_msg("\"%s\" is not in:\n%s", parts[i], text);
	assert_null(strchr(text, '\033'));
	free(text);
	doctor_clear(&d);
}

/* The keys that docs/doctor.md promises. */
static void test_json_keys(void **state)
{
	static const char *const top[] = {"version", "verdict", "exit_code", "root", "url", "running", "findings", "listeners", "coverage"};
	static const char *const listener[] = {"port",	"addresses", "netns",	  "own_netns", "pid",	    "process",	   "processes", "service", "namespace",
					       "pod",	"container", "connections_open", "seen", "hidden", "connections", "tls", "text"};
	static const char *const running[] = {"version", "ledger", "losses", "budgets"};
	static const char *const one_finding[] = {"section", "name", "level", "text", "advice"};
	struct doctor d = sample();
	json_t *o = doctor_json(&d), *l = json_array_get(json_object_get(o, "listeners"), 1);
	const struct {
		const json_t *object;
		const char *const *keys;
		size_t n;
	} checks[] = {{o, top, ARRAY_SIZE(top)},
		      {l, listener, ARRAY_SIZE(listener)},
		      {json_object_get(o, "running"), running, ARRAY_SIZE(running)},
		      {json_array_get(json_object_get(o, "findings"), 0), one_finding, ARRAY_SIZE(one_finding)}};
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		assert_int_equal(json_object_size(checks[i].object), checks[i].n);
		for (size_t k = 0; k < checks[i].n; k++)
			if (!json_object_get(checks[i].object, checks[i].keys[k]))
				fail_msg("no key %s", checks[i].keys[k]);
	}
	assert_string_equal(json_string_value(json_object_get(o, "verdict")), "degraded");
	assert_string_equal(json_string_value(json_object_get(l, "seen")), "tls");
	assert_string_equal(json_string_value(json_object_get(json_object_get(l, "tls"), "library")), "Go crypto/tls");
	assert_true(json_is_true(json_object_get(json_object_get(l, "tls"), "readable")));
	json_decref(o);
	doctor_clear(&d);
}

static void test_exit_codes(void **state)
{
	struct doctor d = {0};
	assert_int_equal(doctor_exit_code(&d), 0);
	doctor_add(&d, FINDING_HOST, FINDING_NOTE, "a", xstrdup("x"), NULL);
	assert_int_equal(doctor_exit_code(&d), 0);
	doctor_add(&d, FINDING_HOST, FINDING_FAILURE, "a", xstrdup("x"), NULL);
	doctor_add(&d, FINDING_HOST, FINDING_WARNING, "a", xstrdup("x"), xstrdup("y"));
	assert_int_equal(doctor_exit_code(&d), 2);
	doctor_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seen), cmocka_unit_test(test_explanations), cmocka_unit_test(test_healthy),   cmocka_unit_test(test_degraded),
		cmocka_unit_test(test_odd_answers), cmocka_unit_test(test_text), cmocka_unit_test(test_json_keys), cmocka_unit_test(test_exit_codes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
