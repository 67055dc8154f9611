/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A thread that sleeps until the budget of connection states is short, and takes states back then. */
#ifndef RT_CLI_PRESSURE_H
#define RT_CLI_PRESSURE_H

#include <pthread.h>

struct loader;
struct pressure;

/* LOCK is held while states are taken back: no scrape sees it half done. NULL if there is no thread to be had. */
struct pressure *pressure_start(struct loader *l, pthread_mutex_t *lock);
void pressure_stop(struct pressure *p);

#endif
