// SPDX-License-Identifier: GPL-2.0-or-later
#include "collector/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "model/family.h"

static void add(struct snapshot *s, const char *name, enum family_type type, const char *unit, const char *help, double v)
{
	family_add_value(snapshot_family(s, name, type, unit, help), labels_empty(), v);
}

static double open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	double n = -3; /* ".", ".." and the directory's own */
	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Field 22 of /proc/self/stat is the start in clock ticks since boot. */
static double start_time(void)
{
	char line[1024] = "", *p;
	unsigned long long ticks = 0, boot = 0;
	_cleanup_fclose_ FILE *stat = fopen("/proc/self/stat", "re"), *uptime = fopen("/proc/stat", "re");
	if (!stat || !uptime || !fgets(line, sizeof(line), stat) || !(p = strrchr(line, ')')))
		return 0;
	if (sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks) != 1)
		return 0;
	while (fgets(line, sizeof(line), uptime))
		if (sscanf(line, "btime %llu", &boot) == 1)
			break;
	return (double)boot + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

void process_families(struct snapshot *s)
{
	struct rusage u;
	struct rlimit lim;
	unsigned long size = 0, rss = 0;
	long page = sysconf(_SC_PAGESIZE);
	double fds = open_fds(), start = start_time();

	if (!getrusage(RUSAGE_SELF, &u))
		add(s, "process_cpu_seconds_total", FAMILY_COUNTER, "seconds", "User and system CPU time spent.",
		    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	_cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%lu %lu", &size, &rss) == 2) {
		add(s, "process_resident_memory_bytes", FAMILY_GAUGE, "bytes", "Resident memory.", (double)rss * (double)page);
		add(s, "process_virtual_memory_bytes", FAMILY_GAUGE, "bytes", "Virtual memory.", (double)size * (double)page);
	}
	if (fds >= 0)
		add(s, "process_open_fds", FAMILY_GAUGE, NULL, "Open file descriptors.", fds);
	if (!getrlimit(RLIMIT_NOFILE, &lim))
		add(s, "process_max_fds", FAMILY_GAUGE, NULL, "Most file descriptors allowed.", (double)lim.rlim_cur);
	if (start > 0)
		add(s, "process_start_time_seconds", FAMILY_GAUGE, "seconds", "Start of the process, in Unix time.", start);
	family_add_value(snapshot_family(s, "reqtally_build_info", FAMILY_GAUGE, NULL, "1, with the version as a label."),
			 labels_from("version", REQTALLY_VERSION, NULL), 1);
}
