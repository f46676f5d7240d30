/* Replay's files: order, sorting, refusals in their place, broken files. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/schemas.h"
#include "consumers/file_source.h"

enum { T0 = 1600000000 };

struct fixture {
	char dir[64], paths[4][96];
	int len;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/seg_test_files.XXXXXX");
	*state = f;
	return mkdtemp(f->dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < f->len; i++)
		unlink(f->paths[i]);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void put_text(struct seg_buf *b, const char *s)
{
	seg_buf_zigzag(b, (int64_t)strlen(s));
	seg_buf_append(b, s, strlen(s));
}

/* kind: index of the symbol. */
static void put_order(struct seg_buf *b, const char *id, int64_t seconds, int64_t kind)
{
	put_text(b, id);
	put_text(b, "c");
	seg_buf_zigzag(b, seconds * 1000);
	seg_buf_zigzag(b, kind);
	put_text(b, "o");
	seg_buf_f64(b, 1);
	for (int i = 0; i < 5; i++) /* currency, quantity, lines, country, campaign */
		seg_buf_zigzag(b, 0);
}

static void put_container(struct seg_buf *out, const char *schema, const char *codec, const struct seg_buf *body,
			  int64_t records)
{
	static const char sync[16] = "0123456789abcdef";

	seg_buf_append(out, "Obj\x01", 4);
	seg_buf_zigzag(out, 2);
	put_text(out, "avro.schema");
	put_text(out, schema);
	put_text(out, "avro.codec");
	put_text(out, codec);
	seg_buf_zigzag(out, 0);
	seg_buf_append(out, sync, 16);
	seg_buf_zigzag(out, records);
	seg_buf_zigzag(out, (int64_t)body->len);
	seg_buf_append(out, body->data, body->len);
	seg_buf_append(out, sync, 16);
}

static const char *add_file(struct fixture *f, const char *name, const void *data, size_t len)
{
	char *path = f->paths[f->len++];
	FILE *file;

	strcpy(path, f->dir);
	strcat(path, "/");
	strncat(path, name, 24);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	fclose(file);
	return path;
}

static void add_orders(struct fixture *f, const char *name, const int64_t *seconds, int64_t len)
{
	struct seg_buf body, out;

	seg_buf_init(&body, 1 << 20);
	seg_buf_init(&out, 1 << 20);
	for (int64_t i = 0; i < len; i++) {
		char id[32];

		snprintf(id, sizeof(id), "%s-%d", name, (int)i);
		put_order(&body, id, T0 + seconds[i], 1);
	}
	put_container(&out, seg_schema_text("order"), "null", &body, len);
	add_file(f, name, out.data, out.len);
	seg_buf_release(&body);
	seg_buf_release(&out);
}

static enum seg_rc open_all(const struct fixture *f, size_t sort_bytes, struct seg_file_source **ret,
			    struct seg_error *err)
{
	struct seg_file_source_options o = {.read = {true, true, true, true}, .sort_bytes = sort_bytes};
	const char *paths[4];

	for (int i = 0; i < f->len; i++)
		paths[i] = f->paths[i];
	o.paths = paths;
	o.paths_len = (size_t)f->len;
	return seg_file_source_open(&o, ret, err);
}

/* "event_id event_id …", refused ones as !code@position. */
static void read_all(const struct fixture *f, size_t sort_bytes, char *ret, size_t size)
{
	struct seg_file_source *s = NULL;
	struct seg_file_record r;
	struct seg_error err = {SEG_OK, ""};
	enum seg_rc rc;
	size_t len = 0, records = 0;

	if (open_all(f, sort_bytes, &s, &err) != SEG_OK)
		fail_msg("%s", err.text);
	ret[0] = '\0';
	while ((rc = seg_file_source_next(s, &r, &err)) == SEG_OK) {
		records++;
		if (r.event)
			len += (size_t)snprintf(ret + len, size - len, "%.*s ", (int)r.event->event_id.len,
						r.event->event_id.ptr);
		else
			len += (size_t)snprintf(ret + len, size - len, "!%s@%d ", seg_refusal_code(r.refusal),
						(int)r.position);
		assert_true(r.raw.len > 0);
		assert_true((r.why != NULL) == (r.event == NULL));
	}
	assert_int_equal(rc, SEG_NOT_FOUND);
	assert_int_equal(records, seg_file_source_records(s));
	seg_file_source_close(s);
}

static void test_next_merges_by_time_then_file_then_position(void **state)
{
	struct fixture *f = *state;
	char text[512];

	add_orders(f, "a.avro", (int64_t[]){1, 3, 3, 9}, 4);
	add_orders(f, "b.avro", (int64_t[]){2, 3, 10}, 3);
	read_all(f, 0, text, sizeof(text));
	assert_string_equal(text, "a.avro-0 b.avro-0 a.avro-1 a.avro-2 b.avro-1 a.avro-3 b.avro-2 ");
}

