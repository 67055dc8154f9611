// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"

#define ENTER "\033[?1049h\033[?25l" /* the other screen, no cursor */
#define LEAVE "\033[?25h\033[?1049l"

struct terminal {
	struct termios before;
	sigset_t signals, mask_before;
	int signal_fd;
	char input[64];
	size_t n;
};

static void put(const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(STDOUT_FILENO, p, n);
		if (k < 0 && errno != EINTR)
			return; /* it is gone, which the next read tells */
		p += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
	}
}

static void enter(struct terminal *t)
{
	struct termios raw = t->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	put(ENTER, strlen(ENTER));
}

static void leave(struct terminal *t)
{
	put(LEAVE, strlen(LEAVE));
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
}

struct terminal *terminal_open(void)
{
	static const int as_keys[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};
	const char *kind = getenv("TERM");
	struct termios before;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !kind || !*kind || strcmp(kind, "dumb") == 0 || tcgetattr(STDIN_FILENO, &before))
		return NULL;
	struct terminal *t = xcalloc(1, sizeof(*t));
	t->before = before;
	sigemptyset(&t->signals);
	for (size_t i = 0; i < ARRAY_SIZE(as_keys); i++)
		sigaddset(&t->signals, as_keys[i]);
	sigprocmask(SIG_BLOCK, &t->signals, &t->mask_before);
	t->signal_fd = signalfd(-1, &t->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	enter(t);
	return t;
}

void terminal_close(struct terminal *t)
{
	if (!t)
		return;
	leave(t);
	sigprocmask(SIG_SETMASK, &t->mask_before, NULL);
	close(t->signal_fd);
	free(t);
}

static int on_signal(struct terminal *t)
{
	struct signalfd_siginfo s;
	if (read(t->signal_fd, &s, sizeof(s)) != (ssize_t)sizeof(s))
		return KEY_NONE;
	if (s.ssi_signo == SIGTSTP) {
		leave(t);
		kill(getpid(), SIGSTOP); /* here it stands until somebody lets it go on */
		enter(t);
	}
	return s.ssi_signo == SIGTSTP || s.ssi_signo == SIGWINCH ? KEY_RESIZE : KEY_END;
}

/* The key at the start of what was typed, which is taken out. */
static int next_key(struct terminal *t)
{
	static const struct {
		const char *text;
		int key;
	} keys[] = {
		{"\033[A", KEY_UP},	   {"\033OA", KEY_UP},	       {"\033[B", KEY_DOWN}, {"\033OB", KEY_DOWN},
		{"\033[5~", KEY_PAGE_UP}, {"\033[6~", KEY_PAGE_DOWN}, {"\033[H", KEY_HOME}, {"\033[1~", KEY_HOME},
	};
	size_t n = 1;
	int key = (unsigned char)t->input[0];
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t len = strlen(keys[i].text);
		if (t->n >= len && memcmp(t->input, keys[i].text, len) == 0) {
			n = len;
			key = keys[i].key;
		}
	}
	if (key == '\033') { /* another key that is several bytes: none of ours */
		n = t->n;
		key = KEY_NONE;
	}
	t->n -= n;
	memmove(t->input, t->input + n, t->n);
	return key;
}

int terminal_wait(struct terminal *t, int timeout_ms)
{
	if (t->n)
		return next_key(t);
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = t->signal_fd, .events = POLLIN}};
	if (poll(fds, 2, timeout_ms) <= 0)
		return KEY_NONE;
	if (fds[1].revents)
		return on_signal(t);
	ssize_t n = read(STDIN_FILENO, t->input, sizeof(t->input));
	if (n <= 0)
		return n < 0 && errno == EINTR ? KEY_NONE : KEY_END;
	t->n = (size_t)n;
	return next_key(t);
}

void terminal_size(const struct terminal *t, size_t *rows, size_t *columns)
{
	struct winsize w;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col;
	*rows = known ? w.ws_row : 24;
	*columns = known ? w.ws_col : 80;
}

void terminal_show(struct terminal *t, const struct buf *lines)
{
	struct buf out = BUF_INIT;
	size_t rows, columns, n = 0;
	terminal_size(t, &rows, &columns);
	buf_adds(&out, "\033[H");
	for (const char *p = buf_str(lines); *p && n < rows; n++) {
		size_t len = strcspn(p, "\n");
		buf_adds(&out, n ? "\r\n" : "");
		buf_add(&out, p, len);
		buf_adds(&out, "\033[K");
		p += len + (p[len] == '\n');
	}
	buf_adds(&out, "\033[J");
	put(buf_str(&out), out.n);
	buf_free(&out);
}
