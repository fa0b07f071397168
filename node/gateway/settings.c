#include "node/gateway/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/gateway/tls.h"

static enum err
origins_copy(struct settings *s, const struct gateway_config *cfg)
{
	if (cfg->norigins == 0)
		return OK;
	s->origins = calloc(cfg->norigins, sizeof(*s->origins));
	if (s->origins == NULL)
		return ERR_NOMEM;
	for (; s->norigins < cfg->norigins; s->norigins++) {
		s->origins[s->norigins] = strdup(cfg->origins[s->norigins]);
		if (s->origins[s->norigins] == NULL)
			return ERR_NOMEM;
	}
	return OK;
}

static enum err
context_load(struct settings *s, const struct gateway_config *cfg, char *what,
    size_t what_len)
{
	bool wanted = false;

	for (size_t i = 0; i < cfg->nlisten; i++)
		wanted = wanted || cfg->listen[i].tls;
	if (!wanted)
		return OK;
	if (cfg->tls_certificate == NULL || cfg->tls_key == NULL) {
		snprintf(what, what_len, "certificate or key is not set");
		return ERR_INVALID;
	}
	return tls_context(&s->tls, cfg->tls_certificate, cfg->tls_key, what,
	    what_len);
}

enum err
settings_new(struct settings **out, const struct gateway_config *cfg,
    char *what, size_t what_len)
{
	struct settings *s;
	enum err rc;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		snprintf(what, what_len, "%s", err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	atomic_init(&s->refs, 1);
	s->max_connections = cfg->max_connections;
	s->max_connections_address = cfg->max_connections_address;
	s->max_message = cfg->max_message;
	s->max_output = cfg->max_output;
	s->request_timeout_ms = cfg->request_timeout_ms;
	s->login_timeout_ms = cfg->login_timeout_ms;
	s->ping_ms = cfg->ping_ms;
	s->idle_ms = cfg->idle_ms;
	s->operations = limit_rate(cfg->ops_per_second, 1000, cfg->ops_burst);
	s->operations_address = limit_rate(cfg->ops_address_per_second, 1000,
	    cfg->ops_address_burst);
	s->passwords = limit_rate(cfg->passwords_per_minute, 60000,
	    cfg->passwords_per_minute);
	if ((rc = origins_copy(s, cfg)) != OK)
		snprintf(what, what_len, "%s", err_text(rc));
	else
		rc = context_load(s, cfg, what, what_len);
	if (rc != OK) {
		settings_unref(s);
		return rc;
	}
	*out = s;
	return OK;
}

struct settings *
settings_ref(struct settings *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
settings_unref(struct settings *s)
{
	if (s == NULL ||
	    atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < s->norigins; i++)
		free(s->origins[i]);
	free(s->origins);
	SSL_CTX_free(s->tls);
	free(s);
}
