/*
 * Runs a fuzzer's function over a corpus, without a fuzzing engine: over the
 * files and directories that are named, or tests/fuzz/corpus/NAME in the
 * source for a program called fuzz_NAME.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned long count;

static void
file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data, *exact;
	size_t n, cap = 1 << 20;

	if (f == NULL || (data = malloc(cap)) == NULL) {
		perror(path);
		exit(1);
	}
	n = fread(data, 1, cap, f);
	fclose(f);
	/* Exactly as long, so that a sanitizer sees a read beyond it. */
	if ((exact = realloc(data, n > 0 ? n : 1)) == NULL)
		exit(1);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	count++;
}

static void
any(const char *path)
{
	char inner[4096];
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		file(path);
		return;
	}
	if ((d = opendir(path)) == NULL) {
		perror(path);
		exit(1);
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
		any(inner);
	}
	closedir(d);
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char path[4096];

	name = name != NULL ? name + 1 : argv[0];
	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			any(argv[i]);
	} else {
		if (strncmp(name, "fuzz_", 5) == 0)
			name += 5;
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", SRCDIR,
		    name);
		any(path);
	}
	printf("%s: %lu inputs\n", name, count);
	return count == 0;
}
