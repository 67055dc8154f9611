// SPDX-License-Identifier: GPL-2.0-or-later
/* A program's file is a stranger's, and so are the lines of /proc that doctor reads. The first byte chooses: an ELF file, the mappings of a
 * process, a line of /proc/net/tcp. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "discovery/elf_scan.h"
#include "discovery/sock_diag.h"
#include "discovery/tls_library.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	static int fd = -1;
	if (!n)
		return 0;
	if (data[0] % 3 == 0) {
		struct elf_findings f;
		if (fd < 0)
			fd = memfd_create("elf", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data + 1, n - 1, 0) != (ssize_t)(n - 1) || elf_scan(fd, &f))
			abort();
		if (!f.is_elf && (f.go || f.ssl_functions || f.rustls))
			abort();
		return 0;
	}
	char *text = malloc(n);
	memcpy(text, data + 1, n - 1);
	text[n - 1] = 0;
	if (data[0] % 3 == 1) {
		struct tls_use use = tls_library_in_maps(text);
		if (use.library >= TLS_LIBRARIES || !memchr(use.file, 0, sizeof(use.file)) || (use.library && !use.file[0]))
			abort();
	} else {
		struct tcp_socket s;
		proc_net_tcp_parse(text, data[0] & 1, &s);
	}
	free(text);
	return 0;
}
