// SPDX-License-Identifier: GPL-2.0-or-later
/* A restart: what one manager knew goes through the file to the next one. Times are those of Prometheus' own arithmetic: the outage
 * does not count, ten minutes at least are left unless the alert was firing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "rules/manager.h"
#include "rules/memory.h"

#define S 1000ll
#define M (60 * S)
#define GRACE (10 * M)
#define TOLERANCE (60 * M)
#define STEP (1 * M)

/* Far enough from zero that no window begins before it. */
#define T0 (1000000 * M)

static char folder[64];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/reqtally-restore-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	DIR *d = opendir(folder);
	for (struct dirent *e; (e = readdir(d));) {
		_cleanup_free_ char *p = xasprintf("%s/%s", folder, e->d_name);
		unlink(p);
	}
	closedir(d);
	return rmdir(folder);
}

static char *in_folder(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

struct process {
	struct memory_source memory;
	struct rule_manager *m;
};

static void on_append(void *self, struct labels *labels, int64_t t, double v, const struct histogram *h)
{
	memory_append(&((struct process *)self)->memory, labels, t, v, h);
}

static struct rule_set *parse(const char *yaml)
{
	struct strings errors = {0};
	struct rule_set *set = rule_set_new();
	if (rule_file_parse("f.yml", yaml, strlen(yaml), set, &errors) < 0)
		fail_msg("%s", errors.v[0]);
	return set;
}

static void start(struct process *p, const char *path, const char *yaml, int64_t now)
{
	struct alert_states states = {0};
	char *error = NULL;
	*p = (struct process){0};
	p->m = rule_manager_new(
	    &(struct rule_manager_options){.source = memory_source(&p->memory), .append = on_append, .self = p});
	assert_int_equal(alert_states_load(path, &states, &error), 0);
	rule_manager_remember(p->m, &states, TOLERANCE, GRACE);
	rule_manager_apply(p->m, parse(yaml), NULL, now);
}

static void save(struct process *p, const char *path)
{
	struct alert_states states = {0};
	char *error = NULL;
	rule_manager_states(p->m, &states);
	assert_int_equal(alert_states_save(path, &states, &error), 0);
	alert_states_clear(&states);
}

static void end(struct process *p)
{
	rule_manager_free(p->m);
	memory_clear(&p->memory);
}

/* An evaluation with x = 1 for the instances named. */
static void step(struct process *p, int64_t t, const char *const *instances)
{
	for (; *instances; instances++) {
		_cleanup_labels_ struct labels *ls = labels_from("__name__", "x", "instance", *instances, NULL);
		memory_append(&p->memory, ls, t, 1, NULL);
	}
	rule_manager_eval_group(p->m, 0, t);
}

static struct rule_active *alert_of(struct process *p, size_t rule, const char *instance)
{
	size_t n;
	struct rule *r = &rule_manager_groups(p->m, &n)[0]->rules[rule];
	for (size_t i = 0; i < r->n_active; i++)
		if (sv_eqs(labels_get(r->active[i]->labels, SV("instance")), instance))
			return r->active[i];
	return NULL;
}

static size_t count_series(struct process *p, const char *name)
{
	size_t n = 0;
	for (size_t i = 0; i < p->memory.n; i++)
		n += sv_eqs(labels_get(p->memory.series[i].labels, SV("__name__")), name);
	return n;
}

static const char *const one[] = {"a", NULL}, *const both[] = {"a", "b", NULL}, *const none[] = {NULL};

static const char rules[] = "groups:\n- name: g\n  rules:\n"
			    "  - alert: Long\n    expr: x > 0\n    for: 30m\n    labels: {severity: page, who: \"{{ $labels.instance }}\"}\n"
			    "  - alert: Short\n    expr: x > 0\n    for: 5m\n";

/* Active from T0 for BEFORE ms, then an outage of AWAY ms: since when the alert counts as active. */
static int64_t restored_since(int64_t before, int64_t away)
{
	struct process p;
	_cleanup_free_ char *path = in_folder("states");
	int64_t t = T0;
	start(&p, "/nonexistent/states", rules, t);
	for (; t <= T0 + before; t += STEP)
		step(&p, t, one);
	t -= STEP;
	save(&p, path);
	end(&p);
	t += away;
	start(&p, path, rules, t);
	step(&p, t, one);
	assert_true(alert_of(&p, 0, "a")->active_at == t);
	assert_int_equal(count_series(&p, "ALERTS"), 0); /* not before the restoration */
	step(&p, t + STEP, one);
	assert_int_equal(count_series(&p, "ALERTS_FOR_STATE"), 0);
	int64_t since = alert_of(&p, 0, "a")->active_at;
	/* `for` is shorter than the grace period: as if it were new. */
	assert_true(alert_of(&p, 1, "a")->active_at == t);
	step(&p, t + 2 * STEP, one);
	assert_int_equal(count_series(&p, "ALERTS_FOR_STATE"), 2);
	end(&p);
	return since - T0;
}

static void test_arithmetic(void **state)
{
	/* pending for 5 of 30 minutes, 20 away (and one more evaluation): the outage is added */
	assert_true(restored_since(5 * M, 20 * M) == 21 * M);
	/* 25 of 30: less than ten minutes are left, so ten it is: now + 10m - 30m */
	assert_true(restored_since(25 * M, 20 * M) == (25 + 20 + 1 + 10 - 30) * M);
	/* exactly ten left: the outage is added */
	assert_true(restored_since(20 * M, 7 * M) == 8 * M);
	/* it was firing */
	assert_true(restored_since(30 * M, 20 * M) == 0);
	assert_true(restored_since(90 * M, 20 * M) == 0);
	/* at the edge of the tolerance, and beyond it: it starts anew */
	assert_true(restored_since(5 * M, 59 * M) == 60 * M);
	assert_true(restored_since(5 * M, 60 * M) == 65 * M);
	assert_true(restored_since(30 * M, 59 * M) == 0);
	assert_true(restored_since(30 * M, 61 * M) == 91 * M);
}

static void test_firing_fires_at_third(void **state)
{
	struct process p;
	_cleanup_free_ char *path = in_folder("states");
	start(&p, path, rules, T0);
	for (int i = 0; i <= 40; i++)
		step(&p, T0 + i * STEP, both);
	for (int i = 41; i <= 46; i++)
		step(&p, T0 + i * STEP, one); /* b is over, and not remembered */
	save(&p, path);
	end(&p);
	start(&p, path, rules, T0 + 50 * STEP);
	step(&p, T0 + 50 * STEP, both);
	step(&p, T0 + 51 * STEP, both);
	assert_int_equal(alert_of(&p, 0, "a")->state, RULE_PENDING);
	step(&p, T0 + 52 * STEP, both);
	assert_int_equal(alert_of(&p, 0, "a")->state, RULE_FIRING);
	assert_true(alert_of(&p, 0, "a")->active_at == T0);
	assert_true(alert_of(&p, 0, "b")->active_at == T0 + 50 * STEP);
	end(&p);
}

/* It dies again before anything was restored: what the first one knew is still there. */
static void test_dies_twice(void **state)
{
	struct process p;
	_cleanup_free_ char *path = in_folder("states");
	start(&p, path, rules, T0);
	for (int i = 0; i <= 15; i++)
		step(&p, T0 + i * STEP, both);
	save(&p, path);
	end(&p);
	for (int evaluations = 0; evaluations < 2; evaluations++) {
		start(&p, path, rules, T0 + 20 * STEP);
		for (int i = 0; i < evaluations; i++)
			step(&p, T0 + (20 + i) * STEP, both);
		save(&p, path);
		end(&p);
	}
	start(&p, path, rules, T0 + 25 * STEP);
	step(&p, T0 + 25 * STEP, both);
	step(&p, T0 + 26 * STEP, both);
	assert_true(alert_of(&p, 0, "a")->active_at == T0 + 11 * STEP); /* 15 minutes of it are behind */
	/* and right after the restoration, before the third evaluation: 15 minutes still */
	save(&p, path);
	end(&p);
	start(&p, path, rules, T0 + 36 * STEP);
	step(&p, T0 + 36 * STEP, both);
	step(&p, T0 + 37 * STEP, both);
	assert_true(alert_of(&p, 0, "b")->active_at == T0 + 22 * STEP);
	/* all are gone: so is the file */
	step(&p, T0 + 38 * STEP, none);
	step(&p, T0 + 44 * STEP, none);
	save(&p, path);
	assert_int_equal(access(path, F_OK), -1);
	end(&p);
}

/* A reload between the evaluations does not cost the restoration. */
static void test_reload_meanwhile(void **state)
{
	struct process p;
	_cleanup_free_ char *path = in_folder("states");
	_cleanup_free_ char *more = xasprintf("%s  - record: r\n    expr: x\n", rules);
	start(&p, path, rules, T0);
	for (int i = 0; i <= 5; i++)
		step(&p, T0 + i * STEP, one);
	save(&p, path);
	end(&p);
	start(&p, path, rules, T0 + 10 * STEP);
	step(&p, T0 + 10 * STEP, one);
	rule_manager_apply(p.m, parse(more), NULL, T0 + 10 * STEP);
	step(&p, T0 + 11 * STEP, one);
	assert_true(alert_of(&p, 0, "a")->active_at == T0 + 6 * STEP);
	/* the group goes while it waits: nothing is kept for it */
	end(&p);
	start(&p, path, rules, T0 + 10 * STEP);
	rule_manager_apply(p.m, rule_set_new(), NULL, T0 + 10 * STEP);
	save(&p, path);
	assert_int_equal(access(path, F_OK), -1);
	end(&p);
}

static void put(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	close(fd);
}

static void test_broken(void **state)
{
	_cleanup_free_ char *path = in_folder("broken"), *aside = in_folder("broken.broken");
	static const char *const texts[] = {
	    "",
	    "{",
	    "\xff\xfe",
	    "[]",
	    "{\"version\": 2, \"alerts\": []}",
	    "{\"version\": 1, \"alerts\": {}}",
	    "{\"version\": 1, \"alerts\": [{}]}",
	    "{\"version\": 1, \"alerts\": [{\"labels\":{\"alertname\":\"A\"},\"activeAt\":1}]}",
	    "{\"version\": 1, \"alerts\": [{\"labels\":{\"alertname\":\"A\"},\"activeAt\":1.5,\"seen\":1}]}",
	    "{\"version\": 1, \"alerts\": [{\"labels\":{\"alertname\":\"A\",\"x\":1},\"activeAt\":1,\"seen\":1}]}",
	    "{\"version\": 1, \"alerts\": [{\"labels\":{\"x\":\"A\"},\"activeAt\":1,\"seen\":1}]}",
	    "{\"version\": 1, \"alerts\": [{\"labels\":{\"alertname\":\"A\"},\"activeAt\":9223372036854775807,\"seen\":1}]}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct alert_states s = {0};
		_cleanup_free_ char *error = NULL;
		put(path, texts[i], strlen(texts[i]));
		assert_int_equal(alert_states_load(path, &s, &error), -74);
		assert_non_null(strstr(error, aside));
		assert_int_equal(s.n, 0);
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(access(aside, F_OK), 0);
	}
	/* cut short anywhere */
	static const char whole[] = "{\"version\": 1, \"alerts\": [\n"
				    "{\"labels\":{\"alertname\":\"A\",\"b\":\"c\"},\"activeAt\":1700000000,\"seen\":1700000000123}\n]}\n";
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		struct alert_states s = {0};
		_cleanup_free_ char *error = NULL;
		put(path, whole, n);
		int rc = alert_states_load(path, &s, &error);
		assert_int_equal(rc, n == sizeof(whole) - 2 ? 0 : -74); /* without the last line end it is whole */
		alert_states_clear(&s);
	}
	/* too large to be ours */
	struct alert_states s = {0};
	_cleanup_free_ char *error = NULL;
	put(path, "", 0);
	assert_int_equal(truncate(path, (off_t)1 << 40), 0);
	assert_int_equal(alert_states_load(path, &s, &error), -74);
}

