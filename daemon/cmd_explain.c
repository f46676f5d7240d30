/* segmentd explain: one customer in words, as a running instance tells it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/event.h"
#include "daemon/client.h"
#include "daemon/command.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

static double number_of(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);
	return json_is_number(n) ? json_number_value(n) : NAN;
}

static void print_text(const char *before, const char *text, const char *after)
{
	printf("%s", before);
	seg_client_print(text);
	printf("%s", after);
}

static void print_time(const char *before, const json_t *ms)
{
	char text[32];
	if (!json_is_integer(ms))
		return;
	seg_time_format(json_integer_value(ms), text);
	printf("%s%s", before, text);
}

static void print_segment(const json_t *customer)
{
	const json_t *segment = json_object_get(customer, "segment");
	if (!json_is_object(segment)) {
		printf("Segment: none yet\n");
		return;
	}
	print_text("Segment: ", text_of(segment, "name"), "");
	print_text(" (", text_of(segment, "segment_id"), ")");
	print_time(" since ", json_object_get(segment, "since_ms"));
	printf("\n");
}

static void print_rules(const json_t *customer)
{
	const json_t *rules = json_object_get(customer, "rule_segments");
	for (size_t i = 0; i < json_array_size(rules); i++) {
		const char *name = json_string_value(json_array_get(rules, i));
		print_text(i ? ", " : "By rules: ", name ? name : "", "");
	}
	if (json_array_size(rules) > 0)
		printf("\n");
}

static void print_nearest(const json_t *customer)
{
	const json_t *nearest = json_object_get(customer, "nearest"), *second = json_object_get(customer, "second");
	if (!json_is_object(nearest))
		return;
	print_text("Nearest: ", text_of(nearest, "name"), "");
	printf(", at distance %.3g", number_of(nearest, "distance"));
	if (json_is_object(second)) {
		print_text("; then ", text_of(second, "name"), "");
		printf(", at %.3g (margin %.0f %%)", number_of(second, "distance"),
		       number_of(customer, "margin") * 100);
	}
	printf("\n");
}

static void print_pending(const json_t *customer)
{
	const json_t *pending = json_object_get(customer, "pending");
	const char *because = text_of(pending, "because");
	if (!json_is_object(pending))
		return;
	print_text("Pending: ", text_of(pending, "name"), " is nearer");
	if (strcmp(because, "hysteresis") == 0)
		printf(", but not by enough to move");
	else if (strcmp(because, "dwell") == 0)
		print_time(", but nobody moves again before ", json_object_get(pending, "not_before_ms"));
	else
		printf("; the move comes with the next evaluation");
	printf("\n");
}

static void print_why(const json_t *customer)
{
	const json_t *why = json_object_get(customer, "why"), *move = json_object_get(customer, "would_move");
	if (json_array_size(why) > 0)
		printf("\nWhy:\n");
	for (size_t i = 0; i < json_array_size(why); i++) {
		const char *line = json_string_value(json_array_get(why, i));
		print_text("  - ", line ? line : "", "\n");
	}
	if (json_is_object(move))
		print_text("\nWhat would change it:\n  - ", text_of(move, "text"), "\n");
}

static void print_last_change(const json_t *customer)
{
	const json_t *last = json_object_get(customer, "last_change");
	if (!json_is_object(last)) {
		printf("\nNo segment change has been told yet.\n");
		return;
	}
	printf("\nLast change: number %lld", (long long)json_integer_value(json_object_get(last, "number")));
	print_text(", from ", json_is_string(json_object_get(last, "from")) ? text_of(last, "from") : "none", "");
	print_text(" to ", json_is_string(json_object_get(last, "to")) ? text_of(last, "to") : "none", "");
	print_time(", ", json_object_get(last, "since_ms"));
	print_text(", event ", text_of(last, "event_id"), "\n");
}

static void print_customer(const json_t *customer)
{
	print_text("Customer ", text_of(customer, "customer_id"), "");
	print_time(", as of ", json_object_get(customer, "as_of_ms"));
	printf("\n");
	print_segment(customer);
	print_rules(customer);
	print_nearest(customer);
	print_pending(customer);
	print_why(customer);
	print_last_change(customer);
}

int seg_cmd_explain(const struct seg_args *args)
{
	const char *url = seg_args_get(args, "url");
	struct seg_error err = {0};
	struct seg_buf text;
	json_t *customer;
	if (!url)
		return seg_usage_error(args, "--url URL is needed: where a running segmentd listens, e.g. "
					     "http://127.0.0.1:8080");
	if (args->words_len != 1 || !args->words[0][0])
		return seg_usage_error(args, "one CUSTOMER is needed");
	char *path = seg_client_path("/api/v1/customers/", args->words[0], "");
	if (!path)
		return SEG_EXIT_FAILED;
	struct seg_client_request request = {.url = url, .method = "GET", .path = path};
	enum seg_rc rc = seg_client_ask(&request, &customer, &text, &err);
	free(path);
	if (rc)
		return seg_failed(args, &err);
	if (seg_args_has(args, "json"))
		fwrite(text.data, 1, text.len, stdout);
	else
		print_customer(customer);
	seg_buf_release(&text);
	json_decref(customer);
	return SEG_EXIT_DONE;
}
