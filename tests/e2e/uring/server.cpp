// SPDX-License-Identifier: GPL-2.0-or-later
// `uring HOST PORT`: an HTTP server whose every accept, read and write goes through io_uring (Asio with that backend and without
// epoll). GET is answered with 5 bytes, GET /large with 1 MB, POST with the number of bytes of its body; requests may be pipelined.
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include <asio.hpp>

#if !defined(ASIO_HAS_IO_URING_AS_DEFAULT)
#error "not built for io_uring"
#endif

using asio::ip::tcp;

class Session : public std::enable_shared_from_this<Session> {
public:
	explicit Session(tcp::socket socket) : socket(std::move(socket)) {}

	void read_head()
	{
		auto self = shared_from_this();
		asio::async_read_until(socket, asio::dynamic_buffer(in), "\r\n\r\n", [self](std::error_code e, std::size_t n) {
			if (!e)
				self->take_head(n);
		});
	}

private:
	void take_head(std::size_t n)
	{
		std::string head = in.substr(0, n);
		in.erase(0, n);
		large = head.compare(0, 10, "GET /large") == 0;
		auto at = head.find("Content-Length: ");
		length = at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 16, nullptr, 10);
		body = 0;
		take_body();
	}

	void take_body()
	{
		std::size_t n = std::min(in.size(), length - body);
		in.erase(0, n);
		body += n;
		if (body == length)
			return answer();
		auto self = shared_from_this();
		socket.async_read_some(asio::buffer(piece), [self](std::error_code e, std::size_t got) {
			if (e)
				return;
			self->in.append(self->piece, got);
			self->take_body();
		});
	}

	void answer()
	{
		std::string text = large ? std::string(1 << 20, 'u') : length ? std::to_string(body) : "hello";
		out = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
		auto self = shared_from_this();
		asio::async_write(socket, asio::buffer(out), [self](std::error_code e, std::size_t) {
			if (!e)
				self->read_head();
		});
	}

	tcp::socket socket;
	std::string in, out;
	char piece[65536];
	std::size_t length = 0, body = 0;
	bool large = false;
};

static void accept_next(tcp::acceptor &acceptor)
{
	acceptor.async_accept([&acceptor](std::error_code e, tcp::socket socket) {
		if (!e)
			std::make_shared<Session>(std::move(socket))->read_head();
		accept_next(acceptor);
	});
}

int main(int argc, char **argv)
{
	try {
		asio::io_context context;
		tcp::acceptor acceptor(context, {asio::ip::make_address(argc > 2 ? argv[1] : ""),
						 static_cast<unsigned short>(std::atoi(argc > 2 ? argv[2] : "0"))});
		accept_next(acceptor);
		context.run();
	} catch (const std::exception &e) {
		std::cerr << e.what() << "\n";
		return 1;
	}
}
