/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing list of owned strings: `struct strings s = {0};` then strings_free(&s). */
#ifndef RT_BASE_STRINGS_H
#define RT_BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

struct strings {
	char **v;
	size_t n, cap;
};

/* Takes S. */
void strings_take(struct strings *list, char *s);
void strings_add(struct strings *list, const char *s);
/* Adds S unless the list has it already. */
void strings_add_once(struct strings *list, const char *s);
bool strings_has(const struct strings *list, const char *s);
void strings_free(struct strings *list);

#endif
