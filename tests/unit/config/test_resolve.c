/* ${NAME} and file:PATH, and that secrets stay out of messages. */
#include "tests/unit/config/load_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/options.h"
#include "config/tree.h"

#define SECRET "hunter2-geheim"

static char folder[] = "/tmp/segmentd-resolve-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void write_file(const char *name, const char *data, size_t len, char path[128])
{
	FILE *f;

	snprintf(path, 128, "%s/%s", folder, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void test_env_is_put_in(void **state)
{
	struct seg_config *c;

	(void)state;
	setenv("SEG_T_N", "5", 1);
	setenv("SEG_T_HOST", "kafka${SEG_T_N}", 1);
	setenv("SEG_T_EMPTY", "", 1);
	c = load_text(
		"workers: ${SEG_T_N}\nkafka: {brokers: \"${SEG_T_HOST}:909${SEG_T_N}\"}\n"
		"schemas: {dir: \"$${x}$y$\"}\nhttp: {token: \"${SEG_T_EMPTY}\"}\nfeatures: [\"attr:a${SEG_T_N}\"]\n");
	assert_int_equal(c->workers, 5);
	/* What a variable brings is not looked at again. */
	assert_string_equal(c->kafka.brokers, "kafka${SEG_T_N}:9095");
	assert_string_equal(c->schemas.dir, "${x}$y$");
	assert_string_equal(c->http.token, "");
	assert_string_equal(c->features.items[0].name, "attr:a5");
	seg_config_free(c);
}

static void test_env_errors_name_the_variable(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"app: ${SEG_T_MISSING}\n", "t.yaml:1:6: the environment variable SEG_T_MISSING is not set"},
		{"kafka:\n  client: {sasl.password: \"${SEG_T_MISSING}\"}\n",
		 "t.yaml:2:27: the environment variable SEG_T_MISSING is not set"},
		{"app: ${}\n", "t.yaml:1:6: `${` must be followed by the name"},
		{"app: ${1A}\n", "t.yaml:1:6: `${` must be followed by the name"},
		{"app: ${A\n", "t.yaml:1:6: `${` must be followed by the name"},
		{"app: \"${A:-b}\"\n", "t.yaml:1:6: `${` must be followed by the name"},
		{"workers: ${SEG_T_WORD}\n", "t.yaml:1:10: workers: `${SEG_T_WORD}` is not a whole number"},
	};

	(void)state;
	unsetenv("SEG_T_MISSING");
	setenv("SEG_T_WORD", SECRET, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seg_error err;
		const char *got = refused(cases[i].text, strlen(cases[i].text), NULL, &err);

		if (strncmp(got, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("%s\n  gives    %s\n  expected %s", cases[i].text, got, cases[i].message);
		assert_null(strstr(got, SECRET));
	}
}

static void test_env_growth_is_bounded(void **state)
{
	char *big = malloc(40001), text[64];
	struct seg_error err;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 40000);
	big[40000] = '\0';
	setenv("SEG_T_BIG", big, 1);
	strcpy(text, "http: {token: \"${SEG_T_BIG}${SEG_T_BIG}\"}\n");
	assert_non_null(strstr(refused(text, strlen(text), NULL, &err), "longer than 64 KiB"));
	unsetenv("SEG_T_BIG");
	free(big);
}

static void test_file_is_read_for_secrets(void **state)
{
	char path[128], text[512];
	struct seg_config *c;

	(void)state;
	write_file("token", SECRET "\r\n\n", strlen(SECRET) + 3, path);
	setenv("SEG_T_DIR", folder, 1);
	snprintf(text, sizeof(text),
		 "http: {token: \"file:%s\"}\nkafka: {client: {sasl.username: u, sasl.password: "
		 "\"file:${SEG_T_DIR}/token\", "
		 "ssl.ca.location: \"file:%s\", client.rack: \"${SEG_T_DIR}\"}}\n",
		 path, path);
	c = load_text(text);
	assert_string_equal(c->http.token, SECRET);
	assert_string_equal(seg_config_map_find(&c->kafka.client, "sasl.password"), SECRET);
	for (size_t i = 0; i < c->kafka.client.len; i++)
		assert_int_equal(c->kafka.client.items[i].secret,
				 strcmp(c->kafka.client.items[i].name, "sasl.username") != 0);
	seg_config_free(c);
	unlink(path);
	/* Other options take it as text, and so does what a variable brings. */
	c = load_text("schemas: {dir: \"file:/etc/hostname\"}\n");
	assert_string_equal(c->schemas.dir, "file:/etc/hostname");
	seg_config_free(c);
	setenv("SEG_T_FILE", "file:/nowhere", 1);
	c = load_text("http: {token: \"${SEG_T_FILE}\"}\n");
	assert_string_equal(c->http.token, "file:/nowhere");
	seg_config_free(c);
}

static void assert_file_refused(const char *path, const char *why)
{
	char text[256];
	struct seg_error err;
	const char *got;

	snprintf(text, sizeof(text), "app: a\nhttp: {token: \"file:%s\"}\n", path);
	got = refused(text, strlen(text), NULL, &err);
	assert_true(strncmp(got, "t.yaml:2:15: ", 13) == 0);
	if (!strstr(got, why))
		fail_msg("%s instead of %s", got, why);
	assert_null(strstr(got, SECRET));
}

static void test_file_errors_say_why(void **state)
{
	char path[128], *big = calloc(1, 70000);

	(void)state;
	assert_non_null(big);
	assert_file_refused("", "file: without a path");
	assert_file_refused("/nowhere/at/all", "the file /nowhere/at/all cannot be used: No such file");
	assert_file_refused("/tmp", "cannot be used: not a regular file");
	assert_file_refused("/dev/zero", "cannot be used: not a regular file");
	write_file("nul", SECRET "\0", strlen(SECRET) + 1, path);
	assert_file_refused(path, "has a NUL byte");
	unlink(path);
	memset(big, 'x', 70000);
	write_file("big", big, 70000, path);
	assert_file_refused(path, "larger than 64 KiB");
	unlink(path);
	write_file("lines", SECRET "\n" SECRET, 2 * strlen(SECRET) + 1, path);
	assert_file_refused(path, "http.token: the value has a control character");
	unlink(path);
	snprintf(path, sizeof(path), "%s/pipe", folder);
	assert_ok(mkfifo(path, 0600));
	assert_file_refused(path, "not a regular file");
	unlink(path);
	free(big);
}

static void test_secrets_are_never_shown(void **state)
{
	static const char *const texts[] = {
		"http: {token: \"" SECRET "\\n\"}\n",
		"registry: {url: \"https://u:" SECRET "@host/a b\"}\n",
		"registry: {url: \"https://u:" SECRET "@host/a\"}\n",
		"kafka: {client: {sasl.password: [" SECRET "]}}\n",
		"kafka: {client: {ssl.key.password: {a: " SECRET "}}}\n",
		"http: {token: [" SECRET "]}\n",
		"http: {token: {x: " SECRET "}}\n",
		"http: {token: \"" SECRET "\nworkers: 2\n",
		"http: {token: \"" SECRET "\"}\nhttp: {token: x}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct seg_error err;

		if (strstr(refused(texts[i], strlen(texts[i]), NULL, &err), SECRET))
			fail_msg("shown: %s", err.text);
	}
	assert_true(seg_option_key_is_secret("sasl.password"));
	assert_true(seg_option_key_is_secret("SSL.Key.PEM"));
	assert_true(seg_option_key_is_secret("sasl.oauthbearer.client.secret"));
	assert_false(seg_option_key_is_secret("sasl.username"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_env_is_put_in),	      cmocka_unit_test(test_env_errors_name_the_variable),
		cmocka_unit_test(test_env_growth_is_bounded), cmocka_unit_test(test_file_is_read_for_secrets),
		cmocka_unit_test(test_file_errors_say_why),   cmocka_unit_test(test_secrets_are_never_shown),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
