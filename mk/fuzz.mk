# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzzers: tests/fuzz/fuzz_LAYER_WHAT.c with LLVMFuzzerTestOneInput, built with clang's libFuzzer, ASan and UBSan together with
# the sources of LAYER and of the layers it may use. Seeds stand in tests/fuzz/seeds/LAYER_WHAT/. FUZZ_SECONDS each.
FUZZ_SECONDS ?= 60
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_layer = $(firstword $(subst _, ,$(1)))
FUZZ_FLAGS := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined

.PHONY: fuzz
fuzz: ## run each fuzzer for FUZZ_SECONDS (60)
	@command -v $(CLANG) >/dev/null || { echo "SKIP there is no $(CLANG)"; exit 0; }; \
	set -e; for f in $(FUZZ_NAMES); do $(MAKE) --no-print-directory build/fuzz/$$f; mkdir -p build/fuzz/corpus/$$f; \
		./build/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
			-artifact_prefix=build/fuzz/$$f. build/fuzz/corpus/$$f $(wildcard tests/fuzz/seeds)/$$f; echo "ok    $$f"; done

define fuzz_rule
build/fuzz/$(1): tests/fuzz/fuzz_$(1).c $(foreach l,$(call fuzz_layer,$(1)) $(USES_$(call fuzz_layer,$(1))),$(wildcard src/$(l)/*.c))
	@mkdir -p $$(@D) tests/fuzz/seeds/$(1)
	$$(call say,FUZZ,$$@)
	$$(Q)$(CLANG) $$(CPPFLAGS) -Ibpf -std=gnu17 -g -O1 -ffp-contract=off $(FUZZ_FLAGS) -o $$@ $$(filter %.c,$$^) \
		$(sort $(foreach l,$(call fuzz_layer,$(1)) $(USES_$(call fuzz_layer,$(1))),$(LIBS_$(l)))) -lpthread
endef
$(foreach f,$(FUZZ_NAMES),$(eval $(call fuzz_rule,$(f))))
build/fuzz/base_http1: bpf/http1.h bpf/endpoint.h include/reqtally.h tests/unit/http1_feed.h
