/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BPF object of this build: configured, loaded, its programs attached. The only includer of the skeleton. */
#ifndef RT_LOADER_PROGRAMS_H
#define RT_LOADER_PROGRAMS_H

#include <stdint.h>

#include "loader/features.h"
#include "loader/loader.h"
#include "loader/set.h"

struct programs;

/* Opens and configures; nothing is in the kernel yet. */
int programs_open(const struct loader_options *opt, struct programs **p, char **error);
void programs_free(struct programs *p);
/* Of the maps as they are configured. Belongs to P. */
const struct layout *programs_layout(const struct programs *p);
/* What tells these programs, and their settings, from others. Never 0. */
uint64_t programs_hash(const struct programs *p);
uint64_t programs_settings(const struct programs *p);
const struct loader_feature *programs_features(const struct programs *p);
/* Room for N endpoints, if fewer are configured. Before loading. */
void programs_keep_endpoints(struct programs *p, uint32_t n);

struct programs_from {
	const struct set *state; /* its maps are used; NULL: new ones */
	const struct set *elder; /* hands over; NULL: nobody does */
	uint64_t seed;
	bool has_elder; /* the maps elder_* of `state` are somebody's */
};

/* Loads, and fills SET with programs and maps. Once. */
int programs_load(struct programs *p, const struct programs_from *from, struct set *set, char **error);

/* Has the ports marked on which the sockets that are there already may be served, so that a client's packets are let through at once
 * (`server_ports` of maps.h). Where that does not work every packet is looked at: slower, and as right. */
void programs_learn(const struct set *set);

/* Attaches the program NAME of SET, whose link is added to it in place of one that is there; the id of the cgroup in *OPT is where. */
int programs_attach(struct set *set, const char *name, const struct loader_options *opt, char **error);
/* All of them, those first without which a request would be seen whose end would not be. */
int programs_attach_all(struct set *set, const struct loader_options *opt, char **error);
/* Is NAME attached to packets of a cgroup? Then its program can be replaced in its link. */
bool programs_is_packet(const char *name);
/* Names in the order of attaching; NULL behind the last. */
const char *programs_name(size_t i);

#endif
