# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's prometheus is the judge of scraping: both scrape the same targets, and what they hold is compared.
.PHONY: test-scrape test-hostile
test-scrape: $(BUILD)/scrapetool ## compare scraping with Debian's prometheus
	$(Q)tests/scrape/compare $<
test-hostile: $(BUILD)/scrapetool ## scrape targets that misbehave, targets behind TLS, native histograms
	$(Q)tests/scrape/hostile $<
$(BUILD)/scrapetool: tests/scrape/run.c $(foreach l,api $(USES_api),$(BUILD)/lib$(l).a)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call libs_for,api)
