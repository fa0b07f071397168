# The ordinary tests, sourced by kith.sh after the build.  Each part prints
# the closing lines of its own runner; the first failure ends it all.

part() { # NAME COMMAND...
	local name=$1 began=$SECONDS
	shift
	say "$name"
	"$@"
	say "$name: passed in $((SECONDS - began)) s"
}

# closing PATTERN NAME COMMAND...: quiet, but for the lines that match.
closing() {
	local pattern=$1 name=$2
	shift 2
	quiet "$name" "$@"
	grep -hE "$pattern" "$build/$name.log" || true
}

# The unit tests and one system test, under ASan and UBSan, then TSan.
sanitizers() {
	local kind dir
	for kind in address,undefined thread; do
		dir=$build/san-${kind%%,*}
		configure "$dir" --with-sanitizer=$kind
		closing '^# (TOTAL|PASS|FAIL|ERROR)' "check-${kind%%,*}" \
			make -C "$dir" -j"$(nproc)" check
		KITH_BUILD=$dir make -s -C "$dir" check-system \
			SYSTEM_TESTS='talk.py rights.py'
	done
}

export KITH_BUILD=$build
part "unit, simulator, corpora, layers" \
	closing '^(# (TOTAL|PASS|FAIL|SKIP|ERROR)|layers:)' check \
	make -C "$build" -j"$(nproc)" check
part "system" make -s -C "$build" check-system
part "lint" closing '^lint:' lint make -C "$build" lint
part "sanitizers (a subset)" sanitizers
part "distcheck" closing '(archives ready|\.tar\.xz)' distcheck \
	make -C "$build" distcheck
say "all passed in $SECONDS s"
