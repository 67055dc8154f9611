// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discovery/elf_scan.h"
#include "discovery/listeners.h"
#include "discovery/sock_diag.h"
#include "discovery/tls_library.h"

static void test_proc_net_tcp(void **state)
{
	const char *line = "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 54321 1 0";
	struct tcp_socket s;
	uint8_t loopback[4];
	uint32_t word = 0x0100007f; /* as printed by a machine of this byte order */
	memcpy(loopback, &word, 4);
	assert_true(proc_net_tcp_parse(line, false, &s));
	assert_true(s.listening && !s.ipv6);
	assert_int_equal(s.port, 8080);
	assert_int_equal(s.inode, 54321);
	assert_memory_equal(s.address, loopback, 4);
	assert_true(proc_net_tcp_parse("  10: 00000000:0016 0100007F:8000 01 0:0 00:0 0 0 0 7 1", false, &s));
	assert_false(s.listening);
	assert_true(proc_net_tcp_parse("   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 9", true,
				       &s));
	assert_true(s.ipv6 && s.port == 80 && s.inode == 9);
	static const char *const wrong[] = {
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
		"",
		"   1: 0100007F:1F90 00000000:0000 06 00000000:00000000 00:00000000 00000000  1000        0 54321", /* TIME_WAIT */
		"   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0",
		"   1: 0100007:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 54321",
		"   1: 00000000000000000000000000000000:0050 0:0 0A 0:0 00:0 0 0 0 9",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(proc_net_tcp_parse(wrong[i], false, &s));
}

static int listen_on_loopback(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void count_port(void *arg, const struct tcp_socket *s)
{
	uint16_t *port = arg;
	if (s->listening && s->port == *port)
		port[1]++;
}

static void test_own_listener(void **state)
{
	struct listeners l;
	struct stat st;
	char *error = NULL;
	uint16_t port[2] = {0};
	int fd = listen_on_loopback(port), seen = 0;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(listeners_read(NULL, true, &l, &error), 0);
	for (size_t i = 0; i < l.n; i++) {
		if (l.v[i].port != port[0] || l.v[i].netns != l.own_netns)
			continue;
		struct buf b = BUF_INIT;
		listener_addresses(&l.v[i], &b);
		assert_string_equal(buf_str(&b), "127.0.0.1");
		buf_free(&b);
		assert_int_equal(l.v[i].pid, getpid());
		assert_int_equal(l.v[i].inode, st.st_ino);
		assert_int_equal(l.v[i].processes, 1);
		assert_string_not_equal(l.v[i].comm, "");
		seen++;
	}
	assert_int_equal(seen, 1);
	assert_true(l.namespaces >= 1);
	listeners_free(&l);
	int diag = sock_diag_open(NULL);
	if (diag >= 0) {
		assert_int_equal(sock_diag_each(diag, count_port, port), 0);
		assert_int_equal(port[1], 1);
		close(diag);
	}
	close(fd);
}

static void test_addresses(void **state)
{
	static const struct {
		struct listener l;
		const char *text;
	} cases[] = {
		{{.n_addresses = 1}, "0.0.0.0"},
		{{.n_addresses = 1, .addresses = {{.ipv6 = true}}}, "*"},
		{{.n_addresses = 2, .addresses = {{.ipv6 = false}, {.ipv6 = true}}}, "*"},
		{{.n_addresses = 2, .addresses = {{.bytes = {127, 0, 0, 1}}, {.ipv6 = true, .bytes = {[15] = 1}}}}, "127.0.0.1, [::1]"},
		{{.n_addresses = 9,
		  .addresses = {{.bytes = {1}}, {.bytes = {2}}, {.bytes = {3}}, {.bytes = {4}}, {.bytes = {5}}, {.bytes = {6}}, {.bytes = {7}},
				{.bytes = {8}}}},
		 "1.0.0.0, 2.0.0.0, 3.0.0.0, 4.0.0.0, 5.0.0.0, 6.0.0.0, 7.0.0.0, 8.0.0.0 and 1 more"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = BUF_INIT;
		listener_addresses(&cases[i].l, &b);
		assert_string_equal(buf_str(&b), cases[i].text);
		buf_free(&b);
	}
}

static void test_maps(void **state)
{
#define MAP(path) "7f0000000000-7f0000001000 r-xp 00000000 08:01 1234                       " path "\n"
	static const struct {
		const char *maps;
		enum tls_library library;
		const char *file;
	} cases[] = {
		{"", TLS_UNKNOWN, ""},
		{MAP("/usr/sbin/nginx") MAP("/usr/lib/x86_64-linux-gnu/libssl.so.3"), TLS_OPENSSL, "libssl.so.3"},
		{MAP("/lib/libssl.so.1.1 (deleted)"), TLS_OPENSSL, "libssl.so.1.1"},
		{MAP("/usr/lib/libgnutls.so.30.34.3"), TLS_GNUTLS, "libgnutls.so.30.34.3"},
		{MAP("/usr/lib/libgnutls.so.30") MAP("/usr/lib/libssl.so.3"), TLS_OPENSSL, "libssl.so.3"}, /* libcurl brings GnuTLS */
		{MAP("/usr/lib/jvm/java-17/lib/server/libjvm.so"), TLS_JAVA, "libjvm.so"},
		{MAP("/usr/lib/jvm/lib/server/libjvm.so") MAP("/tmp/libnetty_tcnative_linux_x86_64123.so"), TLS_OPENSSL_STATIC,
		 "libnetty_tcnative_linux_x86_64123.so"},
		{MAP("/usr/lib/libssl3.so"), TLS_NSS, "libssl3.so"},
		{MAP("/opt/libssl.so.dir/other.so") MAP("[vdso]"), TLS_UNKNOWN, ""},
		{"nonsense without a path\n", TLS_UNKNOWN, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_use use = tls_library_in_maps(cases[i].maps);
		if (use.library != cases[i].library || strcmp(use.file, cases[i].file))
			fail_msg("case %zu: %s (%s)", i, tls_library_name(use.library), use.file);
	}
	for (int k = 0; k < TLS_LIBRARIES; k++)
		assert_non_null(tls_library_name(k));
	assert_true(tls_library_readable(TLS_GO) && !tls_library_readable(TLS_RUSTLS) && !tls_library_readable(TLS_UNKNOWN));
}

/* A file with a symbol table, one more section called NAME, and TAIL as its content. */
static int make_elf(const char *name, const char *const *symbols, size_t n, uint16_t section, const char *tail)
{
	char strings[256] = "", names[64] = "";
	Elf64_Sym table[8] = {0};
	size_t at = 1;
	for (size_t i = 0; i < n; i++) {
		table[i + 1] = (Elf64_Sym){.st_name = (uint32_t)at, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = section};
		strcpy(strings + at, symbols[i]);
		at += strlen(symbols[i]) + 1;
	}
	strcpy(names + 1, name);
	struct {
		Elf64_Ehdr head;
		Elf64_Shdr s[5];
		Elf64_Sym table[8];
		char strings[256], names[64], tail[128];
	} f = {.head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB},
			.e_shoff = sizeof(Elf64_Ehdr),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = 5,
			.e_shstrndx = 3}};
#define OFF(member) ((size_t)((char *)&f.member - (char *)&f))
	f.s[1] = (Elf64_Shdr){.sh_type = SHT_SYMTAB, .sh_link = 2, .sh_offset = OFF(table), .sh_size = (n + 1) * sizeof(Elf64_Sym),
			      .sh_entsize = sizeof(Elf64_Sym)};
	f.s[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = OFF(strings), .sh_size = sizeof(strings)};
	f.s[3] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = OFF(names), .sh_size = sizeof(names)};
	f.s[4] = (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_name = 1, .sh_offset = OFF(tail), .sh_size = sizeof(f.tail)};
	memcpy(f.table, table, sizeof(table));
	memcpy(f.strings, strings, sizeof(strings));
	memcpy(f.names, names, sizeof(names));
	snprintf(f.tail, sizeof(f.tail), "%s", tail);
	int fd = memfd_create("elf", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &f, sizeof(f)), sizeof(f));
	return fd;
}

