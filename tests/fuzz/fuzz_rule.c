/* Any text as a rule: refused with a column, or a program that gives one of three answers, the same again, for any customer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/rule.h"
#include "tests/support/random_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PROFILES = 8 };

static void must(int ok)
{
	if (!ok)
		abort();
}

static struct seg_profile *const *profiles(void)
{
	static const struct seg_aggregate_config config = {.window = {8, 8, 8, 8}};
	static struct seg_profile *all[PROFILES];
	struct seg_rng rng;

	if (all[0])
		return all;
	seg_rng_init(&rng, 1);
	for (int i = 0; i < PROFILES; i++)
		all[i] = random_profile(&rng, 40, &config);
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct seg_rule *rule = NULL;
	struct seg_error err = {.text = ""};

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	enum seg_rc rc = seg_rule_compile(text, &rule, &err);
	if (rc != SEG_OK)
		must(!rule && (rc == SEG_INVALID || rc == SEG_LIMIT) &&
		     (strncmp(err.text, "column ", 7) == 0 || strncmp(err.text, "the rule is longer", 18) == 0));
	free(text); /* a rule keeps what it needs */
	for (int i = 0; rule && i < PROFILES; i++) {
		enum seg_truth t = seg_rule_evaluate(rule, profiles()[i], INT64_C(1700000000000), NULL);
		must(t == SEG_TRUE || t == SEG_FALSE || t == SEG_UNKNOWN);
		must(t == seg_rule_evaluate(rule, profiles()[i], INT64_C(1700000000000), NULL));
	}
	seg_rule_free(rule);
	return 0;
}
