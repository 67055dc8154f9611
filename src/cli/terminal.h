/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal as a whole screen: keys one by one, another screen than the shell's, everything as it was afterwards. */
#ifndef RT_CLI_TERMINAL_H
#define RT_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct terminal;

enum terminal_key {
	/* below: the character itself */
	KEY_NONE = 256, /* the time was over */
	KEY_RESIZE,	/* size or content of the screen is another */
	KEY_END,	/* to stop: a signal, or the terminal is gone */
	KEY_UP,
	KEY_DOWN,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
};

/* NULL if standard input and output are no terminal that can do it. From then on SIGINT, SIGTERM and the like are keys. */
struct terminal *terminal_open(void);
void terminal_close(struct terminal *t);
/* The next key; waits at most TIMEOUT_MS. */
int terminal_wait(struct terminal *t, int timeout_ms);
void terminal_size(const struct terminal *t, size_t *rows, size_t *columns);
/* Shows LINES from the top left on, as many as fit, in place of what is there. */
void terminal_show(struct terminal *t, const struct buf *lines);

#endif
