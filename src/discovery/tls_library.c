// SPDX-License-Identifier: GPL-2.0-or-later
#include "discovery/tls_library.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "discovery/elf_scan.h"

/* A JVM or a browser has some thousand mappings of 100 bytes each. */
#define MAPS_MAX ((size_t)16 << 20)

static const struct {
	const char *name;
	bool readable;
} libraries[TLS_LIBRARIES] = {
	[TLS_UNKNOWN] = {"unknown", false},
	[TLS_OPENSSL] = {"OpenSSL", true},
	[TLS_OPENSSL_STATIC] = {"OpenSSL, linked in", true},
	[TLS_OPENSSL_STRIPPED] = {"OpenSSL, linked in without symbols", false},
	[TLS_GNUTLS] = {"GnuTLS", true},
	[TLS_GNUTLS_STATIC] = {"GnuTLS, linked in", true},
	[TLS_GO] = {"Go crypto/tls", true},
	[TLS_JAVA] = {"Java", false},
	[TLS_RUSTLS] = {"rustls", false},
	[TLS_NSS] = {"NSS", false},
	[TLS_MBEDTLS] = {"Mbed TLS", false},
	[TLS_WOLFSSL] = {"wolfSSL", false},
};

const char *tls_library_name(enum tls_library library)
{
	return library < TLS_LIBRARIES ? libraries[library].name : libraries[TLS_UNKNOWN].name;
}

bool tls_library_readable(enum tls_library library)
{
	return library < TLS_LIBRARIES && libraries[library].readable;
}

/* Earlier ones win: a Java server may have OpenSSL mapped as well (netty's tcnative) and use that; a program that links curl has
 * GnuTLS beside its own OpenSSL. */
static const struct {
	const char *file; /* the beginning of the name, up to ".so" or a version */
	enum tls_library library;
} files[] = {
	{"libssl.so", TLS_OPENSSL},	 {"libssl-", TLS_OPENSSL},   {"libnetty_tcnative", TLS_OPENSSL_STATIC}, {"libgnutls.so", TLS_GNUTLS},
	{"libmbedtls.so", TLS_MBEDTLS}, {"libwolfssl.so", TLS_WOLFSSL}, {"libjvm.so", TLS_JAVA},		  {"libssl3.so", TLS_NSS},
};

struct tls_use tls_library_in_maps(const char *text)
{
	struct tls_use use = {0};
	size_t best = ARRAY_SIZE(files);
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		const char *slash = memchr(line, '/', len);
		const char *name = slash ? memrchr(line, '/', len) + 1 : NULL;
		for (size_t i = 0; name && i < best; i++) {
			size_t n = strlen(files[i].file), have = len - (size_t)(name - line);
			if (have < n || memcmp(name, files[i].file, n) != 0)
				continue;
			/* " (deleted)": the package was upgraded since */
			const char *blank = memchr(name, ' ', have);
			if (blank)
				have = (size_t)(blank - name);
			use.library = files[i].library;
			snprintf(use.file, sizeof(use.file), "%.*s", (int)have, name);
			best = i;
		}
		line += len + (line[len] != 0);
	}
	return use;
}

static int read_maps(pid_t pid, struct buf *b)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (buf_reserve(b, 65536)) {
		ssize_t n = read(fd, b->p + b->n, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		b->n += (size_t)n;
		b->p[b->n] = 0;
	}
	return 0;
}

static enum tls_library in_program(const struct elf_findings *f)
{
	if (f->go)
		return f->go_tls ? TLS_GO : TLS_UNKNOWN;
	if (f->ssl_functions)
		return TLS_OPENSSL_STATIC;
	if (f->gnutls_functions)
		return TLS_GNUTLS_STATIC;
	if (f->rustls)
		return TLS_RUSTLS;
	return f->openssl_text ? TLS_OPENSSL_STRIPPED : TLS_UNKNOWN;
}

int tls_library_find(pid_t pid, struct tls_use *out)
{
	_cleanup_buf_ struct buf maps = BUF_LIMIT(MAPS_MAX);
	struct elf_findings f;
	char path[64], target[512];
	*out = (struct tls_use){0};
	int err = read_maps(pid, &maps);
	if (err)
		return err;
	*out = tls_library_in_maps(buf_str(&maps));
	/* A Go program with cgo maps the libraries of what it links in C; it speaks TLS by itself. */
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return out->library ? 0 : -errno;
	if (out->library && out->library != TLS_JAVA && out->library != TLS_GNUTLS)
		return 0;
	err = elf_scan(fd, &f);
	enum tls_library inside = err ? TLS_UNKNOWN : in_program(&f);
	if (inside == TLS_UNKNOWN || (out->library && inside != TLS_GO))
		return out->library ? 0 : err;
	out->library = inside;
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	const char *slash = strrchr(target, '/');
	snprintf(out->file, sizeof(out->file), "%.255s", slash ? slash + 1 : target);
	return 0;
}
