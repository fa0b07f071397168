#include "base/err.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *code, *text;
} table[] = {
#define X(constant, code, sentence) { code, sentence },
	ERR_TABLE(X)
#undef X
};

const char *
err_code(enum err e)
{
	return (unsigned)e < ERR_COUNT ? table[e].code : "internal";
}

const char *
err_text(enum err e)
{
	return (unsigned)e < ERR_COUNT ? table[e].text : "unknown error";
}

enum err
err_from_code(const char *code)
{
	for (unsigned i = 0; i < ERR_COUNT; i++)
		if (strcmp(table[i].code, code) == 0)
			return (enum err)i;
	return ERR_INTERNAL;
}

enum err
err_from_errno(int saved_errno)
{
	switch (saved_errno) {
	case ENOMEM:
		return ERR_NOMEM;
	case ENOSPC:
	case EDQUOT:
		return ERR_NOSPACE;
	case EROFS:
		return ERR_READONLY;
	case ENOENT:
		return ERR_NOTFOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
		return ERR_FORBIDDEN;
	default:
		return ERR_IO;
	}
}
