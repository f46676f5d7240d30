/* One customer as of the last commit, and where others would be. */
#include "daemon/api_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/clean.h"
#include "daemon/event_id.h"
#include "segmenter/catalogue.h"

/* ---- what a customer question came to ---- */

/* Where the customer is known, for who asked the wrong instance. */
static void refuse_other(struct seg_server *s, const struct seg_api_request *request,
			 const struct seg_customer_question *q, struct seg_api_answer *a)
{
	if (seg_api_elsewhere(s, request, q->partition, a))
		return;
	a->retry_after_s = SEG_API_AGAIN_S;
	seg_api_refuse(a, 503,
		       "Partition %" PRId32
		       ", where this customer belongs, is not held by this instance (%s) just now; "
		       "who has it has told no http.advertise. Ask the others: their status lists their partitions.",
		       q->partition, s->config->instance);
}

static void refuse_customer(struct seg_server *s, const struct seg_api_request *request,
			    const struct seg_customer_question *q, struct seg_api_answer *a)
{
	switch (q->rc) {
	case SEG_NOT_FOUND:
		seg_api_refuse(a, 404,
			       "There is no such customer: no accepted event of theirs is known, or they were "
			       "erased.");
		break;
	case SEG_SKIP:
		refuse_other(s, request, q, a);
		break;
	case SEG_RETRY:
		a->retry_after_s = SEG_API_AGAIN_S;
		seg_api_refuse(a, 503, "Partition %" PRId32 ", where this customer belongs, is %s.", q->partition,
			       seg_lane_state_names[q->lane]);
		break;
	case SEG_OK:
	case SEG_ABORT:
	case SEG_RECREATE:
	case SEG_INVALID:
	case SEG_LIMIT:
	case SEG_NO_MEMORY:
	case SEG_IO:
	case SEG_CORRUPT:
	case SEG_FATAL:
		seg_api_refuse(a, 500, "The customer's record cannot be read: %s. The log says more.",
			       seg_rc_text(q->rc));
		break;
	}
}

bool seg_api_check_id(struct seg_str id, struct seg_api_answer *a)
{
	json_t *text = json_stringn(id.ptr, id.len);
	bool ok = text && id.len > 0 && id.len <= SEG_ID_MAX_BYTES;
	json_decref(text);
	if (!ok)
		seg_api_refuse(a, 400, "A customer id is 1 to %d bytes of UTF-8.", SEG_ID_MAX_BYTES);
	return ok;
}

/* ---- one customer ---- */

static json_t *value_json(const struct seg_value *v)
{
	switch (v->type) {
	case SEG_VALUE_NULL:
		break;
	case SEG_VALUE_BOOL:
		return json_boolean(v->b);
	case SEG_VALUE_LONG:
		return json_integer(v->i);
	case SEG_VALUE_DOUBLE:
		return seg_api_number(v->d);
	case SEG_VALUE_STRING:
		return json_stringn(v->s.ptr, v->s.len);
	}
	return json_null();
}

static json_t *profile_json(const struct seg_profile *p)
{
	json_t *attributes = json_object(), *consents = json_object();
	const struct seg_attributes *all = p->attributes;
	for (uint32_t i = 0; all && i < all->len; i++)
		json_object_setn_new(attributes, all->items[i].name.ptr, all->items[i].name.len,
				     value_json(&all->items[i].value));
	for (uint32_t i = 0; all && i < all->consents_len; i++)
		json_object_setn_new(consents, all->consents[i].purpose.ptr, all->consents[i].purpose.len,
				     json_boolean(all->consents[i].granted));
	return json_pack("{s:o, s:o, s:o, s:o}", "first_event_ms", seg_api_time(p->first_ms), "last_event_ms",
			 seg_api_time(p->last_ms), "attributes", attributes, "consents", consents);
}

static void add_feature(json_t *list, const char *name, double value, const char *unit)
{
	json_array_append_new(list,
			      json_pack("{s:s, s:o, s:s}", "name", name, "value", seg_api_number(value), "unit", unit));
}

