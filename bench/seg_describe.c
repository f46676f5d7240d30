/* Names and sentences of the segments of a model.json that replay wrote, as JSON lines: seg_describe < model.json */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "segmenter/basis.h"
#include "segmenter/describe.h"

static double number_of(const json_t *object, const char *key)
{
	const json_t *x = json_object_get(object, key);
	return json_is_number(x) ? json_number_value(x) : (double)NAN;
}

/* The quantile transform's knots are not in model.json: its features are left out. */
static double own_unit(const json_t *feature, double y)
{
	struct seg_basis_feature f = {0};
	const char *transform = json_string_value(json_object_get(feature, "transform"));
	f.config.transform = transform && strcmp(transform, "linear") == 0 ? SEG_LINEAR
			     : transform && strcmp(transform, "sqrt") == 0 ? SEG_SQRT
									   : SEG_LOG1P;
	if (transform && strcmp(transform, "quantile") == 0)
		return (double)NAN;
	return seg_basis_invert(&f, y);
}

/* Mean over the customers of the clusters, as seg_model_zscores() weighs them. */
static double mean_of(const json_t *centroids, size_t j)
{
	double sum = 0, weight = 0;
	size_t i;
	json_t *c;
	json_array_foreach(centroids, i, c)
	{
		json_t *y = json_array_get(json_object_get(c, "transformed"), j);
		double customers = number_of(c, "customers");
		if (!json_is_number(y) || !(customers > 0))
			continue;
		sum += customers * json_number_value(y);
		weight += customers;
	}
	return weight > 0 ? sum / weight : (double)NAN;
}

static void tell(const json_t *features, const json_t *centroids, const json_t *c)
{
	struct seg_trait traits[SEG_MAX_FEATURES];
	char text[SEG_DESCRIPTION_MAX];
	uint32_t len = 0;
	size_t j;
	json_t *f;
	json_array_foreach(features, j, f)
	{
		json_t *y = json_array_get(json_object_get(c, "transformed"), j);
		double at = json_is_number(y) ? json_number_value(y) : (double)NAN;
		if (len == SEG_MAX_FEATURES)
			break;
		traits[len++] = (struct seg_trait){
			.feature = json_string_value(json_object_get(f, "name")),
			.value = own_unit(f, at),
			.zscore = (at - mean_of(centroids, j)) / number_of(f, "scale"),
		};
	}
	seg_traits_describe(traits, len, text, sizeof(text));
	json_t *line = json_pack("{s:O, s:O, s:O, s:s}", "segment_id", json_object_get(c, "segment_id"), "name",
				 json_object_get(c, "name"), "customers", json_object_get(c, "customers"),
				 "description", text);
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

int main(void)
{
	json_error_t error;
	json_t *model = json_loadf(stdin, 0, &error);
	json_t *features = json_object_get(model, "features"), *centroids = json_object_get(model, "centroids"), *c;
	size_t i;
	if (!json_is_array(features) || !json_is_array(centroids)) {
		fprintf(stderr, "seg_describe: no model.json on standard input: %s\n", error.text);
		return 1;
	}
	json_array_foreach(centroids, i, c) tell(features, centroids, c);
	json_decref(model);
	return 0;
}
