// SPDX-License-Identifier: GPL-2.0-or-later
/* Against a made-up cgroup tree and a made-up kubelet log folder: an inode number is an id there as in the real tree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "discovery/cgroup_tree.h"
#include "discovery/discovery.h"

#define ID "fc1b0ebc8a1a0ba31ae7e0b0c8a4eae0d9f8a1d7fbd1d3fdd5ef9fd8e4d7b3a2"
#define UID "2c48913c-b29f-11e7-9350-020968147796"
#define POD_CGROUP "/kubepods/burstable/pod" UID "/" ID

struct world {
	char root[64];
	char cgroups[96], logs[96];
	struct discovery *d;
};

static void make_dirs(const char *base, const char *path)
{
	char *whole = xasprintf("%s%s", base, path);
	for (char *p = whole + strlen(base) + 1; *p; p++) {
		if (*p == '/') {
			*p = 0;
			mkdir(whole, 0755);
			*p = '/';
		}
	}
	if (mkdir(whole, 0755) != 0)
		assert_int_equal(errno, EEXIST);
	free(whole);
}

static void make_file(const char *base, const char *path)
{
	_cleanup_free_ char *whole = xasprintf("%s%s", base, path);
	int fd = open(whole, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
}

static uint64_t id_of(const char *base, const char *path)
{
	_cleanup_free_ char *whole = xasprintf("%s%s", base, path);
	struct stat st;
	assert_int_equal(stat(whole, &st), 0);
	return st.st_ino;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	strcpy(w->root, "/tmp/test_discovery.XXXXXX");
	if (!mkdtemp(w->root))
		return -1;
	snprintf(w->cgroups, sizeof(w->cgroups), "%s/cgroup", w->root);
	snprintf(w->logs, sizeof(w->logs), "%s/log", w->root);
	make_dirs(w->root, "/cgroup");
	make_dirs(w->root, "/log");
	make_dirs(w->cgroups, "/system.slice/nginx.service");
	make_dirs(w->cgroups, "/system.slice/containerd.service");
	make_dirs(w->cgroups, "/user.slice/user-0.slice/session-1.scope");
	make_dirs(w->cgroups, POD_CGROUP);
	w->d = discovery_new_at(w->cgroups, w->logs, 64);
	*state = w;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	struct world *w = *state;
	discovery_free(w->d);
	nftw(w->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

static void expect(struct discovery *d, uint64_t id, const char *comm, const char *service, const char *namespace, const char *pod,
		   const char *container)
{
	const struct service_id *got = discovery_lookup(d, id, comm);
	assert_string_equal(got->service, service);
	assert_string_equal(got->namespace, namespace);
	assert_string_equal(got->pod, pod);
	assert_string_equal(got->container, container);
}

static void test_units_and_programs(void **state)
{
	struct world *w = *state;
	uint64_t nginx = id_of(w->cgroups, "/system.slice/nginx.service");
	expect(w->d, nginx, "nginx", "nginx", "", "", "");
	expect(w->d, nginx, "helper", "nginx", "", "", "");
	uint64_t session = id_of(w->cgroups, "/user.slice/user-0.slice/session-1.scope");
	expect(w->d, session, "gunicorn", "gunicorn", "", "", "");
	expect(w->d, session, "node", "node", "", "", "");
	expect(w->d, id_of(w->cgroups, ""), "haproxy", "haproxy", "", "", "");
	expect(w->d, id_of(w->cgroups, "/system.slice/containerd.service"), "python3", "python3", "", "", "");
	expect(w->d, 0, "", "unknown", "", "", "");
	expect(w->d, UINT64_MAX, "gone", "gone", "", "", "");
}

/* Programs that add to their own name, or take their path for it. */
static void test_program_names(void **state)
{
	struct world *w = *state;
	static const char *const names[][2] = {
		{"starman worker ", "starman"},	 {"starman master ", "starman"}, {"gunicorn: maste", "gunicorn"}, {"gunicorn: worke", "gunicorn"},
		{"/usr/bin/twiggy", "twiggy"},	 {"/usr/bin/placku", "placku"},	 {"node /srv/app.j", "node"},	  {"MainThread", "node"},
		{"node-MainThread", "node"},	 {"x-MainThread", "x"},		 {"NotMainThread", "NotMainThread"}, {"-MainThread", "-MainThread"},
		{"a:b", "a:b"},			 {"a:", "a"},			 {": x", ": x"},		  {" x", " x"},
		{"/", "/"},			 {"/opt/", "/opt/"},		 {"(sd-executor)", "(sd-executor)"}, {"docker-registry", "docker-registry"},
	};
	uint64_t session = id_of(w->cgroups, "/user.slice/user-0.slice/session-1.scope");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		expect(w->d, session, names[i][0], names[i][1], "", "", "");
}

