# SPDX-License-Identifier: GPL-2.0-only
#
# The command smemv. Its objects but main are an archive that the unit tests link.

cli_dir     := $(B)/userspace
cli_sources := $(filter-out userspace/smemv.c,$(wildcard userspace/*.c))
cli_objects := $(cli_sources:%.c=$(B)/%.o)
cli_archive := $(cli_dir)/cli.a
cli_packages := libnl-3.0 libnl-genl-3.0 jansson libpng
# Asked when something is built, not when make starts: pkg-config may be missing until then.
cli_cflags   = $(shell pkg-config --cflags $(cli_packages))
cli_libs     = $(shell pkg-config --libs $(cli_packages)) -lm

# What `make install` puts where: FILE:KIND.
cli_install := $(B)/smemv:sbin userspace/smemv.8:man8 userspace/smemv.bash-completion:completion \
	       userspace/dev-smemv.mount:unit userspace/smemv.service:unit

$(cli_objects) $(cli_dir)/smemv.o: $(B)/%.o: %.c Makefile userspace/rules.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(WARNINGS) $(HARDEN) $(CFLAGS) $(cli_cflags) -DSMEMV_VERSION='"$(VERSION)"' \
		$(DEPFLAGS) -c -o $@ $<

$(cli_archive): $(cli_objects)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(B)/smemv: $(cli_dir)/smemv.o $(cli_archive)
	$(call say,LD,$@)$(CC) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(cli_libs)

-include $(cli_objects:.o=.d) $(cli_dir)/smemv.d

# The unit tests tests/unit/cli_*_test.c link the same sources, built with sanitizers; `make unit`
# builds them with the others. NAME_wraps are functions that the test NAME replaces by its own.
comma := ,
cli_tests        := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/cli_*_test.c))
cli_test_objects := $(cli_sources:%.c=$(B)/unit/%.o)
cli_test_archive := $(B)/unit/userspace/cli.a
cli_sanitize     := -fsanitize=address,undefined -fno-sanitize-recover=all

cli_mount_test_wraps := mount statfs mkdir
cli_netlink_test_wraps := genl_connect genl_ctrl_resolve nl_send_auto nl_cb_alloc setsockopt

$(cli_test_objects): $(B)/unit/%.o: %.c Makefile userspace/rules.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(WARNINGS) $(CFLAGS) $(cli_sanitize) $(cli_cflags) $(DEPFLAGS) -c -o $@ $<

$(cli_test_archive): $(cli_test_objects)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(cli_tests): $(B)/unit/%: tests/unit/%.c $(cli_test_archive) tests/unit/cli_messages.h
	$(call say,CC,$@)$(CC) $(WARNINGS) $(CFLAGS) $(cli_sanitize) $(cli_cflags) $(DEPFLAGS) -o $@ $< \
		$(cli_test_archive) $(addprefix -Wl$(comma)--wrap=,$($*_wraps)) $(LDFLAGS) $(cli_libs) -lcmocka

unit: $(cli_tests)

-include $(cli_test_objects:.o=.d) $(cli_tests:=.d)
