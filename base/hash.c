#include "base/hash.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

uint64_t seg_hash64(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

uint64_t seg_hash_customer(struct seg_str id)
{
	return XXH3_64bits_withSeed(id.ptr, id.len, 1);
}

uint64_t seg_hash_sample(struct seg_str id)
{
	return XXH3_64bits_withSeed(id.ptr, id.len, 2);
}

void seg_hash128_hex(const void *data, size_t len, char ret_hex[33])
{
	XXH128_hash_t h = XXH3_128bits(data, len);

	snprintf(ret_hex, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

/* MurmurHash2 (Austin Appleby) with the seed and byte order of Kafka's Java client. */
uint32_t seg_murmur2(const void *data, size_t len)
{
	const uint32_t m = 0x5bd1e995;
	const uint8_t *p = data;
	uint32_t h = 0x9747b28cu ^ (uint32_t)len, k;

	for (; len >= 4; p += 4, len -= 4) {
		k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		k *= m;
		k ^= k >> 24;
		h = h * m ^ k * m;
	}
	if (len == 3)
		h ^= (uint32_t)p[2] << 16;
	if (len >= 2)
		h ^= (uint32_t)p[1] << 8;
	if (len >= 1)
		h = (h ^ p[0]) * m;
	h ^= h >> 13;
	h *= m;
	return h ^ h >> 15;
}

int32_t seg_partition_for_key(const void *key, size_t len, int32_t partitions)
{
	return (int32_t)(seg_murmur2(key, len) & 0x7fffffffu) % partitions;
}
