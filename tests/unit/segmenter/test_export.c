/* model.json and the rows of customers.avro. */
#include "tests/unit/segmenter/make_model.h"

#include <jansson.h>
#include <string.h>

#include "segmenter/export.h"

static json_t *exported(const struct seg_model *m)
{
	struct seg_buf out;
	json_t *root;

	seg_buf_init(&out, 1 << 20);
	assert_ok(seg_model_export(m, &out, NULL));
	assert_int_equal(out.data[out.len - 1], '\n');
	root = json_loadb((const char *)out.data, out.len, 0, NULL);
	assert_non_null(root);
	seg_buf_release(&out);
	return root;
}

static void test_export_has_the_contract_s_fields(void **state)
{
	struct seg_model *m = make_model("rfm", 4, 8);
	double mean, scale, weight, imputed;
	const char *name, *transform, *version, *cluster, *segment, *title;
	json_int_t promotion, time_ms, first_fit_ms, customers;
	json_t *root, *features, *pca, *centroids, *transformed, *vector;

	(void)state;
	m->centroids[2 * m->d] = NAN;
	assert_ok(seg_model_finish(m, NULL));
	snprintf(m->segments[1].alias, sizeof(m->segments[1].alias), "regulars");
	root = exported(m);
	assert_ok(json_unpack_ex(root, NULL, JSON_STRICT, "{s:s,s:I,s:I,s:I,s:o,s:o,s:o}", "version", &version,
				 "promotion", &promotion, "time_ms", &time_ms, "first_fit_ms", &first_fit_ms,
				 "features", &features, "pca", &pca, "centroids", &centroids));
	assert_string_equal(version, "21474836497");
	assert_true(promotion == 5 && time_ms == m->time_ms && first_fit_ms == m->first_fit_ms && json_is_null(pca));
	assert_int_equal(json_array_size(features), 6);
	assert_ok(json_unpack_ex(json_array_get(features, 2), NULL, JSON_STRICT, "{s:s,s:s,s:F,s:F,s:F,s:F}", "name",
				 &name, "transform", &transform, "mean", &mean, "scale", &scale, "weight", &weight,
				 "imputed", &imputed));
	assert_string_equal(name, "monetary");
	assert_string_equal(transform, "log1p");
	assert_true(mean == m->scale[2].mean && scale == m->scale[2].scale && weight == 3 &&
		    imputed == m->scale[2].imputed);
	assert_int_equal(json_array_size(centroids), 4);
	assert_ok(json_unpack_ex(json_array_get(centroids, 1), NULL, JSON_STRICT, "{s:s,s:s,s:s,s:I,s:o,s:o}",
				 "cluster", &cluster, "segment_id", &segment, "name", &title, "customers", &customers,
				 "transformed", &transformed, "vector", &vector));
	assert_string_equal(cluster, "6");
	assert_string_equal(segment, "s6");
	assert_string_equal(title, "regulars");
	assert_true(customers == 101 && json_array_size(transformed) == 6 && json_array_size(vector) == 6);
	for (uint32_t j = 0; j < m->d; j++) {
		assert_true(json_real_value(json_array_get(transformed, j)) == m->centroids[m->d + j]);
		assert_true(json_real_value(json_array_get(vector, j)) == m->vectors[m->d + j]);
	}
	/* A centroid whose customers all lack a value is where they are put. */
	transformed = json_object_get(json_array_get(centroids, 2), "transformed");
	assert_true(json_real_value(json_array_get(transformed, 0)) == m->scale[0].imputed);
	json_decref(root);
	seg_model_put(m);
}

static void test_export_before_the_first_fit(void **state)
{
	struct seg_model *m = make_model("rfm", 0, 8);
	json_t *root = exported(NULL);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(root, "version")), "0");
	assert_true(json_is_null(json_object_get(root, "time_ms")));
	assert_int_equal(json_array_size(json_object_get(root, "centroids")), 0);
	json_decref(root);
	root = exported(m);
	assert_int_equal(json_array_size(json_object_get(root, "features")), 6);
	assert_int_equal(json_array_size(json_object_get(root, "centroids")), 0);
	json_decref(root);
	seg_model_put(m);
}