static json_t *features_json(const struct seg_model *m, const struct seg_profile *p, int64_t now_ms)
{
	json_t *list = json_array();
	for (size_t i = 0; i < seg_catalogue_len(); i++)
		add_feature(list, seg_catalogue_at(i)->name,
			    seg_catalogue_value(i, p, now_ms, m ? &m->constants : NULL), seg_catalogue_at(i)->unit);
	for (uint32_t j = 0; m && j < m->basis.len; j++) {
		const struct seg_basis_feature *f = &m->basis.features[j];
		if (f->catalogue < 0)
			add_feature(list, f->config.name, seg_basis_feature_value(f, p, now_ms, &m->constants), "");
	}
	return list;
}

static json_t *last_change_json(struct seg_server *s, const struct seg_customer_question *q)
{
	const struct seg_decision *d = &q->profile->decision;
	char id[SEG_EVENT_ID_LEN + 1];
	if (d->change_number == 0)
		return json_null();
	struct seg_birth birth = {s->inst->topics[d->birth_source], q->partition, d->birth_offset};
	seg_event_id(s->config->app, q->profile->id, &birth, d->change_number, id);
	return json_pack("{s:s, s:I, s:o, s:o, s:o}", "event_id", id, "number", (json_int_t)d->change_number,
			 "since_ms", seg_api_time(d->since_ms), "from", seg_api_segment_id(d->previous), "to",
			 seg_api_segment_id(d->cluster));
}

static json_t *rules_json(const struct seg_held_rules *rules)
{
	json_t *list = json_array();
	for (size_t at = 0; at < rules->len; at += strnlen(rules->names + at, rules->len - at) + 1)
		json_array_append_new(list,
				      json_stringn(rules->names + at, strnlen(rules->names + at, rules->len - at)));
	return list;
}

/* Another segment is nearer, but hysteresis or dwell holds the customer. */
static json_t *pending_json(struct seg_server *s, const struct seg_model *m, const struct seg_customer_question *q,
			    const struct seg_evaluation *ev)
{
	if (ev->to != q->profile->decision.cluster)
		return json_pack("{s:o, s:s, s:s}", "to", seg_api_segment_id(ev->to), "name",
				 seg_model_segment_name(m, ev->to), "because", "next_evaluation");
	if (!ev->suppressed)
		return json_null();
	int64_t since = q->profile->decision.since_ms, dwell = s->config->segmenter.dwell_ms;
	if (ev->cluster == q->profile->decision.previous && s->config->segmenter.return_dwell_ms > dwell)
		dwell = s->config->segmenter.return_dwell_ms;
	bool dwells = since != SEG_NO_TIME && q->now_ms - since < dwell;
	return json_pack("{s:o, s:s, s:s, s:o}", "to", seg_api_segment_id(ev->cluster), "name",
			 seg_model_segment_name(m, ev->cluster), "because", dwells ? "dwell" : "hysteresis",
			 "not_before_ms", dwells ? json_integer(since + dwell) : json_null());
}

static void add_place(struct seg_server *s, const struct seg_model *m, const struct seg_customer_question *q, json_t *o)
{
	double own[SEG_MAX_FEATURES];
	struct seg_evaluate_rules rules = {
		.moves = {.hysteresis = s->config->segmenter.hysteresis,
			  .dwell_ms = s->config->segmenter.dwell_ms,
			  .return_ms = s->config->segmenter.return_dwell_ms},
		.min_move = s->config->segmenter.reevaluate.min_move,
	};
	struct seg_evaluation *ev = calloc(1, sizeof(*ev));
	if (!ev)
		return;
	seg_evaluate(m, q->profile, q->now_ms, &rules, ev);
	for (uint32_t j = 0; j < m->d; j++)
		own[j] = seg_basis_feature_value(&m->basis.features[j], q->profile, q->now_ms, &m->constants);
	struct seg_api_place place = {
		.m = m,
		.values = ev->values,
		.own = own,
		.profile = q->profile,
		.now_ms = q->now_ms,
		.held = q->profile->decision.cluster,
		.hysteresis = s->config->segmenter.hysteresis,
	};
	seg_api_place_json(&place, o);
	json_object_set_new(o, "pending", pending_json(s, m, q, ev));
	free(ev);
}