static void test_elf(void **state)
{
	static const char *const openssl[] = {"main", "SSL_read", "SSL_write"}, *const one[] = {"SSL_read"}, *const gnutls[] = {"gnutls_record_send"};
	struct elf_findings f;
	int fd = make_elf(".text", openssl, 3, 4, "");
	assert_int_equal(elf_scan(fd, &f), 0);
	assert_true(f.is_elf && f.ssl_functions && !f.go && !f.rustls);
	/* Every shorter file is read without harm. */
	for (off_t size = lseek(fd, 0, SEEK_END); size-- > 0;) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_int_equal(elf_scan(fd, &f), 0);
	}
	close(fd);
	fd = make_elf(".text", openssl, 3, SHN_UNDEF, ""); /* it uses them, and does not have them */
	assert_int_equal(elf_scan(fd, &f), 0);
	assert_true(f.is_elf && !f.ssl_functions);
	close(fd);
	fd = make_elf(".text", one, 1, 4, "");
	assert_int_equal(elf_scan(fd, &f), 0);
	assert_false(f.ssl_functions);
	close(fd);
	fd = make_elf(".text", gnutls, 1, 4, "cargo/registry/src/rustls-0.21/x.rs");
	assert_int_equal(elf_scan(fd, &f), 0);
	assert_true(f.gnutls_functions && f.rustls);
	close(fd);
	fd = make_elf(".go.buildinfo", NULL, 0, 4, "crypto/tls.(*Conn).Write");
	assert_int_equal(elf_scan(fd, &f), 0);
	assert_true(f.go && f.go_tls);
	close(fd);
	fd = make_elf(".go.buildinfo", NULL, 0, 4, "net/http.Get");
	assert_int_equal(elf_scan(fd, &f), 0);
	assert_true(f.go && !f.go_tls);
	close(fd);
	fd = memfd_create("text", MFD_CLOEXEC);
	assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
	assert_int_equal(elf_scan(fd, &f), 0);
	assert_false(f.is_elf);
	close(fd);
}

/* This program has the marks itself, in the code that looks for them, and no library mapped. */
static void test_ourselves(void **state)
{
	struct tls_use use;
	assert_int_equal(tls_library_find(getpid(), &use), 0);
	assert_int_equal(use.library, TLS_RUSTLS);
	assert_string_equal(use.file, "test_discovery_listeners");
	assert_true(tls_library_find(0x7ffffff0, &use) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proc_net_tcp), cmocka_unit_test(test_own_listener), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_maps),	     cmocka_unit_test(test_elf),	  cmocka_unit_test(test_ourselves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
