/* Fits lifetime value to buyers on stdin, a line each: x t_x t spend (weeks; spend nan: none). Prints the parameters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "segmenter/constants.h"

int main(void)
{
	struct seg_buyer *rows = NULL, b = {.frequency = 1};
	struct seg_lifetime fit;
	struct seg_error err;
	size_t n = 0, cap = 0;

	while (scanf("%lf %lf %lf %lf", &b.x, &b.t_x, &b.t, &b.spend) == 4) {
		if (n == cap) {
			cap = cap ? 2 * cap : 1024;
			struct seg_buyer *grown = realloc(rows, cap * sizeof(*rows));
			if (!grown) {
				free(rows);
				return 2;
			}
			rows = grown;
		}
		rows[n++] = b;
	}
	if (seg_lifetime_fit(rows, n, NULL, NULL, &fit, &err)) {
		fprintf(stderr, "%s\n", err.text);
		free(rows);
		return 1;
	}
	printf("{\"n\": %zu, \"counts\": %d, \"spend\": %d, \"r\": %.10g, \"alpha\": %.10g, \"a\": %.10g, \"b\": "
	       "%.10g, "
	       "\"ll\": %.6f, \"p\": %.10g, \"q\": %.10g, \"v\": %.10g, \"again\": %.6f, \"expected\": [",
	       n, fit.counts, fit.spend, fit.r, fit.alpha, fit.a, fit.b, fit.log_likelihood, fit.p, fit.q, fit.v,
	       seg_counts_log_likelihood(&fit, rows, n));
	for (size_t i = 0; i < n && i < 200; i++)
		printf("%s[%.10g, %.10g]", i ? ", " : "",
		       seg_expected_purchases(&fit, rows[i].x, rows[i].t_x, rows[i].t, 39),
		       seg_expected_spend(&fit, rows[i].x, rows[i].spend));
	printf("]}\n");
	free(rows);
	return 0;
}
