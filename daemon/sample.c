#include "daemon/sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mutant.h"
#include "state/codec.h"

static const char PREFIX[] = "sample/";
enum { FIRST_BITS = 8 };

void seg_sample_init(struct seg_sample *s)
{
	memset(s, 0, sizeof(*s));
	s->bound = UINT64_MAX;
	s->since_ms = SEG_NO_TIME;
}

void seg_sample_clear(struct seg_sample *s)
{
	free(s->slots);
	s->slots = NULL;
	s->bits = 0;
	s->len = 0;
	s->sealed_len = 0;
	s->reach = s->unknown = 0;
	s->since_ms = SEG_NO_TIME;
}

void seg_sample_release(struct seg_sample *s)
{
	seg_sample_clear(s);
	free(s->sealed);
	s->sealed = NULL;
	s->sealed_cap = 0;
}

static struct seg_sample_slot *probe(const struct seg_sample *s, uint64_t customer)
{
	size_t mask = ((size_t)1 << s->bits) - 1;
	size_t at = (size_t)(customer >> (64 - s->bits)) & mask;
	while (s->slots[at].customer != 0 && s->slots[at].customer != customer)
		at = (at + 1) & mask;
	return &s->slots[at];
}

static uint64_t known_content(const struct seg_sample *s, uint64_t customer)
{
	if (!s->slots)
		return 0;
	const struct seg_sample_slot *slot = probe(s, customer);
	return slot->customer == customer ? slot->content : 0;
}

static bool grow(struct seg_sample *s)
{
	struct seg_sample bigger = *s;
	bigger.bits = s->bits ? s->bits + 1 : FIRST_BITS;
	bigger.slots = calloc((size_t)1 << bigger.bits, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; s->slots && i < (size_t)1 << s->bits; i++) {
		if (s->slots[i].customer != 0)
			*probe(&bigger, s->slots[i].customer) = s->slots[i];
	}
	free(s->slots);
	s->slots = bigger.slots;
	s->bits = bigger.bits;
	return true;
}

/* Not remembering for want of memory only means writing the record again. */
static void remember(struct seg_sample *s, uint64_t customer, uint64_t content)
{
	if ((!s->slots || s->len * 2 >= (size_t)1 << s->bits) && !grow(s))
		return;
	struct seg_sample_slot *slot = probe(s, customer);
	if (slot->customer == 0)
		s->len++;
	*slot = (struct seg_sample_slot){customer, content};
}

static void seal(struct seg_sample *s, uint64_t customer, uint64_t content)
{
	if (s->sealed_len == s->sealed_cap) {
		size_t cap = s->sealed_cap ? s->sealed_cap * 2 : 64;
		struct seg_sample_slot *more = realloc(s->sealed, cap * sizeof(*more));
		if (!more)
			return;
		s->sealed = more;
		s->sealed_cap = cap;
	}
	s->sealed[s->sealed_len++] = (struct seg_sample_slot){customer, content};
}

void seg_sample_set_bound(struct seg_sample *s, uint64_t bound)
{
	if (bound == s->bound)
		return;
	s->bound = bound;
	s->since_ms = SEG_NO_TIME;
}

void seg_sample_restore(struct seg_sample *s, uint64_t reach, int64_t since_ms)
{
	s->reach = s->unknown = reach;
	s->since_ms = since_ms;
}

void seg_sample_scanned(struct seg_sample *s, int64_t done_ms, int64_t interval_ms)
{
	if (s->reach <= s->bound)
		return;
	if (s->since_ms == SEG_NO_TIME) {
		s->since_ms = done_ms;
	} else if (done_ms - s->since_ms >= interval_ms) {
		s->reach = s->bound;
		s->unknown = 0;
	}
}

void seg_sample_shift(struct seg_sample *s, int64_t by_ms)
{
	if (s->since_ms != SEG_NO_TIME)
		s->since_ms += by_ms;
}

/* A customer above the bound who may have a record. */
static bool may_linger(const struct seg_sample *s, uint64_t known, uint64_t hash)
{
	return known == SEG_SAMPLE_NONE ? hash < s->unknown : known != SEG_SAMPLE_GONE;
}

static enum seg_rc send(struct seg_str id, struct seg_str value, const struct seg_sink *sink, struct seg_buf *key,
			struct seg_error *err)
{
	seg_buf_clear(key);
	seg_buf_append(key, PREFIX, sizeof(PREFIX) - 1);
	seg_buf_append(key, id.ptr, id.len);
	if (key->failed)
		return seg_error_set(err, SEG_NO_MEMORY, "sample record: out of memory");
	struct seg_str name = {(const char *)key->data, (uint32_t)key->len};
	return sink->internal(sink->ctx, SEG_INTERNAL_SUMS, 0, name, value, NULL, err);
}

bool seg_sample_due(struct seg_sample *s, struct seg_str id, uint64_t customer)
{
	uint64_t known = known_content(s, customer);
	uint64_t hash = seg_hash_sample(id);
	if (hash >= s->bound)
		return may_linger(s, known, hash);
	if ((known & 1) == 1)
		return false;
	remember(s, customer, SEG_SAMPLE_DUE);
	return true;
}

enum seg_rc seg_sample_send(struct seg_sample *s, const struct seg_profile *p, const struct seg_sink *sink,
			    struct seg_buf *key, struct seg_buf *value, struct seg_error *err)
{
	uint64_t known = known_content(s, p->hash), hash = seg_hash_sample(p->id);
	if (hash >= s->bound)
		return may_linger(s, known, hash) ? seg_sample_remove(s, p->id, sink, key, err) : SEG_OK;
	seg_buf_clear(value);
	enum seg_rc rc = seg_profile_encode(p, value, err);
	if (rc)
		return rc;
	uint64_t content = seg_hash64(value->data, value->len) | 1;
	if (known == content)
		return SEG_OK;
	struct seg_str record = {(const char *)value->data, (uint32_t)value->len};
	rc = send(p->id, record, sink, key, err);
	if (rc)
		return rc;
	seal(s, p->hash, content);
	if (s->reach < s->bound)
		s->reach = s->bound;
	return SEG_OK;
}

enum seg_rc seg_sample_remove(struct seg_sample *s, struct seg_str id, const struct seg_sink *sink, struct seg_buf *key,
			      struct seg_error *err)
{
	/* Always: what is known of the topic is forgotten with a restart, and who was erased must not stay in it. */
	uint64_t customer = seg_hash_customer(id);
	if (SEG_MUTANT(SAMPLE_STAYS) && known_content(s, customer) == SEG_SAMPLE_NONE)
		return SEG_OK;
	enum seg_rc rc = send(id, (struct seg_str){NULL, 0}, sink, key, err);
	if (!rc && may_linger(s, known_content(s, customer), seg_hash_sample(id)))
		seal(s, customer, SEG_SAMPLE_GONE);
	return rc;
}

void seg_sample_committed(struct seg_sample *s)
{
	for (size_t i = 0; i < s->sealed_len; i++)
		remember(s, s->sealed[i].customer, s->sealed[i].content);
	s->sealed_len = 0;
}

void seg_sample_aborted(struct seg_sample *s)
{
	s->sealed_len = 0;
}
