/* SPDX-License-Identifier: GPL-2.0-only */
/* Page cache API differences between the supported kernels. */
#ifndef SMEMV_COMPAT_MM_H
#define SMEMV_COMPAT_MM_H

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/version.h>

/* 7.0: folio batches have a header of their own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

/* 6.4: an error pointer instead of NULL when there is none. With a reference. */
static inline struct folio *smemv_compat_get_folio(struct address_space *mapping,
						   pgoff_t index)
{
	struct folio *folio = filemap_get_folio(mapping, index);

	return IS_ERR_OR_NULL(folio) ? NULL : folio;
}

/* 6.19: takes a memory policy. */
static inline struct folio *smemv_compat_alloc_folio(gfp_t gfp,
						     unsigned int order)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	return filemap_alloc_folio(gfp, order, NULL);
#else
	return filemap_alloc_folio(gfp, order);
#endif
}

/* 6.7 has mem_cgroup_tryget() for it. NULL is allowed. */
static inline void smemv_compat_get_memcg(struct mem_cgroup *memcg)
{
#ifdef CONFIG_MEMCG
	if (memcg)
		css_get(&memcg->css);
#endif
}

/*
 * 6.6, and later ones of 6.1: release_folio is asked before a clean folio is dropped, also when
 * it has no private data. Elsewhere reclaim drops what it likes.
 */
static inline void smemv_compat_ask_before_drop(struct address_space *mapping)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0) || \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 192) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0))
	mapping_set_release_always(mapping);
#endif
}

/* 6.8: by folio. Removes a locked folio, whoever has a reference. */
static inline int smemv_compat_remove_folio(struct address_space *mapping,
					    struct folio *folio)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return generic_error_remove_folio(mapping, folio);
#else
	return generic_error_remove_page(mapping, &folio->page);
#endif
}

/* 6.7: the kernel allocates shrinkers. */
static inline struct shrinker *smemv_compat_shrinker_alloc(const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	return shrinker_alloc(0, "%s", name);
#else
	return kzalloc(sizeof(struct shrinker), GFP_KERNEL);
#endif
}

/* Frees it when it fails. */
static inline int smemv_compat_shrinker_register(struct shrinker *shrinker,
						 const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker_register(shrinker);
	return 0;
#else
	int err = register_shrinker(shrinker, "%s", name);

	if (err)
		kfree(shrinker);
	return err;
#endif
}

static inline void smemv_compat_shrinker_free(struct shrinker *shrinker)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
	kfree(shrinker);
#endif
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define SMEMV_COMPAT_ERROR_REMOVE(fn)	.error_remove_folio = fn
#define SMEMV_COMPAT_DEFINE_ERROR_REMOVE(fn)
#else
#define SMEMV_COMPAT_ERROR_REMOVE(fn)	.error_remove_page = fn##_page
#define SMEMV_COMPAT_DEFINE_ERROR_REMOVE(fn)				\
	static int fn##_page(struct address_space *mapping,		\
			     struct page *page)				\
	{								\
		return fn(mapping, page_folio(page));			\
	}
#endif

#endif
