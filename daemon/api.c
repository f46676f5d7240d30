#include "daemon/api_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"

/* ---- answers ---- */

void seg_api_refuse(struct seg_api_answer *a, unsigned status, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(a->detail, sizeof(a->detail), fmt, ap);
	va_end(ap);
	a->status = status;
}

void seg_api_failed(struct seg_api_answer *a, enum seg_rc rc, const struct seg_error *err)
{
	unsigned status = 500;
	switch (rc) {
	case SEG_NOT_FOUND:
		status = 404;
		break;
	case SEG_INVALID:
		status = 409;
		break;
	case SEG_SKIP:
	case SEG_LIMIT:
		status = 422;
		break;
	case SEG_RETRY:
	case SEG_IO:
	case SEG_NO_MEMORY:
	case SEG_RECREATE:
		status = 503;
		break;
	case SEG_OK:
	case SEG_ABORT:
	case SEG_CORRUPT:
	case SEG_FATAL:
		break;
	}
	a->retry_after_s = status == 503 ? SEG_API_AGAIN_S : 0;
	seg_api_refuse(a, status, "%s", err->text[0] ? err->text : seg_rc_text(rc));
}

static int append(const char *text, size_t len, void *out)
{
	seg_buf_append(out, text, len);
	return 0;
}

void seg_api_send(struct seg_api_answer *a, unsigned status, json_t *json)
{
	struct seg_error err = {SEG_NO_MEMORY, "out of memory"};
	if (!json || json_dump_callback(json, append, &a->body, JSON_COMPACT | JSON_REAL_PRECISION(12)))
		seg_api_failed(a, SEG_NO_MEMORY, &err);
	else
		a->status = status;
	seg_buf_u8(&a->body, '\n');
	json_decref(json);
}

json_t *seg_api_number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

json_t *seg_api_id64(uint64_t n)
{
	return json_sprintf("%" PRIu64, n);
}

json_t *seg_api_time(int64_t ms)
{
	return ms == SEG_NO_TIME ? json_null() : json_integer(ms);
}

json_t *seg_api_segment_id(uint64_t cluster)
{
	return cluster ? json_sprintf("s%" PRIu64, cluster) : json_null();
}

bool seg_api_parse_segment(struct seg_str text, uint64_t *ret)
{
	uint64_t n = 0;
	uint32_t i = text.len > 0 && text.ptr[0] == 's';
	if (i == text.len || text.len > 20)
		return false;
	for (; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	*ret = n;
	return n > 0;
}

/* ---- bodies ---- */

/* jansson recurses: what is deeper than anything that is asked for here is refused before it. */
static bool too_deep(struct seg_str text)
{
	int depth = 0;
	bool quoted = false;
	for (uint32_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '[' || c == '{') && ++depth > 16)
			return true;
		else if (!quoted && (c == ']' || c == '}'))
			depth--;
	}
	return false;
}

static bool is_known(const char *key, const char *const known[])
{
	for (size_t i = 0; known[i]; i++) {
		if (strcmp(known[i], key) == 0)
			return true;
	}
	return false;
}

bool seg_api_object(const struct seg_api_request *request, const char *const known[], json_t **ret,
		    struct seg_api_answer *a)
{
	json_error_t at = {0};
	const char *key;
	json_t *value;
	if (!request->body.ptr) {
		seg_api_refuse(a, 400, "A body is needed: a JSON object with %s.", known[0]);
		return false;
	}
	json_t *o = too_deep(request->body)
			    ? NULL
			    : json_loadb(request->body.ptr, request->body.len, JSON_REJECT_DUPLICATES, &at);
	if (!json_is_object(o)) {
		json_decref(o);
		seg_api_refuse(a, 400, "The body is no JSON object%s%s%s.", at.text[0] ? ": line " : "",
			       at.text[0] ? at.text : "", "");
		return false;
	}
	json_object_foreach(o, key, value)
	{
		if (is_known(key, known))
			continue;
		json_decref(o);
		seg_api_refuse(a, 422, "The body has a key that does not belong here; what may be there: %s%s%s.",
			       known[0], known[1] ? ", " : "", known[1] ? known[1] : "");
		return false;
	}
	*ret = o;
	return true;
}

/* ---- workers ---- */

/* Index of the worker that has each partition, -1: none of ours. Caller frees. */
static int *owners(struct seg_server *s)
{
	int32_t partitions = s->inst->partitions;
	int *of = malloc((size_t)partitions * sizeof(*of));
	if (!of)
		return NULL;
	for (int32_t p = 0; p < partitions; p++)
		of[p] = -1;
	for (size_t i = 0; i < s->workers_len; i++) {
		struct seg_worker_status w;
		if (!seg_worker_status(s->workers[i], &w))
			continue;
		for (size_t l = 0; l < w.lanes_len; l++)
			of[w.lanes[l].partition] = (int)i;
		free(w.lanes);
	}
	return of;
}