static json_t *segment_json(const struct seg_model *m, const struct seg_decision *d)
{
	const struct seg_segment *segment = d->cluster && m ? seg_model_segment(m, d->cluster) : NULL;
	if (d->cluster == 0)
		return json_null();
	return json_pack("{s:o, s:s, s:o, s:s}", "segment_id", seg_api_segment_id(d->cluster), "name",
			 m ? seg_model_segment_name(m, d->cluster) : "", "since_ms", seg_api_time(d->since_ms), "state",
			 segment && segment->state == SEG_SEGMENT_ACTIVE ? "active" : "retired");
}

static json_t *customer_json(struct seg_server *s, const struct seg_model *m, const struct seg_customer_question *q)
{
	json_t *o = json_object();
	json_object_set_new(o, "customer_id", json_stringn(q->id.ptr, q->id.len));
	json_object_set_new(o, "partition", json_integer(q->partition));
	json_object_set_new(o, "as_of_ms", seg_api_time(q->now_ms));
	json_object_set_new(o, "model_version", seg_api_id64(seg_model_version(m)));
	json_object_set_new(o, "segment", segment_json(m, &q->profile->decision));
	if (m && m->k > 0)
		add_place(s, m, q, o);
	json_object_set_new(o, "rule_segments", rules_json(&q->profile->decision.rules));
	json_object_set_new(o, "last_change", last_change_json(s, q));
	json_object_set_new(o, "profile", profile_json(q->profile));
	json_object_set_new(o, "features", features_json(m, q->profile, q->now_ms));
	return o;
}

void seg_api_customer(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct seg_customer_question q = {.id = request->param};
	if (!seg_api_check_id(q.id, answer) || !seg_api_ask_customers(s, &q, 1, answer))
		return;
	if (q.rc) {
		refuse_customer(s, request, &q, answer);
		return;
	}
	struct seg_model *m = seg_model_feed_get(s->inst->feed);
	seg_api_send(answer, 200, customer_json(s, m, &q));
	seg_model_put(m);
	seg_profile_free(q.profile);
}

/* ---- predict ---- */

static json_t *prediction_of(struct seg_server *s, const struct seg_api_request *request, const struct seg_model *m,
			     const struct seg_customer_question *q)
{
	struct seg_api_answer *why;
	json_t *o = json_pack("{s:o}", "customer_id", json_stringn(q->id.ptr, q->id.len));
	if (q->rc == SEG_OK) {
		json_object_set_new(o, "as_of_ms", seg_api_time(q->now_ms));
		json_object_set_new(o, "segment", segment_json(m, &q->profile->decision));
		add_place(s, m, q, o);
		return o;
	}
	why = calloc(1, sizeof(*why));
	if (!why)
		return o;
	refuse_customer(s, request, q, why);
	json_t *error = json_pack("{s:i, s:s}", "status", (int)why->status, "detail", why->detail);
	if (why->location[0])
		json_object_set_new(error, "location", json_string(why->location));
	json_object_set_new(o, "error", error);
	free(why);
	return o;
}

static bool predict_customers(struct seg_server *s, const struct seg_api_request *request, const struct seg_model *m,
			      json_t *ids, json_t *list, struct seg_api_answer *a)
{
	size_t len = json_array_size(ids);
	struct seg_customer_question *items = calloc(len ? len : 1, sizeof(*items));
	bool ok = items != NULL;
	for (size_t i = 0; ok && i < len; i++) {
		const json_t *id = json_array_get(ids, i);
		items[i].id = (struct seg_str){json_string_value(id), (uint32_t)json_string_length(id)};
		if (!json_is_string(id)) {
			seg_api_refuse(a, 422, "customers: number %zu is no string.", i);
			ok = false;
		}
		ok = ok && seg_api_check_id(items[i].id, a);
	}
	ok = ok && (len == 0 || seg_api_ask_customers(s, items, len, a));
	for (size_t i = 0; ok && i < len; i++) {
		json_array_append_new(list, prediction_of(s, request, m, &items[i]));
		seg_profile_free(items[i].profile);
	}
	free(items);
	return ok;
}

