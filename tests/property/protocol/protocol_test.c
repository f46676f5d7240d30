/*
 * protocol_test [-n HISTORIES] [-s SEED] [--steps N] [--probes SHARE] [-m MUTANT]
 *                                                                   random histories; with -m one rule is broken
 * protocol_test --all [-n HISTORIES]                                every rule of the list below broken in turn: caught?
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "tests/property/protocol/history.h"

static const struct {
	const char *id, *text;
} mutants[] = {
#define X(name, id, text) {id, text},
	SEG_MUTANT_TABLE(X)
#undef X
};

static void set_mutant(int m)
{
#ifdef SEG_MUTATIONS
	seg_mutant_now = (enum seg_mutant)m;
#else
	if (m != SEG_MUTANT_NONE) {
		fprintf(stderr, "this program was built without SEG_MUTATIONS\n");
		exit(2);
	}
#endif
}

/* Number of histories until one fails; 0: none has. */
static long run(long n, uint64_t seed, int steps, struct history_counts *counts, char *why)
{
	for (long i = 0; i < n; i++)
		if (!history_run(seed + (uint64_t)i, steps, counts, why))
			return i + 1;
	return 0;
}

/* Rules whose breach no history can show with this code. */
static const char *hidden(int m)
{
	if (m == SEG_MUTANT_P_IF_AHEAD)
		return "a profile record that is not ahead differs from the older one by its contribution only";
	return NULL;
}

static int run_all(long n, uint64_t seed, int steps)
{
	int missed = 0;

	for (int m = SEG_MUTANT_NONE + 1; m < SEG_MUTANTS; m++) {
		struct history_counts counts = {0};
		char why[1024];

		if (hidden(m)) {
			printf("%-18s not tried: %s\n", mutants[m].id, hidden(m));
			continue;
		}
		set_mutant(m);
		long at = run(n, seed, steps, &counts, why);
		if (at)
			printf("%-18s caught after %ld: %s\n", mutants[m].id, at, why);
		else
			printf("%-18s NOT CAUGHT in %ld: %s\n", mutants[m].id, n, mutants[m].text);
		fflush(stdout);
		missed += at == 0;
	}
	return missed ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct history_counts c = {0};
	long n = 2000;
	uint64_t seed = 1;
	int steps = 80, mutant = SEG_MUTANT_NONE;
	bool all = false;
	char why[1024];

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--all") == 0) {
			all = true;
			continue;
		}
		if (strcmp(argv[i], "-n") == 0)
			n = strtol(value, NULL, 10);
		else if (strcmp(argv[i], "-s") == 0)
			seed = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--probes") == 0)
			history_probe_share = strtod(value, NULL);
		else if (strcmp(argv[i], "--steps") == 0)
			steps = (int)strtol(value, NULL, 10);
		else if (strcmp(argv[i], "-m") == 0)
			for (mutant = SEG_MUTANTS - 1; mutant > 0 && strcmp(mutants[mutant].id, value) != 0; mutant--)
				;
		i++;
	}
	if (all)
		return run_all(n, seed, steps);
	set_mutant(mutant);
	long at = run(n, seed, steps, &c, why);
	printf("%ld histories: commits %llu, aborts %llu, recoveries %llu, virtual %llu, rebuilds %llu, moves %llu, "
	       "crashes %llu, events %llu, outputs %llu, erasures %llu\n",
	       at ? at : n, (unsigned long long)c.commits, (unsigned long long)c.aborts,
	       (unsigned long long)c.recoveries, (unsigned long long)c.virtual_recoveries,
	       (unsigned long long)c.rebuilds, (unsigned long long)c.moves, (unsigned long long)c.crashes,
	       (unsigned long long)c.events, (unsigned long long)c.outputs, (unsigned long long)c.erasures);
	if (at)
		printf("violation: seed %llu: %s\n", (unsigned long long)(seed + (uint64_t)at - 1), why);
	return at ? 1 : 0;
}
