/* What the decoder and the file source share: programs by writer schema. */
#ifndef SEG_CONSUMERS_DECODER_INTERNAL_H
#define SEG_CONSUMERS_DECODER_INTERNAL_H

#include "consumers/arena.h"
#include "consumers/decoder.h"
#include "consumers/json_event.h"
#include "consumers/program.h"

/* A writer's schema and, from its first message on, its program. */
struct seg_writer {
	uint64_t fingerprint;
	char id[24]; /* it in hex */
	struct seg_schema *schema;
	struct seg_program *program;
	bool compiled; /* program NULL: it cannot be read, `why` says why */
	char why[200];
};

struct seg_decoder {
	struct seg_decoder_options options; /* pointers into the arena */
	struct seg_schema *reader;
	struct seg_writer **writers;
	size_t writers_len, writers_cap;
	struct seg_writer *last; /* of the last message: most topics have one writer */
	struct seg_arena arena, strings;
	struct seg_run run;
	struct seg_json_reader json;
};

/* NULL: unknown. */
struct seg_writer *seg_decoder_writer(struct seg_decoder *d, uint64_t fingerprint);

/* Compiles it if that was not done yet. False: it cannot be read as this source. */
bool seg_writer_ready(struct seg_decoder *d, struct seg_writer *w);

/* A record's body. *ret_used: its length, also when refused if its end is known, else 0. prefix: more may follow. */
enum seg_refusal seg_decoder_body(struct seg_decoder *d, struct seg_writer *w, const void *data, size_t len,
				  bool prefix, struct seg_event *ret, size_t *ret_used, struct seg_refused *ret_why);

/* Another object of the same JSON form; see json_event.h. */
enum seg_refusal seg_decoder_json(struct seg_decoder *d, const json_t *object, struct seg_event *ret,
				  struct seg_refused *ret_why);

/* Fills why: the refusal's text and the field. */
void seg_refused_say(struct seg_refused *why, enum seg_refusal r, const char *where, const struct seg_writer *w);

/* All *.avsc of a folder; see decoder_schemas.c. */
SEG_MUST_CHECK enum seg_rc seg_decoder_load_folder(struct seg_decoder *d, const char *folder, struct seg_error *err);

#endif
