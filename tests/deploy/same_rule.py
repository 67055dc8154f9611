#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule of deploy/prometheus/alert_rules.yml stands unchanged in the ConfigMap, too."""
import sys
import textwrap

sample = open("deploy/prometheus/alert_rules.yml").read()
sample = sample[sample.index("groups:"):]
config_map = open("deploy/kubernetes/configmap.yaml").read()
config_map = textwrap.dedent(config_map[config_map.index("  alert_rules.yml: |\n") + len("  alert_rules.yml: |\n"):])
if config_map.strip() != sample.strip():
    sys.exit("the ConfigMap's rule:\n%s\nthe sample's rule:\n%s" % (config_map, sample))
