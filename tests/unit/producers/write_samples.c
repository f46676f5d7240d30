/* write_samples DIR: every sample as NAME.avro (container), NAME.<i>.bin (single object) and NAME.<i>.json. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/producers/samples.h"

static void check(enum seg_rc rc, const struct seg_error *err)
{
	if (rc != SEG_OK) {
		fprintf(stderr, "write_samples: %s\n", err->text);
		exit(1);
	}
}

static void save(const char *dir, enum seg_output output, size_t i, const char *ending, const struct seg_buf *b)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.%zu.%s", dir, seg_output_names[output], i, ending);
	f = fopen(path, "wb");
	if (!f || fwrite(b->data, 1, b->len, f) != b->len || fclose(f)) {
		perror(path);
		exit(1);
	}
}

static void write_values(const char *dir, enum seg_format format, const char *ending)
{
	struct seg_encoder *e;
	struct seg_error err;
	struct seg_buf b;

	check(seg_encoder_new(format, &e, &err), &err);
	seg_buf_init(&b, 1 << 16);
	for (int output = 0; output < SEG_OUTPUTS; output++) {
		for (size_t i = 0; i < SAMPLES; i++) {
			seg_buf_clear(&b);
			check(seg_encode(e, (enum seg_output)output, sample_of((enum seg_output)output, i), &b, &err),
			      &err);
			save(dir, (enum seg_output)output, i, ending, &b);
		}
	}
	seg_buf_release(&b);
	seg_encoder_free(e);
}

static void write_containers(const char *dir)
{
	struct seg_container *c;
	struct seg_error err;
	char path[512];

	for (int output = 0; output < SEG_OUTPUTS; output++) {
		snprintf(path, sizeof path, "%s/%s.avro", dir, seg_output_names[output]);
		check(seg_container_open(path, (enum seg_output)output, &c, &err), &err);
		for (size_t i = 0; i < SAMPLES; i++)
			check(seg_container_append(c, sample_of((enum seg_output)output, i), &err), &err);
		check(seg_container_close(c, &err), &err);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: write_samples DIR\n");
		return 2;
	}
	write_values(argv[1], SEG_FORMAT_AVRO, "bin");
	write_values(argv[1], SEG_FORMAT_JSON, "json");
	write_containers(argv[1]);
	return 0;
}
