/*
 * kith: the commands for people, one table.  From it come the usage, the
 * completion and the check of the manual.
 */
#ifndef CLI_KITH_H
#define CLI_KITH_H

#include "cli/app.h"

/*
 * A command either runs by itself, or is one operation of the protocol whose
 * members are its arguments (op and keys; a key with `?' is optional, with
 * `#' a number).
 */
struct command {
	const char *name, *usage, *help;
	int min, max; /* arguments */
	int (*run)(struct app *a, int argc, char **argv);
	const char *op;
	const char *keys[4];
};

extern const struct command commands[];

/* Options that only some commands look at. */
struct flags {
	json_int_t limit, before, after; /* 0: not given */
	bool has_after, remove, no_mark;
	const char *reply;
};
extern struct flags flags;

/* 0 to 2^53 - 1. */
bool number_parse(const char *text, json_int_t *out);

/* account.c */
int cmd_login(struct app *a, int argc, char **argv);
int cmd_register(struct app *a, int argc, char **argv);
int cmd_logout(struct app *a, int argc, char **argv);
int cmd_passwd(struct app *a, int argc, char **argv);
int cmd_recovery(struct app *a, int argc, char **argv);
int cmd_recover(struct app *a, int argc, char **argv);
int cmd_deactivate(struct app *a, int argc, char **argv);

/* talk.c */
int cmd_send(struct app *a, int argc, char **argv);
int cmd_edit(struct app *a, int argc, char **argv);
int cmd_redact(struct app *a, int argc, char **argv);
int cmd_react(struct app *a, int argc, char **argv);

/* show.c */
int cmd_status(struct app *a, int argc, char **argv);
int cmd_history(struct app *a, int argc, char **argv);
int cmd_read(struct app *a, int argc, char **argv);
int cmd_conversations(struct app *a, int argc, char **argv);
int cmd_rooms(struct app *a, int argc, char **argv);
int cmd_members(struct app *a, int argc, char **argv);
int cmd_devices(struct app *a, int argc, char **argv);
int cmd_blocks(struct app *a, int argc, char **argv);
int cmd_profile(struct app *a, int argc, char **argv);

/* follow.c, chat.c */
int cmd_follow(struct app *a, int argc, char **argv);
int cmd_chat(struct app *a, int argc, char **argv);

/* event.c: one line for people of an event; with its conversation when
 * `where'.  False: nothing to show. */
bool event_print(const json_t *event, const char *self, bool where);
/* What happens in a room stands in the mailbox of whom it is about, too: the
 * room's is shown, but an invite has only this one to us. */
bool event_is_copy(const json_t *event, const char *self);
/* The other side of it: the room, or the person who is not self. */
const char *event_with(const json_t *event, const char *self);

#endif
