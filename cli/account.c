/*
 * account: logging in and out, and what concerns one's own account.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mono.h"
#include "cli/kith.h"
#include "crypto/hash.h"
#include "crypto/phrase.h"
#include "crypto/sign.h"
#include "crypto/wipe.h"

static const char *
device_name(int argc, char **argv, int at)
{
	static char name[65];

	if (argc > at)
		return argv[at];
	if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
		return "kith";
	return name;
}

/* What login, register and recover answer. */
static int
keep_token(struct app *a, json_t *ok)
{
	int rc =
	    app_token_write(a, app_str(ok, "account"), app_str(ok, "token"));

	if (rc == EXIT_OK && a->json) {
		(void)json_object_del(ok, "token");
		app_print_json(ok);
	} else if (rc == EXIT_OK) {
		printf("logged in as %s, device %d\n", app_str(ok, "account"),
		    (int)app_int(ok, "device"));
	}
	return rc;
}

static int
enter(struct app *a, json_t *request)
{
	json_t *ok = NULL;
	int rc;

	if (a->server == NULL)
		a->server = "ws://127.0.0.1:7440";
	if ((rc = app_connect(a)) != EXIT_OK) {
		json_decref(request);
		return rc;
	}
	if ((rc = app_request(a, request, &ok)) == EXIT_OK)
		rc = keep_token(a, ok);
	json_decref(ok);
	return rc;
}

static int
secret_missing(void)
{
	app_say("no password given");
	return EXIT_USAGE;
}

int
cmd_login(struct app *a, int argc, char **argv)
{
	char password[1025];
	json_t *request;

	if (!app_secret(a, "password", password, sizeof(password)))
		return secret_missing();
	request = json_pack("{s:s, s:s, s:s, s:s}", "op", "login", "account",
	    argv[0], "password", password, "name", device_name(argc, argv, 1));
	secret_wipe(password, sizeof(password));
	return enter(a, request);
}

int
cmd_register(struct app *a, int argc, char **argv)
{
	char password[1025], invite[129] = "";
	json_t *request;
	FILE *f;

	if (argc > 1) {
		if ((f = fopen(argv[1], "re")) == NULL ||
		    fgets(invite, sizeof(invite), f) == NULL) {
			app_say("%s: no invite in it", argv[1]);
			return EXIT_USAGE;
		}
		(void)fclose(f);
		invite[strcspn(invite, "\r\n")] = '\0';
	}
	if (!app_secret(a, "new password", password, sizeof(password)))
		return secret_missing();
	request = json_pack("{s:s, s:s, s:s, s:s}", "op", "register", "account",
	    argv[0], "password", password, "name", device_name(0, NULL, 0));
	if (invite[0] != '\0')
		(void)json_object_set_new(request, "invite",
		    json_string(invite));
	secret_wipe(password, sizeof(password));
	return enter(a, request);
}

int
cmd_logout(struct app *a, int argc, char **argv)
{
	json_t *ok = NULL;
	int rc;

	(void)argc;
	(void)argv;
	if ((rc = app_login(a, false)) == EXIT_OK)
		rc = app_request(a, json_pack("{s:s}", "op", "logout"), &ok);
	json_decref(ok);
	if (rc == EXIT_OK)
		app_token_remove(a);
	return rc;
}

int
cmd_passwd(struct app *a, int argc, char **argv)
{
	char old[1025], fresh[1025];
	json_t *ok = NULL;
	int rc;

	(void)argc;
	(void)argv;
	if ((rc = app_login(a, false)) != EXIT_OK)
		return rc;
	if (!app_secret(a, "old password", old, sizeof(old)))
		return secret_missing();
	a->password_file = NULL; /* the new one comes from the input */
	if (!app_secret(a, "new password", fresh, sizeof(fresh)))
		return secret_missing();
	rc = app_request(a,
	    json_pack("{s:s, s:s, s:s}", "op", "passwd", "password", old, "new",
		fresh),
	    &ok);
	secret_wipe(old, sizeof(old));
	secret_wipe(fresh, sizeof(fresh));
	json_decref(ok);
	if (rc == EXIT_OK && !a->json)
		puts("password changed; all other devices are logged out");
	return rc;
}

