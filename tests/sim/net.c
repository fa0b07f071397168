#include <stdlib.h>

#include "tests/sim/sim.h"

void
packet_free(struct packet *p)
{
	if (p == NULL)
		return;
	entry_unref(p->entry);
	free(p);
}

/* Pushes may be lost and overtake; asking and answering keeps its order. */
static bool
is_loose(const struct packet *p)
{
	return p->type == P_PUSH || p->type == P_HEAD || p->type == P_FORK;
}

/* Takes the reference in p.entry. */
void
net_send(struct sim *s, struct packet p)
{
	struct device *d = &s->devices[p.device];
	uint64_t delay = 20000 + sim_below(s, (uint64_t)s->delay_us * 1000);
	uint64_t *last = &d->arrive_ns[p.to_node];
	struct packet *copy;

	if (is_loose(&p) && sim_one_in(s, s->loss)) {
		entry_unref(p.entry);
		return;
	}
	if (!is_loose(&p)) {
		if (s->now_ns + delay <= *last)
			delay = *last + 1 - s->now_ns;
		*last = s->now_ns + delay;
	}
	if ((copy = malloc(sizeof(*copy))) == NULL)
		abort();
	*copy = p;
	sim_at(s, delay,
	    (struct occasion){ .type = AT_PACKET, .packet = copy });
}

/*
 * What was on its way to the node when a connection broke may still be read,
 * perhaps much later, when the device has come with another one.
 */
void
net_arrive(struct sim *s, const struct packet *p)
{
	const struct device *d = &s->devices[p->device];
	struct node *n = &s->node;

	if (!p->to_node) {
		if (d->conn == p->conn)
			device_recv(s, p);
		return;
	}
	if (d->conn != p->conn && s->now_ns < d->late_ns) {
		sim_at(s, d->late_ns - s->now_ns,
		    (struct occasion){ .type = AT_PACKET,
			.packet = s->packet });
		s->packet = NULL;
		return;
	}
	if (!n->up || p->conn < n->first_conn)
		return;
	if (p->type == P_HELLO && n->session[p->device] < p->conn)
		n->session[p->device] = p->conn;
	node_recv(s, p);
}

void
net_break(struct sim *s, uint32_t device)
{
	if (s->devices[device].conn == 0)
		return;
	sim_trace(s, "device %u: connection breaks", device);
	/* Whether the node notices is left open. */
	if (sim_below(s, 2) == 0)
		s->node.session[device] = 0;
	s->devices[device].late_ns = s->now_ns + MS(sim_below(s, 700));
	device_lost(s, device);
}
