#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/command.h"
#include "daemon/topic_specs.h"

enum { ADMIN_MS = 15000, CLOSE_MS = 5000, PARTITIONS_MAX = 10000 };

static const char *const verdicts[] = {"ok", "warning", "FAILED"};

static void print_findings(const struct seg_findings *f)
{
	for (size_t i = 0; i < f->len; i++)
		printf("%-7s  %s: %s\n", verdicts[f->items[i].verdict], f->items[i].subject, f->items[i].text);
}

static enum seg_rc work(const struct seg_args *args, const struct seg_config *config, bool create, int32_t partitions,
			struct seg_findings *f, struct seg_error *err)
{
	struct seg_kafka_client client;
	struct seg_kafka_setting *settings;
	struct seg_admin *admin;
	struct seg_topic_spec specs[SEG_TOPIC_SPECS_MAX];
	size_t len = seg_topic_specs(config, specs);
	bool inputs = seg_args_has(args, "inputs");
	for (size_t i = 0; i < len; i++) {
		if (specs[i].role == SEG_TOPIC_INPUT)
			specs[i].partitions = partitions;
	}
	if (!seg_client_of(config, &client, &settings))
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	enum seg_rc rc = seg_admin_open(&client, ADMIN_MS, &admin, err);
	if (!rc) {
		rc = create ? seg_admin_create(admin, specs, len, inputs, f, err)
			    : seg_admin_describe(admin, specs, len, f, err);
		seg_admin_close(admin, CLOSE_MS);
	}
	free(settings);
	return rc;
}

int seg_cmd_topics(const struct seg_args *args)
{
	bool create = args->words_len == 1 && strcmp(args->words[0], "create") == 0;
	int64_t partitions;
	if (!create && (args->words_len != 1 || strcmp(args->words[0], "describe") != 0))
		return seg_usage_error(args, "create or describe?");
	if (!seg_args_number(args, "partitions", 1, PARTITIONS_MAX, 0, &partitions))
		return SEG_EXIT_USAGE;
	if (seg_args_has(args, "inputs") != (partitions > 0))
		return seg_usage_error(args, "--inputs and --partitions P go together");
	if (!create && partitions > 0)
		return seg_usage_error(args, "--inputs and --partitions are for create");
	struct seg_config *config = seg_args_config(args);
	if (!config)
		return seg_args_has(args, "config") ? SEG_EXIT_FAILED : SEG_EXIT_USAGE;
	struct seg_findings f;
	struct seg_error err = {0};
	seg_findings_init(&f);
	enum seg_rc rc = work(args, config, create, (int32_t)partitions, &f, &err);
	print_findings(&f);
	int code = rc ? seg_failed(args, &err) : SEG_EXIT_DONE;
	if (!rc && seg_findings_worst(&f) == SEG_VERDICT_FAIL)
		code = SEG_EXIT_FAILED;
	seg_findings_release(&f);
	seg_config_free(config);
	return code;
}
