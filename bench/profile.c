/*
 * What a profile costs: CPU nanoseconds to apply an event, to encode, to decode and to clone, and bytes stored and in
 * memory. Customers of three kinds, events of all sources nearly in the order of their times, as in the demo.
 * Usage: bench_profile [customers]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"
#include "base/rng.h"
#include "state/aggregate.h"
#include "state/codec.h"

#define FIRST_MS INT64_C(1290000000000)
#define SPAN_DAYS 365

static const struct kind {
	const char *name;
	unsigned events;
} kinds[] = {{"rare", 5}, {"typical", 30}, {"heavy", 300}};

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

/* 70 % web, 20 % e-mail, 9 % orders, 1 % profile updates. */
static void make_event(struct seg_rng *r, int64_t time_ms, struct seg_event *e)
{
	static const char *const devices[] = {"desktop", "mobile", "tablet"};
	uint64_t dice = seg_rng_below(r, 100);
	enum seg_source source = dice < 70 ? SEG_WEB : dice < 90 ? SEG_EMAIL : dice < 99 ? SEG_ORDERS : SEG_PROFILES;
	seg_event_reset(e, source);
	e->time_ms = time_ms;
	e->id_hash = seg_rng_next(r);
	e->kind = (uint8_t)(1 + seg_rng_below(r, source == SEG_WEB ? 6 : source == SEG_EMAIL ? 4 : 1));
	e->amount_micro = (int64_t)seg_rng_below(r, 100000000);
	e->device = seg_str_from(devices[seg_rng_below(r, 3)]);
	e->sent_time_ms = time_ms - (int64_t)seg_rng_below(r, 86400000);
	if (source == SEG_PROFILES) {
		e->attributes_len = 1;
		e->attributes[0] = (struct seg_event_attribute){{"city", 4}, {.type = SEG_VALUE_LONG, .i = 5}};
	}
}

/*
 * Customers in turn, so that their profiles are not in the processor's caches, as with real streams; the event is, as
 * when it has just been decoded. What making the events alone takes is subtracted.
 */
static double apply_all(struct seg_profile **profiles, size_t customers, unsigned events)
{
	static struct seg_event e;
	double took[2];
	enum seg_applied applied;
	for (int real = 0; real < 2; real++) {
		struct seg_rng r;
		seg_rng_init(&r, 1);
		took[real] = cpu_ns();
		for (unsigned i = 0; i < events; i++) {
			int64_t from = FIRST_MS + SEG_DAY_MS * SPAN_DAYS * i / events;
			for (size_t c = 0; c < customers; c++) {
				make_event(&r, from + (int64_t)seg_rng_below(&r, 3 * SEG_DAY_MS), &e);
				if (real && seg_aggregate_apply(profiles[c], &e, i, NULL, &applied, NULL))
					die("apply");
			}
		}
		took[real] = cpu_ns() - took[real];
	}
	return took[1] - took[0];
}

/* Frees what it decodes. One record again and again would be kinder than what happens: all are written, then read. */
static void measure_codec(struct seg_profile **profiles, size_t customers, double *ret_encode, double *ret_decode,
			  size_t *ret_bytes)
{
	struct seg_buf all;
	size_t *end = malloc(customers * sizeof(*end));
	if (!end)
		die("memory");
	seg_buf_init(&all, customers * SEG_PROFILE_BYTES_MAX);
	double start = 0;
	/* The second time the memory is there. */
	for (int round = 0; round < 2; round++) {
		seg_buf_clear(&all);
		start = cpu_ns();
		for (size_t c = 0; c < customers; c++) {
			if (seg_profile_encode(profiles[c], &all, NULL))
				die("encode");
			end[c] = all.len;
		}
		*ret_encode = cpu_ns() - start;
	}
	start = cpu_ns();
	for (size_t c = 0; c < customers; c++) {
		size_t at = c ? end[c - 1] : 0;
		struct seg_profile *p;
		if (seg_profile_decode(all.data + at, end[c] - at, &p, NULL))
			die("decode");
		seg_profile_free(p);
	}
	*ret_decode = cpu_ns() - start;
	*ret_bytes = all.len;
	seg_buf_release(&all);
	free(end);
}

static void measure(const struct kind *kind, size_t customers)
{
	struct seg_profile **profiles = calloc(customers, sizeof(struct seg_profile *));
	double encode, decode, n = (double)customers;
	size_t stored, memory = 0;
	for (size_t c = 0; profiles && c < customers; c++) {
		char id[24];
		snprintf(id, sizeof(id), "customer-%zu", c);
		profiles[c] = seg_profile_new(seg_str_from(id), seg_hash_customer(seg_str_from(id)));
		if (!profiles[c])
			die("memory");
	}
	if (!profiles)
		die("memory");
	double apply = apply_all(profiles, customers, kind->events);
	measure_codec(profiles, customers, &encode, &decode, &stored);
	double clone = cpu_ns();
	for (size_t c = 0; c < customers; c++)
		seg_profile_free(seg_profile_clone(profiles[c]));
	clone = cpu_ns() - clone;
	for (size_t c = 0; c < customers; c++) {
		memory += seg_profile_size(profiles[c]);
		seg_profile_free(profiles[c]);
	}
	printf("%-8s %4u events: apply %4.0f ns, encode %5.0f ns, decode+free %5.0f ns, clone+free %5.0f ns, %5.0f "
	       "bytes "
	       "stored, %5.0f in memory\n",
	       kind->name, kind->events, apply / n / kind->events, encode / n, decode / n, clone / n,
	       (double)stored / n, (double)memory / n);
	free(profiles);
}

int main(int argc, char **argv)
{
	size_t customers = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000;
	if (customers == 0)
		die("reading the number of customers");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		measure(&kinds[i], customers);
	return 0;
}
