# SPDX-License-Identifier: GPL-2.0-or-later
"""What a script did to a connection, and between which two readings of the clock: the clock is read before and after each call that
moves bytes or ends a side, and reqtally reads the same clock (CLOCK_MONOTONIC) in the kernel, within those calls or between the one that
sends and the one by which the bytes are known to have arrived. So each of its times has a lower and an upper bound that hold on any
machine, however busy."""
import array
import fcntl
import select
import socket
import struct
import termios
import time

PIECE = 32768  # fits the buffers, so that one thread can hold both ends
PACED = 40  # steps of a script; those behind go as fast as they can
SIOCOUTQ = termios.TIOCOUTQ


def queued(sock, request=termios.FIONREAD):
	"""Bytes that have arrived and were not read; with SIOCOUTQ those sent and not acknowledged. Looking takes nothing out."""
	n = array.array("i", [0])
	try:
		fcntl.ioctl(sock, request, n)
	except OSError:
		return None
	return n[0]


class Stream:
	"""One direction. Marks are (offset behind the bytes, not before, not after)."""

	def __init__(self):
		self.sends, self.arrivals, self.reads = [], [], []

	@staticmethod
	def mark(marks, offset):
		"""The first mark that reaches beyond OFFSET."""
		low, high = 0, len(marks)
		while low < high:
			middle = (low + high) // 2
			if marks[middle][0] > offset:
				high = middle
			else:
				low = middle + 1
		return marks[low] if low < len(marks) else None

	def passed(self, offset):
		"""When byte OFFSET left its sender and came to the other end: both are between these two."""
		sent = self.mark(self.sends, offset)
		known = [m[2] for m in (self.mark(self.arrivals, offset), self.mark(self.reads, offset)) if m]
		return sent[1], min(known, default=sent[2])

	def was_read(self, offset):
		"""When byte OFFSET was taken out of the socket, or None."""
		m = self.mark(self.reads, offset)
		return m and m[1:]

	def sent(self):
		return self.sends[-1][0] if self.sends else 0

	def taken(self):
		return self.reads[-1][0] if self.reads else 0


class Tape:
	"""A connection that is being played. LOG lists what happened in order: (end, bytes) were sent, (end, "fin" or "rst", not before, not
	after) an end was closed, the times being those at which the server's socket learnt of it."""

	def __init__(self, client, server, far=False):
		self.far = far  # between them is a link that delays and loses
		self.ends, self.streams, self.log = {"c": client, "s": server}, {"c": Stream(), "s": Stream()}, []
		self.open, self.steps, self.gone = {"c", "s"}, 0, False

	@staticmethod
	def other(who):
		return "s" if who == "c" else "c"

	def rest(self, seconds=0.001):
		"""So that what follows is clearly later than what was: a time that begins or ends at the wrong one is out of its bounds."""
		if self.steps < PACED:
			time.sleep(seconds)

	def sent(self, who, n, before, after):
		stream = self.streams[who]
		stream.sends.append((stream.sent() + n, before, after))

	def send(self, who, data):
		"""Sends, and waits until it has arrived, or no more of it does."""
		before = time.monotonic()
		self.ends[who].sendall(data)
		self.sent(who, len(data), before, time.monotonic())
		target = self.other(who)
		if target in self.open:
			self.arrive(who, self.ends[target])
		elif who == "s" and not self.gone:
			self.wait_end("c", "rst", before)  # a client that is closed answers with a reset

	def arrive(self, who, sock):
		stream, last, end = self.streams[who], 0, time.monotonic() + 0.05
		while time.monotonic() < end:
			n = queued(sock)
			if n is None:
				return
			if n > last:
				last, now = n, time.monotonic()
				stream.arrivals.append((stream.taken() + n, None, now))
				end = now + 0.05
			if stream.taken() + n >= stream.sent():
				return
			time.sleep(0.00002)

	def read(self, who, n):
		stream = self.streams[self.other(who)]
		while n:
			before = time.monotonic()
			piece = self.ends[who].recv(min(n, 1 << 20))
			if not piece:
				raise EOFError("%d bytes missing" % n)
			n -= len(piece)
			stream.reads.append((stream.taken() + len(piece), before, time.monotonic()))

	def read_to_end(self, who):
		stream = self.streams[self.other(who)]
		while True:
			before = time.monotonic()
			try:
				piece = self.ends[who].recv(65536)
			except ConnectionError:
				return  # closed with bytes unread
			if not piece:
				return self.met_end(who)
			stream.reads.append((stream.taken() + len(piece), before, time.monotonic()))

	def met_end(self, who):
		"""A FIN may leave only after the call, behind bytes that have to be sent again."""
		if who == "c" and self.far:
			self.log = [e if len(e) == 2 or e[:2] != ("s", "fin") else (*e[:3], time.monotonic()) for e in self.log]

	def carry(self, who, data):
		"""Sends, and the other end reads all of it, a moment later."""
		self.log.append((who, data))
		for i in range(0, len(data), PIECE):
			piece = data[i:i + PIECE]
			self.send(who, piece)
			if i == 0:
				self.rest(0.0005)
			self.read(self.other(who), len(piece))

	def push(self, who, data):
		self.log.append((who, data))
		self.send(who, data)

	def wait_end(self, who, how, before):
		"""The client has ended: waits until the server's socket knows."""
		events = select.POLLHUP | select.POLLERR | (select.POLLRDHUP if how == "fin" else 0)
		if "s" in self.open and not self.gone:
			poll = select.poll()
			poll.register(self.ends["s"], events)
			poll.poll(10000 if self.far else 1000)
		self.gone |= how == "rst"
		self.log.append((who, how, before, time.monotonic()))

	def end(self, who, how):
		"""HOW: "close", "rst", "shut"."""
		if who not in self.open:
			return
		sock, before = self.ends[who], time.monotonic()
		if how == "shut":
			try:
				sock.shutdown(socket.SHUT_WR)
			except OSError:
				return  # reset by the other end
		else:
			unread = self.streams[self.other(who)].sent() > self.streams[self.other(who)].taken()
			if how == "rst":
				sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
			sock.close()
			self.open.remove(who)
			how = "rst" if unread else how
		if who == "c":
			self.wait_end(who, "rst" if how == "rst" else "fin", before)
			if how == "close":
				self.log.append(("c", "closed", before, before))
		else:
			self.log.append((who, "rst" if how == "rst" else "fin", before, time.monotonic()))
