// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/reclaim.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* The kernel's count may drift, if a packet makes a state for a socket that another CPU closes. It is set right when it is off by more than
 * what may come and go while states are counted. */
#define DRIFT_MIN 16
/* An age bucket, about 70 ms. What is younger, and not idle, stays: a flood is older than the requests of those that it disturbs, and while it
 * fills the budget faster than that, what is new has no room. */
#define YOUNG 20

struct reclaimer {
	struct reclaimer_options opt;
	struct ring_buffer *ring;
};

uint32_t reclaim_mark(uint32_t budget)
{
	return budget - budget / 8;
}

uint32_t reclaim_target(uint32_t budget)
{
	return budget - budget / 4;
}

void reclaim_plan(struct rt_reclaim *o, uint64_t need)
{
	for (int class = 0; class < RT_RECLAIM_CLASSES; class ++) {
		uint32_t age = RT_AGES, least = class == RT_RECLAIM_IDLE ? 0 : YOUNG;
		while (need && age > least && o->ages[class][age - 1] < need)
			need -= o->ages[class][--age];
		/* Bucket age - 1 has more than what is still needed, or there is none. */
		bool some = need && age > least;
		o->youngest[class] = some ? age - 1 : age;
		o->quota[class] = some ? (uint32_t)need : age < RT_AGES ? UINT32_MAX : 0;
		if (some)
			need = 0;
	}
}

static int drop(void *ctx, void *p, size_t n)
{
	return 0;
}

int reclaimer_new(const struct reclaimer_options *opt, struct reclaimer **out)
{
	struct reclaimer *r = xcalloc(1, sizeof(*r));

	r->opt = *opt;
	r->ring = ring_buffer__new(opt->pressure, drop, NULL, NULL);
	if (!r->ring) {
		int err = -errno;
		reclaimer_free(r);
		return err;
	}
	*out = r;
	return 0;
}

void reclaimer_free(struct reclaimer *r)
{
	if (!r)
		return;
	ring_buffer__free(r->ring);
	free(r);
}

int reclaimer_fd(const struct reclaimer *r)
{
	return ring_buffer__epoll_fd(r->ring);
}

static int64_t usage(const struct reclaimer *r)
{
	uint32_t what = RT_USAGE_CONNECTIONS;
	int64_t n = 0;
	return bpf_map_lookup_elem(r->opt.usage, &what, &n) ? 0 : n;
}

/* One walk over all states. ORDERS goes to the kernel before, and comes back after it. */
static int pass(struct reclaimer *r, struct rt_reclaim *orders, enum rt_reclaim_pass what)
{
	_cleanup_close_ int fd = bpf_iter_create(r->opt.link);
	uint32_t zero = 0;
	char nothing[64];
	ssize_t n;

	if (fd < 0)
		return -errno;
	orders->pass = what;
	if (bpf_map_update_elem(r->opt.orders, &zero, orders, BPF_ANY))
		return -errno;
	do
		n = read(fd, nothing, sizeof(nothing)); /* -EAGAIN: a million looked at, go on */
	while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	if (n < 0 || bpf_map_lookup_elem(r->opt.orders, &zero, orders))
		return -errno;
	return 0;
}

/* What is marked is left alone by every program that begins from now on. Waits until none is at work that began before. */
static void wait_for_programs(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(50000); /* not there (nohz_full): a program runs for some microseconds */
}

bool reclaimer_run(struct reclaimer *r)
{
	struct rt_reclaim orders = {0};
	uint64_t walked = 0;

	ring_buffer__consume(r->ring);
	int64_t before = usage(r), target = reclaim_target(r->opt.budget);
	if (before < reclaim_mark(r->opt.budget))
		return false;
	if (pass(r, &orders, RT_PASS_COUNT))
		return true;
	for (int class = 0; class < RT_RECLAIM_CLASSES; class ++)
		for (int age = 0; age < RT_AGES; age++)
			walked += orders.ages[class][age];
	int64_t drift = before - (int64_t)walked;
	if (usage(r) == before && drift > DRIFT_MIN && drift > r->opt.budget / 64)
		orders.correction = (int32_t)-drift;
	reclaim_plan(&orders, (int64_t)walked > target ? walked - (uint64_t)target : 0);
	if (!pass(r, &orders, RT_PASS_TAKE) && orders.taken[RT_RECLAIM_MESSAGE]) {
		wait_for_programs();
		pass(r, &orders, RT_PASS_FINISH);
	}
	return usage(r) >= reclaim_mark(r->opt.budget);
}
