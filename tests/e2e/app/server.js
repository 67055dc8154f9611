// SPDX-License-Identifier: GPL-2.0-or-later
// The Node server of the tests: `node server.js LOG HOST:PORT...`. It writes one line per request that ended:
// method, path, status, body bytes of the request; 499 for a client that went away first.
'use strict';
const fs = require('fs');
const http = require('http');

const log = fs.openSync(process.argv[2], 'a');
const sleeps = { '/slow/short': 30, '/slow/medium': 120, '/slow/long': 400 };
const status = { '/bad': 400, '/private': 403, '/fail': 500, '/upstream': 502 };
const plain = /^\/($|users\/\d+\/orders$|items\/[0-9a-f-]{36}$|blobs\/[0-9a-f]{40}$|search$)/;

function answer(req, res, code, body, headers) {
  if (code !== 204 && code !== 304) headers = { 'Content-Length': Buffer.byteLength(body), ...headers };
  res.writeHead(code, headers);
  res.end(code === 204 || code === 304 ? undefined : body);
}

function route(req, res, path, received) {
  if (path === '/echo') return answer(req, res, 200, `${received}\n`);
  if (path in sleeps) return setTimeout(() => answer(req, res, 200, 'slept\n'), sleeps[path]);
  if (path in status) return answer(req, res, status[path], 'no\n');
  if (path === '/readonly' && req.method === 'POST') return answer(req, res, 405, 'no\n', { Allow: 'GET' });
  if (path === '/empty') return answer(req, res, 204);
  if (path === '/cached') return answer(req, res, 304, '', { ETag: '"1"' });
  if (path === '/old') return answer(req, res, 301, 'moved\n', { Location: '/' });
  if (path === '/chunked') {
    res.writeHead(200, { 'Content-Type': 'text/plain' });
    for (let i = 0; i < 10; i++) res.write(`piece ${i}\n`.repeat(20));
    return res.end();
  }
  if (path === '/events') {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (let i = 0; i < 3; i++) setTimeout(() => res.write(`data: ${i}\n\n`), 50 * i);
    return setTimeout(() => res.end(), 200);
  }
  return answer(req, res, plain.test(path) ? 200 : 404, `path ${path}\n`);
}

function handle(req, res) {
  const path = req.url.split('?')[0];
  let received = 0, done = false;
  const end = (code) => {
    if (!done) fs.writeSync(log, `${req.method}\t${path}\t${code}\t${received}\n`);
    done = true;
  };
  res.on('finish', () => end(res.statusCode));
  res.on('close', () => end(499));
  req.on('data', (piece) => { received += piece.length; });
  req.on('end', () => route(req, res, path, received));
}

for (const address of process.argv.slice(3)) {
  const colon = address.lastIndexOf(':');
  const server = http.createServer({ keepAliveTimeout: 60000 }, handle);
  server.on('upgrade', (req, socket) => {
    fs.writeSync(log, `${req.method}\t${req.url.split('?')[0]}\t101\t0\n`);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  server.listen(Number(address.slice(colon + 1)), address.slice(0, colon));
}
