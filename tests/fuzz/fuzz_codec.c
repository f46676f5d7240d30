/*
 * Any bytes as stored records. The first byte chooses: profile, decision, cut or changelog key, and with its bit 4 the
 * rest gets a right checksum, so that what lies behind the checksum is reached. What is accepted must be storable, and
 * come back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/aggregate.h"
#include "state/codec.h"
#include "state/cut.h"

enum { CHECKSUM_BYTES = 4, WITH_CHECKSUM = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void try_profile(const uint8_t *data, size_t len)
{
	struct seg_profile *p, *back;
	struct seg_buf buf;
	struct seg_error err;
	enum seg_rc rc = seg_profile_decode(data, len, &p, &err);
	if (rc) {
		must(rc == SEG_CORRUPT || rc == SEG_INVALID);
		return;
	}
	seg_buf_init(&buf, SEG_PROFILE_BYTES_MAX);
	must(seg_profile_encode(p, &buf, &err) == SEG_OK);
	must(seg_profile_decode(buf.data, buf.len, &back, &err) == SEG_OK);
	must(seg_aggregate_equal(p, back, 0) && seg_decision_equal(&p->decision, &back->decision));
	must(seg_contribution_equal(&p->contribution, &back->contribution) && seg_str_eq(p->id, back->id));
	must(memcmp(p->applied, back->applied, sizeof(p->applied)) == 0);
	must(seg_aggregate_merge(p, back, NULL, &err) == SEG_OK);
	seg_profile_free(p);
	seg_profile_free(back);
	seg_buf_release(&buf);
}

static void try_decision(const uint8_t *data, size_t len)
{
	struct seg_decision d, back;
	struct seg_buf buf;
	if (seg_decision_decode(data, len, &d, NULL))
		return;
	seg_buf_init(&buf, 1024);
	must(seg_decision_encode(&d, &buf, NULL) == SEG_OK);
	must(seg_decision_decode(buf.data, buf.len, &back, NULL) == SEG_OK && seg_decision_equal(&d, &back));
	seg_buf_release(&buf);
}

static void try_cut(const uint8_t *data, size_t len)
{
	struct seg_cut cut, back;
	struct seg_buf buf;
	if (seg_cut_decode(data, len, &cut, NULL))
		return;
	seg_buf_init(&buf, 8192);
	must(seg_cut_encode(&cut, &buf, NULL) == SEG_OK);
	must(seg_cut_decode(buf.data, buf.len, &back, NULL) == SEG_OK && cut.seq == back.seq);
	must(memcmp(cut.next, back.next, sizeof(cut.next)) == 0 && strcmp(cut.instance, back.instance) == 0);
	seg_buf_release(&buf);
}

static void try_key(const uint8_t *data, size_t len)
{
	enum seg_changelog_kind kind;
	struct seg_str id;
	struct seg_buf buf;
	if (seg_changelog_key_parse(data, len, &kind, &id, NULL))
		return;
	seg_buf_init(&buf, SEG_CUSTOMER_ID_BYTES + 1);
	seg_changelog_key(&buf, kind, id);
	must(buf.len == len && memcmp(buf.data, data, len) == 0);
	seg_buf_release(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const uint8_t *, size_t) = {try_profile, try_decision, try_cut, try_key};
	if (size == 0)
		return 0;
	unsigned how = data[0];
	size_t len = size - 1;
	/* Exactly as long, so that a sanitizer sees a read past the end. */
	uint8_t *record = malloc(len + (how & WITH_CHECKSUM ? CHECKSUM_BYTES : 0) + (len == 0));
	must(record != NULL);
	memcpy(record, data + 1, len);
	if (how & WITH_CHECKSUM) {
		uint32_t sum = __builtin_bswap32((uint32_t)seg_hash64(record, len));
		memcpy(record + len, &sum, sizeof(sum));
		len += CHECKSUM_BYTES;
	}
	tries[how % 4](record, len);
	free(record);
	return 0;
}
