#include "proto/head.h"

#include <string.h>

int
epoch_compare(const struct epoch *a, const struct epoch *b)
{
	int by_node;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	by_node = memcmp(a->node.b, b->node.b, ID_LEN);
	return (by_node > 0) - (by_node < 0);
}

static bool
same_mark(const struct mark *a, const struct mark *b)
{
	return a->seq == b->seq && memcmp(a->chain, b->chain, CHAIN_LEN) == 0;
}

void
head_init(struct head *l, const struct epoch *epoch)
{
	memset(l, 0, sizeof(*l));
	l->epoch = *epoch;
	l->first = 1;
}

void
head_start(struct head *l, const struct point *head)
{
	l->epoch = head->epoch;
	l->durable = l->given = head->mark;
	l->first = head->mark.seq + 1;
	l->stopped = false;
}

struct point
head_point(const struct head *l)
{
	return (struct point){ l->epoch, l->durable };
}

static void
advance(struct mark *m, uint32_t epoch, const struct event_id *id)
{
	m->seq++;
	chain_next(m->chain, m->chain, epoch, m->seq, id);
}

enum err
head_give(struct head *l, const struct event_id *id, uint32_t *epoch,
    uint64_t *seq)
{
	if (l->stopped || l->given.seq == UINT64_MAX)
		return ERR_EPOCH;
	advance(&l->given, l->epoch.number, id);
	*epoch = l->epoch.number;
	*seq = l->given.seq;
	return OK;
}

enum err
head_take(struct head *l, uint32_t epoch, uint64_t seq,
    const struct event_id *id)
{
	if (seq <= l->durable.seq)
		return OK;
	if (epoch != l->epoch.number)
		return ERR_EPOCH;
	if (seq - l->durable.seq > 1)
		return ERR_GAP;
	advance(&l->durable, epoch, id);
	if (l->given.seq < l->durable.seq)
		l->given = l->durable;
	return OK;
}

void
head_rollback(struct head *l)
{
	l->given = l->durable;
}

void
head_trim(struct head *l, uint64_t seq)
{
	if (seq > l->durable.seq)
		seq = l->durable.seq + 1;
	if (seq > l->first)
		l->first = seq;
}

enum relation
head_compare(const struct point *ours, const struct point *theirs)
{
	int order = epoch_compare(&ours->epoch, &theirs->epoch);

	if (order != 0)
		return order > 0 ? HEAD_STALE : HEAD_SUPERSEDED;
	if (ours->mark.seq != theirs->mark.seq)
		return ours->mark.seq > theirs->mark.seq ? HEAD_AHEAD
							 : HEAD_BEHIND;
	return same_mark(&ours->mark, &theirs->mark) ? HEAD_SAME
						     : HEAD_DIVERGED;
}

enum relation
head_notice(struct head *l, const struct point *theirs)
{
	struct point ours = head_point(l);
	enum relation r = head_compare(&ours, theirs);

	if (r == HEAD_BEHIND || r == HEAD_DIVERGED)
		l->stopped = true;
	return r;
}

enum err
head_open(struct head *l, const struct epoch *epoch, const struct mark *fork,
    const struct mark *ours, uint64_t *cut)
{
	if (epoch_compare(epoch, &l->epoch) <= 0)
		return ERR_EPOCH;
	if (fork->seq > l->durable.seq)
		return ERR_GAP;
	if (fork->seq == l->durable.seq)
		ours = &l->durable;
	/* Behind a snapshot the fork may lie, but not before it. */
	if (ours == NULL || !same_mark(fork, ours) || fork->seq + 1 < l->first)
		return ERR_INVALID;
	*cut = l->durable.seq - fork->seq;
	l->epoch = *epoch;
	l->durable = l->given = *fork;
	l->stopped = false;
	return OK;
}