/* A name once found stays when the cgroup is removed, and a cgroup made later is found after a refresh. */
static void test_names_stay(void **state)
{
	struct world *w = *state;
	uint64_t nginx = id_of(w->cgroups, "/system.slice/nginx.service");
	expect(w->d, nginx, "nginx: x", "nginx", "", "", "");
	_cleanup_free_ char *path = xasprintf("%s/system.slice/nginx.service", w->cgroups);
	assert_int_equal(rmdir(path), 0);
	discovery_refresh(w->d);
	expect(w->d, nginx, "nginx: x", "nginx", "", "", "");

	make_dirs(w->cgroups, "/system.slice/late.service");
	discovery_refresh(w->d);
	expect(w->d, id_of(w->cgroups, "/system.slice/late.service"), "python3", "late", "", "", "");
}

static void test_pod_by_container_link(void **state)
{
	struct world *w = *state;
	make_dirs(w->logs, "/containers");
	make_file(w->logs, "/containers/other-abc_default_app-" "0000000000000000000000000000000000000000000000000000000000000000.log");
	make_file(w->logs, "/containers/shop-7db6d8ff4d-x2k9p_prod_web-" ID ".log");
	expect(w->d, id_of(w->cgroups, POD_CGROUP), "nginx", "shop", "prod", "shop-7db6d8ff4d-x2k9p", "web");
}

/* The names come a moment after the first request: the series gets them at a later refresh. */
static void test_pod_named_later(void **state)
{
	struct world *w = *state;
	uint64_t id = id_of(w->cgroups, POD_CGROUP);
	expect(w->d, id, "nginx", "nginx", "", "", "");
	make_dirs(w->logs, "/pods/prod_shop-0_" UID "/web");
	expect(w->d, id, "nginx", "nginx", "", "", ""); /* not before the next refresh */
	discovery_refresh(w->d);
	expect(w->d, id, "nginx", "shop", "prod", "shop-0", "web");
	make_dirs(w->logs, "/pods/prod_shop-0_" UID "/sidecar");
	discovery_refresh(w->d);
	expect(w->d, id, "nginx", "shop", "prod", "shop-0", ""); /* two of them now: which one is not known */
	make_dirs(w->logs, "/containers");
	make_file(w->logs, "/containers/shop-0_prod_sidecar-" ID ".log");
	discovery_refresh(w->d);
	expect(w->d, id, "nginx", "shop", "prod", "shop-0", "sidecar");
}

/* File names that no kubelet writes name nothing. */
static void test_pod_bad_names(void **state)
{
	struct world *w = *state;
	make_dirs(w->logs, "/containers");
	make_file(w->logs, "/containers/Shop_prod_web-" ID ".log");
	make_dirs(w->logs, "/pods/prod-without-separator_" UID);
	expect(w->d, id_of(w->cgroups, POD_CGROUP), "nginx", "nginx", "", "", "");
}

static void test_bounded(void **state)
{
	struct world *w = *state;
	uint64_t nginx = id_of(w->cgroups, "/system.slice/nginx.service");
	expect(w->d, nginx, "kept", "nginx", "", "", "");
	for (int i = 0; i < 1000; i++) {
		char comm[16];
		snprintf(comm, sizeof(comm), "c%d", i);
		assert_string_equal(discovery_lookup(w->d, 7, comm)->service, comm);
		assert_true(discovery_size(w->d) <= 64);
		expect(w->d, nginx, "kept", "nginx", "", "", "");
	}
	assert_int_equal(discovery_size(w->d), 64);
	/* used all along, so it was never evicted: it keeps a name that could not be found again */
	_cleanup_free_ char *path = xasprintf("%s/system.slice/nginx.service", w->cgroups);
	assert_int_equal(rmdir(path), 0);
	discovery_refresh(w->d);
	expect(w->d, nginx, "kept", "nginx", "", "", "");
}

