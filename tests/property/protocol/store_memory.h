/*
 * state/store.h over plain memory, for the protocol's property test: disks that can be looked at, copied, and lose what
 * was not synced. Linked in place of state/store.c. One thread.
 */
#ifndef SEG_TESTS_STORE_MEMORY_H
#define SEG_TESTS_STORE_MEMORY_H

#include "state/store.h"

/* Write batches since the last sync: what a power loss may take, from the end. */
size_t disk_unsynced(struct seg_store_env *env, const char *dir);
/* All but the first n of them are lost. */
void disk_power_loss(struct seg_store_env *env, const char *dir, size_t n);
void disk_lost(struct seg_store_env *env, const char *dir);
/* A copy as after a power loss that leaves the first n; replaces what was at `to`. */
void disk_copy(struct seg_store_env *env, const char *from, size_t n, const char *to);

#endif
