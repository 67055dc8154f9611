# SPDX-License-Identifier: GPL-2.0-or-later
# The end-to-end core on other kernels, under QEMU's emulation. KERNELS="5.10 7" takes only these, E2E="WORD..." only these cases.
.PHONY: deps-kernels test-kernels test-kernels-core verifier-cost
deps-kernels: deps-test ## install what the arm64 part of test-kernels needs: QEMU and a compiler for it
	@tools/deps qemu-system-aarch64=qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross

test-kernels: $(BUILD)/reqtally $(BUILD)/verifier ## slow: the end-to-end core on 5.10 to 7.x in QEMU, load and requests on arm64
	@BUILD=$(BUILD) /usr/bin/python3 tests/vm/run $(if $(KERNELS),--kernels="$(KERNELS)") $(E2E)

test-kernels-core: $(BUILD)/reqtally $(BUILD)/verifier ## the core kernels and the core cases, about a minute (part of `make test`)
	@BUILD=$(BUILD) /usr/bin/python3 tests/vm/run --core

verifier-cost: $(BUILD)/reqtally $(BUILD)/verifier ## measure docs/verifier-cost.txt anew
	@BUILD=$(BUILD) /usr/bin/python3 tests/vm/run --refresh

# Loads the programs as reqtally does and prints what the verifier needed.
$(BUILD)/verifier: tests/vm/verifier.c $(BUILD)/reqtally.skel.h $(BUILD)/libloader.a $(BUILD)/libbase.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_loader) $(LIBS_base) -lpthread
