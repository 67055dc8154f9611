/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UTF-8 as RFC 3629 has it: no surrogates, nothing longer than it need be, nothing past U+10FFFF. */
#ifndef RT_BASE_UTF8_H
#define RT_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xfffd

/* The length of the character at P, of which N > 0 bytes are there, and *CP, which it is; 0 if there is none. */
size_t utf8_decode(const char *p, size_t n, uint32_t *cp);
/* Writes the character CP; its length. */
size_t utf8_encode(uint32_t cp, char out[4]);

#endif
