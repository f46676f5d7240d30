/*
 * Does drift cry wolf, and does it see one? With the engine's own functions and thresholds:
 *
 *   pairs     pairs of reference and current from the same distribution, 20 correlated features and the shares: pairs in
 *             which anything is raised; independent, and the same customers in both (AR(1), rho .9)
 *   power     one feature with a true PSI of .25: runs in which it is raised within three windows
 *   streams   whole streams through the learner, stationary (who leaves is replaced), a year of burn-in, then five windows:
 *             streams in which anything is raised
 *
 *   drift_chance PAIRS RUNS STREAMS     prints a line of JSON; fails when a limit is exceeded
 *
 * Limits: at most 1 % of the pairs, at least 95 % of the runs, at most 2.5 % of the streams.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/drift.h"
#include "tests/support/fold_world.h"

enum { FEATURES = 20, CLUSTERS = 4 };
#define WEEK (7 * SEG_DAY_MS)

static const struct seg_drift_rules rules = {.window_ms = WEEK, .psi_warning = 0.1, .psi_critical = 0.25};

static struct seg_model *make_model(void)
{
	struct seg_feature_config features[FEATURES];
	struct seg_model *m = seg_model_new();

	memset(features, 0, sizeof(features));
	for (unsigned f = 0; f < FEATURES; f++) {
		snprintf(features[f].name, sizeof(features[f].name), "attr:f%u", f);
		features[f].transform = SEG_LINEAR;
		features[f].weight = 1;
	}
	double most[FEATURES];
	for (unsigned f = 0; f < FEATURES; f++)
		most[f] = 5;
	if (!m || seg_basis_init(&m->basis, features, FEATURES, most, NULL))
		exit(2);
	m->promotion = 1;
	m->d = FEATURES;
	m->k = CLUSTERS;
	m->next_cluster = CLUSTERS + 1;
	m->clusters = calloc(CLUSTERS, sizeof(*m->clusters));
	m->centroids = calloc((size_t)CLUSTERS * FEATURES, sizeof(*m->centroids));
	if (!m->clusters || !m->centroids)
		exit(2);
	for (unsigned j = 0; j < CLUSTERS; j++)
		m->clusters[j] = j + 1;
	return m;
}

/* A common factor correlates the features by a half. */
static void draw(struct seg_rng *rng, double *x)
{
	double common = seg_rng_normal(rng);

	for (unsigned f = 0; f < FEATURES; f++)
		x[f] = sqrt(0.5) * common + sqrt(0.5) * seg_rng_normal(rng);
}

static struct seg_sums *sums_of(const struct seg_model *m, const double *x, size_t n)
{
	struct seg_sums *s = seg_sums_new();
	int32_t values[FEATURES];

	for (size_t i = 0; s && i < n; i++) {
		const double *row = x + i * FEATURES;
		struct seg_contribution c = {.basis = m->basis.id, .promotion = 1, .len = FEATURES, .values = values};
		c.cluster = 1 + (row[0] > 0) + 2 * (row[1] > 0);
		for (unsigned f = 0; f < FEATURES; f++)
			values[f] = seg_basis_fix(&m->basis.features[f], row[f]);
		if (seg_sums_change(s, &m->basis, &c, 1, NULL))
			exit(2);
	}
	return s;
}

struct setting {
	size_t n;
	double rho;   /* of a customer's features between reference and current */
	double shift; /* of feature 0 */
	unsigned windows;
};

/* A reference and windows after it; raised: anything, and feature 0. */
static void run_pair(const struct seg_model *m, const struct setting *s, struct seg_rng *rng, bool *ret_any,
		     bool *ret_first)
{
	double *x = malloc(s->n * FEATURES * sizeof(*x)), *y = malloc(s->n * FEATURES * sizeof(*y)), fresh[FEATURES];
	static struct seg_drift drift;
	static struct seg_alert alerts[SEG_DRIFT_SUBJECTS];
	struct seg_sums *reference;
	bool ended;

	if (!x || !y)
		exit(2);
	memset(&drift, 0, sizeof(drift));
	for (size_t i = 0; i < s->n; i++)
		draw(rng, x + i * FEATURES);
	reference = sums_of(m, x, s->n);
	seg_drift_freeze(&drift, m, reference, NULL, 0);
	*ret_any = *ret_first = false;
	for (unsigned w = 1; w <= s->windows; w++) {
		for (size_t i = 0; i < s->n; i++) {
			draw(rng, fresh);
			for (unsigned f = 0; f < FEATURES; f++)
				y[i * FEATURES + f] = s->rho * x[i * FEATURES + f] +
						      sqrt(1 - s->rho * s->rho) * fresh[f] + (f == 0 ? s->shift : 0);
		}
		struct seg_sums *current = sums_of(m, y, s->n);
		size_t len = seg_drift_tick(&drift, m, current, NULL, &rules, (int64_t)w * WEEK, alerts, &ended);
		for (size_t i = 0; i < len; i++) {
			*ret_any = *ret_any || alerts[i].state != SEG_ALERT_CLEARED;
			*ret_first = *ret_first || strcmp(alerts[i].subject, "feature:attr:f0") == 0;
		}
		seg_sums_free(current);
	}
	seg_sums_free(reference);
	free(x);
	free(y);
}

