/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures of sets that are no more. When a set has handed over and finished, what it counted is added up in the map `base` of its
 * successor, together with what it had from its own predecessors. Scrapes add base to what the programs count, so that no counter goes
 * back. Only user space knows this map; it is pinned with the set, and lives as long.
 *
 * A new map is made and put in the place of the old one by a rename, and says whom it includes: whoever dies in the middle leaves
 * either the old or the new one, and the next one to come can tell whether a finished set has been added. */
#ifndef RT_LOADER_BASE_H
#define RT_LOADER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/layout.h"
#include "loader/loader.h"
#include "loader/set.h"
#include "reqtally.h"

/* Calls F for all figures of S, a set of any layout, in the layout of OWN: what its programs counted and, with BASE, what it has from its
 * predecessors. OWN gets the texts of endpoints and the services that it does not have. */
int base_read(const struct set *s, const struct set *own, bool with_base, const struct loader_figures *f);
/* What OWN has from its predecessors. */
int base_read_own(const struct set *own, const struct loader_figures *f);
/* Has S been added to OWN's base? OWN may be of any layout, unlike elsewhere here, where it is that of this program. */
bool base_has(const struct set *own, const struct set *s);
/* Puts S's figures, and what it has of its own base, into OWN's; requests that S had in flight are lost as RT_LOST_HANDOVER. With
 * ROOT the new map is pinned in the set's folder. At most MAX series; beyond, those of a service become one. */
int base_add(struct set *own, const struct set *s, const struct pin_root *root, uint32_t max);
/* Requests that S has seen and that have not ended, by its ledger. */
int64_t base_open(const struct set *s, const struct set *own);
/* Enters the texts and the services of S in OWN, before OWN's programs run: S's identifiers stay valid. */
void base_copy_names(const struct set *s, const struct set *own);

#endif
