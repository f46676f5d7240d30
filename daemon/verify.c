#include "daemon/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/kafka_input.h"
#include "daemon/sums_told.h"
#include "daemon/topic_specs.h"
#include "producers/topic_admin.h"

enum { ASK_MS = 10000, CLOSE_MS = 5000 };

struct seg_verify {
	const struct seg_config *config; /* NULL: Kafka is not asked */
	struct seg_kafka_client client;
	struct seg_kafka_setting *settings;
	struct seg_kafka_input *input;
	const char *topics[SEG_SOURCES];
	enum seg_source source_of[SEG_SOURCES];
	size_t topics_len;
	struct seg_sums_told *told; /* read when a store first needs them */
	struct seg_sums *fleet;	    /* the recount over the partitions whose sums are equal to it; NULL: none yet */
	int32_t equal;		    /* how many they are */
};

/* One store, while it is looked at. */
struct look {
	struct seg_verify *v;
	struct seg_state_store *at;
	FILE *out;
	bool *failed;
};

static void fail(const struct look *l, const char *text)
{
	fprintf(l->out, "partition %" PRId32 ": FAILED: %s\n", l->at->partition, text);
	*l->failed = true;
}

/* ---- against the group ---- */

enum standing { UNKNOWN, OLDER, EQUAL, AHEAD };

/* seq is 0 if the group's commits do not tell theirs. */
static enum standing stand(const struct look *l, const struct seg_position *list, size_t len, uint64_t seq,
			   size_t *ret_topic)
{
	const struct seg_cut *cut = &l->at->cut;
	bool known = false, same = true;
	*ret_topic = 0;
	for (size_t i = 0; i < len; i++) {
		int64_t next = cut->next[l->v->source_of[i]];
		known = known || list[i].offset >= 0;
		if (next > 0 && next > list[i].offset) {
			*ret_topic = i;
			same = false;
		}
	}
	if (!known)
		return UNKNOWN;
	if (!same || (seq > 0 && cut->seq > seq))
		return AHEAD;
	for (size_t i = 0; i < len && same; i++) {
		int64_t next = cut->next[l->v->source_of[i]];
		same = list[i].offset == next || (list[i].offset < 0 && next <= 0);
	}
	return same && (seq == 0 || cut->seq == seq) ? EQUAL : OLDER;
}

static void tell_ahead(const struct look *l, const struct seg_position *at, uint64_t seq)
{
	char text[512];
	snprintf(text, sizeof(text),
		 "the store's cut is ahead of the group's committed offsets (commit %" PRIu64 " against %" PRIu64
		 "; %.200s: %" PRId64 " against %" PRId64
		 "): the store is of another cluster or group, or the group's offsets were moved back",
		 l->at->cut.seq, seq, l->v->topics[at->topic], l->at->cut.next[l->v->source_of[at->topic]], at->offset);
	fail(l, text);
}

/* *ret_newest: the store's cut is the group's. */
static enum seg_rc compare_with_group(const struct look *l, bool *ret_newest, struct seg_error *err)
{
	struct seg_verify *v = l->v;
	struct seg_position list[SEG_SOURCES];
	uint64_t seq = 0;
	size_t worst = 0;
	for (size_t i = 0; i < v->topics_len; i++)
		list[i] = (struct seg_position){.topic = (uint32_t)i, .partition = l->at->partition, .offset = -1};
	enum seg_rc rc = seg_kafka_input_committed(v->input, list, v->topics_len, ASK_MS, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < v->topics_len; i++) {
		if (list[i].has_seq && list[i].seq > seq)
			seq = list[i].seq;
	}
	enum standing s = l->at->has_cut ? stand(l, list, v->topics_len, seq, &worst) : OLDER;
	*ret_newest = s == EQUAL;
	switch (s) {
	case UNKNOWN:
		fprintf(l->out,
			"partition %" PRId32 ": group %s has no committed offsets (never had, or they expired)\n",
			l->at->partition, v->config->group);
		break;
	case OLDER: /* what a crash leaves; recovery reads the rest from Kafka */
		fprintf(l->out,
			"partition %" PRId32 ": the store's cut is older than the group's committed offsets: the next "
			"start reads the rest\n",
			l->at->partition);
		break;
	case EQUAL:
		fprintf(l->out, "partition %" PRId32 ": the store's cut equals the group's committed offsets\n",
			l->at->partition);
		break;
	case AHEAD:
		tell_ahead(l, &list[worst], seq);
		break;
	}
	return SEG_OK;
}

/* ---- the sums ---- */

struct recount {
	struct seg_sums *sums; /* NULL: profiles are only decoded */
	const struct seg_basis *basis;
};

