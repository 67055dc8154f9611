// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/pressure.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "loader/loader.h"

/* A walk over 65,536 states takes some 10 ms. Under a flood a tenth of one CPU at most goes there. */
#define PAUSE_RATIO 9
/* Too little could be taken back: all that is not idle is too young. */
#define RETRY_MS 100

struct pressure {
	struct loader *l;
	pthread_mutex_t *lock;
	pthread_t thread;
	int stop_fd;
};

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *run(void *arg)
{
	struct pressure *p = arg;
	struct pollfd fds[] = {{.fd = p->stop_fd, .events = POLLIN}, {.fd = loader_pressure_fd(p->l), .events = POLLIN}};
	int timeout = 0; /* it may be short already: the states are those of a run before */

	for (;;) {
		if (poll(fds, 2, timeout) < 0)
			continue;
		if (fds[0].revents)
			return NULL;
		pthread_mutex_lock(p->lock);
		uint64_t begun = cpu_ns();
		bool still = loader_reclaim(p->l);
		uint64_t took_ms = (cpu_ns() - begun) / 1000000;
		pthread_mutex_unlock(p->lock);
		timeout = still ? RETRY_MS : -1;
		if (poll(fds, 1, (int)took_ms * PAUSE_RATIO + 1) > 0)
			return NULL;
	}
}

struct pressure *pressure_start(struct loader *l, pthread_mutex_t *lock)
{
	struct pressure *p = xcalloc(1, sizeof(*p));
	p->l = l;
	p->lock = lock;
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->stop_fd >= 0 && !pthread_create(&p->thread, NULL, run, p))
		return p;
	close(p->stop_fd);
	free(p);
	return NULL;
}

void pressure_stop(struct pressure *p)
{
	uint64_t one = 1;

	if (!p)
		return;
	if (write(p->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(p->thread, NULL);
	close(p->stop_fd);
	free(p);
}
