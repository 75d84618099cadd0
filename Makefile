# SPDX-License-Identifier: GPL-2.0-only
#
# Everything that is built lands in build/; the sources stay clean. The parts bring their own rules
# (rules.mk); this file holds what they share and the commands that a user types.

VERSION := 0.1.0
B       := build

all: ## Build the memory server, the CLI, and the module for the running kernel

# What every userspace program of the project is built with. A part adds to these with
# target-specific variables; CFLAGS, LDFLAGS and DEBUG=1 belong to the user.
CC       ?= gcc
CFLAGS   ?= -O2 -g
WARNINGS := -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	    -Wformat=2 -Wpointer-arith -Wundef
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
DEPFLAGS  = -MMD -MP

# V=1 shows the commands; else one short line for each file: $(call say,CC,$@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2); )

PREFIX     ?= /usr/local
DESTDIR    ?=
sbindir    ?= $(PREFIX)/sbin
mandir     ?= $(PREFIX)/share/man
includedir ?= $(PREFIX)/include
completiondir ?= $(PREFIX)/share/bash-completion/completions
loaddir    ?= $(PREFIX)/lib/modules-load.d
unitdir    ?= $(if $(filter /usr,$(PREFIX)),/lib/systemd/system,/etc/systemd/system)

-include memserver/rules.mk userspace/rules.mk tests/unit/rules.mk tests/sim/rules.mk tests/rules.mk

# The module. KDIR is a kernel's build directory, of the running kernel unless told otherwise.
KDIR     ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build))
release   = $(if $(KDIR),$(shell scripts/build-module --release "$(KDIR)" 2>/dev/null))
moduledir = /lib/modules/$(release)/updates
built     = $(if $(release),$(wildcard $(B)/ko/$(release)/smemv.ko))

# FILE:KIND, see scripts/install. The parts name theirs.
install_files = $(cli_install) $(memserver_install) \
		kernel/uapi/smemv.h:uapi kernel/uapi/smemv_counters.h:uapi kernel/uapi/smemv_wire.h:uapi \
		$(if $(built),kernel/smemv.conf:load $(built):module)

.DEFAULT_GOAL := all
.PHONY: all module memserver cli qemu install check check-quick check-long bench demo lint help clean

all: memserver cli
	@scripts/build-module --if-possible "$(KDIR)"

module: ## Build smemv.ko for KDIR=... (default: the running kernel) into build/ko/RELEASE/
	@scripts/build-module "$(KDIR)"

memserver: $(B)/smemv-memserver ## Build the memory server

cli: $(B)/smemv ## Build the command smemv

qemu: ## Build Debian's QEMU with the split migration, into the cache and build/qemu (root; 3 minutes)
	@qemu-glue/build

install: memserver cli ## Install into DESTDIR, below PREFIX (/usr/local); the module too if it was built
	@DESTDIR='$(DESTDIR)' sbin='$(sbindir)' man8='$(mandir)/man8' completion='$(completiondir)' \
		unit='$(unitdir)' uapi='$(includedir)/smemv' load='$(loaddir)' module='$(moduledir)' \
		scripts/install $(install_files)

check: ## Lint, unit tests, protocol tests and the lab scenarios (needs root on Debian; 40 minutes to an hour)
	@scripts/check

check-quick: ## The part of it that needs neither root nor the lab
	@scripts/check --quick

check-long: ## The same with every scenario on every lab kernel (hours)
	@scripts/check --long

bench: ## Measure beside the peers, see docs/benchmarks.md
	@scripts/install-deps
	@scripts/install-deps bench
	@$(MAKE) --no-print-directory memserver cli
	@tests/bench/run

demo: ## Two guests page to two memory servers, with a table that refreshes; a third moves to another host
	@scripts/install-deps build lab
	@$(MAKE) --no-print-directory memserver cli
	@tests/demo/run

lint: ## Run the style checks only
	@scripts/install-deps build check
	@prove --exec '' $(wildcard tests/lint/*)

help: ## Print this text
	@echo "S-memV $(VERSION): make TARGET [VARIABLE=VALUE...]"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

clean: ## Remove build/ (downloads and kernels in the cache stay)
	rm -rf $(B)
