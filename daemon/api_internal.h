/* Inside of the API, for daemon/api*.c only. */
#ifndef SEG_DAEMON_API_INTERNAL_H
#define SEG_DAEMON_API_INTERNAL_H

#include <jansson.h>

#include "daemon/api.h"
#include "daemon/evaluate.h"

enum { SEG_API_WAIT_MS = 3000, SEG_API_PREDICT_MAX = 100, SEG_API_AGAIN_S = 2 };

typedef void seg_api_fn(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer);

/* A problem; and the one that belongs to a code (err's text is its detail). */
void seg_api_refuse(struct seg_api_answer *a, unsigned status, const char *fmt, ...) SEG_PRINTF(3, 4);
void seg_api_failed(struct seg_api_answer *a, enum seg_rc rc, const struct seg_error *err);
/* The body; takes json, NULL: memory was short. */
void seg_api_send(struct seg_api_answer *a, unsigned status, json_t *json);

/* The body as an object with no other keys than `known` (ends with NULL). False: refused. Caller decrefs. */
bool seg_api_object(const struct seg_api_request *request, const char *const known[], json_t **ret,
		    struct seg_api_answer *a);

/* "5289", "0.1217", "3.8": four digits at least, and no exponent where people read money. */
const char *seg_api_short_number(double x, char ret[32]);
json_t *seg_api_number(double x);	      /* null unless finite */
json_t *seg_api_id64(uint64_t n);	      /* a string: JSON's numbers have 53 bits */
json_t *seg_api_time(int64_t ms);	      /* null for SEG_NO_TIME */
json_t *seg_api_segment_id(uint64_t cluster); /* "s<n>"; null for 0 */
/* "s12" or "12". False: neither. */
bool seg_api_parse_segment(struct seg_str text, uint64_t *ret);

bool seg_api_check_id(struct seg_str id, struct seg_api_answer *a); /* false: refused */

/* Customers wherever this instance has them: fills items[i].rc as seg_worker_ask_customers() does. False: refused. */
bool seg_api_ask_customers(struct seg_server *s, struct seg_customer_question *items, size_t len,
			   struct seg_api_answer *a);
/* Runs fn with the fold if this instance has it. False: refused (or sent elsewhere), or fn failed. */
bool seg_api_ask_fold(struct seg_server *s, const struct seg_api_request *request, seg_fold_fn *fn, void *arg,
		      struct seg_api_answer *a);

bool seg_api_has_fold(struct seg_server *s);
/* A 307 to the instance that has the partition (SEG_PLACE_FOLD: the fold), if it is known. */
bool seg_api_elsewhere(struct seg_server *s, const struct seg_api_request *request, int32_t partition,
		       struct seg_api_answer *a);

/* A promotion's number, or that of a whole model version. False, NULL: refused. The model is counted for the caller. */
bool seg_api_parse_version(struct seg_str text, uint64_t *ret, struct seg_api_answer *a);
struct seg_model *seg_api_find_version(struct seg_server *s, struct seg_str text, struct seg_api_answer *a);

/* api_explain.c: where fixed-point values lie in the model, and why. `own` [m->d] are the features in their own units (NAN:
 * missing). Adds to o: cluster, segment_id, name, distance, margin, distances, drivers, why, would_move. `held` 0: nobody's. */
struct seg_api_place {
	const struct seg_model *m;
	const int32_t *values;
	const double *own;
	const struct seg_profile *profile; /* for nothing but seg_model_drivers() */
	int64_t now_ms;
	uint64_t held;
	double hysteresis;
};
void seg_api_place_json(const struct seg_api_place *p, json_t *o);
/* Centroid of an active cluster in the features' own units. */
void seg_api_centroid(const struct seg_model *m, uint32_t index, double *ret);

seg_api_fn seg_api_customer, seg_api_erase, seg_api_predict, seg_api_segments, seg_api_alias, seg_api_models,
	seg_api_refit, seg_api_model, seg_api_diff, seg_api_promote, seg_api_rollback, seg_api_validate, seg_api_drift;

#endif
