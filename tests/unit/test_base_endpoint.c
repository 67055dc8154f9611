// SPDX-License-Identifier: GPL-2.0-or-later
/* bpf/endpoint.h on the host: which segments of a path are identifiers, and what is left of a path that does
 * not fit. Input and output end at a page that cannot be touched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "words.h"

static char *in, *out; /* RT_ENDPOINT_MAX bytes */

static int setup(void **state)
{
	long page = sysconf(_SC_PAGESIZE);

	for (int i = 0; i < 2; i++) {
		char *m = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (m == MAP_FAILED || mprotect(m + page, page, PROT_NONE))
			return -1;
		*(i ? &out : &in) = m + page - RT_ENDPOINT_MAX;
	}
	return 0;
}

/* The short way says the same, or nothing. How often it said something: */
static size_t by_words;

static void same_by_words(const char *path, size_t n, __u16 len)
{
	char from[RT_ENDPOINT_MAX], to[RT_ENDPOINT_MAX];

	memset(from, '7', sizeof(from)); /* what stands behind the path is of another one */
	memcpy(from, path, n);
	__u16 words = endpoint_words(from, n, to);
	if (words && (words != len || memcmp(to, out, len)))
		fail_msg("%s is %.*s, but by words %.*s", path, len, out, words, to);
	by_words += words != 0;
}

static const char *normalise(const char *path)
{
	static char text[RT_ENDPOINT_MAX + 1];
	struct endpoint e;
	size_t n = strlen(path);
	int cut = n > RT_ENDPOINT_MAX;
	__u16 len = cut ? RT_ENDPOINT_MAX : n;
	char *p = in + RT_ENDPOINT_MAX - len; /* flush with the page */

	memcpy(p, path, len);
	memset(out, 0, RT_ENDPOINT_MAX);
	len = endpoint_normalise(&e, p, len, out, cut);
	if (!cut)
		same_by_words(path, n, len);
	assert_true(len <= RT_ENDPOINT_MAX);
	memcpy(text, out, len);
	text[len] = 0;
	return text;
}

/* As the kernel asks: is normalising needed at all? */
static int is_plain(const char *path)
{
	struct http1 p = {.path_len = strlen(path), .has_digit = strpbrk(path, "0123456789") != NULL};
	return endpoint_is_plain(&p);
}

