# SPDX-License-Identifier: GPL-2.0-or-later
# promtool (Debian's prometheus) is the judge of rule files and of their unit tests.
.PHONY: test-promtool
test-promtool: $(BUILD)/rulestool ## compare check rules and test rules with promtool
	$(Q)tests/rules/compare $<
$(BUILD)/rulestool: tests/rules/run.c $(BUILD)/librules.a $(BUILD)/libpromql.a $(BUILD)/libmodel.a $(BUILD)/libbase.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_base) -lpthread
