/* Hashes that are part of stored formats and of the protocol. All are pure. */
#ifndef SEG_BASE_HASH_H
#define SEG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* XXH3-64, seed 0. */
uint64_t seg_hash64(const void *data, size_t len);

/* Order of a customer in the store and slot of re-evaluation: XXH3-64 of the id with seed 1. */
uint64_t seg_hash_customer(struct seg_str id);

/* Who is in the sample (the smallest are): XXH3-64 of the id with seed 2, so that the sample is spread over slots. */
uint64_t seg_hash_sample(struct seg_str id);

/* 32 lower-case hex digits of XXH3-128 over data, NUL-terminated. */
void seg_hash128_hex(const void *data, size_t len, char ret_hex[33]);

/* Partition as Java's DefaultPartitioner: (murmur2(key) & 0x7fffffff) % partitions. */
uint32_t seg_murmur2(const void *data, size_t len);
int32_t seg_partition_for_key(const void *key, size_t len, int32_t partitions);

#endif
