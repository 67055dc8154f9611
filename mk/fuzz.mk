# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzzers: tests/fuzz/fuzz_LAYER_WHAT.c with LLVMFuzzerTestOneInput, linked by clang's libFuzzer with the objects of LAYER and of
# the layers it may use, all under ASan and UBSan. The kept corpus is tests/fuzz/corpus/LAYER_WHAT/; what a long run finds
# besides stays in build/fuzz/corpus/. FUZZ="WORD..." selects targets, FUZZ_TIME is in seconds for each.
FUZZ_TIME ?= 300
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(addprefix build/fuzz/,$(FUZZ_NAMES))
fuzz_layer = $(firstword $(subst _, ,$(1)))
fuzz_layers = $(call fuzz_layer,$(1)) $(USES_$(call fuzz_layer,$(1)))
fuzz_objs = $(foreach l,$(call fuzz_layers,$(1)),$(patsubst src/%.c,build/fuzz/obj/%.o,$(sort $(wildcard src/$(l)/*.c))))
FUZZ_CC = $(CLANG) $(CPPFLAGS) -Ibpf -Itests/unit -std=gnu17 -O1 -gline-tables-only -fno-omit-frame-pointer -ffp-contract=off -w \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined -MMD -MP

.PHONY: fuzz test-fuzz fuzz-bins fuzz-merge
fuzz-bins: $(FUZZ_BINS)
fuzz: ## fuzz each target for FUZZ_TIME seconds (300; FUZZ="WORD..." selects)
	@FUZZ_TIME=$(FUZZ_TIME) tests/fuzz/run long $(FUZZ)

test-fuzz: ## replay the kept corpus of each fuzz target, then fuzz for a few seconds
	@tests/fuzz/run short $(FUZZ)

fuzz-merge: ## add to the kept corpus what long runs have found and it lacks, smallest first
	@tests/fuzz/run merge $(FUZZ)

build/fuzz/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer-no-link -c -o $@ $<

define fuzz_rule
build/fuzz/$(1): tests/fuzz/fuzz_$(1).c $(call fuzz_objs,$(1))
	@mkdir -p $$(@D)
	$$(call say,FUZZ,$$@)
	$$(Q)$(FUZZ_CC) -MF $$@.d -fsanitize=fuzzer -o $$@ $$(filter %.c %.o,$$^) $$(call libs_for,$(call fuzz_layer,$(1)))
endef
$(foreach f,$(FUZZ_NAMES),$(eval $(call fuzz_rule,$(f))))
-include $(shell find build/fuzz -name '*.d' 2>/dev/null)
