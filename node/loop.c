#include "node/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#include "base/logger.h"

#define REQUESTS_MAX 65536
#define TICK_MS      50

struct loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_check_t check;
	uv_timer_t timer;
	uv_signal_t sigterm, sigint, sighup;
	struct loop_channels channels;
	struct message *message;
	struct loop_hooks hooks;
	struct mono deadline, second;
	unsigned drain_ms;
	bool stopping;
};

static void
wake(void *arg)
{
	struct loop *l = arg;

	(void)uv_async_send(&l->wake);
}

static void
on_turn(uv_async_t *h)
{
	struct loop *l = h->data;
	struct channel_item *it, *next;

	if (l->message == NULL)
		return;
	message_turn(l->message);
	message_queue_done(l->message, channel_drain(l->channels.queue));
	message_batches_done(l->message, channel_drain(l->channels.batches));
	message_reads_done(l->message, channel_drain(l->channels.reads));
	message_passwords_done(l->message,
	    channel_drain(l->channels.passwords));
	for (it = channel_drain(l->channels.requests); it != NULL; it = next) {
		next = it->next;
		message_request(l->message, (struct request *)it);
	}
}

static void
flush(struct loop *l)
{
	if (message_flush(l->message))
		wake(l);
	if (l->stopping && message_drained(l->message))
		uv_stop(&l->uv);
}

/* After the callbacks of a turn that polling has brought. */
static void
on_check(uv_check_t *h)
{
	flush(h->data);
}

static void
on_tick(uv_timer_t *h)
{
	struct loop *l = h->data;
	struct mono now = mono_now();

	message_tick(l->message);
	if (mono_ms_between(l->second, now) >= 1000) {
		l->second = now;
		if (l->hooks.tick != NULL)
			l->hooks.tick(l->hooks.arg);
	}
	flush(l); /* timers run before polling, which may take its time */
	if (l->stopping && !mono_before(now, l->deadline)) {
		log_warning("main", "not everything drained in time");
		uv_stop(&l->uv);
	}
}

void
loop_stop(struct loop *l)
{
	if (l->stopping)
		return;
	l->stopping = true;
	l->deadline = mono_add_ms(mono_now(), l->drain_ms);
	log_notice("main", "stopping");
	if (l->hooks.stopping != NULL)
		l->hooks.stopping(l->hooks.arg);
	wake(l);
}

static void
on_signal(uv_signal_t *h, int signum)
{
	struct loop *l = h->data;

	if (signum == SIGHUP) {
		if (l->hooks.reload != NULL)
			l->hooks.reload(l->hooks.arg);
		return;
	}
	loop_stop(l);
}

static enum err
channels_make(struct loop *l)
{
	struct loop_channels *c = &l->channels;

	c->requests = channel_new(REQUESTS_MAX, wake, l);
	c->queue = channel_new(SIZE_MAX, wake, l);
	c->batches = channel_new(SIZE_MAX, wake, l);
	c->reads = channel_new(SIZE_MAX, wake, l);
	c->passwords = channel_new(SIZE_MAX, wake, l);
	return c->requests != NULL && c->queue != NULL && c->batches != NULL &&
		       c->reads != NULL && c->passwords != NULL
		   ? OK
		   : ERR_NOMEM;
}

enum err
loop_new(struct loop **out)
{
	struct loop *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return ERR_NOMEM;
	if (uv_loop_init(&l->uv) != 0 ||
	    uv_async_init(&l->uv, &l->wake, on_turn) != 0) {
		free(l);
		return ERR_NOMEM;
	}
	l->wake.data = l;
	*out = l;
	return channels_make(l);
}

const struct loop_channels *
loop_channels(struct loop *l)
{
	return &l->channels;
}

uv_loop_t *
loop_uv(struct loop *l)
{
	return &l->uv;
}

static void
watch_signal(struct loop *l, uv_signal_t *h, int signum)
{
	uv_signal_init(&l->uv, h);
	h->data = l;
	uv_signal_start(h, on_signal, signum);
}

void
loop_run(struct loop *l, struct message *m, const struct loop_hooks *hooks,
    unsigned drain_ms)
{
	l->message = m;
	l->hooks = *hooks;
	l->drain_ms = drain_ms;
	watch_signal(l, &l->sigterm, SIGTERM);
	watch_signal(l, &l->sigint, SIGINT);
	watch_signal(l, &l->sighup, SIGHUP);
	uv_check_init(&l->uv, &l->check);
	l->check.data = l;
	uv_check_start(&l->check, on_check);
	uv_timer_init(&l->uv, &l->timer);
	l->timer.data = l;
	uv_timer_start(&l->timer, on_tick, TICK_MS, TICK_MS);
	(void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

static void
close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	uv_walk(&l->uv, close_handle, NULL);
	while (uv_loop_alive(&l->uv))
		(void)uv_run(&l->uv, UV_RUN_DEFAULT);
	(void)uv_loop_close(&l->uv);
	channel_free(l->channels.requests);
	channel_free(l->channels.queue);
	channel_free(l->channels.batches);
	channel_free(l->channels.reads);
	channel_free(l->channels.passwords);
	free(l);
}
