/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_BASE_RESIDENT_H
#define RT_BASE_RESIDENT_H

/* Lets go of the pages of program code and constants, ours and the libraries', that were needed so far. They come back from the page cache when they are
 * needed again; most of what a start needs (loading programs, reading the kernel's types) never is. */
void resident_forget_code(void);

#endif
