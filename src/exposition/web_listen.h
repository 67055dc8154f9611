/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_EXPOSITION_WEB_LISTEN_H
#define RT_EXPOSITION_WEB_LISTEN_H

/* Binds and listens on ADDRESS: `host:port`, `:port` (every address, v6 and v4), `[v6]:port`. 0, *FD (non-blocking,
 * close-on-exec) and *BOUND, the address as text with the real port (free it); or a negative errno and *ERROR naming ADDRESS. */
int web_listen(const char *address, int *fd, char **bound, char **error);
/* The same with the socket number SOCKET that somebody else has bound, systemd for one, and who must not use it any more. */
int web_listen_inherited(int socket, int *fd, char **bound, char **error);

#endif
