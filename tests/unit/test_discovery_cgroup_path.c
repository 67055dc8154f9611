// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "discovery/cgroup_path.h"

#define ID "fc1b0ebc8a1a0ba31ae7e0b0c8a4eae0d9f8a1d7fbd1d3fdd5ef9fd8e4d7b3a2"
#define ID2 "03d4bd1a1f0a3f2c9e2c6a0f5ad5a2a9d3be0bd2d3c95a5c1d8a2e2c1a7f9b44"
#define UID "2c48913c-b29f-11e7-9350-020968147796"
#define UID_ "2c48913c_b29f_11e7_9350_020968147796"
#define STATIC_UID "a1f3c0de9b8d7c6b5a49382716050403"

struct sample {
	const char *path;
	enum cgroup_kind kind;
	const char *pod, *container, *unit;
};

static const struct sample samples[] = {
	/* Kubernetes, systemd driver: burstable, best effort, guaranteed */
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope", CGROUP_POD, UID,
	 ID, ""},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID ".scope", CGROUP_POD, UID, ID, ""},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/docker-" ID ".scope", CGROUP_POD, UID, ID, ""},
	/* CRI-O 1.24 and later on cgroup v2 */
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container", CGROUP_POD, UID, ID, ""},
	/* the pod itself, and the watcher beside the container */
	{"/kubepods.slice/kubepods-pod" UID_ ".slice", CGROUP_POD, UID, "", ""},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope", CGROUP_POD, UID, "", ""},
	/* static pod: the uid is a hash */
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC_UID ".slice/cri-containerd-" ID ".scope", CGROUP_POD,
	 STATIC_UID, ID, ""},
	/* Kubernetes, cgroupfs driver */
	{"/kubepods/burstable/pod" UID "/" ID, CGROUP_POD, UID, ID, ""},
	{"/kubepods/besteffort/pod" UID "/" ID, CGROUP_POD, UID, ID, ""},
	{"/kubepods/pod" UID "/" ID, CGROUP_POD, UID, ID, ""},
	{"/kubepods/pod" STATIC_UID "/" ID, CGROUP_POD, STATIC_UID, ID, ""},
	/* kind, k3d: a node that is itself a container; the inner one counts */
	{"/system.slice/docker-" ID ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	 "kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID2 ".scope",
	 CGROUP_POD, UID, ID2, ""},
	{"/docker/" ID "/kubelet/kubepods/besteffort/pod" UID "/" ID2, CGROUP_POD, UID, ID2, ""},
	/* containerd with the cgroupfs driver below a kubelet with the systemd driver */
	{"/system.slice/containerd.service/kubepods-burstable-pod" UID_ ".slice:cri-containerd:" ID, CGROUP_POD, UID, ID, ""},
	/* systemd inside a pod */
	{"/kubepods/pod" UID "/" ID "/system.slice/nginx.service", CGROUP_POD, UID, ID, ""},

	/* containers elsewhere */
	{"/system.slice/docker-" ID ".scope", CGROUP_CONTAINER, "", ID, ""},
	{"/docker/" ID, CGROUP_CONTAINER, "", ID, ""},
	{"/system.slice/docker.service/docker/" ID, CGROUP_CONTAINER, "", ID, ""},
	{"/docker/" ID "/docker/" ID2, CGROUP_CONTAINER, "", ID2, ""},
	{"/machine.slice/libpod-" ID ".scope/container", CGROUP_CONTAINER, "", ID, ""},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container", CGROUP_CONTAINER, "", ID, ""},
	{"/system.slice/nerdctl-" ID ".scope", CGROUP_CONTAINER, "", ID, ""},
	{"/default/" ID, CGROUP_CONTAINER, "", ID, ""},
	{"/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-1234567890", CGROUP_CONTAINER, "",
	 "0123456789abcdef0123456789abcdef", ""},
	/* systemd inside a container: its unit says more */
	{"/system.slice/docker-" ID ".scope/system.slice/nginx.service", CGROUP_UNIT, "", "", "nginx"},
	{"/system.slice/docker-" ID ".scope/init.scope", CGROUP_CONTAINER, "", ID, ""},
	{"/lxc.payload.web/system.slice/apache2.service", CGROUP_UNIT, "", "", "apache2"},

	/* systemd */
	{"/system.slice/nginx.service", CGROUP_UNIT, "", "", "nginx"},
	{"/system.slice/system-postgresql.slice/postgresql@15-main.service", CGROUP_UNIT, "", "", "postgresql@15-main"},
	{"/system.slice/system-getty.slice/getty@tty1.service", CGROUP_UNIT, "", "", "getty@tty1"},
	{"/system.slice/systemd-udevd.service/udev", CGROUP_UNIT, "", "", "systemd-udevd"},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", CGROUP_UNIT, "", "", "web"},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-server.service", CGROUP_UNIT, "", "", "app-server"},
	{"/system.slice/_cpu.service", CGROUP_UNIT, "", "", "cpu"},
	{"/system.slice/run-report.service", CGROUP_UNIT, "", "", "run-report"},
	{"/system.slice/batch.scope", CGROUP_UNIT, "", "", "batch"},
	{"/system.slice/my\\x2dapp.service", CGROUP_UNIT, "", "", "my\\x2dapp"},

	/* nothing to call a service by */
	{"/", CGROUP_OTHER, "", "", ""},
	{"", CGROUP_OTHER, "", "", ""},
	{"/init.scope", CGROUP_OTHER, "", "", ""},
	{"/user.slice/user-0.slice/session-3.scope", CGROUP_OTHER, "", "", ""},
	{"/user.slice/user-1000.slice/user@1000.service/init.scope", CGROUP_OTHER, "", "", ""},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/"
	 "vte-spawn-8c9b1dbd-8a5b-4f6e-9a52-0a8f4a1d2c3e.scope",
	 CGROUP_OTHER, "", "", ""},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-4321.scope", CGROUP_OTHER, "", "", ""},
	{"/system.slice/run-u12.service", CGROUP_OTHER, "", "", ""},
	{"/system.slice/run-r0123456789abcdef0123456789abcdef.scope", CGROUP_OTHER, "", "", ""},
	{"/system.slice/run-p812-i1234.service", CGROUP_OTHER, "", "", ""},
	{"/system.slice/run-4711.scope", CGROUP_OTHER, "", "", ""},
	{"/system.slice", CGROUP_OTHER, "", "", ""},
	{"/.service", CGROUP_OTHER, "", "", ""},
	{"/kubepods.slice/kubepods-burstable.slice", CGROUP_OTHER, "", "", ""},

	/* nearly */
	{"/kubepods/pod2c48913c-b29f-11e7-9350-02096814779/" ID, CGROUP_CONTAINER, "", ID, ""},
	{"/kubepods/podinfo", CGROUP_OTHER, "", "", ""},
	{"/system.slice/podman.service", CGROUP_UNIT, "", "", "podman"},
	{"/docker/fc1b0ebc8a1a", CGROUP_OTHER, "", "", ""},
	{"////", CGROUP_OTHER, "", "", ""},
};

