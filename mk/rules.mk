# SPDX-License-Identifier: GPL-2.0-or-later
# promtool (Debian's prometheus) is the judge of rule files and of their unit tests.
.PHONY: test-promtool test-rules-differential
test-promtool: $(BUILD)/rulestool ## compare check rules and test rules with promtool
	$(Q)tests/rules/compare $<
test-rules-differential: $(BUILD)/rulestool ## slow: random templates and broken rule and test files through ours and promtool (SEED=2)
	$(Q)tests/rules/differential $< $(or $(SEED),1) 10000 1500
$(BUILD)/rulestool: tests/rules/run.c $(BUILD)/librules.a $(BUILD)/libpromql.a $(BUILD)/libmodel.a $(BUILD)/libbase.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_base) -lpthread

# The HTTP API against Debian's prometheus over the same samples.
.PHONY: test-api-prometheus bench-promql
test-api-prometheus: $(BUILD)/apiserve ## compare the API field by field with prometheus
	@python3 tests/api/compare.py $<
bench-promql: $(BUILD)/apiserve ## queries over the same series, side by side with prometheus: CPU time and memory
	@python3 tests/api/bench.py $<
$(BUILD)/apiserve: tests/api/serve.c $(foreach l,api scrape config net rules promql store exposition model base,$(BUILD)/lib$(l).a)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(call archives_for,api) -Wl,--end-group $(call libs_for,api)

# The engine against Debian's prometheus: random expressions over random series. N and SEED choose how many and which.
.PHONY: test-promql-differential
test-promql-differential: $(BUILD)/apiserve ## random PromQL, by reqtally and by prometheus (N=1500 SEED=1)
	@python3 tests/api/differential.py $< $(or $(N),1500) $(or $(SEED),1)
