// SPDX-License-Identifier: GPL-2.0-or-later
/* The forms seen in the field, innermost last:
 *
 *   kubelet, systemd driver    kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid, _ for ->.slice
 *   kubelet, cgroupfs driver   kubepods/burstable/pod<uid>
 *   below them                 cri-containerd-<id>.scope  crio-<id>.scope[/container]  docker-<id>.scope  <id>
 *   containerd, mixed drivers  kubepods-burstable-pod<uid>.slice:cri-containerd:<id>
 *   docker, podman, nerdctl    docker-<id>.scope  docker/<id>  libpod-<id>.scope[/container]  nerdctl-<id>.scope
 *   systemd                    system.slice/nginx.service  user.slice/.../user@1000.service/app.slice/web.service
 */
#include "discovery/cgroup_path.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool ends_with(struct sv s, const char *suffix)
{
	size_t n = strlen(suffix);
	return s.n > n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

static bool is_hex(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]) && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	return s.n > 0;
}

static bool is_digits(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

static void copy_sv(char *out, size_t size, struct sv s)
{
	size_t n = s.n < size - 1 ? s.n : size - 1;
	memcpy(out, s.p, n);
	out[n] = 0;
}

/* A pod's uid as either cgroup driver writes it. */
static bool parse_pod_uid(struct sv s, char uid[37])
{
	if (s.n == 32 && is_hex(s)) {
		copy_sv(uid, 37, s);
		return true;
	}
	if (s.n != 36)
		return false;
	char out[37];
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? s.p[i] != '-' && s.p[i] != '_' : !is_hex(sv_make(s.p + i, 1)))
			return false;
		out[i] = dash ? '-' : s.p[i];
	}
	out[36] = 0;
	memcpy(uid, out, sizeof(out));
	return true;
}

/* A component that names a pod: "pod<uid>", "kubepods-besteffort-pod<uid>.slice", and what a kubelet below another
 * slice makes of it ("kubelet-kubepods-pod<uid>.slice"). */
static bool parse_pod_component(struct sv s, char uid[37])
{
	if (ends_with(s, ".slice")) {
		s.n -= strlen(".slice");
		size_t at = s.n;
		while (at > 0 && s.p[at - 1] != '-')
			at--;
		s = sv_make(s.p + at, s.n - at);
	}
	return sv_starts_with(s, SV("pod")) && parse_pod_uid(sv_make(s.p + 3, s.n - 3), uid);
}

/* A container's id: 64 hexadecimal digits; "<32 digits>-<digits>" (ECS) is cut at the dash. */
static bool parse_container_id(struct sv s, char id[65])
{
	size_t n = 0;
	while (n < s.n && is_hex(sv_make(s.p + n, 1)))
		n++;
	bool whole = n == s.n && n == 64;
	bool ecs = n == 32 && n + 1 < s.n && s.p[n] == '-' && is_digits(sv_make(s.p + n + 1, s.n - n - 1));
	if (!whole && !ecs)
		return false;
	copy_sv(id, 65, sv_make(s.p, n));
	return true;
}

/* "cri-containerd-<id>.scope", "crio-<id>", "<id>": what stands before the id is the runtime's name. */
static bool parse_container_component(struct sv s, char id[65])
{
	if (ends_with(s, ".scope"))
		s.n -= strlen(".scope");
	/* conmon is the watcher of a container, not the container */
	if (sv_starts_with(s, SV("crio-conmon-")) || sv_starts_with(s, SV("libpod-conmon-")))
		return false;
	if (parse_container_id(s, id))
		return true;
	if (s.n <= 65 || s.p[s.n - 65] != '-')
		return false;
	return parse_container_id(sv_make(s.p + s.n - 64, 64), id);
}

/* What systemd-run calls a unit nobody named: run-r<32 hexadecimal digits>, run-u12, run-p12-i34, once run-12. */
static bool is_transient(struct sv name)
{
	if (!sv_starts_with(name, SV("run-")))
		return false;
	struct sv rest = sv_make(name.p + 4, name.n - 4);
	char how = rest.n ? rest.p[0] : 0;
	if (how == 'r' || how == 'u' || how == 'p')
		rest = sv_make(rest.p + 1, rest.n - 1);
	if (how == 'r')
		return rest.n == 32 && is_hex(rest);
	size_t n = 0;
	while (n < rest.n && is_digits(sv_make(rest.p + n, 1)))
		n++;
	return n && (n == rest.n || (how == 'p' && rest.p[n] == '-'));
}

