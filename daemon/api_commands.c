/* What people do with versions and segments: it is done by the fold, in its worker's thread, and told with a commit. */
#include "daemon/api_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/fold.h"

enum { ASK_AGAIN_MS = 50 };

/* ---- versions ---- */

bool seg_api_parse_version(struct seg_str text, uint64_t *ret, struct seg_api_answer *a)
{
	uint64_t n = 0;
	bool ok = text.len > 0 && text.len <= 19;
	for (uint32_t i = 0; ok && i < text.len; i++) {
		ok = text.ptr[i] >= '0' && text.ptr[i] <= '9';
		n = n * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	if (!ok)
		seg_api_refuse(a, 400, "A version is the number of a promotion, or a whole model_version.");
	*ret = n >> 32 ? n >> 32 : n; /* promotion * 2^32 + revision */
	return ok;
}

struct seg_model *seg_api_find_version(struct seg_server *s, struct seg_str text, struct seg_api_answer *a)
{
	uint64_t number;
	if (!seg_api_parse_version(text, &number, a))
		return NULL;
	struct seg_model *m = seg_model_feed_find(s->inst->feed, number);
	if (!m)
		seg_api_refuse(a, 404, "Version %" PRIu64 " is not kept; GET /api/v1/models lists those that are.",
			       number);
	return m;
}

/* ---- commands ---- */

struct command {
	uint64_t number; /* version or cluster */
	const struct seg_model *to;
	const char *alias;
};

/* Asks again while the fold's last news wait for their commit. */
static bool command(struct seg_server *s, const struct seg_api_request *request, seg_fold_fn *fn,
		    const struct command *c, struct seg_api_answer *a)
{
	int64_t until_ms = seg_monotonic_ms() + SEG_API_WAIT_MS;
	while (!seg_api_ask_fold(s, request, fn, (void *)(uintptr_t)c, a)) {
		if (a->status != 503 || a->location[0] || !seg_api_has_fold(s) || seg_monotonic_ms() >= until_ms)
			return false;
		seg_sleep_ms(ASK_AGAIN_MS);
	}
	a->retry_after_s = 0;
	return true;
}

static enum seg_rc request_refit(struct seg_fold *fold, void *arg, struct seg_error *err)
{
	(void)arg;
	(void)err;
	seg_fold_request_refit(fold);
	return SEG_OK;
}

void seg_api_refit(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct command c = {0};
	if (command(s, request, request_refit, &c, answer))
		seg_api_send(answer, 202, json_pack("{s:s}", "accepted", "refit"));
}

static enum seg_rc promote(struct seg_fold *fold, void *arg, struct seg_error *err)
{
	const struct command *c = arg;
	return seg_fold_promote(fold, c->number, err);
}

void seg_api_promote(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct command c = {0};
	if (!seg_api_parse_version(request->param, &c.number, answer))
		return;
	if (!command(s, request, promote, &c, answer))
		return;
	seg_api_send(answer, 202, json_pack("{s:s, s:I}", "accepted", "promote", "version", (json_int_t)c.number));
}

static enum seg_rc roll_back(struct seg_fold *fold, void *arg, struct seg_error *err)
{
	const struct command *c = arg;
	return seg_fold_rollback(fold, c->to, err);
}

void seg_api_rollback(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct seg_model *to = seg_api_find_version(s, request->param, answer);
	struct command c = {.to = to};
	if (!to)
		return;
	if (command(s, request, roll_back, &c, answer))
		seg_api_send(answer, 202,
			     json_pack("{s:s, s:I}", "accepted", "rollback", "to", (json_int_t)to->promotion));
	seg_model_put(to);
}

/* ---- alias ---- */

static enum seg_rc set_alias(struct seg_fold *fold, void *arg, struct seg_error *err)
{
	const struct command *c = arg;
	return seg_fold_alias(fold, c->number, c->alias, err);
}

void seg_api_alias(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	static const char *const known[] = {"alias", NULL};
	struct command c = {.alias = ""};
	json_t *body;
	if (!seg_api_parse_segment(request->param, &c.number)) {
		seg_api_refuse(answer, 400, "A segment's id is s and a number, for example s3.");
		return;
	}
	if (!seg_api_object(request, known, &body, answer))
		return;
	const json_t *alias = json_object_get(body, "alias");
	if (json_is_string(alias))
		c.alias = json_string_value(alias);
	if ((!json_is_string(alias) && !json_is_null(alias)) || strlen(c.alias) != json_string_length(alias))
		seg_api_refuse(answer, 422, "alias is a text, or null to take it away.");
	else if (command(s, request, set_alias, &c, answer))
		seg_api_send(answer, 202,
			     json_pack("{s:s, s:o, s:s}", "accepted", "alias", "segment_id",
				       seg_api_segment_id(c.number), "alias", c.alias));
	json_decref(body);
}

/* ---- diff ---- */

struct diff {
	const struct seg_model *from, *to;
	struct seg_buf out;
};

static enum seg_rc make_diff(struct seg_fold *fold, void *arg, struct seg_error *err)
{
	struct diff *d = arg;
	const struct seg_learner *l = seg_fold_learner(fold);
	return seg_learner_diff(l, d->from, d->to, seg_learner_now(l), &d->out, err);
}

/* The other version: the one that is named, or the model. NULL: refused. */
static struct seg_model *other_version(struct seg_server *s, const struct seg_api_request *request,
				       struct seg_api_answer *a)
{
	if (request->query.ptr)
		return seg_api_find_version(s, request->query, a);
	struct seg_model *m = seg_model_feed_get(s->inst->feed);
	if (!m)
		seg_api_refuse(a, 409, "There is no model yet.");
	return m;
}

void seg_api_diff(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct seg_model *to = seg_api_find_version(s, request->param, answer);
	struct seg_model *from = to ? other_version(s, request, answer) : NULL;
	struct diff d = {.from = from, .to = to};
	seg_buf_init(&d.out, SEG_API_BODY_MAX - 1);
	if (from && seg_api_ask_fold(s, request, make_diff, &d, answer)) {
		seg_buf_append(&answer->body, d.out.data, d.out.len);
		seg_buf_u8(&answer->body, '\n');
	}
	seg_buf_release(&d.out);
	seg_model_put(from);
	seg_model_put(to);
}

/* ---- validate ---- */

struct validate {
	const char *labels;
	struct seg_buf out;
};

static enum seg_rc make_validation(struct seg_fold *fold, void *arg, struct seg_error *err)
{
	struct validate *v = arg;
	return seg_learner_validate(seg_fold_learner(fold), v->labels, &v->out, err);
}

void seg_api_validate(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct validate v = {.labels = request->query.ptr};
	if (!v.labels || strlen(v.labels) != request->query.len) {
		seg_api_refuse(answer, 400, "?labels= is needed: attr:NAME, an attribute of the profiles, or rules.");
		return;
	}
	seg_buf_init(&v.out, SEG_API_BODY_MAX - 1);
	if (seg_api_ask_fold(s, request, make_validation, &v, answer)) {
		seg_buf_append(&answer->body, v.out.data, v.out.len);
		seg_buf_u8(&answer->body, '\n');
	} else if (answer->status == 409) {
		answer->status = 422; /* no such kind of labels */
	}
	seg_buf_release(&v.out);
}