static void test_next_sorts_what_is_not_sorted(void **state)
{
	struct fixture *f = *state;
	char text[512], in_runs[512];

	add_orders(f, "a.avro", (int64_t[]){5, 1, 4, 1, 3}, 5);
	add_orders(f, "b.avro", (int64_t[]){2, 4}, 2);
	read_all(f, 0, text, sizeof(text));
	assert_string_equal(text, "a.avro-1 a.avro-3 b.avro-0 a.avro-4 a.avro-2 b.avro-1 a.avro-0 ");
	read_all(f, 1, in_runs, sizeof(in_runs)); /* a run for each record */
	assert_string_equal(in_runs, text);
}

static void test_next_orders_sources_at_equal_times(void **state)
{
	static const char lines[] = "{\"source\":\"profiles\",\"event_id\":\"p\",\"customer_id\":\"c\",\"event_time\":"
				    "1600000001000,\"kind\":\"update\"}\n"
				    "{\"source\":\"email\",\"event_id\":\"m\",\"customer_id\":\"c\",\"event_time\":"
				    "1600000001000,\"kind\":\"open\"}\r\n"
				    "\n"
				    "{\"source\":\"web\",\"event_id\":\"w\",\"customer_id\":\"c\",\"event_time\":"
				    "1600000001000,\"kind\":\"login\"}";
	struct fixture *f = *state;
	char text[512];

	add_orders(f, "o.avro", (int64_t[]){1}, 1);
	add_file(f, "x.jsonl", lines, sizeof(lines) - 1);
	read_all(f, 0, text, sizeof(text));
	assert_string_equal(text, "w m o.avro-0 p ");
}

static void test_next_keeps_refused_lines_behind_their_predecessor(void **state)
{
	static const char lines[] = "{\"source\":\"web\",\"event_id\":\"w1\",\"customer_id\":\"c\",\"event_time\":"
				    "1600000001000,\"kind\":\"login\"}\n"
				    "{\"source\":\"web\",\n"
				    "{\"source\":\"shop\",\"event_time\":1600000009000}\n"
				    "{\"source\":\"web\",\"event_id\":[],\"event_time\":1600000003000}\n"
				    "{\"source\":\"web\",\"event_id\":\"w2\",\"customer_id\":\"c\",\"event_time\":"
				    "1600000004000,\"kind\":\"login\"}\n";
	struct fixture *f = *state;
	char text[512];

	add_file(f, "x.jsonl", lines, sizeof(lines) - 1);
	add_orders(f, "o.avro", (int64_t[]){2, 3}, 2);
	read_all(f, 0, text, sizeof(text));
	assert_string_equal(text, "w1 !bad_json@1 !bad_json@2 o.avro-0 !bad_json@3 o.avro-1 w2 ");
}

static void test_open_reads_deflate(void **state)
{
	struct seg_file_source_options o = {.read = {[SEG_ORDERS] = true}};
	const char *path = SEG_SOURCE_DIR "/config/demo/online_retail_orders.avro";
	struct seg_file_source *s = NULL;
	struct seg_file_record r;
	struct seg_error err = {SEG_OK, ""};
	uint64_t records = 0;
	int64_t last = 0;

	(void)state;
	o.paths = &path;
	o.paths_len = 1;
	if (seg_file_source_open(&o, &s, &err) != SEG_OK)
		fail_msg("%s", err.text);
	while (seg_file_source_next(s, &r, NULL) == SEG_OK) {
		assert_non_null(r.event);
		assert_true(r.time_ms >= last);
		last = r.time_ms;
		records++;
	}
	assert_true(records > 1000);
	assert_int_equal(records, seg_file_source_records(s));
	seg_file_source_close(s);
}

