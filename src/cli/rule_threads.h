/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules have threads of their own, so that an evaluation that takes long holds up neither scrapes nor signals nor, with several threads, the
 * other groups. */
#ifndef RT_CLI_RULE_THREADS_H
#define RT_CLI_RULE_THREADS_H

#include <stddef.h>

#include "rules/manager.h"

struct rule_threads;

/* N threads; AFTER is called behind each evaluation, by one of them at a time. NULL: no thread could be started. */
struct rule_threads *rule_threads_start(struct rule_manager *rules, size_t n, void (*after)(void *self), void *self);
/* The rules are others now. From any thread. */
void rule_threads_wake(struct rule_threads *t);
/* Waits for the evaluations under way. NULL is fine. */
void rule_threads_stop(struct rule_threads *t);

#endif
