// SPDX-License-Identifier: GPL-2.0-only
/* Mounting the filesystem of memory files, when others do so, too. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
/* After those: */
#include <cmocka.h>

#include "../../userspace/vm_mount.h"

static int looks, mounts;
static int mounted_from_look;	/* the others are done by then */
static int mount_error;

int __wrap_statfs(const char *path, struct statfs *fs);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
		 const void *data);

int __wrap_statfs(const char *path, struct statfs *fs)
{
	assert_string_equal(path, VM_MOUNT_POINT);
	fs->f_type = ++looks >= mounted_from_look ? SMEMV_FS_MAGIC : 0x01021994;
	return 0;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	assert_string_equal(path, VM_MOUNT_POINT);
	assert_int_equal(mode, 0755);
	errno = EEXIST;
	return -1;
}

int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
		 const void *data)
{
	(void)source;
	(void)flags;
	(void)data;
	assert_string_equal(target, VM_MOUNT_POINT);
	assert_string_equal(type, "smemv");
	mounts++;
	errno = mount_error;
	return mount_error ? -1 : 0;
}

/* What vm_mount() makes of it. */
static int tried(int from_look, int error, struct reason *why)
{
	looks = mounts = 0;
	mounted_from_look = from_look;
	mount_error = error;
	return vm_mount(why);
}

static void it_is_mounted_once(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(tried(1, 0, &why), 0);
	assert_int_equal(mounts, 0);
	assert_int_equal(tried(2, 0, &why), 0);
	assert_int_equal(mounts, 1);
}

static void two_that_mount_at_once_both_succeed(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(tried(2, EBUSY, &why), 0);
}

static void what_is_in_the_way_is_told(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(tried(3, EBUSY, &why), -EBUSY);
	assert_string_equal(why.text, "cannot mount the filesystem smemv on /dev/smemv: Device or resource busy");
	assert_int_equal(tried(2, EPERM, &why), -EPERM);
	assert_string_equal(why.text, "cannot mount the filesystem smemv on /dev/smemv: Operation not permitted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_mounted_once),
		cmocka_unit_test(two_that_mount_at_once_both_succeed),
		cmocka_unit_test(what_is_in_the_way_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