/* Runs in which anything, and in which feature 0, is raised. */
static void run_pairs(const struct setting *s, unsigned runs, uint64_t seed, unsigned *ret_any, unsigned *ret_first)
{
	struct seg_model *m = make_model();
	struct seg_rng rng;

	seg_rng_init(&rng, seed);
	*ret_any = *ret_first = 0;
	for (unsigned i = 0; i < runs; i++) {
		bool any, first;
		run_pair(m, s, &rng, &any, &first);
		*ret_any += any;
		*ret_first += first;
	}
	seg_model_put(m);
}

/* ---- streams */

enum { CUSTOMERS = 400, BURN_IN_DAYS = 365, DAYS = BURN_IN_DAYS + 35, LIFE_DAYS = 120 };

struct shopper {
	double per_day, amount;
	int64_t leaves_day;
};

static double exponential(struct seg_rng *rng, double mean)
{
	return -mean * log(1 - seg_rng_unit(rng));
}

/* Somebody new in the place of who left: the population is stationary from the start. */
static void join(struct world *w, size_t at, struct shopper *who, int64_t day, struct seg_rng *rng, uint64_t number)
{
	char id[32];

	snprintf(id, sizeof(id), "c%llu", (unsigned long long)number);
	if (at == w->len)
		(void)world_customer(w, id);
	else
		world_replace(w, at, id);
	who->per_day = (seg_rng_below(rng, 3) ? 0.02 : 0.15) * (0.5 + seg_rng_unit(rng));
	who->amount = 20 * exp(seg_rng_normal(rng));
	who->leaves_day = day + 1 + (int64_t)exponential(rng, LIFE_DAYS);
	world_purchase(w, at, w->now_ms, (int64_t)(who->amount * 1e6));
}

static bool stream_raises(uint64_t seed)
{
	struct seg_learner_config c = {.k = 4,
				       .k_min = 4,
				       .k_max = 7,
				       .min_customers = 200,
				       .seed = seed,
				       .refit_sample = CUSTOMERS,
				       .refit_interval_ms = WEEK,
				       .drift_window_ms = WEEK,
				       .psi_warning = 0.1,
				       .psi_critical = 0.25,
				       .gate = SEG_GATE_DEFAULTS,
				       .refit_on_drift = true};
	static struct shopper who[CUSTOMERS];
	struct seg_learner *l;
	struct seg_rng rng;
	struct world w;
	uint64_t number = 0;
	bool raised = false;

	c.features_len = (uint32_t)seg_preset("rfm", c.features, SEG_MAX_FEATURES);
	if (seg_learner_new(&c, &l, NULL))
		exit(2);
	world_init(&w, 2);
	seg_rng_init(&rng, seed);
	w.now_ms = INT64_C(1300000000000);
	for (size_t i = 0; i < CUSTOMERS; i++)
		join(&w, i, &who[i], 0, &rng, number++);
	for (int64_t day = 1; day <= DAYS; day++) {
		w.now_ms += SEG_DAY_MS;
		for (size_t i = 0; i < CUSTOMERS; i++) {
			if (day >= who[i].leaves_day)
				join(&w, i, &who[i], day, &rng, number++);
			else if (seg_rng_unit(&rng) < who[i].per_day)
				world_purchase(&w, i, w.now_ms - 1000,
					       (int64_t)(who[i].amount * (0.5 + seg_rng_unit(&rng)) * 1e6));
		}
		world_evaluate_all(&w);
		struct world_step step = world_step(&w, l);
		raised = raised || (day > BURN_IN_DAYS && step.raised);
	}
	seg_learner_free(l);
	world_release(&w);
	return raised;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {500, 5000, 50000};
	unsigned pairs = argc > 3 ? (unsigned)atoi(argv[1]) : 0, runs = argc > 3 ? (unsigned)atoi(argv[2]) : 0;
	unsigned streams = argc > 3 ? (unsigned)atoi(argv[3]) : 0, any, first, raised = 0;
	bool good = true;

	if (argc != 4) {
		fprintf(stderr, "usage: drift_chance PAIRS RUNS STREAMS\n");
		return 2;
	}
	printf("{\"pairs\": %u, \"runs\": %u, \"streams\": %u", pairs, runs, streams);
	for (unsigned i = 0; i < 3; i++) {
		unsigned few = sizes[i] > 5000 && pairs < 1000 ? (pairs + 9) / 10 : pairs;
		unsigned few_runs = sizes[i] > 5000 && runs < 300 ? (runs + 9) / 10 : runs;
		run_pairs(&(struct setting){sizes[i], 0, 0, 2}, few, 11 + i, &any, &first);
		good = good && any <= (few + 99) / 100;
		printf(", \"independent_%zu\": [%u, %u]", sizes[i], any, few);
		run_pairs(&(struct setting){sizes[i], 0.9, 0, 2}, few, 21 + i, &any, &first);
		good = good && any <= (few + 99) / 100;
		printf(", \"same_customers_%zu\": [%u, %u]", sizes[i], any, few);
		/* A shift of a normal by half its deviation: PSI = shift squared = .25. */
		run_pairs(&(struct setting){sizes[i], 0, 0.5, 3}, few_runs, 31 + i, &any, &first);
		good = good && first >= 0.95 * few_runs;
		printf(", \"power_%zu\": [%u, %u]", sizes[i], first, few_runs);
		fflush(stdout);
	}
	for (unsigned s = 0; s < streams; s++)
		raised += stream_raises(1000 + s);
	good = good && raised <= 0.025 * streams + 0.5;
	printf(", \"streams_raised\": [%u, %u], \"good\": %s}\n", raised, streams, good ? "true" : "false");
	return good ? 0 : 1;
}
