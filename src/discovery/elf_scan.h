/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a program has inside that is of interest to whoever would read its TLS traffic: functions by name, and marks of libraries that
 * are linked into it. The file is a stranger's: every number in it is checked, and what is read is bounded. */
#ifndef RT_DISCOVERY_ELF_SCAN_H
#define RT_DISCOVERY_ELF_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes read of one file, at most. Programs with everything linked in reach some 200 MB. */
#define ELF_SCAN_MAX ((size_t)512 << 20)

struct elf_findings {
	bool is_elf;
	bool go;	     /* has the build information of Go's linker */
	bool go_tls;	     /* and crypto/tls in it */
	bool ssl_functions;  /* defines SSL_read and SSL_write: OpenSSL or BoringSSL linked in, with symbols */
	bool gnutls_functions; /* defines gnutls_record_send */
	bool rustls;	     /* has strings of the crate rustls */
	bool openssl_text;   /* has OpenSSL's or BoringSSL's strings, with or without symbols */
	bool truncated;	     /* only the first ELF_SCAN_MAX bytes were looked at */
};

/* Reads the file FD, from its beginning whatever its position. 0 (also if it is no ELF file), or a negative errno. */
int elf_scan(int fd, struct elf_findings *out);

#endif