static enum seg_rc count_profile(void *ctx, const struct seg_profile *p, struct seg_error *err)
{
	struct recount *r = ctx;
	return r->sums ? seg_sums_change(r->sums, r->basis, &p->contribution, 1, err) : SEG_OK;
}

static void tell_difference(const struct look *l, const struct seg_told *told, const struct seg_sums *again,
			    const struct seg_sum_bucket *b)
{
	const struct seg_sum_bucket *x = seg_sums_find(told->sums, b->basis, b->cluster);
	const struct seg_sum_bucket *y = seg_sums_find(again, b->basis, b->cluster);
	char text[512];
	snprintf(text, sizeof(text),
		 "the sums differ from the recount, first in cluster %" PRIu64 " of basis %" PRIu64 ": %" PRId64
		 " customers were told, the store has %" PRId64 "%s%s",
		 b->cluster, b->basis, x ? x->count : 0, y ? y->count : 0,
		 x && y && x->count == y->count ? " (their sums of features differ)" : "",
		 told->close.sequence < l->at->cut.seq ? "; after a kill, run and stop once and verify again: what was "
							 "not told yet is told then"
						       : "");
	fail(l, text);
}

/* True: they are there and equal. */
static bool compare_sums(const struct look *l, const struct seg_told *told, const struct seg_sums *again)
{
	const struct seg_sum_bucket *b = NULL;
	char text[512];
	if (told && told->broken.rc) {
		snprintf(text, sizeof(text), "%s: %.400s", l->v->config->internals.model_sums, told->broken.text);
		fail(l, text);
	} else if (told && told->open) {
		snprintf(text, sizeof(text), "%.200s: the piece of cluster %" PRIu64 " has no closing record behind it",
			 l->v->config->internals.model_sums, told->open_cluster);
		fail(l, text);
	} else if (!told || !told->closed) {
		fprintf(l->out,
			"partition %" PRId32
			": no closing record on %s: there are no sums to compare with the recount\n",
			l->at->partition, l->v->config->internals.model_sums);
	} else if ((b = seg_sums_difference(told->sums, again))) {
		tell_difference(l, told, again, b);
	} else {
		fprintf(l->out,
			"partition %" PRId32 ": sums equal the recount (buckets: %zu, told at commit %" PRIu64 ")\n",
			l->at->partition, seg_sums_len(again), told->close.sequence);
		return true;
	}
	return false;
}

static enum seg_rc add_to_fleet(struct seg_verify *v, const struct seg_sums *sums, struct seg_error *err)
{
	if (!v->fleet)
		v->fleet = seg_sums_new();
	if (!v->fleet)
		return seg_error_set(err, SEG_NO_MEMORY, "recount: out of memory");
	enum seg_rc rc = seg_sums_add(v->fleet, sums, err);
	v->equal += !rc;
	return rc;
}

static enum seg_rc verify_sums(const struct look *l, struct seg_error *err)
{
	struct seg_verify *v = l->v;
	enum seg_rc rc = v->told ? SEG_OK : seg_sums_told_read(&v->client, v->config, &v->told, err);
	if (rc)
		return rc;
	struct recount again = {.sums = seg_sums_new(), .basis = seg_sums_told_basis(v->told)};
	if (!again.sums)
		return seg_error_set(err, SEG_NO_MEMORY, "recount: out of memory");
	rc = seg_state_each(l->at, count_profile, &again, err);
	if (!rc && compare_sums(l, seg_sums_told_of(v->told, l->at->partition), again.sums))
		rc = add_to_fleet(v, again.sums, err);
	seg_sums_free(again.sums);
	return rc;
}

/* ---- the fleet ---- */

static enum seg_rc count_partitions(const struct seg_verify *v, int32_t *ret, struct seg_error *err)
{
	struct seg_admin *admin = NULL;
	struct seg_topic_info info = {0};
	enum seg_rc rc = seg_admin_open(&v->client, ASK_MS, &admin, err);
	if (!rc)
		rc = seg_admin_layout(admin, v->topics[0], &info, err);
	seg_admin_close(admin, CLOSE_MS);
	*ret = info.partitions;
	return rc;
}

