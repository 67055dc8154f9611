# SPDX-License-Identifier: GPL-2.0-or-later
.PHONY: promqltest
promqltest: $(BUILD)/promqltest ## build build/out/promqltest: runs PromQL test files
$(BUILD)/promqltest: tests/promql/run.c $(BUILD)/libpromql.a $(BUILD)/libmodel.a $(BUILD)/libbase.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(BUILD)/libpromql.a $(BUILD)/libmodel.a \
		$(BUILD)/libbase.a -Wl,--end-group $(LIBS_base) -lpthread
