/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An alert on its way, and the body of a request. Internal to notifier. */
#ifndef RT_NOTIFIER_MESSAGE_H
#define RT_NOTIFIER_MESSAGE_H

#include "notifier/notifier.h"

/* Reference-counted: the same message waits in several queues. The count is under the notifier's lock. */
struct message {
	size_t refs;
	struct labels *labels, *annotations;
	int64_t starts_at, ends_at;
	char *generator_url;
};

/* Takes the reference to LABELS. */
struct message *message_new(const struct notifier_alert *alert, struct labels *labels);
void message_free(struct message *m);
/* The JSON array that Alertmanager's /api/v2/alerts takes; free() it. Bytes that are no UTF-8 become U+FFFD. */
char *message_json(struct message *const *messages, size_t n);
/* Appends what an Alertmanager said no with, fit for one line of a log: control characters become blanks, bytes that are no UTF-8
 * U+FFFD. */
void message_refusal(int status, const char *body, size_t n, struct buf *out);

#endif