/* Each partition's are equal; what can still differ: somebody told sums who is none of the partitions. */
static enum seg_rc compare_fleet(struct seg_verify *v, FILE *out, bool *ret_failed, struct seg_error *err)
{
	struct seg_sums *total = seg_sums_new();
	if (!total)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
	enum seg_rc rc = seg_sums_told_add(v->told, total, err);
	const struct seg_sum_bucket *b = rc ? NULL : seg_sums_difference(total, v->fleet);
	if (rc == SEG_CORRUPT) {
		fprintf(out, "fleet: FAILED: the partitions' sums cannot be added up: %s\n", err->text);
	} else if (b) {
		fprintf(out,
			"fleet: FAILED: the sums on %s differ from the recount over all %" PRId32
			" partitions, first in cluster %" PRIu64 " of basis %" PRIu64
			": somebody told sums who is none of them\n",
			v->config->internals.model_sums, v->equal, b->cluster, b->basis);
	} else if (!rc) {
		fprintf(out, "fleet: sums equal the recount over all %" PRId32 " partitions (buckets: %zu)\n", v->equal,
			seg_sums_len(total));
	}
	*ret_failed = *ret_failed || b || rc == SEG_CORRUPT;
	seg_sums_free(total);
	return rc == SEG_CORRUPT ? SEG_OK : rc;
}

enum seg_rc seg_verify_fleet(struct seg_verify *v, FILE *out, bool *ret_failed, struct seg_error *err)
{
	int32_t partitions = 0;
	enum seg_rc rc = count_partitions(v, &partitions, err);
	if (rc)
		return rc;
	if (v->equal > 0 && v->equal == partitions)
		return compare_fleet(v, out, ret_failed, err);
	fprintf(out,
		"fleet: sums not compared: equal to the recount in %" PRId32 " of %" PRId32
		" partitions; the others are not here, not whole, have told none, or differ (see above)\n",
		v->equal, partitions);
	return SEG_OK;
}

/* ---- all of it ---- */

static enum seg_rc verify_with_kafka(const struct look *l, struct seg_error *err)
{
	bool newest = false;
	if (strcmp(l->at->about.app, l->v->config->app) != 0) {
		fprintf(l->out,
			"partition %" PRId32 ": of app %s, not compared with Kafka: the configuration is of %s\n",
			l->at->partition, l->at->about.app, l->v->config->app);
		return SEG_OK;
	}
	enum seg_rc rc = compare_with_group(l, &newest, err);
	if (rc || *l->failed)
		return rc;
	if (newest && l->at->whole)
		return verify_sums(l, err);
	fprintf(l->out, "partition %" PRId32 ": sums not compared: the store is not whole as of the newest commit\n",
		l->at->partition);
	return SEG_OK;
}

enum seg_rc seg_verify_store(struct seg_verify *v, struct seg_state_store *at, FILE *out, bool *ret_failed,
			     struct seg_error *err)
{
	struct recount none = {0};
	uint64_t profiles = 0;
	bool failed = false;
	struct look l = {v, at, out, &failed};
	if (!at->store) {
		fail(&l, at->damaged.text);
		*ret_failed = true;
		return SEG_OK;
	}
	enum seg_rc rc = seg_store_verify(at->store, &profiles, err);
	if (!rc)
		rc = seg_state_each(at, count_profile, &none, err); /* decodes each: checksums of the records */
	if (rc) {
		fail(&l, err->text);
		rc = rc == SEG_CORRUPT ? SEG_OK : rc;
	} else {
		fprintf(out, "partition %" PRId32 ": %" PRIu64 " profiles, all checksums right%s\n", at->partition,
			profiles, at->whole ? "" : " (the last checkpoint was not whole)");
		rc = v->config ? verify_with_kafka(&l, err) : SEG_OK;
	}
	*ret_failed = *ret_failed || failed;
	return rc;
}

static enum seg_rc open_group(struct seg_verify *v, struct seg_error *err)
{
	if (!seg_client_of(v->config, &v->client, &v->settings))
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (!v->config->sources[s].read)
			continue;
		v->source_of[v->topics_len] = (enum seg_source)s;
		v->topics[v->topics_len++] = v->config->sources[s].topic;
	}
	/* Never subscribed: it only asks for what the group has committed. */
	struct seg_kafka_input_options options = {
		.client = v->client,
		.group = v->config->group,
		.instance_id = "segmentd-state-verify",
		.topics = v->topics,
		.topics_len = v->topics_len,
	};
	return seg_kafka_input_open(&options, &v->input, err);
}

enum seg_rc seg_verify_open(const struct seg_config *config, struct seg_verify **ret, struct seg_error *err)
{
	struct seg_verify *v = calloc(1, sizeof(*v));
	if (!v)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	v->config = config;
	enum seg_rc rc = config ? open_group(v, err) : SEG_OK;
	if (rc) {
		seg_verify_close(v);
		return rc;
	}
	*ret = v;
	return SEG_OK;
}

void seg_verify_close(struct seg_verify *v)
{
	if (!v)
		return;
	seg_kafka_input_close(v->input, CLOSE_MS);
	seg_sums_told_free(v->told);
	seg_sums_free(v->fleet);
	free(v->settings);
	free(v);
}
