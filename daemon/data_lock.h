/*
 * One process a data folder. Two with the same one would be told apart by RocksDB only when both were given the same
 * partition; until then each would fence the other's producers.
 */
#ifndef SEG_DAEMON_DATA_LOCK_H
#define SEG_DAEMON_DATA_LOCK_H

#include "config/config.h"

/* Takes DATA_DIR/APP/lock; the folders must be there. SEG_INVALID: another process has it; the text says which. The lock
 * goes with the process, however that ends. */
enum seg_rc seg_data_lock(const struct seg_config *config, int *ret_fd, struct seg_error *err) SEG_MUST_CHECK;
void seg_data_unlock(int fd); /* -1 is fine */

#endif