static void test_long_comm(void **state)
{
	struct world *w = *state;
	const char *comm = "a-name-that-is-longer-than-any-comm-of-the-kernel";
	const char *got = discovery_lookup(w->d, 7, comm)->service;
	assert_memory_equal(got, comm, 31);
	assert_int_equal(strlen(got), 31);
	expect(w->d, 7, comm, "a-name-that-is-longer-than-any-", "", "", "");
	assert_int_equal(discovery_size(w->d), 1);
}

static void test_no_tree(void **state)
{
	struct discovery *d = discovery_new_at("/nonexistent/cgroup", "/nonexistent/log", 4);
	expect(d, 1, "nginx", "nginx", "", "", "");
	discovery_refresh(d);
	discovery_free(d);
	discovery_free(NULL);
}

static void test_mountinfo(void **state)
{
	static const char text[] =
		"22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
		"29 22 0:25 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,mode=755\n"
		"30 29 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 master:3 - cgroup2 cgroup2 rw,nsdelegate\n"
		"31 29 0:27 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,name=systemd\n"
		"99 29 0:26 /../.. /mnt/with\\040a\\040space\\134 rw - cgroup2 none rw\n"
		"a broken line\n"
		"32 29 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup2 rw\n"
		"33 29 0:28 / /no/separator rw cgroup2 rw\n"
		"34 28 0:26 / /last rw - cgroup2 x rw";
	char *paths[8];
	assert_int_equal(mountinfo_cgroup2(text, paths, 8), 3);
	assert_string_equal(paths[0], "/sys/fs/cgroup/unified");
	assert_string_equal(paths[1], "/mnt/with a space\\");
	assert_string_equal(paths[2], "/last");
	for (int i = 0; i < 3; i++)
		free(paths[i]);
	assert_int_equal(mountinfo_cgroup2(text, paths, 1), 1);
	free(paths[0]);
	assert_int_equal(mountinfo_cgroup2("", paths, 8), 0);
}

/* The real tree of this machine, if it has one: this process's own cgroup, by both ways. */
static void test_real_tree(void **state)
{
	char *root = NULL, *error = NULL;
	if (find_cgroup2_mount(&root, &error) != 0) {
		assert_non_null(strstr(error, "mount -t cgroup2"));
		free(error);
		print_message("SKIP no cgroup2 is mounted here\n");
		skip();
	}
	struct cgroup_tree *tree = cgroup_tree_new(root);
	char *path = cgroup_tree_path(tree, id_of(root, ""));
	assert_string_equal(path, "/");
	free(path);

	char own[512] = "", line[512];
	FILE *f = fopen("/proc/self/cgroup", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "0::", 3) == 0)
			snprintf(own, sizeof(own), "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
	fclose(f);
	/* a made cgroup is the better test, where we may make one */
	_cleanup_free_ char *made = xasprintf("%s/test_discovery.%d.service", root, (int)getpid());
	bool have_made = mkdir(made, 0755) == 0;
	if (have_made)
		snprintf(own, sizeof(own), "/test_discovery.%d.service", (int)getpid());
	uint64_t id = id_of(root, own);
	char *again = cgroup_tree_path(tree, id);
	if (have_made)
		rmdir(made);
	assert_non_null(again);
	assert_string_equal(again, own);
	free(again);
	if (have_made) {
		cgroup_tree_forget(tree);
		assert_null(cgroup_tree_path(tree, id));
	}
	assert_null(cgroup_tree_path(tree, (uint64_t)1 << 60));
	cgroup_tree_free(tree);
	free(root);
}

int main(void)
{
#define WITH_WORLD(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(test_units_and_programs),
		WITH_WORLD(test_program_names),
		WITH_WORLD(test_names_stay),
		WITH_WORLD(test_pod_by_container_link),
		WITH_WORLD(test_pod_named_later),
		WITH_WORLD(test_pod_bad_names),
		WITH_WORLD(test_bounded),
		WITH_WORLD(test_long_comm),
		cmocka_unit_test(test_no_tree),
		cmocka_unit_test(test_mountinfo),
		cmocka_unit_test(test_real_tree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
