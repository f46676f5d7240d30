/* A partition whose store is in trouble: what is in memory goes, the store is opened again or made anew. */
#include <stdio.h>
#include <string.h>

#include "state/part_internal.h"

enum seg_rc seg_part_trouble(const struct seg_part *part, struct seg_error *ret)
{
	return seg_store_trouble(part->store, ret);
}

/* What a rebuild that was cut short leaves is nothing to keep, and must not drive out what is. */
enum seg_rc seg_part_replace_store(struct seg_part *part, bool keep, char why[SEG_PART_WHY], struct seg_error *err)
{
	char kept[SEG_STORE_ASIDE_BYTES] = "", text[SEG_PART_WHY];
	enum seg_rc rc = keep ? seg_store_replace(part->store, kept, err) : seg_store_empty(part->store, err);

	if (rc != SEG_OK)
		return rc;
	if (kept[0]) {
		snprintf(text, sizeof text, "%.*s; kept as %s", (int)(sizeof text - strlen(kept) - 12), why, kept);
		memcpy(why, text, sizeof text);
	}
	return SEG_OK;
}

enum seg_rc seg_part_mend(struct seg_part *part, struct seg_error *err)
{
	struct seg_error trouble, again;
	enum seg_rc rc = seg_part_trouble(part, &trouble);

	if (rc == SEG_OK)
		return SEG_OK;
	seg_part_drop(part);
	if (rc == SEG_IO) {
		rc = seg_store_reopen(part->store, &again);
		if (rc != SEG_CORRUPT) {
			if (err)
				*err = again;
			return rc == SEG_OK ? SEG_OK : seg_part_wrong(part, rc, err);
		}
		trouble = again;
	}
	snprintf(part->damaged, sizeof part->damaged, "%s", trouble.text);
	rc = seg_part_replace_store(part, !part->rebuilding, part->damaged, err);
	return rc == SEG_OK ? SEG_OK : seg_part_wrong(part, rc, err);
}
