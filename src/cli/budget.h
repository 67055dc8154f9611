/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Budgets that fit into a memory limit. docs/capacity.md has where the figures come from. */
#ifndef RT_CLI_BUDGET_H
#define RT_CLI_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budgets {
	uint32_t series, connections;
	bool lean; /* maps take memory as they fill up: the verifier needs what they would have had in advance */
};

/* Lowers B to what LIMIT bytes leave room for; MEMORY_UNLIMITED changes nothing. True if it was lowered. */
bool budget_fit(struct budgets *b, uint64_t limit);

/* What the window of samples and the bodies of scrapes may take under LIMIT: at most WINDOW (configured), and a part of the limit. */
void budget_samples(uint64_t limit, uint64_t *window, uint64_t *bodies);

/* Samples that one evaluation may hold under LIMIT, at most MOST. */
uint64_t budget_query_samples(uint64_t limit, uint64_t most);
/* Bytes that one answer of the API may have under LIMIT. */
size_t budget_answer(uint64_t limit);

#endif
