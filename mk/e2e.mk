# SPDX-License-Identifier: GPL-2.0-or-later
# End-to-end tests against real servers, and benchmarks. Both need root: they attach to the root cgroup. E2E="raw/head nginx"
# runs only the tests with one of these words in their names; QUICK=1 makes the benchmark shorter.
.PHONY: e2e bench test-floods
e2e: $(BUILD)/reqtally ## end-to-end tests against real servers (as root; E2E="WORD...")
	$(Q)RT_PROGRAM=$(CURDIR)/$< /usr/bin/python3 tests/e2e/run $(E2E)

bench: $(BUILD)/reqtally ## measure the cost: a table of ratios (as root; QUICK=1 for a short one)
	$(Q)RT_PROGRAM=$(CURDIR)/$< QUICK=$(QUICK) /usr/bin/python3 tests/bench/run

test-floods: $(BUILD)/reqtally ## slow: the floods of the end-to-end tests in full size (as root)
	$(Q)RT_PROGRAM=$(CURDIR)/$< FLOODS=full /usr/bin/python3 tests/e2e/run floods