static void test_export_tells_when_it_does_not_fit(void **state)
{
	struct seg_model *m = make_model("rfm", 4, 8);
	struct seg_buf out;

	(void)state;
	seg_buf_init(&out, 100);
	assert_int_equal(seg_model_export(m, &out, NULL), SEG_LIMIT);
	seg_buf_release(&out);
	seg_model_put(m);
}

static double named(const struct seg_customer_row *row, const char *name)
{
	for (size_t i = 0; i < row->features_len; i++)
		if (strcmp(row->features[i].name, name) == 0)
			return row->features[i].value;
	fail_msg("no feature %s in the row", name);
	return 0;
}

static void test_row_has_catalogue_and_attributes(void **state)
{
	static struct seg_basis basis;
	static struct seg_row_scratch scratch;
	struct seg_feature_config features[3] = {{.name = "recency_days", .weight = 1},
						 {.name = "attr:age", .weight = 1},
						 {.name = "frequency", .weight = 1}};
	struct seg_attribute age = {.name = seg_str_from("age"), .value = {.type = SEG_VALUE_LONG, .i = 30}};
	struct seg_attributes attributes = {.len = 1, .items = &age};
	struct seg_orders orders = {.purchases = 9, .purchased_micro = 4500000, .last_ms = 0, .first_ms = 0};
	struct seg_profile p = {
		.id = seg_str_from("c"), .attributes = &attributes, .orders = &orders, .decision = {.cluster = 6}};
	struct seg_customer_row row;

	(void)state;
	assert_ok(seg_basis_init(&basis, features, 3, NULL, NULL));
	seg_customer_row_fill(NULL, &basis, &p, 3 * SEG_DAY_MS, &scratch, &row);
	assert_int_equal(row.features_len, seg_catalogue_len() + 1);
	assert_near(named(&row, "attr:age"), 30, 0);
	assert_near(named(&row, "recency_days"), 3, 0);
	assert_near(named(&row, "monetary"), 4.5, 0);
	assert_true(isnan(named(&row, "web_recency_days")));
	assert_int_equal(row.transformed_len, 3);
	assert_near(row.transformed[0], log(4), 1e-6);
	assert_near(row.transformed[1], log(31), 1e-6);
	assert_near(row.transformed[2], log(10), 1e-6);
	assert_true(row.vector_len == 0 && row.cluster == 0 && row.segment == 6);
	assert_true(isnan(row.distance) && isnan(row.margin));
	assert_true(row.customer_id.len == 1);
}

static void test_row_is_assigned_by_the_model(void **state)
{
	static struct seg_row_scratch scratch;
	struct seg_model *m = make_model("rfm", 4, 8);
	struct seg_orders orders = {.purchases = 9, .purchased_micro = 4500000, .last_ms = 0, .first_ms = 0};
	struct seg_profile p = {.id = seg_str_from("c"), .orders = &orders}, nobody = {.id = seg_str_from("d")};
	struct seg_customer_row row;
	struct seg_assignment a;

	(void)state;
	seg_customer_row_fill(m, &m->basis, &p, 3 * SEG_DAY_MS, &scratch, &row);
	assert_int_equal(row.vector_len, 6);
	for (uint32_t j = 0; j < m->d; j++)
		assert_near(row.vector[j],
			    (row.transformed[j] - m->scale[j].mean) / m->scale[j].scale * m->scale[j].weight, 1e-12);
	seg_model_assign(m, row.vector, &a);
	assert_true(row.cluster == m->clusters[a.nearest] && row.distance == a.distance && row.margin == a.margin);
	assert_true(row.segment == 0);
	/* What is missing is null before scaling, and imputed in the vector. */
	seg_customer_row_fill(m, &m->basis, &nobody, 3 * SEG_DAY_MS, &scratch, &row);
	assert_true(isnan(row.transformed[0]));
	assert_near(row.vector[0], (m->scale[0].imputed - m->scale[0].mean) / m->scale[0].scale * m->scale[0].weight,
		    0);
	seg_model_put(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_export_has_the_contract_s_fields),
		cmocka_unit_test(test_export_before_the_first_fit),
		cmocka_unit_test(test_export_tells_when_it_does_not_fit),
		cmocka_unit_test(test_row_has_catalogue_and_attributes),
		cmocka_unit_test(test_row_is_assigned_by_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
