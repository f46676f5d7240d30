/*
 * What a partition costs in CPU time: applying, the commit, the checkpoint, recovery. bench_partition [CUSTOMERS] [FOLDER] [MIB]
 * The store is a real one, in a new folder below FOLDER (/tmp), which is left behind for a look; MIB is the memory for
 * profiles (4096).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "state/codec.h"
#include "state/part.h"

struct logged {
	uint32_t key_len, value_len;
	bool tombstone;
	char *bytes;
};

struct bench {
	struct seg_part *part;
	struct seg_part_options options;
	struct logged *log;
	size_t len, cap, bytes;
	int64_t cut_offset, offset;
	struct seg_rng rng;
	struct seg_event e;
	int customers;
	struct seg_group group;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* of this thread: RocksDB's own come on top */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(enum seg_rc rc, const struct seg_error *err)
{
	if (rc == SEG_OK)
		return;
	fprintf(stderr, "%s\n", err->text);
	exit(1);
}

static enum seg_rc emit(void *ctx, enum seg_emit what, struct seg_str key, struct seg_str value, struct seg_error *err)
{
	struct bench *b = ctx;

	if (b->len == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 1024;
		struct logged *more = realloc(b->log, b->cap * sizeof *more);
		if (!more)
			return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
		b->log = more;
	}
	if (what == SEG_EMIT_CUT)
		b->cut_offset = (int64_t)b->len;
	struct logged *l = &b->log[b->len++];
	*l = (struct logged){key.len, value.len, !value.ptr, malloc(key.len + value.len + 1)};
	memcpy(l->bytes, key.ptr, key.len);
	if (value.ptr)
		memcpy(l->bytes + key.len, value.ptr, value.len);
	b->bytes += key.len + value.len;
	return SEG_OK;
}

/* An event whose content follows from its offset, so that recovery can read it again. */
static void make_event(struct bench *b, int64_t offset, char id[32])
{
	uint64_t x = (uint64_t)offset * 0x9e3779b97f4a7c15u;
	int customer = (int)((x >> 33) % (uint64_t)b->customers);

	seg_event_reset(&b->e, SEG_WEB);
	b->e.kind = (uint8_t)(SEG_WEB_PAGE_VIEW + (x >> 8) % 6);
	snprintf(id, 32, "customer-%08d", customer);
	b->e.customer_id = seg_str_from(id);
	b->e.id_hash = x;
	b->e.time_ms = 1700000000000 + offset;
	b->e.device = seg_str_from("mobile");
}

static void apply(struct bench *b, int64_t n)
{
	enum seg_applied applied;
	struct seg_error err;
	char id[32];

	for (int64_t end = b->offset + n; b->offset < end; b->offset++) {
		make_event(b, b->offset, id);
		check(seg_part_apply(b->part, &b->e, b->offset, &applied, NULL, &err), &err);
	}
}

static size_t decide(struct bench *b)
{
	struct seg_entry **entries;
	struct seg_error err;
	int32_t values[24] = {1, 2, 3};
	size_t len;

	check(seg_part_pending(b->part, &entries, &len, &err), &err);
	for (size_t i = 0; i < len; i++) {
		struct seg_decision d = seg_entry_profile(entries[i])->decision;
		struct seg_contribution c = {
			.basis = 1, .cluster = 1, .evaluated_at_ms = b->offset, .len = 24, .values = values};

		d.change_number += d.cluster != 1;
		d.cluster = 1;
		check(seg_part_decide(b->part, entries[i], &d, &c, &err), &err);
	}
	return len;
}

static void commit(struct bench *b, size_t max, double *ret_seal, double *ret_settle)
{
	struct seg_seal seal = {.wall_ms = 1, .max_profiles = max, .begin_cycle = true};
	struct seg_error err;
	double t = now();

	check(seg_part_seal(b->part, &seal, emit, b, &err), &err);
	*ret_seal = now() - t;
	b->group = (struct seg_group){.known = true, .seq = seg_part_sealed_seq(b->part)};
	for (int s = 0; s < SEG_SOURCES; s++)
		b->group.next[s] = seg_part_sealed_next(b->part, (enum seg_source)s);
	t = now();
	check(seg_part_committed(b->part, b->cut_offset, &err), &err);
	*ret_settle = now() - t;
}

static void take(struct bench *b, int64_t from[SEG_SOURCES], int64_t to[SEG_SOURCES])
{
	struct seg_recovery facts = {.group = b->group, .changelog_high = (int64_t)b->len};
	struct seg_error err;
	char why[256];
	int64_t at;
	bool warn;
	double t = now();

	check(seg_part_recover(b->part, &facts, &at, why, &err), &err);
	if (at < 0)
		at = 0;
	int64_t n = (int64_t)b->len - at;
	for (; at < (int64_t)b->len; at++) {
		const struct logged *l = &b->log[at];
		struct seg_str key = {l->bytes, l->key_len},
			       value = {l->tombstone ? NULL : l->bytes + l->key_len, l->value_len};

		check(seg_part_take(b->part, key, value, at, &err), &err);
	}
	check(seg_part_taken(b->part, from, to, &warn, &err), &err);
	t = now() - t;
	printf("recovery: %lld changelog records, %.0f a second (%s)\n", (long long)n, (double)n / t,
	       why[0] ? why : "store kept, or none");
}

