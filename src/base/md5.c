// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/md5.h"

#include <nettle/md5.h>

void md5_sum(struct sv s, uint8_t digest[16])
{
	struct md5_ctx ctx;
	md5_init(&ctx);
	md5_update(&ctx, s.n, (const uint8_t *)s.p);
	md5_digest(&ctx, MD5_DIGEST_SIZE, digest);
}