/* Names that systemd, logind, a desktop or a terminal made up: new at each start, so no name of a service. */
static bool is_generated(struct sv name, bool service)
{
	static const char *const prefixes[] = {"session-", "vte-spawn-", "tmux-spawn-", "snap.", "app-", "crio-conmon-",
					       "libpod-conmon-"};
	if (service) /* a user's service manager and its directory are no services of theirs */
		return is_transient(name) || sv_starts_with(name, SV("user@")) || sv_starts_with(name, SV("user-runtime-dir@"));
	if (is_transient(name) || sv_eqs(name, "init"))
		return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (sv_starts_with(name, sv_of(prefixes[i])))
			return true;
	return false;
}

/* True if S is a unit; its name goes to UNIT, which is emptied for a unit whose name says nothing. */
static bool parse_unit_component(struct sv s, char *unit, size_t size)
{
	/* systemd puts "_" before a name that could be taken for a file of the cgroup file system */
	if (s.n && s.p[0] == '_')
		s = sv_make(s.p + 1, s.n - 1);
	bool service = ends_with(s, ".service");
	if (!service && !ends_with(s, ".scope"))
		return false;
	s.n -= strlen(service ? ".service" : ".scope");
	copy_sv(unit, size, is_generated(s, service) ? SV("") : s);
	return true;
}

static void parse_component(struct sv s, struct cgroup_owner *owner)
{
	if (parse_pod_component(s, owner->pod_uid)) {
		owner->kind = CGROUP_POD;
		owner->container_id[0] = 0;
		return;
	}
	if (parse_container_component(s, owner->container_id)) {
		if (owner->kind != CGROUP_POD)
			owner->kind = CGROUP_CONTAINER;
		return;
	}
	if (owner->kind == CGROUP_POD || !parse_unit_component(s, owner->unit, sizeof(owner->unit)))
		return;
	if (owner->unit[0]) {
		owner->kind = CGROUP_UNIT; /* also systemd inside a container: the inner unit says more */
		owner->container_id[0] = 0;
	} else if (owner->kind == CGROUP_UNIT) {
		owner->kind = CGROUP_OTHER;
	}
}

void cgroup_path_parse(const char *path, struct cgroup_owner *owner)
{
	*owner = (struct cgroup_owner){0};
	for (const char *p = path; *p;) {
		/* ':' parts containerd's mixed form; no other component of interest holds one */
		size_t n = strcspn(p, "/:");
		if (n)
			parse_component(sv_make(p, n), owner);
		p += n + (p[n] != 0);
	}
	if (owner->kind != CGROUP_UNIT)
		owner->unit[0] = 0;
}

/* Names made by the API server and the controllers use these only, so that no word can appear. */
static bool is_random(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr("bcdfghjklmnpqrstvwxz2456789", s.p[i]))
			return false;
	return s.n > 0;
}

static struct sv last_word(struct sv s)
{
	size_t at = s.n;
	while (at > 0 && s.p[at - 1] != '-')
		at--;
	return sv_make(s.p + at, at ? s.n - at : 0);
}

size_t pod_workload_length(struct sv name)
{
	struct sv word = last_word(name);
	if (!word.n || word.n + 1 >= name.n)
		return name.n;
	struct sv rest = sv_make(name.p, name.n - word.n - 1);
	if (word.n == 5 && is_random(word)) {
		/* Deployment: name-<template hash>-<random>; CronJob: name-<minutes since 1970>-<random> */
		struct sv hash = last_word(rest);
		if (hash.n + 1 < rest.n && ((hash.n >= 6 && hash.n <= 10 && is_random(hash)) || (hash.n == 8 && is_digits(hash))))
			return rest.n - hash.n - 1;
		return rest.n; /* DaemonSet, Job, ReplicaSet */
	}
	if (word.n <= 4 && is_digits(word))
		return rest.n; /* StatefulSet: name-<ordinal> */
	return name.n;
}
