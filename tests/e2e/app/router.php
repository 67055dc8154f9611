<?php
// SPDX-License-Identifier: GPL-2.0-or-later
// What `php -S` serves; paths as in wsgi.py. LOG names its access log: method, target, status. The server closes each connection, and frames by Content-Length or by the close.
$path = parse_url('http://x' . $_SERVER['REQUEST_URI'], PHP_URL_PATH);
$method = $_SERVER['REQUEST_METHOD'];
$sleeps = ['/slow/short' => 30, '/slow/medium' => 120, '/slow/long' => 400];
$status = ['/bad' => 400, '/private' => 403, '/fail' => 500, '/upstream' => 502];

register_shutdown_function(function () {
	$line = $_SERVER['REQUEST_METHOD'] . "\t" . $_SERVER['REQUEST_URI'] . "\t" . http_response_code() . "\n";
	file_put_contents(getenv('LOG'), $line, FILE_APPEND | LOCK_EX);
});

function answer($code, $body = null, ...$headers) {
	http_response_code($code);
	foreach ($headers as $h)
		header($h);
	if ($body !== null) {
		header('Content-Length: ' . strlen($body));
		if ($_SERVER['REQUEST_METHOD'] != 'HEAD')
			echo $body;
	}
	return true;
}

if ($path == '/echo')
	return answer(200, strlen(file_get_contents('php://input')) . "\n");
if (isset($sleeps[$path])) {
	usleep($sleeps[$path] * 1000);
	return answer(200, "slept\n");
}
if (isset($status[$path]))
	return answer($status[$path], "no\n");
if ($path == '/readonly' && $method == 'POST')
	return answer(405, "no\n", 'Allow: GET');
if ($path == '/empty')
	return answer(204);
if ($path == '/cached')
	return answer(304);
if ($path == '/old')
	return answer(301, "moved\n", 'Location: /');
if ($path == '/chunked') {
	for ($i = 0; $i < 10; $i++) {
		echo str_repeat("piece $i\n", 20);
		flush();
	}
	return true;
}
$known = preg_match('#^/(users/\d+/orders|items/[0-9a-f-]{36}|blobs/[0-9a-f]{40}|search)?$#', $path);
return answer($known ? 200 : 404, "path $path\n");
