#!/bin/bash
# forward: no server but the limit of one, ../forward.c: passes bytes on.
name=forward port=17381
. "$(dirname "$0")/common.sh"
bin=${BENCH_BIN:-$(cd "$(dirname "$0")/.." && pwd)}

start() {
	fresh nobody
	cp "$bin/forward" "$dir/forward"    # where nobody can read it
	as nobody "$dir/forward" "$port"
	up
}

main "$@"
