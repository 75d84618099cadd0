# SPDX-License-Identifier: GPL-2.0-only
#
# Unit tests of the pure code, cmocka. A test is tests/unit/NAME_test.c; what it is built with
# beside that is listed in unit_NAME. `make unit` builds them, tests/unit/run runs them.

UB := $(B)/unit

UNIT_TESTS += codec_test codec_vectors_test crc32c_test place_test ahead_test spin_luck_test ages_test heat_test
unit_codec_test := kernel/core/codec.c kernel/core/crc32c.c
unit_crc32c_test := kernel/core/crc32c.c
unit_codec_vectors_test := kernel/core/codec.c kernel/core/crc32c.c tests/unit/vectors.c
unit_place_test := kernel/core/place.c
unit_ahead_test := kernel/core/ahead.c
unit_ages_test := kernel/core/ages.c
unit_heat_test := kernel/core/heat.c

UNIT_CFLAGS := -Ikernel -Itests/unit -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_LIBS   := -lcmocka -lisal

UNIT_PROGRAMS := $(addprefix $(UB)/,$(UNIT_TESTS))

.PHONY: unit
unit: $(UNIT_PROGRAMS) ## Build the unit tests

.SECONDEXPANSION:
$(UNIT_PROGRAMS): $(UB)/%: tests/unit/%.c $$(unit_$$*) $(wildcard kernel/core/*.h kernel/uapi/*.h tests/unit/*.h)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(CFLAGS) $(UNIT_CFLAGS) -o $@ $(filter %.c,$^) $(LDFLAGS) $(UNIT_LIBS)
