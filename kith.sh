#!/bin/bash
# kith.sh demo|test|build
#
# build   what kith needs from Debian, then a build in build/
# demo    the same, then a node on which people talk, killed in the middle
# test    the same, then the ordinary tests
set -euo pipefail
top=$(cd "$(dirname "$0")" && pwd)
build=$top/build

packages_build=(build-essential autoconf automake pkg-config
	libuv1-dev libsodium-dev libsqlite3-dev libwslay-dev
	libhttp-parser-dev libprotobuf-c-dev protobuf-c-compiler libicu-dev
	libjansson-dev libcmocka-dev libconfuse-dev libedit-dev
	libseccomp-dev libssl-dev libsystemd-dev libcurl4-openssl-dev
	zlib1g-dev uthash-dev python3 python3-websockets)
packages_test=(clang-format clang-tidy cppcheck mandoc xz-utils clang
	libclang-rt-14-dev valgrind)

say() { printf '%s\n' "kith.sh: $*" >&2; }

usage() {
	sed -n 's/^# \{0,1\}//p' "$0" | sed -n '2,6p' >&2
	exit 2
}

# install PACKAGE...: those that are missing, as root or by sudo.
install() {
	local missing=() p sudo=
	for p; do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2> /dev/null |
			grep -qx installed || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" -eq 0 ] || sudo=sudo
	say "installing ${missing[*]}"
	$sudo apt-get -o DPkg::Lock::Timeout=300 update -qq
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get \
		-o DPkg::Lock::Timeout=300 install -y -qq \
		--no-install-recommends "${missing[@]}" > /dev/null
}

# quiet NAME COMMAND...: shows the output only when it fails.
quiet() {
	local name=$1 log
	shift
	log=$build/$name.log
	mkdir -p "$build"
	if ! "$@" > "$log" 2>&1; then
		tail -n 60 "$log" >&2
		say "$name failed, see $log"
		return 1
	fi
}

# configure DIR OPTION...: again only when something it depends on is newer.
configure() {
	local dir=$1
	shift
	if [ ! -x "$top/configure" ] || [ -n "$(find "$top/configure.ac" \
		"$top/Makefile.am" "$top"/*/Makefile.inc \
		"$top"/node/*/Makefile.inc -newer "$top/configure")" ]; then
		quiet autoreconf autoreconf -fi "$top"
		touch "$top/configure"
	fi
	mkdir -p "$dir"
	if [ ! -e "$dir/Makefile" ] ||
		[ "$top/configure" -nt "$dir/Makefile" ] ||
		[ "$(cat "$dir/options" 2> /dev/null)" != "$*" ]; then
		(cd "$dir" && quiet configure "$top/configure" -q "$@")
		printf '%s' "$*" > "$dir/options"
	fi
}

build() {
	install "${packages_build[@]}"
	configure "$build" "$@"
	quiet make make -C "$build" -j"$(nproc)"
	say "built $build/kithd, kith, kithctl"
}

case ${1:-} in
build)
	build
	;;
demo)
	build
	shift
	exec env KITH_BUILD="$build" /usr/bin/python3 \
		"$top/tests/system/demo.py" "$@"
	;;
test)
	install "${packages_test[@]}"
	build --enable-werror
	. "$top/tests/ordinary.sh"
	;;
*)
	usage
	;;
esac
