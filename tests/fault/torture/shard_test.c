/*
 * torture_shard [--seed N] [--share S] [--name CALL] [--only FIRST:LAST:CLASS:ANSWER] [--verbose]
 *
 * One run counts the fallible calls of the script. Then for each of them, or for a share of them drawn by the seed, the
 * script runs anew with that one failing, by each class of failure, and with all from that one on failing, each with each
 * answer of the daemon to the error. A line at the end says how many; the first violation ends the program.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "tests/fault/torture/shard.h"

enum { RUN_S = 120, NAMES = 24 };

static const char *const class_ids[FAILING_CLASSES] = {
#define X(name, id, text) id,
	FAILING_CLASS_TABLE(X)
#undef X
};
static const char *const answer_ids[TORTURE_ANSWERS] = {
#define X(name, id, text) id,
	TORTURE_ANSWER_TABLE(X)
#undef X
};

static struct {
	uint64_t seed;
	double share;
	bool verbose;
	const char *name; /* NULL: calls of any name */
	struct seg_rng rng;
	char now[256]; /* for the signal handlers */
	long runs, errors, commits, recoveries, rebuilds;
	struct {
		const char *name;
		long tried;
	} names[NAMES];
} all = {.seed = 1, .share = 1};

static void say_and_end(int signo)
{
	static const char crash[] = "crashed in: ", hang[] = "hung in: ";
	const char *what = signo == SIGALRM ? hang : crash;

	if (write(STDERR_FILENO, what, strlen(what)) < 0 || write(STDERR_FILENO, all.now, strlen(all.now)) < 0)
		_exit(3);
	_exit(2);
}

static void count_name(const char *name)
{
	for (int i = 0; name && i < NAMES; i++) {
		if (!all.names[i].name)
			all.names[i].name = name;
		if (strcmp(all.names[i].name, name) == 0) {
			all.names[i].tried++;
			return;
		}
	}
}

/* Sums up what one run has shown. */
static bool run_one(const struct torture_run *run, struct torture_result *ret)
{
	long live = failing.live;

	snprintf(all.now, sizeof all.now, "--seed %llu --only %ld:%ld:%s:%s\n", (unsigned long long)run->seed,
		 run->first, run->last == LONG_MAX ? -1 : run->last, class_ids[run->how], answer_ids[run->answer]);
	if (all.verbose)
		fputs(all.now, stderr);
	alarm(RUN_S);
	bool ok = torture_run(run, ret);
	alarm(0);
	all.runs++;
	all.errors += ret->errors;
	all.commits += ret->commits;
	all.recoveries += ret->recoveries;
	all.rebuilds += ret->rebuilds;
	count_name(ret->name);
	if (ok && failing.live != live) {
		snprintf(ret->why, sizeof ret->why, "%ld blocks of memory are left", failing.live - live);
		ok = false;
	}
	if (ok && run->first > 0 && ret->failed == 0) {
		snprintf(ret->why, sizeof ret->why, "the call was not reached");
		ok = false;
	}
	if (!ok)
		printf("violation: %s failed, noticed in \"%s\": %s\n  again: %s", ret->name ? ret->name : "nothing",
		       ret->step ? ret->step : "-", ret->why, all.now);
	return ok;
}

/* Only calls of RocksDB differ by class. */
static bool try_call(long n)
{
	for (int answer = 0; answer < TORTURE_ANSWERS; answer++) {
		struct torture_run run = {
			.seed = all.seed, .first = n, .last = LONG_MAX, .answer = (enum torture_answer)answer};
		struct torture_result r;

		if (!run_one(&run, &r))
			return false;
		run.last = n;
		for (int how = 0; how < FAILING_CLASSES; how++) {
			run.how = (enum failing_class)how;
			if (!run_one(&run, &r))
				return false;
			if (strncmp(r.name, "rocksdb", 7) != 0)
				break;
		}
	}
	return true;
}

/* Names are known once a call has failed. */
static bool is_wanted(long n)
{
	struct torture_run run = {.seed = all.seed, .first = n, .last = n};
	struct torture_result r;

	return !all.name || !run_one(&run, &r) || strcmp(r.name, all.name) == 0;
}

static int run_all(void)
{
	struct torture_run none = {.seed = all.seed};
	struct torture_result counted;
	int64_t began_ms = seg_monotonic_ms();
	long tried = 0;

	if (!run_one(&none, &counted))
		return 1;
	seg_rng_init(&all.rng, all.seed);
	for (long n = 1; n <= counted.calls; n++) {
		if (all.share < 1 && seg_rng_unit(&all.rng) >= all.share)
			continue;
		if (!is_wanted(n))
			continue;
		tried++;
		if (!try_call(n))
			return 1;
	}
	printf("torture of a shard, seed %llu: %ld of %ld fallible calls (%ld of RocksDB) in %ld runs, %ld errors; "
	       "%ld commits, %ld recoveries, %ld rebuilds; %zu outputs and %ld cycles undisturbed; %.1f s\n",
	       (unsigned long long)all.seed, tried, counted.calls, counted.rocksdb, all.runs, all.errors, all.commits,
	       all.recoveries, all.rebuilds, counted.outputs, counted.cycles,
	       (double)(seg_monotonic_ms() - began_ms) / 1000.0);
	for (int i = 0; i < NAMES && all.names[i].name; i++)
		printf("  %s: %ld\n", all.names[i].name, all.names[i].tried);
	return 0;
}

static int find(const char *const *ids, int len, const char *id)
{
	for (int i = 0; i < len; i++)
		if (strcmp(ids[i], id) == 0)
			return i;
	fprintf(stderr, "unknown: %s\n", id);
	exit(2);
}

static int run_only(const char *what)
{
	char how[32], answer[32];
	struct torture_run run = {.seed = all.seed};
	struct torture_result r;

	if (sscanf(what, "%ld:%ld:%31[a-z]:%31[a-z]", &run.first, &run.last, how, answer) != 4) {
		fprintf(stderr, "wanted is FIRST:LAST:CLASS:ANSWER, LAST -1: all\n");
		return 2;
	}
	if (run.last < 0)
		run.last = LONG_MAX;
	run.how = (enum failing_class)find(class_ids, FAILING_CLASSES, how);
	run.answer = (enum torture_answer)find(answer_ids, TORTURE_ANSWERS, answer);
	return run_one(&run, &r) ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *only = NULL;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--verbose") == 0) {
			all.verbose = true;
			continue;
		}
		if (strcmp(argv[i], "--seed") == 0)
			all.seed = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--share") == 0)
			all.share = strtod(value, NULL);
		else if (strcmp(argv[i], "--name") == 0)
			all.name = value;
		else if (strcmp(argv[i], "--only") == 0)
			only = value;
		else
			return 2;
		i++;
	}
	signal(SIGALRM, say_and_end);
	signal(SIGSEGV, say_and_end);
	signal(SIGABRT, say_and_end);
	return only ? run_only(only) : run_all();
}
