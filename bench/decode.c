/* What reading an event costs: decode and clean of one typical message of each shipped schema, in nanoseconds, best of 5. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/hash.h"
#include "consumers/clean.h"
#include "consumers/decoder.h"
#include "daemon/event_encode.h"

enum { ROUNDS = 5, TIMES = 1000000, PARTITIONS = 8 };

#define NOW INT64_C(1700000000000)

static const char *const placeholders[] = {"null", "none", "undefined", "nan", "anonymous", "unknown", "guest", "0"};
static const char *const bots[] = {"bot", "crawler", "spider", "slurp", "headless"};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void fill_web(struct seg_event *e)
{
	e->kind = SEG_WEB_CART_ADD;
	e->session_id = seg_str_from("s-93c1f6a07d21");
	e->url = seg_str_from("https://shop.example/products/17-inch-widget?ref=home");
	e->category = seg_str_from("widgets");
	e->product_id = seg_str_from("SKU-20391");
	e->has_quantity = e->has_amount = true;
	e->quantity = 1;
	e->amount = 19.99;
	e->device = seg_str_from("mobile");
	e->user_agent = seg_str_from("Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 Chrome/116.0 Mobile");
	e->country = seg_str_from("DE");
}

static void fill_profile(struct seg_event *e)
{
	e->kind = SEG_UPDATE_UPDATE;
	e->update_source = seg_str_from("crm");
	e->attributes_len = 3;
	e->attributes[0] = (struct seg_event_attribute){seg_str_from("age"), {.type = SEG_VALUE_LONG, .i = 41}};
	e->attributes[1] =
		(struct seg_event_attribute){seg_str_from("city"), {.type = SEG_VALUE_STRING, .s = {"Bonn", 4}}};
	e->attributes[2] = (struct seg_event_attribute){seg_str_from("score"), {.type = SEG_VALUE_DOUBLE, .d = .5}};
	e->consents_len = 1;
	e->consents[0] = (struct seg_event_consent){seg_str_from("email"), true};
}

static void fill(struct seg_event *e, enum seg_source source)
{
	seg_event_reset(e, source);
	e->event_id = seg_str_from("01890a5d-ac96-774b-bcce-b302099a8057");
	e->customer_id = seg_str_from("customer-0012345");
	e->time_ms = NOW;
	switch (source) {
	case SEG_WEB:
		fill_web(e);
		break;
	case SEG_EMAIL:
		e->kind = SEG_EMAIL_CLICK;
		e->message_id = seg_str_from("m-551204");
		e->sent_time_ms = NOW - 3600000;
		e->campaign = seg_str_from("spring");
		e->url = seg_str_from("https://shop.example/spring");
		break;
	case SEG_ORDERS:
		e->kind = SEG_ORDER_PURCHASE;
		e->order_id = seg_str_from("o-771002");
		e->amount = 84.5;
		e->currency = seg_str_from("USD");
		e->has_quantity = true;
		e->quantity = 3;
		e->country = seg_str_from("US");
		break;
	case SEG_PROFILES:
		fill_profile(e);
		break;
	case SEG_SOURCES:
		break;
	}
}

static double measure(struct seg_decoder *d, const struct seg_cleaner *c, struct seg_str value, struct seg_str key)
{
	struct seg_origin origin = {.key = key, .check_key = true, .partitions = PARTITIONS, .timestamp_ms = NOW};
	struct seg_event e;
	double best = 1e18;

	origin.partition = seg_partition_for_key(key.ptr, key.len, PARTITIONS);
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns();

		for (int i = 0; i < TIMES; i++) {
			if (seg_decoder_decode(d, value, &e, NULL) != SEG_REFUSED_NOT ||
			    (c && seg_clean(c, &origin, &e, NULL, 0) != SEG_REFUSED_NOT)) {
				fprintf(stderr, "a message was refused\n");
				exit(1);
			}
		}
		double ns = (now_ns() - start) / TIMES;

		best = ns < best ? ns : best;
	}
	return best;
}

int main(void)
{
	const struct seg_rate rate = {"USD", .92};
	const struct seg_cleaner_options rules = {.max_future_ms = 3600000,
						  .base_currency = "EUR",
						  .rates = &rate,
						  .rates_len = 1,
						  .placeholder_ids = placeholders,
						  .placeholder_ids_len = sizeof(placeholders) / sizeof(*placeholders),
						  .bots = bots,
						  .bots_len = sizeof(bots) / sizeof(*bots),
						  .max_amount = 1e7};
	struct seg_cleaner *c = NULL;
	struct seg_error err;

	if (seg_cleaner_new(&rules, &c, &err) != SEG_OK)
		return 1;
	for (int s = 0; s < SEG_SOURCES; s++) {
		const struct seg_decoder_options options = {.source = (enum seg_source)s};
		struct seg_decoder *d = NULL;
		struct seg_event e;
		struct seg_buf b;

		if (seg_decoder_new(&options, &d, &err) != SEG_OK) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
		seg_buf_init(&b, 1 << 16);
		fill(&e, (enum seg_source)s);
		seg_event_encode(&e, &b);
		struct seg_str value = {(const char *)b.data, (uint32_t)b.len};
		double decode = measure(d, NULL, value, e.customer_id);
		double both = measure(d, c, value, e.customer_id);

		printf("%-9s %4zu bytes  decode %6.0f ns  decode and clean %6.0f ns\n", seg_source_names[s], b.len,
		       decode, both);
		seg_buf_release(&b);
		seg_decoder_free(d);
	}
	seg_cleaner_free(c);
	return 0;
}
