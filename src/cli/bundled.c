// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bundled.h"

const char bundled_rules[] =
	"groups:\n"
	"  - name: example\n"
	"    rules:\n"
	"      - alert: HighRequestLatency\n"
	"        expr: rate(http_requests_duration_seconds_sum[5m]) / rate(http_requests_duration_seconds_count[5m]) > 0.5\n"
	"        for: 2m\n"
	"        labels:\n"
	"          severity: warning\n"
	"        annotations:\n"
	"          summary: \"High latency on {{ $labels.instance }}\"\n"
	"          description: \"The average request latency is above 500ms.\"\n";
