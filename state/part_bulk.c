/*
 * A rebuild's first half, for those who are not in memory: changelog records are kept as they came, up to a share of the
 * memory, then put in order and written as one sorted run. A profile's record is the store's record, so most of them are
 * copied without being decoded; only a decision that came after its customer's profile is put into it, and most of those
 * find it in the same chunk. Whoever was erased takes the way of part_take.c: memory must remember them.
 *
 * What is written is not dirty: the changelog has it. The store has no position until all is written, so that a crash on
 * the way empties it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/codec.h"
#include "state/codec_frame.h"
#include "state/part_internal.h"

enum { CHUNK_SHARE = 2, CHUNK_LEAST = 4096, NONE = UINT32_MAX };

struct kept {
	uint32_t id_len, value_len; /* NONE: a tombstone */
	uint8_t kind;
	bool dead; /* an erasure's decision */
	char bytes[];
};

struct ordered {
	uint64_t hash;
	const struct kept *record; /* those that came later lie higher */
};

struct seg_bulk {
	char *chunk;
	size_t used, size;
	struct ordered *order;
	size_t len, cap;
};

void seg_part_bulk_drop(struct seg_part *part)
{
	if (!part->bulk)
		return;
	free(part->bulk->chunk);
	free(part->bulk->order);
	free(part->bulk);
	part->bulk = NULL;
}

static enum seg_rc begin(struct seg_part *part, struct seg_error *err)
{
	struct seg_bulk *b = calloc(1, sizeof *b);
	size_t size = part->options.memory_bytes / CHUNK_SHARE;

	if (!b)
		return seg_part_no_memory(part, err);
	b->size = size > CHUNK_LEAST ? size : CHUNK_LEAST;
	b->chunk = malloc(b->size);
	if (!b->chunk) {
		free(b);
		return seg_part_no_memory(part, err);
	}
	part->bulk = b;
	return seg_store_bulk_begin(part->store, err);
}

/* ---- keeping ---- */

/* The record is whole, and the key's: as much as can be said without decoding it. */
static enum seg_rc check_profile(struct seg_str id, struct seg_str value, struct seg_error *err)
{
	struct seg_record record;
	bool right = false;
	enum seg_rc rc = value.len > SEG_PROFILE_BYTES_MAX
				 ? seg_error_set(err, SEG_CORRUPT, "a profile record of %u bytes", value.len)
				 : seg_record_open(&record, value.ptr, value.len, "profile", SEG_PROFILE_VERSION, err);

	if (rc != SEG_OK)
		return rc;
	while ((rc = seg_record_next(&record, SEG_TAG_LAST, err)) == SEG_OK) {
		struct seg_view *v = &record.body;

		if (record.tag != SEG_TAG_IDENTITY)
			continue;
		unsigned times = seg_get_u8(v); /* codec_write.c: flags, a time for each bit, the id */

		for (; times; times &= times - 1)
			(void)seg_get_varint(v);
		right = !v->failed && (size_t)(v->end - v->at) == id.len && memcmp(v->at, id.ptr, id.len) == 0;
	}
	if (rc != SEG_NOT_FOUND)
		return rc;
	return right ? SEG_OK : seg_error_set(err, SEG_CORRUPT, "a profile record has another customer's key");
}

static enum seg_rc check_record(enum seg_changelog_kind kind, struct seg_str id, struct seg_str value, bool *ret_dead,
				struct seg_error *err)
{
	struct seg_decision d = {.alive = true};
	enum seg_rc rc = SEG_OK;

	if (value.ptr && kind == SEG_CHANGELOG_PROFILE)
		rc = check_profile(id, value, err);
	else if (value.ptr)
		rc = seg_decision_decode(value.ptr, value.len, &d, err);
	*ret_dead = !d.alive;
	return rc;
}

static bool grow_order(struct seg_bulk *b)
{
	size_t cap = b->cap ? b->cap * 2 : 256;
	struct ordered *more = realloc(b->order, cap * sizeof *more);

	if (!more)
		return false;
	b->order = more;
	b->cap = cap;
	return true;
}

static size_t kept_bytes(size_t id_len, size_t value_len)
{
	size_t align = _Alignof(struct kept);

	return (sizeof(struct kept) + id_len + value_len + align - 1) / align * align;
}

enum seg_rc seg_part_bulk_keep(struct seg_part *part, enum seg_changelog_kind kind, struct seg_str id,
			       struct seg_str value, bool *ret_kept, struct seg_error *err)
{
	uint64_t hash = seg_hash_customer(id);
	size_t bytes = kept_bytes(id.len, value.ptr ? value.len : 0);
	bool dead;
	enum seg_rc rc = SEG_OK;

	*ret_kept = false;
	if (seg_table_find(&part->table, id, hash))
		return SEG_OK;
	if (!part->bulk)
		rc = begin(part, err);
	struct seg_bulk *b = part->bulk;
	if (rc != SEG_OK || !b)
		return rc;
	rc = check_record(kind, id, value, &dead, err);
	if (rc == SEG_OK && b->used + bytes + (b->len + 1) * sizeof *b->order > b->size)
		rc = seg_part_bulk_write(part, err);
	/* Larger than all that is kept; or writing has put its customer into memory. */
	if (rc != SEG_OK || bytes > b->size || seg_table_find(&part->table, id, hash))
		return rc;
	if (b->len == b->cap && !grow_order(b))
		return seg_part_no_memory(part, err);
	struct kept *k = (struct kept *)(void *)(b->chunk + b->used);