static void test_bounds(void **state)
{
	_cleanup_free_ char *path = in_folder("deep/states"), *deeper = in_folder("no/such/states");
	struct alert_states s = {0}, back = {0};
	_cleanup_free_ char *error = NULL;
	for (int i = 0; i < ALERT_STATES_MAX + 5; i++) {
		_cleanup_free_ char *n = xasprintf("%d", i);
		_cleanup_labels_ struct labels *ls = labels_from("alertname", "A", "n", i == 7 ? "\xff" : n, NULL);
		alert_states_add(&s, ls, i, i * S);
	}
	assert_int_equal(s.n, ALERT_STATES_MAX);
	assert_int_equal(alert_states_save(path, &s, &error), 0);
	assert_int_equal(s.left_out, 6); /* five too many, one that JSON cannot hold */
	assert_int_equal(alert_states_load(path, &back, &error), 0);
	assert_int_equal(back.n, ALERT_STATES_MAX - 1);
	assert_true(back.v[9998].active_at == 9999 && back.v[9998].seen == 9999 * S);
	assert_true(alert_states_save(deeper, &s, &error) < 0);
	assert_non_null(error);
	alert_states_clear(&s);
	alert_states_clear(&back);
	unlink(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_arithmetic),
	    cmocka_unit_test(test_firing_fires_at_third),
	    cmocka_unit_test(test_dies_twice),
	    cmocka_unit_test(test_reload_meanwhile),
	    cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
