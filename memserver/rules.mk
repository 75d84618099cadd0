# SPDX-License-Identifier: GPL-2.0-only
#
# The memory server: build/smemv-memserver, its test builds with sanitizers, and
# the list of what is installed. Included by the top-level Makefile.

memserver_sources := $(wildcard memserver/*.c) kernel/core/codec.c kernel/core/crc32c.c
memserver_objects := $(patsubst %.c,$(B)/memserver/%.o,$(memserver_sources))
memserver_libs    := -luring -lisal -lmicrohttpd -lsystemd -lcap-ng -lseccomp -ljansson -lpthread
memserver_cflags   = -D_GNU_SOURCE -DSMEMV_VERSION='"$(VERSION)"' $(WARNINGS) $(DEPFLAGS)

# What `make install` puts where: FILE:KIND.
memserver_install := $(B)/smemv-memserver:sbin memserver/smemv-memserver.8:man8 \
		     memserver/smemv-memserver.service:unit

$(B)/smemv-memserver: $(memserver_objects)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(memserver_libs)

$(B)/memserver/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(memserver_cflags) $(HARDEN) $(CFLAGS) -c -o $@ $<

# The same server under a sanitizer: build/asan/smemv-memserver, build/tsan/smemv-memserver.
sanitizer_flags_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
sanitizer_flags_tsan := -fsanitize=thread -fno-omit-frame-pointer

define sanitized_memserver
$(B)/$(1)/smemv-memserver: $$(patsubst %.c,$(B)/$(1)/%.o,$$(memserver_sources))
	$$(CC) -O1 -g $$(sanitizer_flags_$(1)) $$(LDFLAGS) -o $$@ $$^ $$(memserver_libs)

$(B)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(memserver_cflags) -O1 -g $$(sanitizer_flags_$(1)) -c -o $$@ $$<

-include $$(patsubst %.c,$(B)/$(1)/%.d,$$(memserver_sources))
endef

$(eval $(call sanitized_memserver,asan))
$(eval $(call sanitized_memserver,tsan))

.PHONY: memserver-asan memserver-tsan
memserver-asan: $(B)/asan/smemv-memserver ## The memory server with address and undefined sanitizers
memserver-tsan: $(B)/tsan/smemv-memserver ## The memory server with the thread sanitizer

-include $(memserver_objects:.o=.d)

# The load generator of the comparison with memcached and Redis.
$(B)/bench/memload: tests/bench/memload.c tests/bench/memload_proto.c kernel/core/codec.c kernel/core/crc32c.c tests/bench/memload_proto.h
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -O3 -o $@ $(filter %.c,$^) $(LDFLAGS) -luring -lisal -lpthread

UNIT_TESTS += memserver_store_test memserver_spaces_test memserver_drain_test
unit_memserver_store_test := $(addprefix memserver/,store.c slab.c space.c drain.c clients.c log.c util.c) kernel/core/codec.c kernel/core/crc32c.c
$(B)/unit/memserver_store_test: CFLAGS += -D_GNU_SOURCE
unit_memserver_spaces_test := $(addprefix memserver/,spaces.c store.c slab.c space.c drain.c log.c util.c) kernel/core/codec.c kernel/core/crc32c.c
$(B)/unit/memserver_spaces_test: CFLAGS += -D_GNU_SOURCE
unit_memserver_drain_test := memserver/drain.c memserver/log.c kernel/core/codec.c kernel/core/crc32c.c
$(B)/unit/memserver_drain_test: CFLAGS += -D_GNU_SOURCE -I.