	*k = (struct kept){
		.id_len = id.len, .value_len = value.ptr ? value.len : NONE, .kind = (uint8_t)kind, .dead = dead};
	memcpy(k->bytes, id.ptr, id.len);
	if (value.ptr)
		memcpy(k->bytes + id.len, value.ptr, value.len);
	b->order[b->len++] = (struct ordered){hash, k};
	b->used += bytes;
	*ret_kept = true;
	return SEG_OK;
}

/* ---- writing ---- */

static struct seg_str id_of(const struct kept *k)
{
	return (struct seg_str){k->bytes, k->id_len};
}

static struct seg_str value_of(const struct kept *k)
{
	bool none = k->value_len == NONE;

	return (struct seg_str){none ? NULL : k->bytes + k->id_len, none ? 0 : k->value_len};
}

static int compare_ids(const struct kept *a, const struct kept *b)
{
	uint32_t n = a->id_len < b->id_len ? a->id_len : b->id_len;
	int c = memcmp(a->bytes, b->bytes, n);

	return c ? c : (a->id_len > b->id_len) - (a->id_len < b->id_len);
}

static int compare_ordered(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	int c;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	c = compare_ids(x->record, y->record);
	return c ? c : (x->record > y->record) - (x->record < y->record);
}

static enum seg_rc stored_profile(struct seg_part *part, struct seg_str id, uint64_t hash, struct seg_profile **ret,
				  struct seg_error *err)
{
	enum seg_rc rc = seg_store_get(part->store, hash, id, &part->load, err);

	*ret = NULL;
	if (rc == SEG_NOT_FOUND)
		return SEG_OK;
	return rc == SEG_OK ? seg_profile_decode(part->load.data, part->load.len, ret, err) : rc;
}

/* Decisions after what came before them: records [0, len) of one customer, the first maybe a profile or a tombstone, all
 * others decisions. Nobody is dead. */
static enum seg_rc put_decided(struct seg_part *part, struct seg_run *run, const struct ordered *o, size_t len,
			       struct seg_error *err)
{
	struct seg_str id = id_of(o[0].record), first = value_of(o[0].record);
	struct seg_profile *p = NULL;
	bool begins = o[0].record->kind == SEG_CHANGELOG_PROFILE || !first.ptr;
	enum seg_rc rc = SEG_OK;

	if (!begins)
		rc = stored_profile(part, id, o[0].hash, &p, err);
	else if (first.ptr)
		rc = seg_profile_decode(first.ptr, first.len, &p, err);
	for (size_t i = begins; rc == SEG_OK && i < len; i++) {
		struct seg_str value = value_of(o[i].record);
		struct seg_decision d;

		rc = seg_decision_decode(value.ptr, value.len, &d, err);
		if (rc == SEG_OK)
			rc = seg_profile_take_decision(&p, id, o[0].hash, &d, err);
	}
	if (rc == SEG_OK) {
		seg_buf_clear(&part->value);
		rc = seg_profile_encode(p, &part->value, err);
	}
	if (rc == SEG_OK)
		rc = seg_run_put(run, o[0].hash, id, part->value.data, part->value.len, err);
	seg_profile_free(p);
	return rc;
}

/* All records of one customer. */
static enum seg_rc put_customer(struct seg_part *part, struct seg_run *run, const struct ordered *o, size_t len,
				struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;
	bool dead = false;
	size_t from = 0;

	for (size_t i = 0; i < len; i++) {
		dead |= o[i].record->dead;
		if (o[i].record->kind == SEG_CHANGELOG_PROFILE || o[i].record->value_len == NONE)
			from = i;
	}
	if (dead) {
		for (size_t i = 0; rc == SEG_OK && i < len; i++)
			rc = seg_part_take_into_memory(part, (enum seg_changelog_kind)o[i].record->kind,
						       id_of(o[i].record), value_of(o[i].record), err);
		return rc;
	}
	const struct kept *last = o[len - 1].record;

	if (from < len - 1 || (last->kind == SEG_CHANGELOG_DECISION && last->value_len != NONE))
		return put_decided(part, run, o + from, len - from, err);
	return seg_run_put(run, o[0].hash, id_of(last), value_of(last).ptr, value_of(last).len, err);
}

enum seg_rc seg_part_bulk_write(struct seg_part *part, struct seg_error *err)
{
	struct seg_bulk *b = part->bulk;
	struct seg_run *run;
	enum seg_rc rc;

	if (!b || b->len == 0)
		return SEG_OK;
	qsort(b->order, b->len, sizeof *b->order, compare_ordered);
	rc = seg_run_open(part->store, &run, err);
	if (rc != SEG_OK)
		return seg_part_wrong(part, rc, err);
	for (size_t i = 0, n; rc == SEG_OK && i < b->len; i += n) {
		for (n = 1; i + n < b->len && b->order[i + n].hash == b->order[i].hash &&
			    compare_ids(b->order[i].record, b->order[i + n].record) == 0;)
			n++;
		rc = put_customer(part, run, b->order + i, n, err);
	}
	if (rc == SEG_OK)
		rc = seg_run_close(run, err);
	else
		seg_run_drop(run);
	b->len = b->used = 0;
	return rc == SEG_OK ? SEG_OK : seg_part_wrong(part, rc, err);
}
