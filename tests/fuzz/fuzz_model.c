/* Model versions from any bytes: refused, or a model that assigns and is written as the same JSON again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/export.h"
#include "segmenter/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void use(const struct seg_model *m)
{
	int32_t values[SEG_MAX_FEATURES];
	double vector[SEG_MAX_FEATURES];
	struct seg_driver drivers[SEG_DRIVERS];
	struct seg_assignment a;
	struct seg_profile nobody = {0};

	for (uint32_t j = 0; j < m->d; j++) {
		values[j] = j % 2 ? SEG_MISSING : INT32_MAX;
		require(seg_basis_bin(&m->basis.features[j], values[j]) < SEG_GRID_BINS);
	}
	if (m->k == 0)
		return;
	seg_model_vector(m, values, vector);
	seg_model_assign(m, vector, &a);
	require(a.nearest < m->k && a.second < m->k);
	require(seg_model_drivers(m, &nobody, 0, values, 0, m->clusters[a.nearest], drivers) <= SEG_DRIVERS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seg_model *m = NULL, *again = NULL;
	struct seg_buf first, second;

	if (seg_model_decode(data, size, &m, NULL) != SEG_OK)
		return 0;
	seg_buf_init(&first, 1 << 24);
	seg_buf_init(&second, 1 << 24);
	use(m);
	require(seg_model_encode(m, &first, NULL) == SEG_OK);
	require(seg_model_decode(first.data, first.len, &again, NULL) == SEG_OK);
	require(seg_model_encode(again, &second, NULL) == SEG_OK);
	require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	seg_buf_clear(&first);
	require(seg_model_export(m, &first, NULL) == SEG_OK);
	seg_model_put(m);
	seg_model_put(again);
	seg_buf_release(&first);
	seg_buf_release(&second);
	return 0;
}
