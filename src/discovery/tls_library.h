/* SPDX-License-Identifier: GPL-2.0-or-later */
/* With what a process speaks TLS, as far as its mappings and its program tell. */
#ifndef RT_DISCOVERY_TLS_LIBRARY_H
#define RT_DISCOVERY_TLS_LIBRARY_H

#include <stdbool.h>
#include <sys/types.h>

enum tls_library {
	TLS_UNKNOWN, /* we may not look, or there is none that we know */
	TLS_OPENSSL,	    /* libssl.so: OpenSSL, or BoringSSL as a shared library */
	TLS_OPENSSL_STATIC, /* linked into the program, with symbols */
	TLS_OPENSSL_STRIPPED, /* linked into the program, without symbols */
	TLS_GNUTLS,
	TLS_GNUTLS_STATIC,
	TLS_GO, /* crypto/tls */
	TLS_JAVA,
	TLS_RUSTLS,
	TLS_NSS,
	TLS_MBEDTLS,
	TLS_WOLFSSL,
	TLS_LIBRARIES,
};

struct tls_use {
	enum tls_library library;
	char file[256]; /* of the library, or of the program: "libssl.so.3"; "" if unknown */
};

/* "OpenSSL", "Go crypto/tls", ... */
const char *tls_library_name(enum tls_library library);
/* Could user-space probes read it: does it have functions that can be found by name? */
bool tls_library_readable(enum tls_library library);
/* The library among the mapped files of a process: TEXT as in /proc/PID/maps. */
struct tls_use tls_library_in_maps(const char *text);
/* The same of process PID, then in its program. 0, or -EACCES if we may not look, or another negative errno. */
int tls_library_find(pid_t pid, struct tls_use *out);

#endif