/* Fills what is given; what is not is missing. */
static bool take_features(const struct seg_model *m, json_t *features, double *ret, struct seg_api_answer *a)
{
	const char *name;
	json_t *value;
	for (uint32_t j = 0; j < m->d; j++)
		ret[j] = NAN;
	if (!json_is_object(features)) {
		seg_api_refuse(a, 422, "profiles: each is an object {\"features\": {name: number or null}}.");
		return false;
	}
	json_object_foreach(features, name, value)
	{
		uint32_t j = 0;
		while (j < m->d && strcmp(m->basis.features[j].config.name, name) != 0)
			j++;
		if (j == m->d || (!json_is_number(value) && !json_is_null(value))) {
			seg_api_refuse(a, 422,
				       j == m->d
					       ? "profiles: \"%.100s\" is no feature of the model; GET /api/v1/models "
						 "lists them."
					       : "profiles: \"%.100s\" must be a number or null.",
				       name);
			return false;
		}
		if (json_is_number(value))
			ret[j] = json_number_value(value);
	}
	return true;
}

static bool predict_profile(struct seg_server *s, const struct seg_model *m, json_t *profile, json_t *list,
			    struct seg_api_answer *a)
{
	double own[SEG_MAX_FEATURES];
	int32_t values[SEG_MAX_FEATURES];
	if (!take_features(m, json_object_get(profile, "features"), own, a))
		return false;
	for (uint32_t j = 0; j < m->d; j++) {
		const struct seg_basis_feature *f = &m->basis.features[j];
		values[j] = seg_basis_fix(f, seg_basis_transform(f, own[j]));
	}
	struct seg_profile *nobody = seg_profile_new(seg_str_from("-"), 0);
	json_t *o = json_object();
	struct seg_api_place place = {
		.m = m,
		.values = values,
		.own = own,
		.profile = nobody,
		.now_ms = m->time_ms,
		.hysteresis = s->config->segmenter.hysteresis,
	};
	if (nobody)
		seg_api_place_json(&place, o);
	json_array_append_new(list, o);
	seg_profile_free(nobody);
	return true;
}

static bool predict_all(struct seg_server *s, const struct seg_api_request *request, const struct seg_model *m,
			json_t *body, json_t *list, struct seg_api_answer *a)
{
	json_t *ids = json_object_get(body, "customers"), *profiles = json_object_get(body, "profiles");
	size_t len = json_array_size(ids) + json_array_size(profiles);
	if ((ids && !json_is_array(ids)) || (profiles && !json_is_array(profiles)) || (!ids && !profiles)) {
		seg_api_refuse(a, 422,
			       "customers is an array of ids, profiles one of {\"features\": {…}}; one of the "
			       "two must be there.");
		return false;
	}
	if (len > SEG_API_PREDICT_MAX) {
		seg_api_refuse(a, 422, "%zu are asked for; at most %d at once.", len, SEG_API_PREDICT_MAX);
		return false;
	}
	if (ids && !predict_customers(s, request, m, ids, list, a))
		return false;
	for (size_t i = 0; i < json_array_size(profiles); i++) {
		if (!predict_profile(s, m, json_array_get(profiles, i), list, a))
			return false;
	}
	return true;
}

void seg_api_predict(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	static const char *const known[] = {"customers", "profiles", NULL};
	json_t *body, *list = json_array();
	struct seg_model *m = seg_model_feed_get(s->inst->feed);
	if (!m || m->k == 0) {
		answer->retry_after_s = 60;
		seg_api_refuse(answer, 503, "There is no model yet: the first one comes with %lld customers.",
			       (long long)s->config->segmenter.min_customers);
	} else if (seg_api_object(request, known, &body, answer)) {
		if (predict_all(s, request, m, body, list, answer))
			seg_api_send(answer, 200,
				     json_pack("{s:o, s:O}", "model_version", seg_api_id64(seg_model_version(m)),
					       "predictions", list));
		json_decref(body);
	}
	json_decref(list);
	seg_model_put(m);
}
