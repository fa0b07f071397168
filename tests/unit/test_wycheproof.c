/*
 * Project Wycheproof's vectors (tests/vectors/wycheproof), all of them: every
 * case gives what its file says, and there are as many as its README says.
 *
 * The directory is $WYCHEPROOF, else SRCDIR/tests/vectors/wycheproof.
 */
#include "tests/unit/crypto_test.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "crypto/sign.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"

/* Bytes of a field; the test frees them. */
struct field {
	uint8_t *p;
	size_t n;
};

static struct field
field(const json_t *object, const char *name)
{
	const char *hex = json_string_value(json_object_get(object, name));
	struct field f;

	assert_non_null(hex);
	f.n = strlen(hex) / 2;
	f.p = malloc(f.n + 1); /* its own, so that ASan sees its end */
	assert_non_null(f.p);
	assert_int_equal(hex_decode(f.p, f.n, str_of(hex)), OK);
	return f;
}

static struct part
part_of(struct field f)
{
	return PART(f.p, f.n);
}

static bool
same(struct field f, const uint8_t *p, size_t n)
{
	return f.n == n && secret_equal(f.p, p, n);
}

static bool
has_flag(const json_t *test, const char *flag)
{
	const json_t *flags = json_object_get(test, "flags"), *one;
	size_t i;

	json_array_foreach(flags, i,
	    one) if (strcmp(json_string_value(one), flag) == 0) return true;
	return false;
}

/* What a case does: true if our code accepts it. */
typedef bool run_case(const json_t *group, const json_t *test);

static bool
run_ed25519(const json_t *group, const json_t *test)
{
	struct field pk = field(json_object_get(group, "publicKey"), "pk");
	struct field msg = field(test, "msg"), sig = field(test, "sig");
	bool ok;

	assert_int_equal(pk.n, SIGN_PUBLIC_LEN);
	ok = sign_verify_raw(part_of(sig), pk.p, part_of(msg)) == OK;
	free(pk.p);
	free(msg.p);
	free(sig.p);
	return ok;
}

static bool
run_x25519(const json_t *group, const json_t *test)
{
	struct field public = field(test, "public"),
		     private = field(test, "private"),
		     shared = field(test, "shared");
	uint8_t out[X25519_LEN];
	bool ok;

	(void)group;
	assert_int_equal(public.n, X25519_LEN);
	assert_int_equal(private.n, X25519_LEN);
	ok = x25519(out, private.p, public.p) == OK;
	if (ok)
		assert_true(same(shared, out, sizeof(out)));
	free(public.p);
	free(private.p);
	free(shared.p);
	return ok;
}

typedef void seal_fn(uint8_t *out, const uint8_t *key, const uint8_t *nonce,
    struct part ad, struct part plain);
typedef enum err open_fn(uint8_t *out, const uint8_t *key, const uint8_t *nonce,
    struct part ad, struct part sealed);

/* Opens; and, where that is right, seals and compares. */
static bool
run_aead(const json_t *test, size_t nonce_len, seal_fn *seal, open_fn *open)
{
	struct field key = field(test, "key"), iv = field(test, "iv"),
		     ad = field(test, "aad"), msg = field(test, "msg"),
		     ct = field(test, "ct"), tag = field(test, "tag");
	size_t n = ct.n + tag.n;
	uint8_t *sealed = malloc(n), *out = malloc(n);
	bool ok = false;

	assert_non_null(sealed);
	assert_non_null(out);
	assert_int_equal(key.n, AEAD_KEY_LEN);
	memcpy(sealed, ct.p, ct.n);
	memcpy(sealed + ct.n, tag.p, tag.n);
	/* A nonce of another length is no argument of our functions. */
	if (iv.n == nonce_len)
		ok = open(out, key.p, iv.p, part_of(ad), PART(sealed, n)) == OK;
	if (ok) {
		assert_true(same(msg, out, ct.n));
		seal(out, key.p, iv.p, part_of(ad), part_of(msg));
		assert_memory_equal(out, sealed, n);
	}
	free(key.p);
	free(iv.p);
	free(ad.p);
	free(msg.p);
	free(ct.p);
	free(tag.p);
	free(sealed);
	free(out);
	return ok;
}

static bool
run_chacha(const json_t *group, const json_t *test)
{
	(void)group;
	return run_aead(test, CHACHA_NONCE_LEN, chacha_seal, chacha_open);
}

static bool
run_xchacha(const json_t *group, const json_t *test)
{
	(void)group;
	return run_aead(test, XCHACHA_NONCE_LEN, xchacha_seal, xchacha_open);
}

