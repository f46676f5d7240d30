/* Only in builds with SEG_FAULTS; see base/fault.h. */
#include "base/fault.h"

#ifdef SEG_FAULTS
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mutant.h"

static const char *const point_ids[SEG_CRASH_POINTS] = {
#define X(name, id, text) id,
	SEG_CRASH_POINT_TABLE(X)
#undef X
};

static const char *const mutant_ids[SEG_MUTANTS_ALL] = {
#define X(name, id, text) id,
	SEG_MUTANT_TABLE(X) "", SEG_FOLD_MUTANT_TABLE(X) SEG_DAEMON_MUTANT_TABLE(X)
#undef X
};
static const char *const outcome_ids[SEG_COMMIT_OUTCOMES] = {"", "abort", "unknown_committed", "unknown_aborted"};

/* Set before any thread but the first runs. */
static struct {
	int point; /* -1: none */
	long n, delay_us;
} crash = {.point = -1};
static struct {
	int point; /* -1: none */
	long n, ms;
	bool again;
} stall = {.point = -1};
static struct {
	enum seg_commit_outcome outcome;
	long n;
} failing;
static atomic_long passings, stall_passings, commits;
static atomic_bool armed = true, delayed;

static void refuse(const char *variable, const char *value, const char *what)
{
	fprintf(stderr, "segmentd: %s=%s: %s\n", variable, value, what);
	exit(2);
}

static int find(const char *const *ids, int len, const char *id, size_t id_len)
{
	for (int i = 0; i < len; i++)
		if (strlen(ids[i]) == id_len && memcmp(ids[i], id, id_len) == 0)
			return i;
	return -1;
}

static void read_crash(const char *value)
{
	const char *colon = strchr(value, ':');
	char *end = NULL;

	if (!colon)
		refuse("SEGMENTD_CRASH", value, "wanted is name:n or name:n:delay_us");
	crash.point = find(point_ids, SEG_CRASH_POINTS, value, (size_t)(colon - value));
	if (crash.point < 0)
		refuse("SEGMENTD_CRASH", value, "there is no such crash point, see base/fault.h");
	crash.n = strtol(colon + 1, &end, 10);
	if (*end == ':')
		crash.delay_us = strtol(end + 1, &end, 10);
	if (*end || crash.n < 1 || crash.delay_us < 0)
		refuse("SEGMENTD_CRASH", value, "n must be at least 1 and the delay at least 0");
}

static void read_stall(const char *value)
{
	const char *colon = strchr(value, ':');
	char *end = NULL;

	stall.point = colon ? find(point_ids, SEG_CRASH_POINTS, value, (size_t)(colon - value)) : -1;
	if (stall.point < 0)
		refuse("SEGMENTD_STALL", value, "wanted is name:n:ms or name:n:ms:again, with a name of base/fault.h");
	stall.n = strtol(colon + 1, &end, 10);
	if (*end == ':')
		stall.ms = strtol(end + 1, &end, 10);
	stall.again = strcmp(end, ":again") == 0;
	if ((*end && !stall.again) || stall.n < 1 || stall.ms < 1)
		refuse("SEGMENTD_STALL", value, "n and the milliseconds must be at least 1");
}

static void read_failing(const char *value)
{
	const char *colon = strchr(value, ':');
	char *end = NULL;
	int outcome = colon ? find(outcome_ids, SEG_COMMIT_OUTCOMES, value, (size_t)(colon - value)) : -1;

	if (outcome <= 0)
		refuse("SEGMENTD_FAIL_COMMIT", value, "wanted is abort:n, unknown_committed:n or unknown_aborted:n");
	failing.outcome = (enum seg_commit_outcome)outcome;
	failing.n = strtol(colon + 1, &end, 10);
	if (*end || failing.n < 1)
		refuse("SEGMENTD_FAIL_COMMIT", value, "n must be at least 1");
}

static void read_mutant(const char *value)
{
	int mutant = find(mutant_ids, SEG_MUTANTS_ALL, value, strlen(value));

	if (mutant < 0)
		refuse("SEGMENTD_MUTANT", value, "there is no such seeded bug, see base/mutant.h");
	seg_mutant_now = (enum seg_mutant)mutant;
}

static void on_signal(int number)
{
	(void)number;
	atomic_store(&armed, true);
}

static void wait_for_signal(const char *value)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	if (strcmp(value, "signal") != 0)
		refuse("SEGMENTD_ARMED_BY", value, "only signal is known");
	atomic_store(&armed, false);
	sigaction(SIGUSR2, &action, NULL);
}

void seg_faults_begin(void)
{
	const char *value = getenv("SEGMENTD_CRASH");

	if (value && *value)
		read_crash(value);
	value = getenv("SEGMENTD_STALL");
	if (value && *value)
		read_stall(value);
	value = getenv("SEGMENTD_ARMED_BY");
	if (value && *value)
		wait_for_signal(value);
	value = getenv("SEGMENTD_FAIL_COMMIT");
	if (value && *value)
		read_failing(value);
	value = getenv("SEGMENTD_MUTANT");
	if (value && *value)
		read_mutant(value);
}

enum seg_commit_outcome seg_fault_commit(void)
{
	char line[128];

	if (failing.outcome == SEG_COMMIT_AS_IT_IS || !atomic_load(&armed) ||
	    atomic_fetch_add(&commits, 1) + 1 != failing.n)
		return SEG_COMMIT_AS_IT_IS;
	int len = snprintf(line, sizeof line, "commit_fails how=%s n=%ld\n", outcome_ids[failing.outcome], failing.n);
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		abort(); /* a test that cannot see it must not pass */
	return failing.outcome;
}

static void *die_later(void *arg)
{
	struct timespec delay = {crash.delay_us / 1000000, crash.delay_us % 1000000 * 1000};

	(void)arg;
	nanosleep(&delay, NULL);
	kill(getpid(), SIGKILL);
	return NULL;
}

static void stall_here(void)
{
	struct timespec rest = {stall.ms / 1000, stall.ms % 1000 * 1000000};
	char line[128];
	int len =
		snprintf(line, sizeof line, "stall name=%s n=%ld ms=%ld\n", point_ids[stall.point], stall.n, stall.ms);

	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		abort();
	while (nanosleep(&rest, &rest) != 0)
		;
}

void seg_crash_point(enum seg_crash_point point)
{
	char line[128];
	pthread_t thread;

	if (!atomic_load(&armed))
		return;
	if ((int)point == stall.point) {
		long n = atomic_fetch_add(&stall_passings, 1) + 1;
		if (n == stall.n || (stall.again && n % stall.n == 0))
			stall_here();
	}
	if ((int)point != crash.point || atomic_fetch_add(&passings, 1) + 1 != crash.n)
		return;
	int len = snprintf(line, sizeof line, "crash_point name=%s n=%ld delay_us=%ld\n", point_ids[point], crash.n,
			   crash.delay_us);
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		abort(); /* a test that cannot see it must not pass */
	atomic_store(&delayed, true);
	if (crash.delay_us == 0 || pthread_create(&thread, NULL, die_later, NULL) != 0)
		kill(getpid(), SIGKILL);
	else
		pthread_detach(thread);
}

void seg_crash_point_ends(enum seg_crash_point point)
{
	if ((int)point == crash.point && atomic_load(&delayed))
		kill(getpid(), SIGKILL);
}
#endif
