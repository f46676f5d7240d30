/* One process a data folder: the second is told who has it, and gets it once that one is gone, however it went. */
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/about.h"
#include "daemon/data_lock.h"

static void make_config(struct seg_config *config, char *dir)
{
	assert_non_null(mkdtemp(dir));
	*config = (struct seg_config){.app = strdup("app"), .instance = strdup("one"), .data_dir = strdup(dir)};
	assert_ok(seg_about_make_folder(config, NULL));
}

static void release_config(struct seg_config *config)
{
	free(config->app);
	free(config->instance);
	free(config->data_dir);
}

static void test_second_process_is_refused_until_the_first_is_gone(void **state)
{
	char dir[] = "/tmp/seg-lock-XXXXXX", ready = 0, path[128];
	struct seg_config config;
	struct seg_error err = {0};
	int fd = -1, told[2];
	(void)state;
	make_config(&config, dir);
	assert_int_equal(pipe(told), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		bool has = seg_data_lock(&config, &fd, NULL) == SEG_OK;
		if (write(told[1], has ? "y" : "n", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(told[0], &ready, 1), 1);
	assert_int_equal(ready, 'y');
	assert_int_equal(seg_data_lock(&config, &fd, &err), SEG_INVALID);
	char pid[32];
	snprintf(pid, sizeof(pid), "process %d (instance one)", (int)child);
	assert_non_null(strstr(err.text, pid));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_ok(seg_data_lock(&config, &fd, &err));
	seg_data_unlock(fd);
	assert_ok(seg_data_lock(&config, &fd, &err)); /* given back: free again */
	seg_data_unlock(fd);
	seg_data_unlock(-1);
	snprintf(path, sizeof(path), "%s/app/lock", dir);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/app", dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
	close(told[0]);
	close(told[1]);
	release_config(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_second_process_is_refused_until_the_first_is_gone)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