/* Those of one worker are asked together. */
static enum seg_rc ask_worker(struct seg_server *s, int worker, const int *of, struct seg_customer_question *items,
			      size_t len, struct seg_error *err)
{
	struct seg_customer_question *some = calloc(len ? len : 1, sizeof(*some));
	size_t n = 0;
	if (!some)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < len; i++) {
		if (of[items[i].partition] == worker)
			some[n++] = items[i];
	}
	enum seg_rc rc = n > 0 ? seg_worker_ask_customers(s->workers[worker], some, n, SEG_API_WAIT_MS, err) : SEG_OK;
	n = 0;
	for (size_t i = 0; !rc && i < len; i++) {
		if (of[items[i].partition] == worker)
			items[i] = some[n++];
	}
	free(some);
	return rc;
}

bool seg_api_ask_customers(struct seg_server *s, struct seg_customer_question *items, size_t len,
			   struct seg_api_answer *a)
{
	struct seg_error err = {SEG_NO_MEMORY, "out of memory"};
	int *of = owners(s);
	enum seg_rc rc = of ? SEG_OK : SEG_NO_MEMORY;
	for (size_t i = 0; i < len; i++) {
		items[i].partition = seg_partition_for_key(items[i].id.ptr, items[i].id.len, s->inst->partitions);
		items[i].rc = SEG_SKIP;
		items[i].profile = NULL;
	}
	for (size_t i = 0; !rc && i < s->workers_len; i++)
		rc = ask_worker(s, (int)i, of, items, len, &err);
	free(of);
	if (!rc)
		return true;
	for (size_t i = 0; i < len; i++)
		seg_profile_free(items[i].profile);
	seg_api_failed(a, rc == SEG_NOT_FOUND ? SEG_RETRY : rc, &err);
	return false;
}

/* NULL: none of ours. */
static struct seg_worker *fold_owner(struct seg_server *s)
{
	struct seg_worker *owner = NULL;
	for (size_t i = 0; i < s->workers_len && !owner; i++) {
		struct seg_worker_status w;
		if (!seg_worker_status(s->workers[i], &w))
			continue;
		free(w.lanes);
		if (w.fold)
			owner = s->workers[i];
	}
	return owner;
}

bool seg_api_has_fold(struct seg_server *s)
{
	return fold_owner(s) != NULL;
}

bool seg_api_elsewhere(struct seg_server *s, const struct seg_api_request *request, int32_t partition,
		       struct seg_api_answer *a)
{
	char url[SEG_PLACE_URL];
	if (!seg_model_feed_place(s->inst->feed, partition, url) || strcmp(url, s->config->http.advertise) == 0)
		return false;
	size_t len = strlen(url);
	while (len > 0 && url[len - 1] == '/')
		len--;
	snprintf(a->location, sizeof(a->location), "%.*s%s", (int)len, url, request->target);
	seg_api_refuse(a, 307, "Another instance has it: %s", url);
	return true;
}

bool seg_api_ask_fold(struct seg_server *s, const struct seg_api_request *request, seg_fold_fn *fn, void *arg,
		      struct seg_api_answer *a)
{
	struct seg_worker *owner = fold_owner(s);
	struct seg_error err = {0};
	if (!owner) {
		if (seg_api_elsewhere(s, request, SEG_PLACE_FOLD, a))
			return false;
		a->retry_after_s = SEG_API_AGAIN_S;
		seg_api_refuse(a, 503,
			       "This instance does not have the fold (partition 0 of %s), which alone knows sums and "
			       "sample, and who has it has told no http.advertise: ask the instance whose status says "
			       "fold: true.",
			       s->config->internals.model_sums);
		return false;
	}
	enum seg_rc rc = seg_worker_ask_fold(owner, fn, arg, SEG_API_WAIT_MS, &err);
	if (rc)
		seg_api_failed(a, rc == SEG_SKIP ? SEG_RETRY : rc, &err);
	else
		a->status = 200;
	return rc == SEG_OK;
}

/* ---- routes ---- */

/* Who may change something leaves a trace; customers do not. */
static void log_change(const struct seg_api_request *request, const struct seg_api_answer *answer)
{
	bool about_customer = request->op == SEG_API_ERASE;
	char of[32] = "";
	if (!about_customer && request->param.ptr && request->param.len < sizeof(of) &&
	    request->param.len == strspn(request->param.ptr, "s0123456789"))
		snprintf(of, sizeof(of), " of=%s", request->param.ptr);
	seg_log(SEG_LOG_INFO, "api_change", "route=\"%s %s\"%s status=%u", seg_api_method(request->op),
		seg_api_path(request->op), of, answer->status);
}

void seg_api_call(void *ctx, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	static seg_api_fn *const fns[SEG_API_OPS] = {
		[SEG_API_CUSTOMER] = seg_api_customer, [SEG_API_ERASE] = seg_api_erase,
		[SEG_API_PREDICT] = seg_api_predict,   [SEG_API_SEGMENTS] = seg_api_segments,
		[SEG_API_ALIAS] = seg_api_alias,       [SEG_API_MODELS] = seg_api_models,
		[SEG_API_REFIT] = seg_api_refit,       [SEG_API_MODEL] = seg_api_model,
		[SEG_API_DIFF] = seg_api_diff,	       [SEG_API_PROMOTE] = seg_api_promote,
		[SEG_API_ROLLBACK] = seg_api_rollback, [SEG_API_DRIFT] = seg_api_drift,
		[SEG_API_VALIDATE] = seg_api_validate,
	};
	fns[request->op](ctx, request, answer);
	if (seg_api_asks_for_token(request->op))
		log_change(request, answer);
}
