# SPDX-License-Identifier: GPL-2.0-or-later
# The two commands of the README. Both build in a make of its own, which finds the tools that `deps` has just installed.
.PHONY: run test
run: deps ## install what is missing, build, and run on this host with the bundled rule (as root; ARGS="--flags")
	@$(MAKE) --no-print-directory build
	@exec build/out/reqtally run --no-pin $(ARGS)

test: ## install what is missing, build, and run all tests (as root)
	@tests/run-all
