/*
 * sim: the seeds that once found something, some hundred others, and each
 * mutation, which must be found.
 *
 *   sim [--seeds N] [--from SEED]     only N seeds
 *   sim --mutate NAME ...             with a mistake: fails when it is found
 *   sim --trace ...                   say what happens
 *   SIM_SEED=N sim                    only this one
 *
 * Exit: 0 all held, 1 something did not (the seed is printed), 2 usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/init.h"
#include "tests/sim/sim.h"

#define SEEDS         300 /* of the ordinary run */
#define SEEDS_MUTATED 400 /* at most, for each mutation */

static struct sim s;

static const struct {
	const char *name;
	uint64_t from;
} mutations[MUT_COUNT] = {
#define X(constant, name, from) { name, from },
	MUTATIONS(X)
#undef X
};

struct totals {
	uint64_t seeds, steps, delivered, crashes, failures, directs, repeats;
};

static bool
run(uint64_t seed, enum mutation m, bool trace, struct totals *t)
{
	bool ok = sim_run(&s, seed, m, trace);

	t->seeds++;
	t->steps += s.steps;
	t->delivered += s.delivered;
	t->crashes += s.crashes;
	t->failures += s.failures;
	t->directs += s.directs;
	t->repeats += s.repeats;
	if (!ok)
		printf("SIM_SEED=%llu: %s\n", (unsigned long long)seed, s.why);
	sim_free(&s);
	return ok;
}

static bool
run_range(uint64_t from, uint64_t n, enum mutation m, bool trace)
{
	struct totals t = { 0 };
	bool ok = true;

	for (uint64_t seed = from; seed < from + n; seed++)
		ok = run(seed, m, trace, &t) && ok;
	printf("sim: %llu seeds from SIM_SEED=%llu: %llu steps, "
	       "%llu deliveries, %llu crashes, %llu failed commits, "
	       "%llu direct, %llu repeats: %s\n",
	    (unsigned long long)t.seeds, (unsigned long long)from,
	    (unsigned long long)t.steps, (unsigned long long)t.delivered,
	    (unsigned long long)t.crashes, (unsigned long long)t.failures,
	    (unsigned long long)t.directs, (unsigned long long)t.repeats,
	    ok ? "all held" : "FAILED");
	return ok;
}

/* A number a line, and why it is kept. */
static bool
run_kept(void)
{
	FILE *f = fopen(SRCDIR "/tests/sim/seeds", "r");
	struct totals t = { 0 };
	char line[256];
	bool ok = true;

	if (f == NULL) {
		perror(SRCDIR "/tests/sim/seeds");
		return false;
	}
	while (fgets(line, sizeof(line), f) != NULL)
		if (line[0] != '#')
			ok = run(strtoull(line, NULL, 10), MUT_NONE, false,
				 &t) &&
			     ok;
	fclose(f);
	printf("sim: %llu kept seeds: %s\n", (unsigned long long)t.seeds,
	    ok ? "all held" : "FAILED");
	return ok;
}

static bool
replays_exactly(uint64_t seed)
{
	uint64_t first, again;

	(void)sim_run(&s, seed, MUT_NONE, false);
	first = sim_digest(&s);
	sim_free(&s);
	(void)sim_run(&s, seed, MUT_NONE, false);
	again = sim_digest(&s);
	sim_free(&s);
	if (first != again)
		printf("SIM_SEED=%llu does not replay\n",
		    (unsigned long long)seed);
	return first == again;
}

/* Can it fail at all? */
static bool
mutations_are_found(void)
{
	bool all = true;

	for (enum mutation m = MUT_NONE + 1; m < MUT_COUNT; m++) {
		uint64_t seed = mutations[m].from;
		uint64_t end = seed + SEEDS_MUTATED;

		while (seed < end && sim_run(&s, seed, m, false)) {
			sim_free(&s);
			seed++;
		}
		if (seed < end) {
			printf("sim: %s is found by seed %llu: %s\n",
			    mutations[m].name, (unsigned long long)seed, s.why);
			sim_free(&s);
		} else {
			printf("sim: %s is NOT found\n", mutations[m].name);
			all = false;
		}
	}
	return all;
}

static enum mutation
mutation_named(const char *name)
{
	for (enum mutation m = 0; m < MUT_COUNT; m++)
		if (strcmp(mutations[m].name, name) == 0)
			return m;
	fprintf(stderr, "sim: no mutation %s\n", name);
	exit(2);
}

int
main(int argc, char **argv)
{
	const char *env = getenv("SIM_SEED");
	uint64_t from = 1, n = 0;
	enum mutation m = MUT_NONE;
	bool trace = false;

	if (crypto_start() != OK)
		return 2;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--trace") == 0) {
			trace = true;
		} else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
			n = strtoull(argv[++i], NULL, 10);
		} else if (i + 1 < argc && strcmp(argv[i], "--from") == 0) {
			from = strtoull(argv[++i], NULL, 10);
		} else if (i + 1 < argc && strcmp(argv[i], "--mutate") == 0) {
			m = mutation_named(argv[++i]);
		} else {
			fprintf(stderr, "usage: sim [--seeds N] [--from SEED] "
					"[--mutate NAME] [--trace]\n");
			return 2;
		}
	}
	if (env != NULL) {
		from = strtoull(env, NULL, 10);
		n = 1;
	}
	if (n > 0 || m != MUT_NONE)
		return run_range(from, n > 0 ? n : SEEDS, m, trace) ? 0 : 1;
	return run_kept() && run_range(1, SEEDS, MUT_NONE, trace) &&
		       replays_exactly(7) && mutations_are_found()
		   ? 0
		   : 1;
}
