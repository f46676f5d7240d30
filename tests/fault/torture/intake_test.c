/*
 * torture_intake: every allocation of the way from bytes to an event, and from a change to bytes, fails in turn. What memory
 * is short for is told as that, never as a fault of the record; the next try of the same record succeeds; nothing is left.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/load.h"
#include "daemon/event_encode.h"
#include "daemon/intake.h"
#include "producers/encode.h"
#include "producers/headers.h"
#include "tests/fault/torture/failing.h"

unsigned world_in_harness; /* nothing calls back here */

enum { RECORD_BYTES = 4096 };

static struct seg_config *config[2]; /* by format of the inputs */
static struct seg_buf avro;
static struct seg_str records[2];
static long errors;

static void fail(const char *what, const struct seg_error *err)
{
	printf("violation: %s: %s; call %ld, %s\n", what, err ? err->text : "", failing.first,
	       failing.name ? failing.name : "-");
	exit(1);
}

static void load_config(int which, const char *text)
{
	struct seg_error err = {SEG_OK, ""};

	if (seg_config_load_text(text, strlen(text), "torture", NULL, &config[which], &err) != SEG_OK)
		fail("configuration", &err);
}

/* The same profile update in both forms; all sources' records are read alike. */
static void make_records(void)
{
	static const char json[] =
		"{\"event_id\":\"e1\",\"customer_id\":\"c1\",\"event_time\":1700000000000,\"kind\":\"update\","
		"\"attributes\":{\"plan\":\"gold\",\"n\":3},\"consent\":{\"mail\":true}}";
	static struct seg_event e;

	seg_event_reset(&e, SEG_PROFILES);
	e.customer_id = seg_str_from("c1");
	e.event_id = seg_str_from("e1");
	e.time_ms = 1700000000000;
	e.kind = SEG_UPDATE_UPDATE;
	e.attributes_len = 1;
	e.attributes[0].name = seg_str_from("plan");
	e.attributes[0].value = (struct seg_value){.type = SEG_VALUE_LONG, .i = 3};
	seg_buf_init(&avro, RECORD_BYTES);
	seg_event_encode(&e, &avro);
	records[SEG_FORMAT_AVRO] = (struct seg_str){(const char *)avro.data, (uint32_t)avro.len};
	records[SEG_FORMAT_JSON] = seg_str_from(json);
}

static bool is_memory(enum seg_rc rc)
{
	return rc == SEG_NO_MEMORY || rc == SEG_OK;
}

/* One reading of a record by a new intake; false: memory was short, and it said so. */
static bool read_once(int format, struct seg_intake *in)
{
	struct seg_raw raw = {SEG_PROFILES, 0, 0, 1700000000000, seg_str_from("c1"), records[format]};
	const struct seg_event *event;

	failing.armed = true;
	enum seg_refusal refusal = seg_intake_read(in, &raw, &event);
	failing.armed = false;
	if (refusal != SEG_REFUSED_NOT && refusal != SEG_REFUSED_NO_MEMORY)
		fail("a good record is refused", &(struct seg_error){SEG_OK, "see seg_refusal_code()"});
	if (refusal == SEG_REFUSED_NOT && !seg_str_is(event->customer_id, "c1"))
		fail("another customer", NULL);
	return refusal == SEG_REFUSED_NOT;
}

static void intake(int format)
{
	struct seg_error err = {SEG_OK, ""};
	struct seg_intake *in = NULL;

	failing.armed = true;
	enum seg_rc rc = seg_intake_new(config[format], 1, &in, &err);
	failing.armed = false;
	if (!is_memory(rc))
		fail("a new intake", &err);
	if (rc != SEG_OK) {
		errors++;
		return;
	}
	if (!read_once(format, in)) {
		errors++;
		failing.last = 0; /* there is memory again */
		if (!read_once(format, in))
			fail("the same record, with memory again", NULL);
	}
	failing.last = 0;
	seg_intake_free(in);
}

static enum seg_rc encode(struct seg_encoder *e, struct seg_buf *to, struct seg_error *err)
{
	struct seg_change change = {.event_id = "0123456789abcdef0123456789abcdef",
				    .customer_id = seg_str_from("c1"),
				    .to_cluster = 3,
				    .to_name = "regular",
				    .reason = SEG_REASON_FIRST,
				    .distance_from = NAN,
				    .distance_to = 1,
				    .margin = .5};

	return seg_encode(e, SEG_OUTPUT_CHANGE, &change, to, err);
}

static enum seg_rc dead_letter(struct seg_error *err)
{
	struct seg_dead_letter letter = {.key = seg_str_from("c1"),
					 .value = seg_str_from("?"),
					 .topic = "web",
					 .timestamp_ms = 1,
					 .reason = "truncated",
					 .text = "text"};
	struct seg_dlq_record record;
	enum seg_rc rc = seg_dlq_record_init(&record, &letter, RECORD_BYTES, err);

	if (rc == SEG_OK)
		seg_dlq_record_release(&record);
	return rc;
}

static void outputs(int format)
{
	struct seg_error err = {SEG_OK, ""};
	struct seg_encoder *e = NULL;
	struct seg_buf to;

	seg_buf_init(&to, RECORD_BYTES);
	failing.armed = true;
	enum seg_rc rc = seg_encoder_new((enum seg_format)format, &e, &err);
	if (rc == SEG_OK)
		rc = encode(e, &to, &err);
	if (rc == SEG_OK)
		rc = dead_letter(&err);
	failing.armed = false;
	if (!is_memory(rc))
		fail("an output", &err);
	errors += rc != SEG_OK;
	failing.last = 0;
	seg_encoder_free(e);
	seg_buf_release(&to);
}

/* *ret_calls: of an undisturbed run. */
static void each_in_turn(const char *what, void (*run)(int format), int format)
{
	long calls, runs = 0;

	failing_reset();
	run(format);
	calls = failing.calls;
	errors = 0;
	for (long n = 1; n <= calls; n++)
		for (int many = 0; many < 2; many++, runs++) {
			long live = failing.live;

			failing_reset();
			failing.first = n;
			failing.last = many ? LONG_MAX : n;
			run(format);
			if (failing.failed == 0)
				fail("the call was not reached", NULL);
			if (failing.live != live)
				fail("memory is left", NULL);
		}
	if (calls > 0 && errors == 0)
		fail("no call made an error", NULL);
	printf("torture of %s (%s): %ld allocations, %ld runs, %ld errors\n", what,
	       format == SEG_FORMAT_JSON ? "JSON" : "Avro", calls, runs, errors);
}

int main(void)
{
	load_config(SEG_FORMAT_AVRO, "sources: {profiles: {topic: p}}\n");
	load_config(SEG_FORMAT_JSON, "sources: {profiles: {topic: p, format: json}}\n");
	make_records();
	for (int format = SEG_FORMAT_AVRO; format <= SEG_FORMAT_JSON; format++) {
		each_in_turn("the intake", intake, format);
		each_in_turn("the outputs", outputs, format);
		seg_config_free(config[format]);
	}
	seg_buf_release(&avro);
	return 0;
}
