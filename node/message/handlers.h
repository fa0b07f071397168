/*
 * handlers: one function for each operation of proto/op.h, called by
 * dispatch.c.  Each answers, submits, parks its call or returns an error that
 * dispatch.c answers with.  Private to the box.
 */
#ifndef NODE_MESSAGE_HANDLERS_H
#define NODE_MESSAGE_HANDLERS_H

#include "node/message/service.h"

/* auth.c */
enum err op_resume(struct message *m, struct call *c) MUST_USE;
enum err op_login(struct message *m, struct call *c) MUST_USE;
enum err op_register(struct message *m, struct call *c) MUST_USE;
enum err op_recover(struct message *m, struct call *c) MUST_USE;
enum err op_feed(struct message *m, struct call *c) MUST_USE;
enum err op_logout(struct message *m, struct call *c) MUST_USE;
enum err op_passwd(struct message *m, struct call *c) MUST_USE;
enum err op_recovery(struct message *m, struct call *c) MUST_USE;

/* account.c */
enum err op_devices(struct message *m, struct call *c) MUST_USE;
enum err op_revoke(struct message *m, struct call *c) MUST_USE;
enum err op_profile(struct message *m, struct call *c) MUST_USE;
enum err op_deactivate(struct message *m, struct call *c) MUST_USE;
enum err op_block(struct message *m, struct call *c) MUST_USE;
enum err op_blocks(struct message *m, struct call *c) MUST_USE;

/* post.c */
enum err op_post(struct message *m, struct call *c) MUST_USE;
enum err op_stream(struct message *m, struct call *c) MUST_USE;

/* marker.c */
enum err op_read(struct message *m, struct call *c) MUST_USE;
enum err op_ack(struct message *m, struct call *c) MUST_USE;

/* direct.c */
enum err op_direct(struct message *m, struct call *c) MUST_USE;

/* history.c */
enum err op_history(struct message *m, struct call *c) MUST_USE;
enum err op_conversations(struct message *m, struct call *c) MUST_USE;

/* room.c */
enum err op_create(struct message *m, struct call *c) MUST_USE;
enum err op_configure(struct message *m, struct call *c) MUST_USE;
enum err op_topic(struct message *m, struct call *c) MUST_USE;
enum err op_close(struct message *m, struct call *c) MUST_USE;
enum err op_rooms(struct message *m, struct call *c) MUST_USE;
enum err op_members(struct message *m, struct call *c) MUST_USE;

/* member.c */
enum err op_join(struct message *m, struct call *c) MUST_USE;
enum err op_leave(struct message *m, struct call *c) MUST_USE;
enum err op_invite(struct message *m, struct call *c) MUST_USE;
enum err op_kick(struct message *m, struct call *c) MUST_USE;
enum err op_ban(struct message *m, struct call *c) MUST_USE;
enum err op_unban(struct message *m, struct call *c) MUST_USE;
enum err op_mute(struct message *m, struct call *c) MUST_USE;
enum err op_role(struct message *m, struct call *c) MUST_USE;

/* ephemeral.c */
enum err op_typing(struct message *m, struct call *c) MUST_USE;
enum err op_presence(struct message *m, struct call *c) MUST_USE;
enum err op_watch(struct message *m, struct call *c) MUST_USE;
enum err op_ping(struct message *m, struct call *c) MUST_USE;

/* operator.c, inspect.c */
enum err ctl_account_add(struct message *m, struct call *c) MUST_USE;
enum err ctl_account_passwd(struct message *m, struct call *c) MUST_USE;
enum err ctl_account_token(struct message *m, struct call *c) MUST_USE;
enum err ctl_account_disable(struct message *m, struct call *c) MUST_USE;
enum err ctl_account_remove(struct message *m, struct call *c) MUST_USE;
enum err ctl_account_operator(struct message *m, struct call *c) MUST_USE;
enum err ctl_account_list(struct message *m, struct call *c) MUST_USE;
enum err ctl_invite_add(struct message *m, struct call *c) MUST_USE;
enum err ctl_invite_list(struct message *m, struct call *c) MUST_USE;
enum err ctl_invite_revoke(struct message *m, struct call *c) MUST_USE;
enum err ctl_room_list(struct message *m, struct call *c) MUST_USE;
enum err ctl_room_close(struct message *m, struct call *c) MUST_USE;
enum err ctl_ban(struct message *m, struct call *c) MUST_USE;
enum err ctl_unban(struct message *m, struct call *c) MUST_USE;
enum err ctl_ban_list(struct message *m, struct call *c) MUST_USE;
enum err ctl_status(struct message *m, struct call *c) MUST_USE;
enum err ctl_sessions(struct message *m, struct call *c) MUST_USE;
enum err ctl_session_close(struct message *m, struct call *c) MUST_USE;
enum err ctl_queue(struct message *m, struct call *c) MUST_USE;
enum err ctl_cache(struct message *m, struct call *c) MUST_USE;
enum err ctl_storage(struct message *m, struct call *c) MUST_USE;
enum err ctl_log_level(struct message *m, struct call *c) MUST_USE;
enum err ctl_reload(struct message *m, struct call *c) MUST_USE;
enum err ctl_doctor(struct message *m, struct call *c) MUST_USE;
enum err ctl_stop(struct message *m, struct call *c) MUST_USE;

#endif
