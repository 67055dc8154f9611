<%--
SPDX-License-Identifier: GPL-2.0-or-later
What tomcat serves; paths as in wsgi.py.
--%><%@ page session="false" trimDirectiveWhitespaces="true" import="java.util.Map" %><%!
static final Map<String, Integer> SLEEPS = Map.of("/slow/short", 30, "/slow/medium", 120, "/slow/long", 400);
static final Map<String, Integer> STATUS = Map.of("/bad", 400, "/private", 403, "/fail", 500, "/upstream", 502);
static final String PLAIN = "/(users/\\d+/orders|items/[0-9a-f-]{36}|blobs/[0-9a-f]{40}|search)?";

void answer(HttpServletResponse r, int code, String body) throws java.io.IOException {
	r.setStatus(code);
	r.setContentLength(body.length());
	r.getOutputStream().write(body.getBytes());
}
%><%
String path = request.getRequestURI(), method = request.getMethod();
if (path.equals("/echo")) {
	byte[] buffer = new byte[65536];
	long n = 0;
	for (int k; (k = request.getInputStream().read(buffer)) >= 0; n += k);
	answer(response, 200, n + "\n");
} else if (SLEEPS.containsKey(path)) {
	Thread.sleep(SLEEPS.get(path));
	answer(response, 200, "slept\n");
} else if (STATUS.containsKey(path)) {
	answer(response, STATUS.get(path), "no\n");
} else if (path.equals("/readonly") && method.equals("POST")) {
	answer(response, 405, "no\n");
} else if (path.equals("/empty")) {
	response.setStatus(204);
} else if (path.equals("/cached")) {
	response.setStatus(304);
} else if (path.equals("/old")) {
	response.setHeader("Location", "/");
	answer(response, 301, "moved\n");
} else if (path.equals("/chunked")) {
	for (int i = 0; i < 10; i++) {
		response.getOutputStream().write(("piece " + i + "\n").repeat(20).getBytes());
		response.flushBuffer();
	}
} else {
	answer(response, path.matches(PLAIN) ? 200 : 404, "path " + path + "\n");
}
%>
