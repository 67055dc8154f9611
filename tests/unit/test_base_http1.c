// SPDX-License-Identifier: GPL-2.0-or-later
/* bpf/http1.h on the host: what it says of single messages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "http1_ways.h"

/* Without this the tests below could not fail for reading too far. */
static void test_guard_is_one(void **state)
{
	int status;
	pid_t child = fork();
	if (!child) {
		signal(SIGSEGV, SIG_DFL); /* cmocka and ASan have handlers */
		signal(SIGBUS, SIG_DFL);
		_exit(*(volatile uint8_t *)whole->guard & 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

struct message {
	const char *text, *events;
};

static void run_messages(const struct message *m, size_t n, int response, const char *methods)
{
	char got[4096];
	int wrong = 0;

	for (size_t i = 0; i < n; i++) {
		feed_all_ways((const uint8_t *)m[i].text, strlen(m[i].text), response, methods);
		feed_text(whole, 0, got, sizeof(got));
		if (strcmp(got, m[i].events) && ++wrong)
			print_error("%s\n     got: %s\nexpected: %s\n", m[i].text, got, m[i].events);
	}
	assert_int_equal(wrong, 0);
}

static void test_requests(void **state)
{
	static const struct message m[] = {
	    {"", ""},
	    {"GET / HTTP/1.1\r\n\r\n", "GET / done@18"},
	    {"GET / HTTP/1.0\r\n\r\n", "GET / done@18"},
	    {"GET / HTTP/1.9\r\n\r\n", "GET / done@18"},
	    {"GET /a/b?x=1&y=/z HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a/b done@39"},
	    {"GET /a#frag?x HTTP/1.1\r\n\r\n", "GET /a done@26"},
	    {"GET /? HTTP/1.1\r\n\r\n", "GET / done@19"},
	    {"HEAD /h" H "\r\n", "HEAD /h done@20"},
	    {"DELETE /d" H "\r\n", "DELETE /d done@22"},
	    {"OPTIONS *" H "\r\n", "OPTIONS * done@22"},
	    {"OPTIONS /o" H "\r\n", "OPTIONS /o done@23"},
	    {"TRACE /t" H "\r\n", "TRACE /t done@21"},
	    {"CONNECT example.org:443" H "\r\n", "CONNECT  done@36"},
	    {"CONNECT [2001:db8::1]:443" H "\r\n", "CONNECT  done@38"},
	    /* RFC 9110 9.1: methods are case-sensitive, and others may come. */
	    {"get /" H "\r\n", "_OTHER / done@18"},
	    {"PROPFIND /" H "\r\n", "PROPFIND / done@23"},
	    {"PROPPATCH /" H "\r\n", "PROPPATCH / done@24"},
	    {"MKCALENDAR /" H "\r\n", "MKCALENDAR / done@25"},
	    {"MKACTIVITY /" H "\r\n", "MKACTIVITY / done@25"},
	    {"XROPPATCH /" H "\r\n", "_OTHER / done@24"},
	    {"KMCALENDAR /" H "\r\n", "_OTHER / done@25"},
	    {"COPYCOPYCOPY /" H "\r\n", "_OTHER / done@27"},
	    {"GETT /" H "\r\n", "_OTHER / done@19"},
	    {"XGET /" H "\r\n", "_OTHER / done@19"},
	    {"AAAAAGET /" H "\r\n", "_OTHER / done@23"},
	    {"AAAAAAAAGET /" H "\r\n", "_OTHER / done@26"},
	    {"UPDATEREDIRECTREF /" H "\r\n", "_OTHER / done@32"},
	    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\nGET /" H "\r\n", "GET / done@55"},
	    {"PROXY UNKNOWN\r\nGET /" H "\r\n", "GET / done@33"},
	    {"PROXY /" H "\r\n", "_OTHER / done@20"},
	    {"!#$%&'*+-.^_`|~09azAZ /" H "\r\n", "_OTHER / done@36"},
	    {"ABCDEFGHIJKLMNOPQRSTUVWX /" H "\r\n", "_OTHER / done@39"},
	    {X50 X50 X50 X50 X50 " /" H "\r\n", "_OTHER / done@265"},
	    {X50 X50 X50 X50 X50 "x /" H "\r\n", "bad@251"},
	    /* RFC 9112 3.2.2: absolute form */
	    {"GET http://example.org" H "\r\n", "GET / done@35"},
	    {"GET http://example.org/" H "\r\n", "GET / done@36"},
	    {"GET http://example.org?q" H "\r\n", "GET / done@37"},
	    {"GET HTTPS://u:p@example.org:8443/a/b?q#f" H "\r\n", "GET /a/b done@53"},
	    {"GET a+b-c.1://h/x" H "\r\n", "GET /x done@30"},
	    {"GET http:/x" H "\r\n", "bad@11"},
	    {"GET x" H "\r\n", "bad@6"},
	    /* RFC 9112 2.2: blank lines before, bare LF */
	    {"\r\n\r\nGET /" H "\r\n", "GET / done@22"},
	    {"\nGET / HTTP/1.1\n\n", "GET / done@17"},
	    {"POST / HTTP/1.1\nContent-Length: 2\n\nab", "POST / @35 +2 done@37"},
	    {"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n1\na\n0\n\n", "POST / @44 +1 done@51"},
	    /* RFC 9112 3: a recipient may take several blanks */
	    {"GET  /  HTTP/1.1  \r\n\r\n", "GET / done@22"},
	    {"GET /a b HTTP/1.1\r\n\r\n", "bad@8"},
	    {" GET / HTTP/1.1\r\n\r\n", "bad@1"},
	    {"GET\t/ HTTP/1.1\r\n\r\n", "bad@4"},
	    {"GET /\r\n\r\n", "bad@6"},
	    {"GET /\n", "bad@6"},
	    {"GET /a\x01 HTTP/1.1\r\n\r\n", "bad@7"},
	    {"GET /a\x7f HTTP/1.1\r\n\r\n", "bad@7"},
	    {"GET /?\x7f HTTP/1.1\r\n\r\n", "bad@7"},
	    {"GET / HTTP/1.1\rX", "bad@16"},
	    /* Any version: who does not know it says 505. But not HTTP/2's preface. */
	    {"GET / HTTP/2.0\r\n\r\n", "GET / done@18"},
	    {"GET / HTTP/0.9 \r\n\r\n", "GET / done@19"},
	    {"GET / HTTP/1.10\r\n\r\n", "GET / done@19"},
	    {"GET / HTTP/12\n\n", "GET / done@15"},
	    {"OPTIONS * HTTP/2.0\r\n\r\n", "OPTIONS * done@22"},
	    {"PUT /* HTTP/2.0\r\n\r\n", "PUT /* done@19"},
	    {"GET / HTTP/1.\r\n\r\n", "bad@14"},
	    {"GET / HTTP/1.1.1\r\n\r\n", "bad@15"},
	    {"GET / HTTP/1. 1\r\n\r\n", "bad@14"},
	    {"GET / HTTP/1 1\r\n\r\n", "bad@14"},
	    {"GET / HTTP/ 1\r\n\r\n", "bad@12"},
	    {"GET / HTTP/.1\r\n\r\n", "bad@12"},
	    {"GET / HTTP/\r\n\r\n", "bad@12"},
	    {"GET / HTTP/x\r\n\r\n", "bad@12"},
	    {"GET / http/1.1\r\n\r\n", "bad@7"},
	    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad@12"},
	    {"\x16\x03\x01\x02", "bad@1"},
	    {"SSH-2.0-OpenSSH_9.2\r\n", "bad@20"},
	    {"*1\r\n$4\r\nPING\r\n", "bad@3"},
	    {"GET / HTTP/1.1\r\nHost: h\r", "GET / partial"},
	    {"GET / HTTP/1.1\r\nHost: h\r\n\r", "GET / partial"},
	    {"GET / HTTP/1.1\r\n\rX", "GET / bad@18"},
	    {"GET /path", "partial"},
	    {"G", "partial"},
	    {"GET / HTTP/1.1\r\n\r\n\r\n", "GET / done@18"},
	    /* Bodies. */
	    {"POST /p" H "Content-Length: 5\r\n\r\nhello", "POST /p @39 +5 done@44"},
	    {"PUT /p" H "content-LENGTH:5\r\n\r\nhello", "PUT /p @37 +5 done@42"},
	    {"PATCH /p" H "Content-Length: \t 005 \t\r\n\r\nhello", "PATCH /p @46 +5 done@51"},
	    {"POST /p" H "Content-Length: 0\r\n\r\n", "POST /p done@39"},
	    {"POST /p" H "Content-Length: 5\r\n\r\nhe", "POST /p @39 +2 open"},
	    {"POST /p" H "Content-Length: 5\r\n\r\n", "POST /p @39 open"},
	    {"POST /p" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "POST /p @58 +5 done@63"},
	    {"POST /p" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "POST /p bad@56"},
	    {"POST /p" H "Content-Length: 0\r\nContent-Length: 6\r\n\r\nhello", "POST /p bad@56"},
	    {"POST /p" H "Content-Length: 6\r\nContent-Length: 0\r\n\r\nhello", "POST /p bad@56"},
	    {"POST /p" H "Content-Length:\r\n\r\n", "POST /p bad@35"},
	    {"POST /p" H "Content-Length: -1\r\n\r\n", "POST /p bad@35"},
	    {"POST /p" H "Content-Length: +1\r\n\r\n", "POST /p bad@35"},
	    {"POST /p" H "Content-Length: 0x10\r\n\r\n", "POST /p bad@36"},
	    {"POST /p" H "Content-Length: 1 2\r\n\r\n", "POST /p bad@37"},
	    {"POST /p" H "Content-Length: 1,1\r\n\r\n", "POST /p bad@36"},
	    {"POST /p" H "Content-Length: 18446744073709551617\r\n\r\n", "POST /p bad@54"},
	    /* A blank before the colon. */
	    {"POST /p" H "Content-Length\t : 5\r\n\r\nhello", "POST /p @41 +5 done@46"},
	    {"POST /p" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "POST /p @49 done@54"},
	    {"POST /p" H "Content-Length 5\r\nContent -Length: 5\r\n\r\n", "POST /p done@58"},
	    /* Names that begin alike decide nothing. */
	    {"GET /" H "Content-Lengt: 5\r\nContent-Lengthy: 5\r\nC: 5\r\nX-Content-Length: 5\r\n\r\n",
	     "GET / done@83"},
	    {"GET /" H "Transfer-Encodin: chunked\r\nTransfer-Encodings: chunked\r\nTE: chunked\r\nT\r\n\r\n",
	     "GET / done@90"},
	    {"GET /" H "Content-Type: text/event-stream\r\n\r\n", "GET / done@51"},
	    {"GET /" H "X: Content-Length: 5\r\n\r\n", "GET / done@40"},
	    {"GET /" H "X: 1\r\n Content-Length: 5\r\n\r\n", "GET / done@44"},
	    {"GET /" H "\tContent-Length: 5\r\n\r\n", "GET / done@38"},
	    /* Chunks. RFC 9112 6.3: Transfer-Encoding overrides Content-Length. */
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST / @47 done@52"},
	    {"POST /" H "transfer-encoding:CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "POST / @46 +3 done@59"},
	    {"POST /" H "Transfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	     "POST / @53 +1 done@64"},
	    {"POST /" H "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	     "POST / @72 +1 done@83"},
	    {"POST /" H "Transfer-Encoding: chunked \t\r\n\r\n0\r\n\r\n", "POST / @49 done@54"},
	    {"POST /" H "Content-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	     "POST / @68 +1 done@79"},
	    {"POST /" H "Transfer-Encoding: chunked\r\nContent-Length: 100\r\n\r\n1\r\na\r\n0\r\n\r\n",
	     "POST / @68 +1 done@79"},
	    {"POST /" H "Transfer-Encoding: chunked, gzip\r\n\r\n", "POST / bad@53"},
	    {"POST /" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", "POST / bad@72"},
	    {"POST /" H "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n", "POST / bad@67"},
	    {"POST /" H "Transfer-Encoding: xchunked\r\n\r\n", "POST / bad@48"},
	    {"POST /" H "Transfer-Encoding: chunkedx\r\n\r\n", "POST / bad@48"},
	    {"POST /" H "Transfer-Encoding: chunkedchunked\r\n\r\n", "POST / bad@54"},
	    {"POST /" H "Transfer-Encoding: chun ked\r\n\r\n", "POST / bad@48"},
	    {"POST /" H "Transfer-Encoding: chunked x\r\n\r\n", "POST / bad@49"},
	    {"POST /" H "Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na", "POST / bad@67"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\nA;x=\"a;b\"\r\n0123456789\r\n00b "
	     "\r\n0123456789x\r\n0000\r\n\r\n",
	     "POST / @47 +21 done@97"},
	    {"POST /" H
	     "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: 1\r\nContent-Length: 7\r\n\r\nGET /b" H
	     "\r\n",
	     "POST / @47 +2 done@84; GET /b done@103"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\nx\r\n", "POST / @47 bad@48"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n\r\n", "POST / @47 bad@48"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "POST / @47 bad@48"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n1x\r\n", "POST / @47 bad@49"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n1\r\nabc", "POST / @47 +1 bad@52"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n3fffffffffffffff\r\nabc", "POST / @47 +3 open"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n4000000000000000\r\nabc", "POST / @47 bad@63"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n11112222333344445\r\n", "POST / @47 bad@64"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\rx", "POST / @47 +1 bad@58"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", "POST / @47 +1 partial"},
	    {"POST /" H "Transfer-Encoding: chunked\r\n\r\n5\r\na", "POST / @47 +1 open"},
	    /* Pipelining. */
	    {"GET /a" H "\r\nPOST /b" H "Content-Length: 1\r\n\r\nx\r\nGET /c" H "\r\nGET /d",
	     "GET /a done@19; POST /b @58 +1 done@59; GET /c done@80; partial"},
	    {"GET /long?" X50 X50 X50 H "X: " X50 X50 "\r\nCookie: " X50 X50 X50 "\r\n\r\n",
	     "GET /long done@438"},
	};
	run_messages(m, COUNT(m), 0, NULL);
	for (int minor = 0; minor < 10; minor++) {
		char text[32];
		snprintf(text, sizeof(text), "GET / HTTP/1.%d\r\n\r\n", minor);
		feed_all_ways((uint8_t *)text, strlen(text), 0, NULL);
		assert_int_equal(whole->events[0].minor, minor);
	}
}

static void test_responses(void **state)
{
	static const struct message m[] = {
	    {"", ""},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "200 @38 +3 done@41"},
	    {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nab", "200 @38 +2 open"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 done@38"},
	    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 done@35"},
	    {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 done@36"},
	    {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "200 done@35"},
	    {"HTTP/1.1 404 Not \xc3\xa4 Found\r\nContent-Length: 0\r\n\r\n", "404 done@48"},
	    {"HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n", "999 done@37"},
	    /* No framing: until the connection ends. */
	    {"HTTP/1.1 200 OK\r\n\r\n", "200 @19 open"},
	    {"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "200 @19 +19 open"},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nabc", "200 @63 +3 open"},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "200 @53 +5 open"},
	    /* RFC 9112 6.3: statuses and methods without a body */
	    {"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
	     "204 done@46; 204 done@64"},
	    {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 304 N\r\n\r\n",
	     "304 done@57; 304 done@75"},
	    {"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", "205 done@41"},
	    /* Interim responses are no responses; one to HEAD still has none. */
	    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
	     "100 interim@25; 200 @63 +1 done@64"},
	    {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\n\x81\x05hello",
	     "101 upgrade@57"},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nT: "
	     "v\r\n\r\n",
	     "200 @47 +11 done@83"},
	    /* Event streams. */
	    {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n", "200 @52 sse +9 open"},
	    {"HTTP/1.1 200 OK\r\ncontent-type:Text/Event-Stream;charset=utf-8\r\nTransfer-Encoding: "
	     "chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
	     "200 @93 sse +1 done@104"},
	    {"HTTP/1.1 200 OK\nContent-Type: \ttext/event-stream\n\n", "200 @50 sse open"},
	    {"HTTP/1.1 200 OK\r\nContent-Type: text/event-streams\r\n\r\n", "200 @53 open"},
	    {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stre\r\n\r\n", "200 @50 open"},
	    {"HTTP/1.1 200 OK\r\nContent-Type: text/event-strea;m\r\n\r\n", "200 @53 open"},
	    {"HTTP/1.1 200 OK\r\nTransfertype: text/event-stream\r\n\r\n", "200 @52 open"},
	    {"HTTP/1.1 200 OK\r\nContent-Type: a, text/event-stream\r\n\r\n", "200 @55 open"},
	    {"HTTP/1.1 200 OK\r\nX-Content-Type: text/event-stream\r\n\r\n", "200 @54 open"},
	    /* The version is whatever was asked for. */
	    {"HTTP/2 200 \r\n\r\n", "200 @15 open"},
	    {"HTTP/1.10 505 No\r\nContent-Length: 0\r\n\r\n", "505 done@39"},
	    /* A length that is none: the head is an answer, where the body ends nobody knows. */
	    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "200 done@57"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "200 done@38"},
	    {"HTTP/1.1 206 OK\r\nContent-Length: -5\r\nX: y\r\n\r\nHTTP/1.1 204 N\r\n\r\n", "206 done@45; 204 done@63"},
	    {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "200 done@36"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nab", "200 done@57; bad@58"},
	    /* What is no response. */
	    {"HTTP/x 200 \r\n\r\n", "bad@6"},
	    {"HTTP/ 200 \r\n\r\n", "bad@6"},
	    {"HTTP/1. 200 \r\n\r\n", "bad@8"},
	    {"HTTP/1.1.1 200 \r\n\r\n", "bad@9"},
	    {"HTTP1.1 200 \r\n\r\n", "bad@5"},
	    {"HTTP/1.1  200 OK\r\n\r\n", "bad@10"},
	    {"HTTP/1.1 20 OK\r\n\r\n", "bad@12"},
	    {"HTTP/1.1 2000 OK\r\n\r\n", "bad@13"},
	    {"HTTP/1.1 099 ?\r\n\r\n", "bad@13"},
	    {"HTTP/1.1 -10 ?\r\n\r\n", "bad@10"},
	    {"http/1.1 200 OK\r\n\r\n", "bad@1"},
	    {"\r\n\nHTTP/1.1 200 OK\r\n\r\n", "200 @22 open"},
	    {" HTTP/1.1 200 OK\r\n\r\n", "bad@1"},
	    {"<html>", "bad@1"},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", "200 @47 +1 bad@52"},
	    {"HTTP/1.1 200", "partial"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcx", "200 @38 +3 done@41; bad@42"},
	};
	static const struct message to_head[] = {
	    {"HTTP/1.1 200 OK\r\n\r\n", "200 done@19"},
	    {"HTTP/1.1 103 Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 "
	     "200 OK\r\n\r\n",
	     "103 interim@53; 100 interim@71; 200 done@90"},
	};
	static const struct message to_head_and_get[] = {
	    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
	     "200 done@38; 200 @76 +1 done@77"},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx",
	     "200 done@47; 200 @66 +1 open"},
	};
	static const struct message to_connect[] = {
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nGET", "200 upgrade@47"},
	    {"HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno", "407 @40 +2 done@42"},
	};
	run_messages(m, COUNT(m), 1, "G");
	run_messages(to_head, COUNT(to_head), 1, "H");
	run_messages(to_head_and_get, COUNT(to_head_and_get), 1, "HG");
	run_messages(to_connect, COUNT(to_connect), 1, "C");
}

static void test_paths(void **state)
{
	char m[1024], expected[1024], got[1024];

	/* A path of each length: kept whole up to RT_ENDPOINT_MAX bytes, cut beyond. */
	for (int n = 1; n <= RT_ENDPOINT_MAX + 130; n++) {
		int at = snprintf(m, sizeof(m), "GET /");
		for (int i = 1; i < n; i++)
			m[at++] = i % 10 ? 'a' + i % 26 : '/';
		snprintf(m + at, sizeof(m) - at, "?q" H "\r\n");
		int kept = n < RT_ENDPOINT_MAX ? n : RT_ENDPOINT_MAX;
		snprintf(expected, sizeof(expected), "GET %.*s%s done@%zu", kept, m + 4,
			 n > RT_ENDPOINT_MAX ? "~" : "", strlen(m));
		feed_begin(whole, 0, NULL);
		feed_segment(whole, (uint8_t *)m, strlen(m));
		feed_end(whole);
		feed_text(whole, 0, got, sizeof(got));
		assert_string_equal(got, expected);
		feed_begin(parts, 0, NULL);
		for (size_t i = 0; i < strlen(m); i++)
			feed_segment(parts, (uint8_t *)m + i, 1);
		feed_end(parts);
		same_as_whole("path of", n, 0);
	}
	/* A path after a longer one has nothing of it (feed_note looks behind its end). */
	snprintf(m, sizeof(m), "GET /long/" X50 H "\r\nGET /s" H "\r\n");
	feed_all_ways((uint8_t *)m, strlen(m), 0, NULL);
	assert_int_equal(whole->events[2].path_len, 2);
	/* Every byte that is not a control character or a blank may be in a path; '?' and '#' end it. */
	for (int c = 1; c < 256; c++) {
		snprintf(m, sizeof(m), "GET /a%cb" H "\r\n", c);
		feed_all_ways((uint8_t *)m, strlen(m), 0, NULL);
		feed_text(whole, 0, got, sizeof(got));
		if (c <= ' ' || c == 0x7f)
			assert_non_null(strstr(got, "bad@"));
		else
			assert_int_equal(whole->events[0].path_len, c == '?' || c == '#' ? 2 : 4);
	}
}

/* RFC 9110 5.6.2: any byte in a method that is no tchar makes it bad. */
static void test_method_bytes(void **state)
{
	char m[64];

	for (int c = 1; c < 256; c++) {
		int token = c < 128 && (strchr("!#$%&'*+-.^_`|~", c) || (c >= '0' && c <= '9') ||
					(c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
		snprintf(m, sizeof(m), "A%cB /" H "\r\n", c);
		feed_all_ways((uint8_t *)m, strlen(m), 0, NULL);
		assert_int_equal(whole->events[0].kind, token ? FEED_LINE : FEED_BAD);
	}
	feed_begin(whole, 0, NULL);
	feed_segment(whole, (const uint8_t *)"A\0B / HTTP/1.1\r\n\r\n", 18);
	assert_int_equal(whole->events[0].kind, FEED_BAD);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guard_is_one),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_method_bytes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