static void expect_error(const struct fixture *f, enum seg_rc rc, const char *text)
{
	struct seg_file_source *s = NULL;
	struct seg_error err = {SEG_OK, ""};

	assert_int_equal(open_all(f, 0, &s, &err), rc);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

#define SALE                                                                                                           \
	"{\"type\":\"record\",\"name\":\"Sale\",\"fields\":[{\"name\":\"id\",\"type\":\"long\"},"                      \
	"{\"name\":\"who\",\"type\":\"string\"},{\"name\":\"day\",\"type\":{\"type\":\"int\",\"logicalType\":"         \
	"\"date\"}},"                                                                                                  \
	"{\"name\":\"total\",\"type\":\"float\"}]}"

static const struct seg_mapped sale[] = {
	{"event_id", "id", NULL}, {"order_id", "id", NULL},   {"customer_id", "who", NULL},
	{"time", "day", NULL},	  {"kind", NULL, "purchase"}, {"amount", "total", NULL},
};

static void test_open_finds_the_source_by_its_mapping(void **state)
{
	struct fixture *f = *state;
	struct seg_file_source_options o = {.read = {true, true, true, true}};
	struct seg_file_source *s = NULL;
	struct seg_file_record r;
	struct seg_error err = {SEG_OK, ""};
	struct seg_buf body, out;
	const char *path;
	float total = 2.5F;

	seg_buf_init(&body, 1024);
	seg_buf_init(&out, 1 << 20);
	seg_buf_zigzag(&body, 42);
	put_text(&body, "anna");
	seg_buf_zigzag(&body, 15000);
	seg_buf_append(&body, &total, sizeof(total));
	put_container(&out, SALE, "null", &body, 1);
	path = add_file(f, "s.avro", out.data, out.len);
	expect_error(f, SEG_INVALID, "map their fields");
	o.paths = &path;
	o.paths_len = 1;
	o.sources[SEG_ORDERS] = (struct seg_decoder_options){.mapping = sale, .mapping_len = 6};
	if (seg_file_source_open(&o, &s, &err) != SEG_OK)
		fail_msg("%s", err.text);
	assert_ok(seg_file_source_next(s, &r, NULL));
	assert_int_equal(r.source, SEG_ORDERS);
	assert_non_null(r.event);
	assert_true(seg_str_is(r.event->order_id, "42"));
	assert_true(seg_str_is(r.event->customer_id, "anna"));
	assert_int_equal(r.time_ms, INT64_C(15000) * 86400000);
	assert_near(r.event->amount, 2.5, 0);
	assert_int_equal(seg_file_source_next(s, &r, NULL), SEG_NOT_FOUND);
	seg_file_source_close(s);
	seg_buf_release(&out);
	seg_buf_release(&body);
}

static void test_open_refuses_what_is_no_container(void **state)
{
	struct fixture *f = *state;

	add_file(f, "x.avro", "hello", 5);
	expect_error(f, SEG_INVALID, "x.avro: not an Avro container file");
}

static void test_open_refuses_an_unknown_codec(void **state)
{
	struct fixture *f = *state;
	struct seg_buf body, out;

	seg_buf_init(&body, 1024);
	seg_buf_init(&out, 1 << 20);
	put_container(&out, seg_schema_text("order"), "snappy", &body, 0);
	add_file(f, "x.avro", out.data, out.len);
	expect_error(f, SEG_INVALID, "codec snappy");
	seg_buf_release(&out);
	seg_buf_release(&body);
}

static void test_open_refuses_a_truncated_file(void **state)
{
	struct fixture *f = *state;
	struct seg_buf body, out;

	seg_buf_init(&body, 1024);
	seg_buf_init(&out, 1 << 20);
	put_order(&body, "e", T0, 1);
	put_container(&out, seg_schema_text("order"), "null", &body, 1);
	add_file(f, "x.avro", out.data, out.len - 20);
	expect_error(f, SEG_CORRUPT, "x.avro");
	seg_buf_release(&out);
	seg_buf_release(&body);
}

static void test_open_refuses_a_source_that_is_not_read(void **state)
{
	struct fixture *f = *state;
	struct seg_file_source_options o = {.read = {true, true, false, true}};
	struct seg_file_source *s = NULL;
	struct seg_error err = {SEG_OK, ""};
	const char *path;

	add_orders(f, "a.avro", (int64_t[]){1}, 1);
	path = f->paths[0];
	o.paths = &path;
	o.paths_len = 1;
	assert_int_equal(seg_file_source_open(&o, &s, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "orders"));
}

/* Whatever byte of a file is changed: no crash, and either an error or records. */
static void test_open_survives_every_changed_byte(void **state)
{
	struct fixture *f = *state;
	struct seg_buf body, out;

	seg_buf_init(&body, 1024);
	seg_buf_init(&out, 1 << 20);
	put_order(&body, "e", T0, 1);
	put_order(&body, "f", T0 + 1, 2);
	put_container(&out, seg_schema_text("order"), "null", &body, 2);
	for (size_t i = out.len - 120; i < out.len; i++) {
		struct seg_file_source *s = NULL;
		struct seg_file_record r;

		out.data[i] ^= 0xff;
		add_file(f, "x.avro", out.data, out.len);
		out.data[i] ^= 0xff;
		if (open_all(f, 0, &s, NULL) == SEG_OK) {
			while (seg_file_source_next(s, &r, NULL) == SEG_OK)
				assert_true(r.raw.len > 0);
			seg_file_source_close(s);
		}
		f->len = 0;
	}
	f->len = 1;
	seg_buf_release(&out);
	seg_buf_release(&body);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_next_merges_by_time_then_file_then_position),
		CASE(test_next_sorts_what_is_not_sorted),
		CASE(test_next_orders_sources_at_equal_times),
		CASE(test_next_keeps_refused_lines_behind_their_predecessor),
		CASE(test_open_reads_deflate),
		CASE(test_open_finds_the_source_by_its_mapping),
		CASE(test_open_refuses_what_is_no_container),
		CASE(test_open_refuses_an_unknown_codec),
		CASE(test_open_refuses_a_truncated_file),
		CASE(test_open_refuses_a_source_that_is_not_read),
		CASE(test_open_survives_every_changed_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