static void test_golden(void **state)
{
	static const char *const cases[][2] = {
	    {"/", "/"},
	    {"/users/alice@example.com/posts", "/users/{id}/posts"},
	    {"/users/alice.smith+x@example.co.uk", "/users/{id}"},
	    {"/users/4711.alice@example.com", "/users/{id}"},
	    {"/users/alice%40example.com/posts", "/users/{id}/posts"},
	    {"/users/a.b%2Bc%40example.co.uk", "/users/{id}"},
	    {"/users/4711.alice%40example.com;x=1/y", "/users/{id}/y"},
	    {"/%40scope/package-of-words", "/%40scope/package-of-words"},
	    {"/a%4/0b%400/x%4%40", "/a%4/{id}/{id}"},
	    {"/@scope/package-of-words", "/@scope/package-of-words"},
	    {"/cart;jsessionid=0A1B2C3D4E5F60718293A4B5C6D7E8F9", "/cart;jsessionid={id}"},
	    {"/maps;v=1.2/tiles;lat=50/4711;x", "/maps;v=1.2/tiles;lat=50/{id};x"},
	    {"/a;x=1;user=bob@example.com;y=12345/b", "/a;x=1;user={id}/b"},
	    {"/verify/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c", "/verify/{id}"},
	    {"/events/2024-01-15T10:30:00Z", "/events/{id}:{id}:{id}"},
	    {"/events/2024-01-15T10:30:00.123Z/x", "/events/{id}:{id}:{id}/x"},
	    {"/events/2024-01-15T10:30:00+01:00/x", "/events/{id}:{id}:{id}:{id}/x"},
	    {"/blog/2024-01-15-my-first-post", "/blog/{id}"},
	    {"/odata/Products(42)/Name", "/odata/Products({id})/Name"},
	    {"/odata/Orders(3f2504e0-4f89-11d3-9a0c-0305e82c3301)", "/odata/Orders({id})"},
	    {"/near/48.8566,2.3522", "/near/{id}"},
	    {"/some/1,2,3/x", "/some/{id}/x"},
	    {"/lists/a,b,c/of,words9", "/lists/a,b,c/of,words9"},
	    {"/v1/things/42:cancel", "/v1/things/{id}:cancel"},
	    {"/files/4711.webmanifest", "/files/{id}.webmanifest"},
	    {"//", "//"},
	    {"*", "*"},
	    {"", ""},
	    {"/users", "/users"},
	    {"/users/", "/users/"},
	    {"/a//b///", "/a//b///"},
	    /* numbers */
	    {"/users/42", "/users/{id}"},
	    {"/users/42/", "/users/{id}/"},
	    {"/0", "/{id}"},
	    {"/users/42/orders/7", "/users/{id}/orders/{id}"},
	    {"/-7", "/{id}"},
	    {"/--7", "/--7"},
	    {"/calls/+4915112345678", "/calls/{id}"},
	    {"/calls/+49-151-12345678/x", "/calls/{id}/x"},
	    {"/+1.5", "/{id}"},
	    {"/+words/c++17", "/+words/c++17"},
	    {"/a+1", "/a+1"},
	    {"/7-", "/7-"},
	    {"/-", "/-"},
	    {"/1.2.3", "/{id}"},
	    {"/10.0.0.1/x", "/{id}/x"},
	    {"/-1.5", "/{id}"},
	    {"/42.", "/{id}"},
	    {"/18446744073709551616", "/{id}"},
	    {"/1-2", "/1-2"},
	    {"/1-2-3", "/1-2-3"},
	    {"/2024-01-15", "/{id}"},
	    {"/114-3941689-8772232", "/{id}"},
	    {"/order-98765", "/order-98765"},
	    {"/order-104711", "/{id}"},
	    {"/img_20240115_170000.jpg", "/{id}.jpg"},
	    {"/foo%20123456", "/foo%20123456"},
	    {"/10.0.0.1.json", "/{id}.json"},
	    {"/10.0.0.1", "/{id}"},
	    {"/1.2.3-beta", "/{id}"},
	    {"/1.2.3-rc.1", "/{id}"},
	    {"/1.2.3-rc.1.tar.gz", "/{id}.tar.gz"},
	    {"/1.5.mp4", "/{id}.mp4"},
	    {"/42.json.gz", "/{id}.json.gz"},
	    {"/42.json.7", "/{id}.json.7"},
	    {"/v1.2.3", "/v1.2.3"},
	    /* with an extension */
	    {"/42.json", "/{id}.json"},
	    {"/a/42.json/b", "/a/{id}.json/b"},
	    {"/550e8400-e29b-41d4-a716-446655440000.tar.gz", "/{id}.tar.gz"},
	    {"/.42", "/.42"},
	    {"/index.html", "/index.html"},
	    {"/main.js", "/main.js"},
	    {"/jquery-3.6.0.min.js", "/jquery-3.6.0.min.js"},
	    /* a colon ends a part */
	    {"/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "/blobs/sha256:{id}"},
	    {"/operations/42:cancel", "/operations/{id}:cancel"},
	    {"/urn:uuid:550e8400-e29b-41d4-a716-446655440000/x", "/urn:uuid:{id}/x"},
	    {"/host:8080", "/host:{id}"},
	    {"/1:2:3", "/{id}:{id}:{id}"},
	    {"/::", "/::"},
	    {"/42.json:7", "/{id}.json:{id}"},
	    {"/users:list", "/users:list"},
	    /* words with figures in them are words */
	    {"/v1/users", "/v1/users"},
	    {"/v1.2/users", "/v1.2/users"},
	    {"/api2", "/api2"},
	    {"/2fa", "/2fa"},
	    {"/oauth2/token", "/oauth2/token"},
	    {"/s3/bucket-1", "/s3/bucket-1"},
	    {"/utf8", "/utf8"},
	    {"/base64", "/base64"},
	    {"/sha256", "/sha256"},
	    {"/h264-1080p", "/h264-1080p"},
	    {"/release-notes-2023", "/release-notes-2023"},
	    {"/blog/10-things-we-love", "/blog/10-things-we-love"},
	    {"/internationalization", "/internationalization"},
	    {"/wp-content/themes/twentytwentyfour", "/wp-content/themes/twentytwentyfour"},
	    /* UUIDs */
	    {"/550e8400-e29b-41d4-a716-446655440000", "/{id}"},
	    {"/550E8400-E29B-41D4-A716-446655440000/x", "/{id}/x"},
	    {"/00000000-0000-0000-0000-000000000000", "/{id}"},
	    {"/550e8400-e29b-41d4-a716-44665544000g", "/{id}"}, /* a random token all the same */
	    {"/zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzz1", "/zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzz1"},
	    /* hexadecimal */
	    {"/deadbeef", "/deadbeef"},
	    {"/de4dbeef", "/{id}"},
	    {"/DE4DBEEF", "/{id}"},
	    {"/1234567a", "/{id}"},
	    {"/cafe2024", "/cafe2024"},
	    {"/abc12345", "/{id}"},
	    {"/a1b2c3d", "/a1b2c3d"},
	    {"/a1b2c3d4", "/{id}"},
	    {"/abcdefabcdefabc", "/abcdefabcdefabc"},
	    {"/abcdefabcdefabcd", "/{id}"},
	    {"/507f1f77bcf86cd799439011", "/{id}"},
	    {"/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/{id}"},
	    {"/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "/{id}"},
	    {"/effaced", "/effaced"},
	    /* random tokens */
	    {"/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/{id}"},
	    {"/V1StGXR8_Z5jdHi6B-myT", "/{id}"},
	    {"/eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "/{id}"},
	    {"/dGhpcyBpcyBhIDEyMyB0ZXN0IDQ1Ng==", "/{id}"},
	    {"/a1b2c3d4e5f6g7h8", "/{id}"},			    /* 16 */
	    {"/a1b2c3d4e5f6g7h%20", "/a1b2c3d4e5f6g7h%20"},	    /* '%' is in no token */
	    {"/cus_9s6XKzkNRiz8i3", "/{id}"},
	    {"/web-7d9f8b6c5-x2x9z", "/{id}"},
	    {"/dQw4w9WgXcQ", "/{id}"},
	    {"/getDayOfTheWeek", "/getDayOfTheWeek"},
	    {"/OAuth2AuthorizationServer", "/OAuth2AuthorizationServer"},
	    {"/krankenversicherungsnummer", "/krankenversicherungsnummer"},
	    {"/music-we-like4you-here", "/music-we-like4you-here"}, /* two */
	    {"/{id}", "/{id}"},
	    {"/caf\xc3\xa9/1", "/caf\xc3\xa9/{id}"},
	};
	int wrong = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *got = normalise(cases[i][0]);
		if (strcmp(got, cases[i][1]) && ++wrong)
			print_error("%s\n     got: %s\nexpected: %s\n", cases[i][0], got, cases[i][1]);
		if (strcmp(cases[i][0], cases[i][1]) && is_plain(cases[i][0]) && ++wrong)
			print_error("%s is taken for plain\n", cases[i][0]);
	}
	assert_int_equal(wrong, 0);
}

static unsigned rnd(unsigned k)
{
	static uint64_t seed = 88172645463325252ull;
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (seed >> 11) % k;
}

static void random_of(char *p, const char *alphabet, int n)
{
	for (int i = 0; i < n; i++)
		p[i] = alphabet[rnd(strlen(alphabet))];
	p[n] = 0;
}

/* Whatever the identifier, the route has one endpoint. */
static void test_ids_of_each_kind(void **state)
{
	static const char hex[] = "0123456789abcdef", crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	char id[80], path[RT_ENDPOINT_MAX];

	for (int i = 0; i < 20000; i++) {
		switch (i % 7) {
		case 0:
			random_of(id, "0123456789", 1 + rnd(20));
			break;
		case 1:
			random_of(id, hex, 36);
			id[8] = id[13] = id[18] = id[23] = '-';
			id[0] = '7'; /* one in five million has no figure at all */
			break;
		case 2:
			random_of(id, hex, 24); /* MongoDB's ObjectId */
			break;
		case 3:
			random_of(id, hex, 32);
			break;
		case 4:
			random_of(id, hex, 40);
			break;
		case 5:
			random_of(id, hex, 64);
			break;
		case 6:
			random_of(id, crockford, 26);
			memcpy(id, "01H8XG", 6); /* a ULID begins with its time */
			break;
		}
		snprintf(path, sizeof(path), "/api/v1/users/%s/orders", id);
		if (strcmp(normalise(path), "/api/v1/users/{id}/orders"))
			fail_msg("%s: %s", path, normalise(path));
		assert_false(is_plain(path));
		snprintf(path, sizeof(path), "/files/%s.json", id);
		if (strcmp(normalise(path), "/files/{id}.json"))
			fail_msg("%s: %s", path, normalise(path));
	}
}

/* Segments as they stand in the routes of programs: every one of them is a word. */
static void test_routes_stay(void **state)
{
	static const char *const words[] = {
	    "internationalization", "authentication-providers", "kubernetes-dashboard", "getUserProfileById", "listCustomerInvoices",
	    "XMLHttpRequest", "OAuth2Callback", "customresourcedefinitions", "validatingwebhookconfigurations",
	    "horizontalpodautoscalers", "apiextensions.k8s.io", "certificates.k8s.io", "rbac.authorization.k8s.io", "flowschemas",
	    "storageclasses", "poddisruptionbudgets", "replicationcontrollers", "subjectaccessreviews", "tokenreviews",
	    "persistentvolumeclaims", "mutatingwebhookconfigurations", "well-known", "openid-configuration", "oauth-authorization-server",
	    "apple-app-site-association", "assetlinks.json", "browserconfig.xml", "site.webmanifest", "favicon-32x32.png",
	    "apple-touch-icon-precomposed.png", "android-chrome-192x192.png", "mstile-150x150.png", "jquery-3.6.0.min.js",
	    "bootstrap.bundle.min.js", "fontawesome-webfont.woff2", "glyphicons-halflings-regular.woff", "main.chunk.css.map",
	    "service-worker.js", "runtime-main.js", "polyfills-es5.js", "wp-admin", "admin-ajax.php", "xmlrpc.php", "wp-login.php",
	    "phpMyAdmin", "server-status", "nginx_status", "actuator", "prometheus", "heapdump", "threaddump", "configprops", "healthz",
	    "readyz", "livez", "debug", "pprof", "goroutine", "threadcreate", "swagger-ui.html", "api-docs", "v2", "v1alpha1",
	    "v1beta1", "v2beta2", "graphql", "subscriptions", "grpc-web", "checkout-session", "payment_intents", "setup_intents",
	    "balance_transactions", "application_fees", "issuing", "cardholders", "credit_notes", "tax_rates", "webhook_endpoints",
	    "terminal", "connection_tokens", "promotion_codes", "repositories", "pull-requests", "check-suites", "code-scanning",
	    "dependabot", "secret-scanning", "workflow_dispatches", "self-hosted-runners", "actions-cache-usage-by-repository",
	    "notifications", "starred", "subscribers_count", "release-notes-2023", "blog-post-10-things", "top-100-movies",
	    "how-to-install-debian-12-bookworm", "2022-world-cup", "f1-2024-calendar", "covid-19", "iphone-15-pro-max", "ps5-vs-xbox",
	    "usb-c-to-hdmi-adapter", "mp3-to-wav-converter", "h264-1080p", "utf8mb4", "sha256sum", "md5sums", "base64url", "x86_64",
	    "aarch64", "arm64v8", "win32-x64", "linux-gnueabihf", "python3.11", "libstdc++6", "gtk-3.0", "qt5-default", "k3s-io",
	    "s3-eu-west-1", "us-east-2", "ap-southeast-1a", "europe-west3-b", "http2-push", "tls13-handshake", "ipv4-addresses",
	    "ipv6-prefixes", "oauth2-proxy", "p2p-network", "b2b-customers", "3d-models", "24h-changes", "365-days", "7zip", "4x4-trucks",
	    "donaudampfschifffahrt", "krankenversicherungsnummer", "rechtsschutzversicherungen", "einstellungen-speichern",
	    "bestellbestaetigung", "hochgeladene-dateien", "nachrichten-uebersicht", "utilisateurs-connectes", "parametres-generaux",
	    "mot-de-passe-oublie", "carrito-de-compras", "configuracion-general", "iniciar-sesion", "impostazioni-utente", "gebruikers",
	    "wachtwoord-vergeten", "uzytkownicy", "przypomnij-haslo", "zamowienia", "nastaveni-uctu", "felhasznalok", "kayttajat",
	    "salasana-unohtui", "brukerinnstillinger", "anvandarinstallningar", "kullanici-ayarlari", "sifremi-unuttum",
	    "shouhin-ichiran", "kensaku-kekka", "yonghu-guanli", "xiugai-mima", "shangpin-liebiao", "dingdan-xiangqing",
	    "polzovateli", "nastroyki-profilya", "vosstanovlenie-parolya", "getAllActiveSubscriptionsForTenant", "updateUserEmailAddress",
	    "createOrUpdateShippingMethod", "resetPasswordWithToken", "isUsernameAvailable", "fetchNextPageOfResults",
	    "GetDocumentByIdV2", "ListBucketsRequest", "DescribeInstances", "AssumeRoleWithWebIdentity", "PutObjectLockConfiguration",
	    "sendTransactionalEmail", "bulkImportContactsFromCsv", "exportToPdf", "exportToXlsx", "downloadInvoiceAsPdf", "rss.xml",
	    "sitemap-index.xml", "robots.txt", "humans.txt", "manifest.webmanifest", "crossdomain.xml", "ads.txt", "security.txt"};
	int wrong = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char path[RT_ENDPOINT_MAX];
		snprintf(path, sizeof(path), "/api/%s/x", words[i]);
		const char *got = normalise(path);
		if (strcmp(got, path) && ++wrong)
			print_error("%s becomes %s\n", path, got);
	}
	assert_int_equal(wrong, 0);
}

/* How many tokens of each kind are not seen as such, in ten thousand. The bounds are what was measured, and a little more. */
static void test_tokens_missed(void **state)
{
	static const char b62[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", *const b36 = b62 + 26;
	static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	static const struct {
		const char *name, *alphabet;
		int length, missed;
	} kinds[] = {
	    {"nanoid", b64, 21, 60},	   {"base62", b62, 22, 20},    {"base62", b62, 16, 80},	   {"base64url", b64, 22, 60},
	    {"base64url", b64, 43, 2},	   {"KSUID", b62, 27, 5},      {"base36", b36, 25, 20},	   {"base36", b36, 16, 200},
	    {"hex", "0123456789abcdef", 8, 110}, {"hex", "0123456789abcdef", 12, 5}, {"hex", "0123456789abcdef", 16, 0},
	    {"base62", b62, 12, 2200}};
	char id[80], path[RT_ENDPOINT_MAX];
	int wrong = 0;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		int missed = 0;
		for (int i = 0; i < 10000; i++) {
			random_of(id, kinds[k].alphabet, kinds[k].length);
			snprintf(path, sizeof(path), "/files/%s/meta", id);
			missed += strcmp(normalise(path), "/files/{id}/meta") != 0;
		}
		if (missed > kinds[k].missed && ++wrong)
			print_error("%s of %d: %d of 10000 are missed\n", kinds[k].name, kinds[k].length, missed);
	}
	assert_int_equal(wrong, 0);
}

static void test_cut(void **state)
{
	char path[600], expected[RT_ENDPOINT_MAX + 1];

	/* One long segment: nothing of it is left. */
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	assert_string_equal(normalise(path), "/{rest}");

	/* A path that fits exactly is kept; with one more byte it ends at a segment's border. */
	for (int segment = 1; segment < 190; segment++) {
		for (int n = 0; n < RT_ENDPOINT_MAX + 2; n++) {
			path[n] = n % (segment + 1) ? 'x' : '/';
			if (n < RT_ENDPOINT_MAX - 1)
				continue;
			path[n + 1] = 0;
			if (n + 1 <= RT_ENDPOINT_MAX) {
				assert_string_equal(normalise(path), path);
				continue;
			}
			/* The last border with room behind it for the 7 bytes of "/{rest}". */
			int border = RT_ENDPOINT_MAX - 7;
			while (path[border] != '/')
				border--;
			snprintf(expected, sizeof(expected), "%.*s/{rest}", border, path);
			assert_string_equal(normalise(path), expected);
		}
	}

	/* What was cut off may have been part of an identifier: it never shows. */
	memset(path, 0, sizeof(path));
	for (int lead = 150; lead < 192; lead++) {
		int n = snprintf(path, sizeof(path),
				 "/%0*d/550e8400-e29b-41d4-a716-446655440000/tail-of-many-letters", lead, 0);
		memset(path + 1, 'p', lead);
		assert_true(n > RT_ENDPOINT_MAX);
		const char *got = normalise(path);
		assert_null(strstr(got, "550e"));
		assert_string_equal(got + strlen(got) - 7, "/{rest}");
	}
}

/* "{id}" may be longer than what it stands for: the text then does not fit although the path did. */
static void test_growth(void **state)
{
	char path[RT_ENDPOINT_MAX + 1], expected[RT_ENDPOINT_MAX + 1] = "";

	for (int i = 0; i < RT_ENDPOINT_MAX / 2; i++)
		memcpy(path + 2 * i, "/1", 3);
	for (int i = 0; i < (RT_ENDPOINT_MAX - 7) / 5; i++)
		memcpy(expected + 5 * i, "/{id}", 6);
	strcat(expected, "/{rest}");
	assert_string_equal(normalise(path), expected);
}

/* Any bytes: the text fits, begins as the path does, and normalising it again changes nothing; an identifier
 * of the text would. */
static void test_random_paths(void **state)
{
	static const char *const alphabets[] = {"/1", "/1a", "/0123456789abcdef-.", "/.-_=%{}aZ09",
						"/ab1.\xff\x01~"};
	char path[400], once[RT_ENDPOINT_MAX + 1];

	for (int i = 0; i < 200000; i++) {
		path[0] = '/';
		random_of(path + 1, alphabets[i % 5], rnd(i % 3 ? 60 : 399));
		strcpy(once, normalise(path));
		assert_int_equal(once[0], '/');
		const char *twice = normalise(once);
		if (strcmp(twice, once))
			fail_msg("%s\n once: %s\ntwice: %s", path, once, twice);
		if (strlen(path) <= RT_ENDPOINT_MAX && is_plain(path) && strcmp(once, path))
			fail_msg("%s is taken for plain, but becomes %s", path, once);
		if (strlen(path) > RT_ENDPOINT_MAX)
			assert_non_null(strstr(once, "/{rest}"));
	}
}

/* What most paths are: words and numbers, of all lengths, at all places. */
static void test_words(void **state)
{
	static const char *const alphabets[] = {"abcXYZ", "0123456789", "ab12", "a.,-_%=~1", "a()", "b:;", "c@", "\xc3\xa4" "e"};
	char path[RT_ENDPOINT_MAX + 1];

	by_words = 0;
	for (int i = 0; i < 300000; i++) {
		size_t n = 0, max = 1 + rnd(i % 4 ? 50 : RT_ENDPOINT_MAX);
		while (n < max) {
			path[n++] = '/';
			size_t segment = rnd(i % 3 ? 9 : 20);
			if (segment > max - n)
				segment = max - n;
			random_of(path + n, alphabets[rnd(i & 1 ? 2 : 8)], segment);
			n += segment;
		}
		path[n] = 0;
		normalise(path);
	}
	assert_true(by_words > 150000);
	by_words = 0;
	normalise("/api/users/12345/orders");
	normalise("/v1/index.html");
	normalise("/");
	normalise("/users/");
	assert_int_equal(by_words, 4);
	normalise("/users/9f86d081884c7d65");
	assert_int_equal(by_words, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden),	 cmocka_unit_test(test_ids_of_each_kind), cmocka_unit_test(test_routes_stay),
	    cmocka_unit_test(test_tokens_missed),
	    cmocka_unit_test(test_cut),		 cmocka_unit_test(test_growth),
	    cmocka_unit_test(test_random_paths), cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
