/* Pieces and closing records of sums from any bytes: refused, or what comes out goes in again as the same. The first
 * byte says which. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/sums.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void try_piece(const uint8_t *data, size_t size)
{
	struct seg_sums *s = seg_sums_new(), *again = seg_sums_new(), *total = seg_sums_new();
	uint64_t sequence = 0, sequence_again = 0;
	struct seg_buf out;

	seg_buf_init(&out, 1 << 24);
	require(s && again && total);
	if (seg_sums_decode(s, 5, data, size, &sequence, NULL) == SEG_OK) {
		require(seg_sums_encode(s, 5, sequence, &out, NULL) == SEG_OK);
		require(seg_sums_decode(again, 5, out.data, out.len, &sequence_again, NULL) == SEG_OK);
		require(sequence == sequence_again && seg_sums_equal(s, again));
		/* Twice the same can be added, or is refused: never undefined. */
		require(seg_sums_add(total, s, NULL) == SEG_OK && seg_sums_equal(total, s));
		enum seg_rc rc = seg_sums_add(total, again, NULL);
		require(rc == SEG_OK || rc == SEG_CORRUPT);
	} else {
		require(seg_sums_len(s) == 0);
	}
	seg_buf_release(&out);
	seg_sums_free(s);
	seg_sums_free(again);
	seg_sums_free(total);
}

static void try_close(const uint8_t *data, size_t size)
{
	struct seg_sums_close c, again;
	struct seg_buf out;

	if (seg_sums_close_decode(&c, data, size, NULL) != SEG_OK)
		return;
	seg_buf_init(&out, 1 << 24);
	seg_sums_close_encode(&c, &out);
	require(seg_sums_close_decode(&again, out.data, out.len, NULL) == SEG_OK);
	require(again.sequence == c.sequence && again.customers == c.customers && again.clusters_len == c.clusters_len);
	for (uint32_t i = 0; i < c.clusters_len; i++)
		require(again.clusters[i] == c.clusters[i]);
	free(c.clusters);
	free(again.clusters);
	seg_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2)
		try_close(data + 1, size - 1);
	else
		try_piece(data + 1, size - 1);
	return 0;
}
