// SPDX-License-Identifier: GPL-2.0-or-later
#include "discovery/elf_scan.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define WINDOW ((size_t)1 << 20)
#define OVERLAP 64 /* longer than any mark */
#define SECTIONS_MAX 65535
#define SYMBOLS_MAX ((size_t)4 << 20)
#define NAMES_MAX ((size_t)128 << 20)

struct elf {
	int fd;
	uint64_t size;
	Elf64_Ehdr head;
};

/* All of N bytes at OFF, or false. */
static bool read_at(const struct elf *e, uint64_t off, void *to, size_t n)
{
	if (off > e->size || n > e->size - off)
		return false;
	for (size_t have = 0; have < n;) {
		ssize_t k = pread(e->fd, (char *)to + have, n - have, (off_t)(off + have));
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		have += (size_t)k;
	}
	return true;
}

static bool read_head(struct elf *e)
{
	if (!read_at(e, 0, &e->head, sizeof(e->head)) || memcmp(e->head.e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	const uint16_t one = 1;
	unsigned char ours = *(const unsigned char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
	return e->head.e_ident[EI_CLASS] == ELFCLASS64 && e->head.e_ident[EI_DATA] == ours;
}

static void take_symbol(const char *name, struct elf_findings *out, unsigned *ssl)
{
	if (strcmp(name, "SSL_read") == 0)
		*ssl |= 1;
	else if (strcmp(name, "SSL_write") == 0)
		*ssl |= 2;
	else if (strcmp(name, "gnutls_record_send") == 0)
		out->gnutls_functions = true;
	else if (strcmp(name, "crypto/tls.(*Conn).Read") == 0)
		out->go_tls = true;
}

/* The functions that a symbol table defines. */
static void scan_symbols(const struct elf *e, const Elf64_Shdr *table, const Elf64_Shdr *strings, struct elf_findings *out)
{
	size_t n = table->sh_size / sizeof(Elf64_Sym), names = strings->sh_size;
	unsigned ssl = 0;
	if (table->sh_entsize != sizeof(Elf64_Sym) || n > SYMBOLS_MAX || !names || names > NAMES_MAX || names > e->size)
		return;
	_cleanup_free_ char *text = malloc(names + 1);
	_cleanup_free_ Elf64_Sym *batch = malloc(WINDOW);
	if (!text || !batch || !read_at(e, strings->sh_offset, text, names))
		return;
	text[names] = 0;
	const size_t step = WINDOW / sizeof(Elf64_Sym);
	for (size_t i = 0; i < n; i += step) {
		size_t k = n - i < step ? n - i : step;
		if (!read_at(e, table->sh_offset + i * sizeof(Elf64_Sym), batch, k * sizeof(Elf64_Sym)))
			return;
		for (size_t j = 0; j < k; j++)
			if (batch[j].st_shndx != SHN_UNDEF && batch[j].st_name < names && ELF64_ST_TYPE(batch[j].st_info) == STT_FUNC)
				take_symbol(text + batch[j].st_name, out, &ssl);
	}
	out->ssl_functions |= ssl == 3;
}

static void scan_sections(const struct elf *e, struct elf_findings *out)
{
	size_t n = e->head.e_shnum;
	if (!n || n > SECTIONS_MAX || e->head.e_shentsize != sizeof(Elf64_Shdr) || e->head.e_shstrndx >= n)
		return;
	_cleanup_free_ Elf64_Shdr *s = xcalloc(n, sizeof(*s));
	if (!read_at(e, e->head.e_shoff, s, n * sizeof(*s)))
		return;
	const Elf64_Shdr *names = &s[e->head.e_shstrndx];
	for (size_t i = 0; i < n; i++) {
		char name[32] = "";
		size_t left = s[i].sh_name < names->sh_size ? names->sh_size - s[i].sh_name : 0;
		size_t k = left < sizeof(name) - 1 ? left : sizeof(name) - 1;
		if (k && names->sh_offset < e->size && read_at(e, names->sh_offset + s[i].sh_name, name, k) &&
		    strcmp(name, ".go.buildinfo") == 0)
			out->go = true;
		if ((s[i].sh_type == SHT_SYMTAB || s[i].sh_type == SHT_DYNSYM) && s[i].sh_link < n)
			scan_symbols(e, &s[i], &s[s[i].sh_link], out);
	}
}

/* Texts that stay in a program without symbols. Go's table of functions has their names; Rust's panics name their sources; OpenSSL's
 * errors name the library. */
static void scan_marks(const struct elf *e, struct elf_findings *out)
{
	_cleanup_free_ char *window = xmalloc(WINDOW + OVERLAP);
	uint64_t size = e->size < ELF_SCAN_MAX ? e->size : ELF_SCAN_MAX;
	size_t kept = 0;
	out->truncated = e->size > ELF_SCAN_MAX;
	for (uint64_t off = 0; off < size;) {
		size_t n = size - off < WINDOW ? (size_t)(size - off) : WINDOW;
		if (!read_at(e, off, window + kept, n))
			return;
		size_t have = kept + n;
		if (out->go && memmem(window, have, "crypto/tls.(*Conn).", 19))
			out->go_tls = true;
		if (memmem(window, have, "rustls-0.", 9) || memmem(window, have, "/rustls/src/", 12))
			out->rustls = true;
		if (memmem(window, have, "OpenSSL 1.", 10) || memmem(window, have, "OpenSSL 3.", 10) || memmem(window, have, "BoringSSL", 9))
			out->openssl_text = true;
		kept = have < OVERLAP ? have : OVERLAP;
		memmove(window, window + have - kept, kept);
		off += n;
	}
}

int elf_scan(int fd, struct elf_findings *out)
{
	struct elf e = {.fd = fd};
	struct stat st;
	*out = (struct elf_findings){0};
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < 0)
		return -EINVAL;
	e.size = (uint64_t)st.st_size;
	if (!read_head(&e))
		return 0;
	out->is_elf = true;
	scan_sections(&e, out);
	scan_marks(&e, out);
	return 0;
}
