/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scope-bound clean-up, as in systemd and glib: a local marked with one of these is released when it goes
 * out of scope; `take()` hands it over instead. */
#ifndef RT_BASE_CLEANUP_H
#define RT_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)

/* The value of pointer P, which is set to NULL: ownership moves to the caller. */
#define take(p)                                                                                              \
	({                                                                                                   \
		__typeof__(p) _taken = (p);                                                                  \
		(p) = NULL;                                                                                  \
		_taken;                                                                                      \
	})

/* Defines cleanup_NAME_() for `_cleanup_(cleanup_NAME_)`, calling FN(TYPE *) on a non-NULL pointer. */
#define DEFINE_CLEANUP(name, type, fn)                                                                       \
	static inline void cleanup_##name##_(type *p)                                                        \
	{                                                                                                    \
		if (*p)                                                                                      \
			fn(*p);                                                                              \
	}

#endif
