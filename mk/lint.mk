# SPDX-License-Identifier: GPL-2.0-or-later
# Form and reading by machine: layers, formatter, checkers.
C_FILES = $(sort $(wildcard bpf/*.[ch] include/*.h src/*.c src/*/*.[ch] tests/unit/*.[ch]))

.PHONY: check-layers format check-format lint
check-layers: ## check every #include against the table of layers
	@tools/check-layers

format: ## clang-format all C files in place
	$(Q)clang-format -i $(C_FILES)

check-format: ## say which C files clang-format would change
	@clang-format --dry-run $(C_FILES) 2>&1 | sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: .*/\1/p' | sort | uniq -c | sort -rn

# Headers come from the sources that include them. The kernel side is clang's own to check (bpf/ is built with -Werror).
# Suppressed: cppcheck 2.10 takes the constant 0x1p63 for 1 (incorrectLogicOperator); NULL is a pointer on every machine with BPF; cppcheck knows neither the cleanup attributes nor correlated conditions.
lint: check-layers ## check-layers, then cppcheck on src/
	@command -v cppcheck >/dev/null || { echo "SKIP cppcheck is not installed (make deps-lint)"; exit 0; }; \
	mkdir -p $(BUILD)/cppcheck && cppcheck --quiet --error-exitcode=1 --std=c11 --language=c --inline-suppr -j2 \
		--enable=warning,portability --cppcheck-build-dir=$(BUILD)/cppcheck \
		--suppress=missingIncludeSystem --suppress=unmatchedSuppression --suppress=varFuncNullUB --suppress=resourceLeak \
		--suppress=memleak --suppress=arrayIndexThenCheck --suppress=nullPointerRedundantCheck --suppress=incorrectLogicOperator \
		'-DLIBBPF_OPTS(t,n,...)=struct t n={__VA_ARGS__}' '-Djson_object_foreach(o,k,v)=while (next(o, &k, &v))' \
		'-Djson_array_foreach(a,i,v)=while (next(a, &i, &v))' '-Dbpf_object__for_each_map(m,o)=while ((m = next(o, m)))' \
		$(filter-out -I$(BUILD),$(filter -I%,$(CPPFLAGS))) src
