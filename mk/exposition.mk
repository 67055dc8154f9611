# SPDX-License-Identifier: GPL-2.0-or-later
# The web server verifies client certificates itself (GnuTLS, which libmicrohttpd stands on) and bcrypt passwords (libcrypt).
LIBS_exposition += -lgnutls -lcrypt