static void test_samples(void **state)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		struct cgroup_owner owner;
		memset(&owner, 0xa5, sizeof(owner));
		cgroup_path_parse(s->path, &owner);
		if ((int)owner.kind != (int)s->kind || strcmp(owner.pod_uid, s->pod) || strcmp(owner.container_id, s->container) ||
		    strcmp(owner.unit, s->unit))
			fail_msg("%s: kind %d pod '%s' container '%s' unit '%s'", s->path, owner.kind, owner.pod_uid,
				 owner.container_id, owner.unit);
	}
}

/* A name as long as a file system allows is cut, not overrun. */
static void test_long_names(void **state)
{
	char path[1024] = "/system.slice/";
	memset(path + 14, 'x', 800);
	strcpy(path + 814, ".service");
	struct cgroup_owner owner;
	cgroup_path_parse(path, &owner);
	assert_int_equal(owner.kind, CGROUP_UNIT);
	assert_int_equal(strlen(owner.unit), sizeof(owner.unit) - 1);
}

/* Every prefix of every sample, in a block of exactly its size, so that ASan sees a read past the end. */
static void test_truncated(void **state)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		for (size_t n = 0; n <= strlen(samples[i].path); n++) {
			char *copy = strndup(samples[i].path, n);
			struct cgroup_owner owner;
			cgroup_path_parse(copy, &owner);
			assert_true(owner.kind != CGROUP_POD || strlen(owner.pod_uid) == 36 || strlen(owner.pod_uid) == 32);
			assert_true(owner.kind != CGROUP_UNIT || owner.unit[0]);
			free(copy);
		}
	}
}

static void expect_workload(const char *pod, const char *workload)
{
	size_t n = pod_workload_length(sv_of(pod));
	if (n != strlen(workload) || memcmp(pod, workload, n) != 0)
		fail_msg("%s: got %.*s, want %s", pod, (int)n, pod, workload);
}

static void test_workload(void **state)
{
	expect_workload("coredns-7db6d8ff4d-x2k9p", "coredns");	       /* Deployment */
	expect_workload("web-front-5d4f8c7b9-zx8vq", "web-front");
	expect_workload("kube-proxy-4bc9z", "kube-proxy");	       /* DaemonSet */
	expect_workload("backup-28401234-h5k2t", "backup");	       /* CronJob */
	expect_workload("redis-0", "redis");			       /* StatefulSet */
	expect_workload("my-db-12", "my-db");
	expect_workload("etcd-node1", "etcd-node1");		       /* static */
	expect_workload("busybox", "busybox");
	expect_workload("my-mysql", "my-mysql");		       /* five letters, but with a y */
	expect_workload("app-nginx", "app-nginx");
	expect_workload("x-bcdfg", "x");
	expect_workload("-bcdfg", "-bcdfg");			       /* nothing would be left */
	expect_workload("-0", "-0");
	expect_workload("a-", "a-");
	expect_workload("", "");
	expect_workload("release-20261122", "release-20261122");
	expect_workload("-5d4f8c7b9-zx8vq", "-5d4f8c7b9");	       /* a name is left over in any case */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_workload),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
