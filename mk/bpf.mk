# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel side: one source, compiled to BPF and wrapped into a skeleton that the loader includes.
# BPF_MACHINE: the machine the programs are for, where that is not this one (a cross build).
BPF_MACHINE ?= $(shell uname -m)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(BPF_MACHINE)))
BPF_CFLAGS := -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -O2 -g -mcpu=v3 -Wall -Wextra -Wpadded -Werror -Wno-unused-function -Wno-unused-parameter \
	-Wno-sign-compare -Iinclude -Ivmlinux -Ibpf -idirafter /usr/include/$(shell uname -m)-linux-gnu

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

# Kept: make would delete it as a step in between, and build it again the next time.
.PRECIOUS: $(BUILD)/bpf/%.bpf.o
$(BUILD)/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@.tmp && mv $@.tmp $@

$(BUILD)/loader/programs.o $(BUILD)/loader/flavour.o: $(BUILD)/reqtally.skel.h $(BUILD)/bounded.skel.h
