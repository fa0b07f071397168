#!/bin/bash
# kithd from $KITH_BUILD (default: build/ in the top of the tree), as its users
# run it: history on, acknowledgement after fdatasync. Only the limits that one
# address with thousands of accounts would meet are raised. Accounts
# u0..u$USERS-1 (default 10000) with their tokens in the file tokens beside the
# data; the data directory with them is kept for the next start with the same
# kithd, in ${TMPDIR:-/tmp}/bench-peers/kith-accounts.
name=kith port=17380 metrics=17389
. "$(dirname "$0")/common.sh"
build=${KITH_BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}
users=${USERS:-10000}
saved=$base/kith-accounts

# ---- what depends on kithd.conf(5) and kithctl(8): here and nowhere else ----

configuration() {
	cat <<-END
	realm = "localhost"
	data = "$dir/data"
	listen {
	  address = "127.0.0.1"
	  port = $port
	}
	metrics {
	  address = "127.0.0.1"
	  port = $metrics
	}
	gateway {
	  max_connections = 100000
	  max_connections_address = 100000
	  operations_per_second = 10000000
	  operations_burst = 10000000
	  address_operations_per_second = 10000000
	  address_operations_burst = 10000000
	}
	account {
	  operations_per_second = 10000000
	  operations_burst = 10000000
	}
	END
}

serve() {
	as nobody "$dir/kithd" -d -f "$dir/conf"
	up
}

add_accounts() {    # NAMES TOKENS
	"$dir/kithctl" -s "$dir/data/control.sock" account add --many "$1" --tokens "$2"
}

# -----------------------------------------------------------------------------

# What the saved accounts were made with.
key() { echo "$users $(cksum < "$build/kithd") $(configuration | cksum)"; }

make_accounts() {
	serve > /dev/null
	for ((i = 0; i < users; i++)); do echo "u$i"; done > "$dir/names"
	add_accounts "$dir/names" "$dir/tokens" >&2 || { stop; exit 1; }
	stop
	rm -rf "$saved"; mkdir -m 700 "$saved"
	cp -a "$dir/data" "$dir/tokens" "$saved/"
	key > "$saved/key"
}

start() {
	[ -x "$build/kithd" ] || { say "no kithd in $build, set KITH_BUILD"; exit 1; }
	fresh nobody
	cp "$build/kithd" "$build/kithctl" "$dir/"    # where nobody can run it
	configuration > "$dir/conf"
	if [ "$(cat "$saved/key" 2> /dev/null)" = "$(key)" ]; then
		cp -a "$saved/data" "$saved/tokens" "$dir/"
	else
		mkdir -m 700 "$dir/data"; chown nobody "$dir/data"
		make_accounts
	fi
	serve
}

main "$@"