int
cmd_deactivate(struct app *a, int argc, char **argv)
{
	char password[1025];
	json_t *ok = NULL;
	int rc;

	(void)argc;
	(void)argv;
	if ((rc = app_login(a, false)) != EXIT_OK)
		return rc;
	if (!app_secret(a, "password, to end the account for good", password,
		sizeof(password)))
		return secret_missing();
	rc = app_request(a,
	    json_pack("{s:s, s:s}", "op", "deactivate", "password", password),
	    &ok);
	secret_wipe(password, sizeof(password));
	json_decref(ok);
	if (rc == EXIT_OK)
		app_token_remove(a);
	return rc;
}

/* ---- recovery ------------------------------------------------------------ */

int
cmd_recovery(struct app *a, int argc, char **argv)
{
	uint8_t secret[PHRASE_SECRET_LEN], pk[SIGN_PUBLIC_LEN];
	uint8_t sk[SIGN_SECRET_LEN];
	char text[PHRASE_TEXT_LEN + 1], key[2 * SIGN_PUBLIC_LEN + 1];
	char password[1025];
	json_t *ok = NULL;
	int rc;

	(void)argc;
	(void)argv;
	if ((rc = app_login(a, false)) != EXIT_OK)
		return rc;
	if (!app_secret(a, "password", password, sizeof(password)))
		return secret_missing();
	phrase_make(secret);
	phrase_text(text, secret);
	phrase_keypair(pk, sk, secret);
	hex_encode(key, pk, sizeof(pk));
	rc = app_request(a,
	    json_pack("{s:s, s:s, s:s}", "op", "recovery", "password", password,
		"key", key),
	    &ok);
	secret_wipe(password, sizeof(password));
	if (rc == EXIT_OK)
		printf("Keep this on paper; it is shown only now:\n\n%s\n",
		    text);
	secret_wipe(secret, sizeof(secret));
	secret_wipe(sk, sizeof(sk));
	secret_wipe(text, sizeof(text));
	json_decref(ok);
	return rc;
}

/* What the recovery key signs: kith-protocol(7), recover. */
static enum err
recover_sign(char *out, const uint8_t sk[static SIGN_SECRET_LEN],
    const char *account, uint64_t time, const char *fresh)
{
	uint8_t msg[8 + HASH_LEN + 320], sig[SIGN_LEN];
	size_t n = strlen(account);
	enum err rc;

	if (n > 320)
		return ERR_ADDRESS;
	for (unsigned i = 0; i < 8; i++)
		msg[i] = (uint8_t)(time >> (56 - 8 * i));
	hash256(msg + 8, "kith recover 1", PARTS(PART(fresh, strlen(fresh))));
	memcpy(msg + 8 + HASH_LEN, account, n);
	rc = sign_message(sig, sk, "kith recover 1",
	    PART(msg, 8 + HASH_LEN + n));
	if (rc == OK)
		hex_encode(out, sig, sizeof(sig));
	return rc;
}

int
cmd_recover(struct app *a, int argc, char **argv)
{
	char text[256], fresh[1025], sig[2 * SIGN_LEN + 1];
	char key[2 * SIGN_PUBLIC_LEN + 1];
	uint8_t secret[PHRASE_SECRET_LEN], pk[SIGN_PUBLIC_LEN];
	uint8_t sk[SIGN_SECRET_LEN];
	uint64_t now = wall_ms();
	json_t *request = NULL;

	if (!app_secret(a, "recovery phrase", text, sizeof(text)))
		return secret_missing();
	a->password_file = NULL; /* the password comes from the input */
	if (!app_secret(a, "new password", fresh, sizeof(fresh)))
		return secret_missing();
	if (phrase_parse(secret, str_of(text)) != OK) {
		app_say("that is no recovery phrase: a letter is wrong");
		return EXIT_USAGE;
	}
	phrase_keypair(pk, sk, secret);
	hex_encode(key, pk, sizeof(pk));
	if (recover_sign(sig, sk, argv[0], now, fresh) == OK)
		request = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "op",
		    "recover", "account", argv[0], "new", fresh, "name",
		    device_name(argc, argv, 1), "key", key, "time",
		    (json_int_t)now, "signature", sig);
	secret_wipe(text, sizeof(text));
	secret_wipe(secret, sizeof(secret));
	secret_wipe(sk, sizeof(sk));
	secret_wipe(fresh, sizeof(fresh));
	return request != NULL ? enter(a, request) : EXIT_FAILED;
}
