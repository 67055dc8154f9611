// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/budget.h"

#include <stddef.h>

/* Loading the programs with preallocated maps takes 85 MB for a moment, a third of that the verifier's. */
#define LEAN_BELOW ((uint64_t)128 << 20)
/* Programs, small maps, and the process without a series. */
#define BASE ((uint64_t)12 << 20)
/* In the kernel 1.2 KB, in the process 1.1 KB, and as much again while it is scraped. */
#define SERIES_BYTES 3600
/* Its state, and its share of pipelines. */
#define CONNECTION_BYTES 1536
#define LEAST 64
/* What one evaluation may hold, in samples with all that belongs to them, and what an answer may be. Three evaluations may be under way:
 * two of queries, one of rules. */
#define QUERY_SHARE 16
#define SAMPLE_BYTES 25
#define ANSWER_SHARE 32
#define ANSWER_MAX ((size_t)32 << 20)

static uint32_t at_most(uint32_t configured, uint64_t room)
{
	if (room >= configured)
		return configured;
	return room < LEAST ? LEAST : (uint32_t)room;
}

void budget_samples(uint64_t limit, uint64_t *window, uint64_t *bodies)
{
	const uint64_t least = (uint64_t)1 << 20;

	if (limit == UINT64_MAX)
		return;
	if (*window > limit / 4)
		*window = limit / 4 > least ? limit / 4 : least;
	if (*bodies > limit / 16)
		*bodies = limit / 16 > least ? limit / 16 : least;
}

uint64_t budget_query_samples(uint64_t limit, uint64_t most)
{
	uint64_t n = limit / QUERY_SHARE / SAMPLE_BYTES;

	return n < most ? n : most;
}

size_t budget_answer(uint64_t limit)
{
	return limit / ANSWER_SHARE < ANSWER_MAX ? (size_t)(limit / ANSWER_SHARE) : ANSWER_MAX;
}

bool budget_fit(struct budgets *b, uint64_t limit)
{
	struct budgets was = *b;
	uint64_t room = limit > BASE ? limit - BASE : 0;

	b->lean = limit < LEAN_BELOW;
	b->series = at_most(b->series, room / 100 * 60 / SERIES_BYTES);
	b->connections = at_most(b->connections, room / 100 * 35 / CONNECTION_BYTES);
	return b->series != was.series || b->connections != was.connections;
}