static void reread(struct bench *b, const int64_t from[SEG_SOURCES], const int64_t to[SEG_SOURCES])
{
	struct seg_error err;
	char id[32];
	double t = now();

	for (int64_t o = from[SEG_WEB]; o < to[SEG_WEB]; o++) {
		make_event(b, o, id);
		check(seg_part_reread(b->part, &b->e, o, &err), &err);
	}
	check(seg_part_recovered(b->part, &err), &err);
	t = now() - t;
	int64_t n = to[SEG_WEB] - from[SEG_WEB];
	if (n > 0)
		printf("recovery: %lld events read again, %.0f a second\n", (long long)n, (double)n / t);
	for (int s = 0; s < SEG_SOURCES; s++)
		seg_part_set_start(b->part, (enum seg_source)s, 0);
}

static void show(const char *what, double seconds, double n)
{
	printf("%-46s %8.0f ns\n", what, seconds * 1e9 / n);
}

static void run_hot(struct bench *b)
{
	double seal, settle, t = now();
	int64_t n = b->customers / 4;
	char id[32];

	for (int64_t o = 0; o < n; o++)
		make_event(b, o, id);
	double making = now() - t;
	t = now();
	apply(b, n);
	show("apply, first touch of a commit (mostly)", now() - t - making, (double)n);
	apply(b, 4 * (int64_t)b->customers);
	t = now();
	apply(b, n);
	show("apply, hot", now() - t - making, (double)n);
	t = now();
	size_t len = decide(b);
	show("decide", now() - t, (double)len);
	commit(b, 0, &seal, &settle);
	show("seal, a touched profile", seal, (double)len);
	show("committed, a touched profile", settle, (double)len);
}

/* As it runs: commits of 10,000 events. */
static void run_commits(struct bench *b)
{
	enum { COMMITS = 50, EVENTS = 10000 };
	double applying = 0, deciding = 0, sealing = 0, settling = 0, seal, settle;
	size_t touched = 0;

	for (int i = 0; i < COMMITS; i++) {
		double t = now();

		apply(b, EVENTS);
		applying += now() - t;
		t = now();
		touched += decide(b);
		deciding += now() - t;
		commit(b, 0, &seal, &settle);
		sealing += seal;
		settling += settle;
	}
	printf("commits of %d events that touch %zu customers:\n", EVENTS, touched / COMMITS);
	show("  apply, an event", applying, COMMITS * EVENTS);
	show("  decide, a touched profile", deciding, (double)touched);
	show("  seal, a touched profile", sealing, (double)touched);
	show("  committed, a touched profile", settling, (double)touched);
}

static void run_cycle(struct bench *b)
{
	struct seg_part_numbers n;
	struct seg_error err;
	double seal, settle, t;

	apply(b, 1);
	commit(b, SIZE_MAX, &seal, &settle);
	seg_part_numbers(b->part, &n);
	show("seal, a profile of the cycle to the changelog", seal, (double)n.cycle_set);
	t = now();
	check(seg_part_write(b->part, SIZE_MAX, &err), &err);
	show("write, a profile to RocksDB", now() - t, (double)n.cycle_set);
	apply(b, 1);
	commit(b, 0, &seal, &settle);
}

int main(int argc, char **argv)
{
	struct bench b = {.customers = argc > 1 ? atoi(argv[1]) : 100000};
	size_t mib = argc > 3 ? (size_t)atoi(argv[3]) : 4096;
	struct seg_store_options options = {0};
	int64_t from[SEG_SOURCES], to[SEG_SOURCES];
	struct seg_store_env *env;
	struct seg_error err;
	char dir[256];

	snprintf(dir, sizeof dir, "%s/bench-partition-XXXXXX", argc > 2 ? argv[2] : "/tmp");
	if (!mkdtemp(dir))
		return 1;
	check(seg_store_env_new(&options, &env, &err), &err);
	b.options = (struct seg_part_options){.env = env, .dir = dir, .memory_bytes = mib << 20};
	seg_cut_init(&b.options.identity);
	for (int s = 0; s < SEG_SOURCES; s++)
		b.group.next[s] = -1;
	check(seg_part_open(&b.options, &b.part, &err), &err);
	take(&b, from, to);
	reread(&b, from, to);
	double seal, settle, t = now();
	apply(&b, 8 * (int64_t)b.customers);
	show("apply, of which new customers an eighth", now() - t, 8.0 * b.customers);
	decide(&b);
	commit(&b, 0, &seal, &settle);
	run_hot(&b);
	run_commits(&b);
	run_cycle(&b);
	struct seg_part_numbers n;
	seg_part_numbers(b.part, &n);
	printf("memory %.0f bytes a customer; changelog %.0f bytes a record\n",
	       (double)n.memory_bytes / (double)n.cached, (double)b.bytes / (double)b.len);
	take(&b, from, to);
	reread(&b, from, to);
	check(seg_part_rebuild(b.part, &err), &err);
	take(&b, from, to);
	reread(&b, from, to);
	seg_part_close(b.part);
	seg_store_env_free(env);
	for (size_t i = 0; i < b.len; i++)
		free(b.log[i].bytes);
	free(b.log);
	printf("store in %s\n", dir);
	return 0;
}
