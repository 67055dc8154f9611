/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the maps of a set of programs look like, as a text that is pinned beside them, so that another version can tell whether it may use
 * them as they are, and if not, what stands where.
 *
 *   handover 1                                    RT_HANDOVER of the programs
 *   abi 1                                         RT_ABI: meaning of what has the same form
 *   bounds 5000000 10000000 ...                   of the histograms, in ns
 *   ledger seen recorded malformed ...            the counters in their order
 *   map series 1 24 816 16384 0 8f3c...           type, sizes, entries, flags, hash of the types of key and value
 *   type rt_series 816                            size
 *   field duration.buckets 32 8 32                offset, size of an element, how many
 */
#ifndef RT_LOADER_LAYOUT_H
#define RT_LOADER_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text's longest, and so the size of the map that holds it. A few KB in practice. */
#define LAYOUT_TEXT_MAX 16384
#define LAYOUT_BOUNDS_MAX 64
#define LAYOUT_LEDGER_MAX 64

struct bpf_object;

struct layout_field {
	char name[40];
	uint32_t offset, size, count;
};

struct layout_type {
	char name[32];
	uint32_t size;
	size_t n;
	struct layout_field fields[16];
};

struct layout {
	char *text;
	uint32_t handover;
	uint64_t bounds_ns[LAYOUT_BOUNDS_MAX];
	size_t n_bounds;
	char ledger[LAYOUT_LEDGER_MAX][32];
	size_t n_ledger;
	struct layout_type types[8];
	size_t n_types;
};

/* The layout of OBJ's maps (opened, budgets set) with these N bounds, and of the types as this program knows them. */
struct layout *layout_of(const struct bpf_object *obj, const uint64_t *bounds_ns, size_t n);
/* From a text that somebody else wrote: NULL if it makes no sense. Takes a copy. */
struct layout *layout_parse(const char *text);
void layout_free(struct layout *l);
bool layout_equal(const struct layout *a, const struct layout *b);
/* Have keys and values of this map the same form in both? Its size may differ. */
bool layout_same_map(const struct layout *a, const struct layout *b, const char *map);
/* Does this map belong to the state of a set, which is pinned and outlives the programs? Not those that are filled for one program. */
bool layout_is_state(const char *map);

/* The size of a type; 0 if the layout has none of that name. */
uint32_t layout_size(const struct layout *l, const char *type);
/* Converts a value of TYPE, a struct of the kernel/user contract, from layout FROM to that of this program with its N bounds. Members are
 * found by name; those that FROM does not have are zero. A bucket is added to the one whose bound is the next that is not below its own,
 * so that every cumulative count stays true for the bounds that both have, and count and sum are the same. */
void layout_convert(const struct layout *from, const struct layout *own, const char *type, const void *src, void *dst);
/* The index in OWN's ledger of counter I of FROM; -1 if there is none. */
int layout_ledger_index(const struct layout *from, const struct layout *own, size_t i);

uint64_t layout_hash(uint64_t h, const void *p, size_t n);

#endif
