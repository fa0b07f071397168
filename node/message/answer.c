/*
 * answer: what goes back to who asked.
 */
#include "base/logger.h"
#include "node/message/service.h"

void
answer_begin(struct bytes *b, uint64_t id)
{
	json_object(b);
	json_u64(b, "id", id);
	json_object_in(b, "ok");
}

void
answer_text(struct message *m, const struct conn_ref *conn, struct str text,
    uint32_t flags)
{
	if (conn->worker == CONN_CONTROL)
		m->parts.host.control(m->parts.host.arg, conn, text);
	else
		notify_text(m->parts.notify, conn, text, flags);
}

void
answer_end(struct message *m, struct bytes *b, const struct conn_ref *conn,
    uint32_t flags)
{
	json_object_end(b);
	json_object_end(b);
	if (!b->failed) {
		answer_text(m, conn, (struct str){ b->p, b->n }, flags);
		return;
	}
	log_warning("message", "an answer does not fit bytes=%zu", b->n);
	answer_text(m, conn,
	    STR("{\"push\":\"bye\",\"code\":\"no-memory\","
		"\"text\":\"the server is out of memory\"}"),
	    flags | DELIVER_CLOSE);
}

void
push_text(struct message *m, const struct conn_ref *conn, struct bytes *b,
    uint32_t flags)
{
	if (!b->failed)
		notify_text(m->parts.notify, conn, (struct str){ b->p, b->n },
		    flags);
	else if (flags != 0)
		(void)notify_send(m->parts.notify, conn, NULL, flags);
	bytes_fini(b);
}

void
answer_ok(struct message *m, const struct conn_ref *conn, uint64_t id,
    uint32_t flags)
{
	struct bytes b;

	bytes_init(&b, 256);
	answer_begin(&b, id);
	answer_end(m, &b, conn, flags);
	bytes_fini(&b);
}

void
answer_error(struct message *m, const struct conn_ref *conn, uint64_t id,
    enum err err, const char *why)
{
	struct bytes b;

	m->stats.errors[err]++;
	bytes_init(&b, 1024);
	json_object(&b);
	if (id != 0)
		json_u64(&b, "id", id);
	json_object_in(&b, "error");
	json_cstr(&b, "code", err_code(err));
	json_cstr(&b, "text", why != NULL ? why : err_text(err));
	answer_end(m, &b, conn, 0);
	bytes_fini(&b);
}
