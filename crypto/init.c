#include "crypto/init.h"

#include <sodium.h>

enum err
crypto_start(void)
{
	return sodium_init() < 0 ? ERR_INTERNAL : OK;
}
