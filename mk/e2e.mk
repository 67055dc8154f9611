# SPDX-License-Identifier: GPL-2.0-or-later
# End-to-end tests against real servers, and benchmarks. Both need root: they attach to the root cgroup. E2E="raw/head nginx"
# runs only the tests with one of these words in their names; QUICK=1 makes the benchmark shorter.
.PHONY: e2e bench bench-instructions test-floods
e2e: $(BUILD)/reqtally ## end-to-end tests against real servers (as root; E2E="WORD...")
	$(Q)RT_PROGRAM=$(CURDIR)/$< /usr/bin/python3 tests/e2e/run $(E2E)

BENCH_TOOLS := $(BUILD)/bench/attach $(BUILD)/bench/empty.bpf.o
$(BUILD)/bench/attach: tests/bench/attach.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -lbpf

$(BUILD)/bench/empty.bpf.o: tests/bench/empty.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

bench-instructions: $(BUILD)/reqtally $(BENCH_TOOLS) ## instructions per request with and without, in an emulator (part of bench)
	$(Q)RT_PROGRAM=$(CURDIR)/$< BUILD=$(BUILD) /usr/bin/python3 tests/bench/instructions.py

bench: $(BUILD)/reqtally $(BENCH_TOOLS) ## measure the cost: a table of ratios (as root; QUICK=1 for a short one)
	$(Q)RT_PROGRAM=$(CURDIR)/$< BUILD=$(BUILD) QUICK=$(QUICK) /usr/bin/python3 tests/bench/run

test-floods: $(BUILD)/reqtally ## slow: the floods of the end-to-end tests in full size (as root)
	$(Q)RT_PROGRAM=$(CURDIR)/$< FLOODS=full /usr/bin/python3 tests/e2e/run floods
