// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmtouch: a virtual machine without a system, whose processors touch the pages they are told
 * to. Its memory is one slot over a file or anonymous memory.
 *
 * usage: kvmtouch [--size BYTES] [--file PATH [--swapped]] [--huge] [--cpus N] [--smm]
 *
 * With --swapped the guest has the upper half of the file first, and then the lower. With --smm
 * the memory is there in system management mode, too, as machines have it.
 *
 * Commands come by standard input, one a line, and each is answered by a line:
 *	touch FIRST COUNT [STEP]   read and write one word of each page, in turns by the processors
 *	read FIRST COUNT [STEP]    read only
 *	log on|off                 KVM's dirty logging
 *	cpu                        one more processor comes
 *	move                       take the memory slot away and give it back elsewhere
 *	attach                     let smemv scan the machine for the memory file
 *	base                       where the memory is in this process
 *	discard FIRST COUNT        MADV_DONTNEED, or a hole where it is a file
 *	collapse FIRST COUNT       put together to pages of 2 MiB (MADV_COLLAPSE)
 * At the end of its input it ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kernel/uapi/smemv.h"

#define PAGE		4096ull
#define HUGE_PAGE	(2ull << 20)
#define MEMORY_GPA	(4ull << 30)	/* of the slot: 2 MiB aligned, above all devices */
#define CODE_GPA	0x0ull
#define CPUS_MAX	8
#define SMM_SPACE	(1u << 16)	/* KVM's second address space, of a slot's number */

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/*
 * The guest's program, 64 bit: rsi is the address of the first page, rdx the step, rcx how many,
 * rbx: write, too.
 *
 *	again:	mov rax, [rsi]		48 8b 06
 *		test rbx, rbx		48 85 db
 *		jz next			74 03
 *		mov [rsi], rax		48 89 06
 *	next:	add rsi, rdx		48 01 d6
 *		dec rcx			48 ff c9
 *		jnz again		75 ed
 *		hlt			f4
 */
static const uint8_t program[] = {
	0x48, 0x8b, 0x06, 0x48, 0x85, 0xdb, 0x74, 0x03, 0x48, 0x89, 0x06, 0x48, 0x01, 0xd6,
	0x48, 0xff, 0xc9, 0x75, 0xed, 0xf4,
};

static struct machine {
	int kvm;
	int vm;
	int cpus[CPUS_MAX];
	struct kvm_run *run[CPUS_MAX];
	int n_cpus;
	uint8_t *memory;
	uint64_t size;
	int file;
	uint64_t gpa;
	bool logging;
	bool huge;
	bool swapped;
	bool smm;
} m = { .size = 64ull << 20, .file = -1, .n_cpus = 1, .gpa = MEMORY_GPA };

static void die(const char *what)
{
	printf("failed %s: %s\n", what, strerror(errno));
	exit(1);
}

static int must(int result, const char *what)
{
	if (result < 0)
		die(what);
	return result;
}

static void *map(size_t size, size_t align)
{
	uint8_t *area = mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		die("mmap");
	return (void *)(((uintptr_t)area + align - 1) & ~(align - 1));
}

static void map_memory(uint64_t at, uint64_t size, uint64_t offset)
{
	int flags = MAP_FIXED | (m.file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);

	if (mmap(m.memory + at, size, PROT_READ | PROT_WRITE, flags, m.file, (off_t)offset) == MAP_FAILED)
		die("mmap of the memory");
}

static void make_memory(void)
{
	m.memory = map(m.size, HUGE_PAGE);
	if (m.swapped) {
		map_memory(0, m.size / 2, m.size / 2);
		map_memory(m.size / 2, m.size / 2, 0);
	} else {
		map_memory(0, m.size, 0);
	}
	if (m.file < 0)
		madvise(m.memory, m.size, m.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	/* A guest that reads first gets the huge page of zeros, which falls apart when written to. */
	if (m.huge)
		memset(m.memory, 1, m.size);
}

static void set_slot(uint32_t slot, uint64_t gpa, uint64_t size, void *memory, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (uintptr_t)memory,
	};

	must(ioctl(m.vm, KVM_SET_USER_MEMORY_REGION, &region), "memory slot");
}

