# SPDX-License-Identifier: GPL-2.0-or-later
# One non-recursive Makefile. `make help` lists the targets; V=1 shows the commands; SAN=1 builds with ASan and UBSan,
# SAN=thread with TSan.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

comma := ,
VERSION := $(shell cat VERSION)
CC := gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PREFIX ?= /usr/local
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-8s %s\n' $(1) $(2))

SANITIZE := $(if $(filter thread,$(SAN)),-fsanitize=thread,$(if $(SAN),-fsanitize=address$(comma)undefined))
BUILD := build/$(if $(filter thread,$(SAN)),tsan,$(if $(SAN),san,out))
OPT := $(if $(SAN),-O1 $(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined,-O2)

# Who may include whom. check-layers reads this table, and a unit test of a layer is linked with these only.
LAYERS := base model loader collector discovery exposition store promql rules notifier net config scrape api cli
USES_base :=
USES_model := base
USES_net := base
USES_store := model base
USES_promql := model base
USES_rules := promql model base
USES_notifier := config net model base
USES_config := net model base
USES_exposition := model base
USES_loader := base
USES_collector := loader discovery model base
USES_discovery := base
USES_scrape := config net store model base
USES_api := scrape config net rules promql store exposition model base
USES_cli := api scrape config rules notifier net promql store exposition collector discovery loader model base

LIBS_base := -lyaml -lpcre2-8 -ljansson -lnettle -lm
LIBS_net := -lcurl
LIBS_exposition := -lmicrohttpd -lz
LIBS_loader := -lbpf -lelf -lz -lcap-ng -lseccomp
LIBS_cli := -lpthread

CPPFLAGS := -Isrc -Iinclude -I$(BUILD) -D_GNU_SOURCE -DREQTALLY_VERSION='"$(VERSION)"'
CFLAGS := -std=gnu17 -g $(OPT) -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes -Wstrict-prototypes -ffp-contract=off \
	-fstack-protector-strong $(if $(WERROR),-Werror)
LDFLAGS := $(SANITIZE)

# What is compiled with other flags, or with another version in it, is out of date.
FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
ifneq ($(FLAGS),$(file <$(BUILD)/flags))
$(shell mkdir -p $(BUILD))
$(file >$(BUILD)/flags,$(FLAGS))
endif

-include mk/*.mk

obj = $(patsubst src/%.c,$(BUILD)/%.o,$(1))
srcs_of = $(sort $(wildcard src/$(1)/*.c))
libs_for = $(sort $(foreach l,$(1) $(USES_$(1)),$(LIBS_$(l)))) -lpthread
archives_for = $(foreach l,$(1) $(USES_$(1)),$(BUILD)/lib$(l).a)

.PHONY: help all build
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

all: build
build: $(BUILD)/reqtally ## build the program: build/out/reqtally

$(BUILD)/reqtally: $(BUILD)/main.o $(call archives_for,cli)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(call archives_for,cli) -Wl,--end-group $(call libs_for,cli)

$(BUILD)/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

define archive_rule
$(BUILD)/lib$(1).a: $(call obj,$(call srcs_of,$(1)))
	@mkdir -p $$(@D)
	$$(call say,AR,$$@)
	$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call archive_rule,$(l))))

# Unit tests: tests/unit/test_LAYER_WHAT.c is linked with LAYER and what LAYER may use, and with cmocka.
UNIT_SRCS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRCS))
layer_of = $(word 2,$(subst _, ,$(basename $(notdir $(1)))))
define unit_rule
$(BUILD)/unit/$(basename $(notdir $(1))): $(1) $(call archives_for,$(call layer_of,$(1)))
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$(Q)$(CC) $(CPPFLAGS) -Itests/unit -Ibpf $(CFLAGS) -MMD -MP -MF $$@.d $(LDFLAGS) -o $$@ $$< -Wl,--start-group \
		$(call archives_for,$(call layer_of,$(1))) -Wl,--end-group $(call libs_for,$(call layer_of,$(1))) -lcmocka
endef
$(foreach t,$(UNIT_SRCS),$(eval $(call unit_rule,$(t))))

.PHONY: unit unit-bins
unit-bins: $(UNIT_BINS)
unit: $(UNIT_BINS) ## build and run the unit tests (SAN=1: under ASan and UBSan, SAN=thread: TSan)
	@$(if $(filter thread,$(SAN)),UNIT_LIMIT=600) tests/unit/run $(UNIT_BINS)

.PHONY: clean
clean: ## remove what was built
	$(Q)rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
