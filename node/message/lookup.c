/*
 * lookup: what the words of a request mean.
 */
#include <stdlib.h>
#include <string.h>

#include "node/message/service.h"

static enum err
parse(struct message *m, struct str text, struct address *out)
{
	enum err rc;

	if ((rc = address_parse(out, text, m->realm)) != OK)
		return rc;
	return str_eq(address_realm(out), m->realm) ? OK : ERR_REALM;
}

enum err
find_account(struct message *m, struct str text, struct account **out)
{
	struct address addr;
	enum err rc;

	if ((rc = parse(m, text, &addr)) != OK)
		return rc;
	if (addr.kind != ADDRESS_ACCOUNT)
		return ERR_ADDRESS;
	*out = registry_account_named(&m->reg, address_local(&addr));
	return *out != NULL ? OK : ERR_NOTFOUND;
}

enum err
find_room(struct message *m, struct str text, struct room **out)
{
	struct address addr;
	enum err rc;

	if ((rc = parse(m, text, &addr)) != OK)
		return rc;
	if (addr.kind != ADDRESS_ROOM)
		return ERR_ADDRESS;
	*out = registry_room_named(&m->reg, address_local(&addr));
	return *out != NULL ? OK : ERR_NOTFOUND;
}

enum err
find_target(struct message *m, struct str text, struct account **account,
    struct room **room)
{
	*account = NULL;
	*room = NULL;
	if (text.n > 0 && text.p[0] == '#')
		return find_room(m, text, room);
	return find_account(m, text, account);
}

struct str
account_address(struct message *m, const struct account *a, char *out)
{
	size_t n = strlen(a->name);

	memcpy(out, a->name, n);
	out[n++] = '@';
	memcpy(out + n, m->realm.p, m->realm.n);
	return (struct str){ out, n + m->realm.n };
}

bool
list_matches(struct str search, struct str name)
{
	return search.n == 0 ||
	       memmem(name.p, name.n, search.p, search.n) != NULL;
}

bool
str_after(struct str name, struct str cursor)
{
	size_t n = name.n < cursor.n ? name.n : cursor.n;
	int c = n > 0 ? memcmp(name.p, cursor.p, n) : 0;

	return c > 0 || (c == 0 && name.n > cursor.n);
}

/* Parks the call until storage has answered; hold: a gate kept closed. */
static enum err
look_up(struct message *m, struct call *c, struct storage_read *read,
    const struct conv *conv, uint64_t hold, bool *parked)
{
	enum err rc;

	cache_count(m->parts.cache, false);
	if (read == NULL)
		return ERR_NOMEM;
	if ((read->convs = malloc(sizeof(*read->convs))) == NULL) {
		storage_read_free(read);
		return ERR_NOMEM;
	}
	read->convs[0] = conv->num;
	read->nconvs = 1;
	read->limit = 1;
	if (m->waiting >= m->cfg.max_waiting) {
		storage_read_free(read);
		return ERR_BUSY;
	}
	if ((rc = read_for_call(m, read, c->rq, hold)) == OK)
		c->kept = *parked = true;
	return rc;
}

static enum err
looked_up(const struct call *c, struct cache_item *out)
{
	if (c->r->found == NULL)
		return ERR_NOTFOUND;
	out->entry = c->r->found;
	out->place = &c->r->found->places[0];
	return OK;
}

enum err
find_event(struct message *m, struct call *c, struct conv *conv, struct str id,
    uint64_t hold, struct cache_item *out, bool *parked)
{
	struct storage_read *read;
	struct event_id event;
	enum err rc;

	*parked = false;
	if ((rc = event_id_parse(&event, id)) != OK)
		return rc;
	if (c->r->looked_up)
		return looked_up(c, out);
	if (cache_find(m->parts.cache, conv->log->local, &event, out)) {
		cache_count(m->parts.cache, true);
		return out->place->conv == conv->num ? OK : ERR_NOTFOUND;
	}
	if ((read = storage_read_new()) != NULL) {
		read->type = STORAGE_EVENT;
		read->id = event;
	}
	return look_up(m, c, read, conv, hold, parked);
}

enum err
find_at(struct message *m, struct call *c, struct conv *conv, uint64_t seq,
    uint64_t hold, struct cache_item *out, bool *parked)
{
	struct storage_read *read;
	enum err rc;
	int n;

	*parked = false;
	if (c->r->looked_up) {
		rc = looked_up(c, out);
		return rc == OK && out->place->seq != seq ? ERR_NOTFOUND : rc;
	}
	n = cache_after(m->parts.cache, conv->log->local, conv->num, seq - 1,
	    out, 1);
	if (n >= 0) {
		cache_count(m->parts.cache, true);
		return n == 1 && out->place->seq == seq ? OK : ERR_NOTFOUND;
	}
	if ((read = storage_read_new()) != NULL) {
		read->type = STORAGE_AFTER;
		read->seq = seq - 1;
	}
	return look_up(m, c, read, conv, hold, parked);
}
