/* Each allocation of the loader fails in turn: an error comes back, nothing is lost and the output is left alone. */
#include "tests/unit/config/load_text.h"

#include <stdlib.h>

/* Of the wrapped functions; 0: none fails any more. Tests run on one thread. */
static long fail_at;

static bool fails(void)
{
	return fail_at > 0 && --fail_at == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

static void test_load_survives_every_failed_allocation(void **state)
{
	static const char text[] =
		"app: x\nsources: {web: {mapping: {time: a.b, kind: {const: c}}}}\ncurrencies: {rates: {USD: 2}}\n"
		"cleaning: {bots: [a, b]}\nkafka: {client: {sasl.password: \"${SEG_T_SECRET}\"}}\n"
		"http: {token: \"file:" SEG_SOURCE_DIR "/config/demo.yaml\"}\n";
	static const char list[] = "features: [a, {name: b, weight: 2}]\nhttp: {token: \"${SEG_T_SECRET}\"}\n";
	long calls[2] = {0, 0};

	(void)state;
	setenv("SEG_T_SECRET", "s", 1);
	for (int which = 0; which < 2; which++) {
		enum seg_rc rc = SEG_NO_MEMORY;
		struct seg_config *c = NULL;

		while (rc != SEG_OK) {
			struct seg_error err = {.text = ""};

			fail_at = ++calls[which];
			rc = which ? seg_config_load_text(list, sizeof(list) - 1, "t", NULL, &c, &err)
				   : seg_config_load_text(text, sizeof(text) - 1, "t", NULL, &c, &err);
			/* It ends when all allocations have failed once; the first text is then refused for its token. */
			if (!which && rc == SEG_INVALID && fail_at > 0)
				break;
			if (rc != SEG_OK && (c || err.text[0] == '\0' || fail_at > 0))
				fail_msg("allocation %ld: %s", calls[which], err.text);
		}
		fail_at = 0;
		seg_config_free(c);
	}
	assert_true(calls[0] > 40);
	assert_true(calls[1] > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_survives_every_failed_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
