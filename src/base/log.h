/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program's log: one line a message on stderr, logfmt or JSON, as the Prometheus family writes it. Library
 * layers return errors; only the layer that decides what happens next logs. Thread-safe. */
#ifndef RT_BASE_LOG_H
#define RT_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

void log_setup(enum log_level min, enum log_format format);
/* "debug", "info", "warn", "error"; false if it is none of them. */
bool log_level_parse(const char *s, enum log_level *level);
/* "logfmt", "json". */
bool log_format_parse(const char *s, enum log_format *format);
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
