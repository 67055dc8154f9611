// SPDX-License-Identifier: GPL-2.0-or-later
/* A look at what is pinned, for those who do not want to take it over. */
#include "loader/loader.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "loader/pin.h"

int loader_pinned_map(const char *name, uint32_t key_size, uint32_t value_size, uint32_t *entries)
{
	char path[256];
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	snprintf(path, sizeof(path), LOADER_PIN_PATH "/" PIN_CURRENT "/map_%s", name);
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	int fd = bpf_obj_get_opts(path, &opts);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.key_size != key_size || info.value_size != value_size) {
		close(fd);
		return -EPROTO; /* of another version */
	}
	*entries = info.max_entries;
	return fd;
}