static void set_memory_slot(uint64_t size)
{
	uint32_t flags = m.logging ? KVM_MEM_LOG_DIRTY_PAGES : 0;

	set_slot(1, m.gpa, size, m.memory, flags);
	if (m.smm)
		set_slot(SMM_SPACE | 1, m.gpa, size, m.memory, flags);
}

/* 0: program; 1..: tables that map all of 512 GiB one to one, by 1 GiB entries. */
static void make_code(void)
{
	uint8_t *code = map(4 * PAGE, PAGE);
	uint64_t *top, *entries;
	unsigned int i;

	if (mprotect(code, 4 * PAGE, PROT_READ | PROT_WRITE))
		die("mprotect");
	memcpy(code, program, sizeof(program));
	top = (uint64_t *)(code + PAGE);
	entries = (uint64_t *)(code + 2 * PAGE);
	/* Accessed and dirty already: the processor need not write to them. */
	top[0] = (CODE_GPA + 2 * PAGE) | 0x23;
	for (i = 0; i < 512; i++)
		entries[i] = ((uint64_t)i << 30) | 0xe3;
	set_slot(0, CODE_GPA, 4 * PAGE, code, 0);
}

static void set_long_mode(int cpu)
{
	struct kvm_segment code = {
		.selector = 8, .present = 1, .type = 11, .s = 1, .l = 1, .g = 1, .limit = ~0u,
	};
	struct kvm_segment data = {
		.selector = 16, .present = 1, .type = 3, .s = 1, .db = 1, .g = 1, .limit = ~0u,
	};
	struct kvm_sregs sregs;

	must(ioctl(cpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cr0 = 0x80050033;
	sregs.cr3 = CODE_GPA + PAGE;
	sregs.cr4 = 0x20;
	sregs.efer = 0x500;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	must(ioctl(cpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

/* The kernel's own list, so that long mode with 1 GiB pages is allowed. */
static void set_cpuid(int cpu)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));

	cpuid->nent = 256;
	must(ioctl(m.kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	must(ioctl(cpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

static void add_cpu(int i)
{
	int size = must(ioctl(m.kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");

	m.cpus[i] = must(ioctl(m.vm, KVM_CREATE_VCPU, i), "KVM_CREATE_VCPU");
	m.run[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m.cpus[i], 0);
	if (m.run[i] == MAP_FAILED)
		die("mmap of a processor");
	set_cpuid(m.cpus[i]);
	set_long_mode(m.cpus[i]);
}

static void run(int i, uint64_t first, uint64_t count, uint64_t step, bool write)
{
	struct kvm_regs regs = {
		.rip = CODE_GPA, .rflags = 2, .rsi = m.gpa + first * PAGE, .rdx = step * PAGE,
		.rcx = count, .rbx = write,
	};

	must(ioctl(m.cpus[i], KVM_SET_REGS, &regs), "KVM_SET_REGS");
	while (ioctl(m.cpus[i], KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			die("KVM_RUN");
	if (m.run[i]->exit_reason != KVM_EXIT_HLT) {
		printf("failed: exit %u, suberror %u\n", m.run[i]->exit_reason,
		       m.run[i]->exit_reason == KVM_EXIT_INTERNAL_ERROR ?
		       m.run[i]->internal.suberror : 0);
		exit(1);
	}
}

/* Processor i touches pages i, i + n, i + 2n ... of those that are to be touched. */
static void touch(uint64_t first, uint64_t count, uint64_t step, bool write)
{
	uint64_t share;
	int i;

	for (i = 0; i < m.n_cpus; i++) {
		share = (count + m.n_cpus - 1 - i) / m.n_cpus;
		if (share)
			run(i, first + i * step, share, step * m.n_cpus, write);
	}
}

static bool in_memory(uint64_t first, uint64_t count, uint64_t step)
{
	return count && step && first + (count - 1) * step < m.size / PAGE;
}

static void set_logging(bool on)
{
	m.logging = on;
	set_memory_slot(m.size);
}

static void move(void)
{
	set_memory_slot(0);
	m.gpa = m.gpa == MEMORY_GPA ? 2 * MEMORY_GPA : MEMORY_GPA;
	set_memory_slot(m.size);
}

static void attach(void)
{
	struct smemv_ioc_attach to = {
		.base = (uintptr_t)m.memory, .vm_fd = m.vm, .interval_ms = 100,
	};

	must(ioctl(m.file, SMEMV_IOC_ATTACH, &to), "attach");
}

static void discard(uint64_t first, uint64_t count)
{
	int err = m.file < 0 ?
		  madvise(m.memory + first * PAGE, count * PAGE, MADV_DONTNEED) :
		  fallocate(m.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    first * PAGE, count * PAGE);

	must(err, "discard");
}

static void collapse(uint64_t first, uint64_t count)
{
	uint8_t *area = m.memory + first * PAGE;

	if (m.file < 0)
		must(madvise(area, count * PAGE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	must(madvise(area, count * PAGE, MADV_COLLAPSE), "MADV_COLLAPSE");
}

static void obey(const char *line)
{
	unsigned long long first, count, step = 1;

	if (sscanf(line, "touch %llu %llu %llu", &first, &count, &step) >= 2 &&
	    in_memory(first, count, step))
		touch(first, count, step, true);
	else if (sscanf(line, "read %llu %llu %llu", &first, &count, &step) >= 2 &&
		 in_memory(first, count, step))
		touch(first, count, step, false);
	else if (sscanf(line, "discard %llu %llu", &first, &count) == 2 && in_memory(first, count, 1))
		discard(first, count);
	else if (sscanf(line, "collapse %llu %llu", &first, &count) == 2 && in_memory(first, count, 1))
		collapse(first, count);
	else if (!strcmp(line, "log on\n") || !strcmp(line, "log off\n"))
		set_logging(line[5] == 'n');
	else if (!strcmp(line, "cpu\n") && m.n_cpus < CPUS_MAX)
		add_cpu(m.n_cpus++);
	else if (!strcmp(line, "move\n"))
		move();
	else if (!strcmp(line, "attach\n"))
		attach();
	else if (strcmp(line, "base\n")) {
		printf("failed: what is %s", line);
		exit(2);
	}
	printf("done %p\n", (void *)m.memory);
	fflush(stdout);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' }, { "file", required_argument, NULL, 'f' },
		{ "huge", no_argument, NULL, 'h' }, { "cpus", required_argument, NULL, 'c' },
		{ "swapped", no_argument, NULL, 'w' }, { "smm", no_argument, NULL, 'm' }, { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 's':
			m.size = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			m.file = must(open(optarg, O_RDWR | O_CLOEXEC), optarg);
			break;
		case 'h':
			m.huge = true;
			break;
		case 'm':
			m.smm = true;
			break;
		case 'w':
			m.swapped = true;
			break;
		case 'c':
			m.n_cpus = atoi(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (m.n_cpus < 1 || m.n_cpus > CPUS_MAX || !m.size || m.size % PAGE)
		exit(2);
}

int main(int argc, char **argv)
{
	char line[256];
	int i;

	parse(argc, argv);
	m.kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	m.vm = must(ioctl(m.kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	must(ioctl(m.vm, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
	make_memory();
	make_code();
	set_memory_slot(m.size);
	for (i = 0; i < m.n_cpus; i++)
		add_cpu(i);
	printf("ready %p\n", (void *)m.memory);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	return 0;
}
