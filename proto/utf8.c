#include "proto/utf8.h"

#include <stdint.h>
#include <string.h>

static bool
tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The table of RFC 3629, section 4, row by row. */
size_t
utf8_char(const char *p, size_t n)
{
	const unsigned char *s = (const unsigned char *)p;

	if (n == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	if (s[0] < 0xe0)
		return n >= 2 && tail(s[1]) ? 2 : 0;
	if (s[0] < 0xf0) {
		if (n < 3 || !tail(s[1]) || !tail(s[2]))
			return 0;
		if ((s[0] == 0xe0 && s[1] < 0xa0) ||
		    (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		return 3;
	}
	if (n < 4 || !tail(s[1]) || !tail(s[2]) || !tail(s[3]))
		return 0;
	if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return 4;
}

bool
utf8_valid(const char *p, size_t n)
{
	size_t i = 0, len;
	uint64_t w;

	while (i < n) {
		/* ASCII, eight at a time. */
		while (n - i >= sizeof(w)) {
			memcpy(&w, p + i, sizeof(w));
			if ((w & 0x8080808080808080u) != 0)
				break;
			i += sizeof(w);
		}
		while (i < n && (unsigned char)p[i] < 0x80)
			i++;
		if (i == n)
			break;
		if ((len = utf8_char(p + i, n - i)) == 0)
			return false;
		i += len;
	}
	return true;
}
