# SPDX-License-Identifier: GPL-2.0-only
#
# The simulator of eviction: the module's heat policy beside others.

heatsim_sources := $(wildcard tests/sim/*.c) kernel/core/heat.c

.PHONY: heatsim
heatsim: $(B)/sim/heatsim ## Build the simulator of eviction, see docs/heat.md

$(B)/sim/heatsim: $(heatsim_sources) tests/sim/sim.h kernel/core/heat.h kernel/core/ages.h kernel/core/shim.h
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(WARNINGS) $(CFLAGS) -Ikernel -Itests/sim -o $@ $(heatsim_sources) $(LDFLAGS) -lm -lisal