static bool
run_hkdf(const json_t *group, const json_t *test)
{
	struct field ikm = field(test, "ikm"), salt = field(test, "salt"),
		     info = field(test, "info"), okm = field(test, "okm");
	size_t n = (size_t)json_integer_value(json_object_get(test, "size"));
	uint8_t prk[HKDF_PRK_LEN], *out = malloc(n);
	bool ok;

	(void)group;
	assert_non_null(out);
	hkdf_extract(prk, part_of(salt), PARTS(part_of(ikm)));
	ok = hkdf_expand(out, n, prk, PARTS(part_of(info))) == OK;
	if (ok)
		assert_true(same(okm, out, n));
	free(ikm.p);
	free(salt.p);
	free(info.p);
	free(okm.p);
	free(out);
	return ok;
}

/* Some groups have tags cut to 128 bits. */
static bool
run_hmac(const json_t *group, const json_t *test)
{
	struct field key = field(test, "key"), msg = field(test, "msg"),
		     tag = field(test, "tag");
	uint8_t out[HMAC_LEN];
	bool ok;

	assert_int_equal(tag.n * 8,
	    json_integer_value(json_object_get(group, "tagSize")));
	assert_true(tag.n <= sizeof(out));
	hmac_sha256(out, part_of(key), PARTS(part_of(msg)));
	ok = same(tag, out, tag.n);
	free(key.p);
	free(msg.p);
	free(tag.p);
	return ok;
}

static const char *
directory(void)
{
	const char *env = getenv("WYCHEPROOF");

	return env != NULL ? env : SRCDIR "/tests/vectors/wycheproof";
}

/* The number in the line "| name | number |" of the README. */
static size_t
count_of_readme(const char *name)
{
	char file[4096], line[512], row[64];
	size_t n = 0;
	FILE *f;

	(void)snprintf(file, sizeof(file), "%s/README.md", directory());
	(void)snprintf(row, sizeof(row), "| %s | ", name);
	if ((f = fopen(file, "r")) == NULL)
		fail_msg("cannot read %s", file);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, row, strlen(row)) == 0)
			n = strtoul(line + strlen(row), NULL, 10);
	fclose(f);
	return n;
}

/*
 * "acceptable" leaves the choice to the implementation.  There are such cases
 * only for x25519, and ours is: everything but an all-zero shared secret.
 */
static bool
expected(const json_t *test)
{
	const char *result = json_string_value(json_object_get(test, "result"));

	assert_non_null(result);
	if (strcmp(result, "acceptable") == 0)
		return !has_flag(test, "ZeroSharedSecret");
	assert_true(
	    strcmp(result, "valid") == 0 || strcmp(result, "invalid") == 0);
	return strcmp(result, "valid") == 0;
}

static void
run_file(const char *name, run_case *run)
{
	json_t *root, *group, *test;
	size_t i, j, count = 0, accepted = 0, wrong = 0;
	char file[4096];
	json_error_t error;
	bool ok;

	(void)snprintf(file, sizeof(file), "%s/%s_test.json", directory(),
	    name);
	if ((root = json_load_file(file, 0, &error)) == NULL)
		fail_msg("%s:%d: %s", file, error.line, error.text);
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			ok = run(group, test);
			count++;
			accepted += ok;
			if (ok == expected(test))
				continue;
			wrong++;
			print_error("%s: case %lld is %s\n", name,
			    json_integer_value(json_object_get(test, "tcId")),
			    ok ? "accepted" : "refused");
		}
	}
	print_message("%s: %zu cases, %zu accepted, %zu refused\n", name, count,
	    accepted, count - accepted);
	assert_int_equal(wrong, 0);
	assert_true(count > 0);
	assert_int_equal(count, count_of_readme(name));
	assert_int_equal(count,
	    json_integer_value(json_object_get(root, "numberOfTests")));
	json_decref(root);
}

static void
signatures_are_judged_as_wycheproof_says(void **state)
{
	(void)state;
	run_file("ed25519", run_ed25519);
}

static void
shared_secrets_are_those_of_wycheproof(void **state)
{
	(void)state;
	run_file("x25519", run_x25519);
}

static void
chacha20_poly1305_is_that_of_wycheproof(void **state)
{
	(void)state;
	run_file("chacha20_poly1305", run_chacha);
}

static void
xchacha20_poly1305_is_that_of_wycheproof(void **state)
{
	(void)state;
	run_file("xchacha20_poly1305", run_xchacha);
}

static void
derived_keys_are_those_of_wycheproof(void **state)
{
	(void)state;
	run_file("hkdf_sha256", run_hkdf);
}

static void
macs_are_those_of_wycheproof(void **state)
{
	(void)state;
	run_file("hmac_sha256", run_hmac);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_are_judged_as_wycheproof_says),
		cmocka_unit_test(shared_secrets_are_those_of_wycheproof),
		cmocka_unit_test(chacha20_poly1305_is_that_of_wycheproof),
		cmocka_unit_test(xchacha20_poly1305_is_that_of_wycheproof),
		cmocka_unit_test(derived_keys_are_those_of_wycheproof),
		cmocka_unit_test(macs_are_those_of_wycheproof),
	};

	return cmocka_run_group_tests(tests, start_crypto, NULL);
}
