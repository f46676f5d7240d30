/* Feeds every file of the folders and files named on the command line to the fuzz target, in the order of their names:
 * what was found once stays found, also without libFuzzer. No inputs at all is a failure. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16 * 1024 * 1024 };

static size_t inputs;

static int replay_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(size + 1);
	int rc = 1;

	if (!f || !data || size > INPUT_MAX || fread(data, 1, size, f) != size) {
		fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(errno));
		goto out;
	}
	LLVMFuzzerTestOneInput(data, size);
	inputs++;
	rc = 0;
out:
	free(data);
	if (f)
		fclose(f);
	return rc;
}

static int replay(const char *path);

static int replay_folder(const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);
	int rc = n < 0;

	for (int i = 0; i < n; i++) {
		char path[4096];

		if (entries[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
			rc |= replay(path);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return rc;
}

static int replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	return S_ISDIR(st.st_mode) ? replay_folder(path) : replay_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
	int rc = 0;

	for (int i = 1; i < argc; i++)
		rc |= replay(argv[i]);
	if (inputs == 0) {
		fprintf(stderr, "no inputs\n");
		return 1;
	}
	printf("%zu inputs replayed\n", inputs);
	return rc;
}
