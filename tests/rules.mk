# SPDX-License-Identifier: GPL-2.0-only
#
# The lab's part of the top Makefile. TEST_ARGS goes to tests/run: make check-scenarios TEST_ARGS='-k 6.1 swap'

PROVE ?= prove --timer --merge
TEST_ARGS ?=

.PHONY: lab-deps lab-kernels lab-guest check-scenarios check-long-scenarios

lab-deps:
	@scripts/install-deps build lab

lab-kernels: lab-deps
	@tests/lab/kernels >/dev/null

lab-guest:
	@tests/guest/build

# What each scenario says stays visible (-v): a run of many minutes must not be silent.
check-scenarios: lab-kernels
	$(PROVE) -v --exec '' tests/run $(if $(TEST_ARGS),:: $(TEST_ARGS))

check-long-scenarios: lab-kernels
	@tests/lab/kernels debug >/dev/null
	$(PROVE) -v --exec '' tests/run :: --long $(TEST_ARGS)
	$(PROVE) -v --exec '' tests/run :: -k debug $(TEST_ARGS)
