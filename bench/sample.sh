#!/bin/bash
# sample.sh watch PID PORT FILE - each second one line to FILE, until killed:
# seconds since the start, RSS in KiB, and from http://127.0.0.1:PORT/metrics
# (PORT 0: none) the queue's depth in entries and bytes and what storage lags.
# sample.sh sum FILE FROM TO - of the lines between the seconds FROM and TO the
# first, last and highest value of each column, and the highest of either half
# (max1, max2: flat means that the second is no higher), as JSON members.
set -u

# The names of the series in /metrics.
entries=kith_queue_entries bytes=kith_queue_bytes lag=kith_storage_lag_entries

metrics() {
	[ "$1" != 0 ] && exec 3<> "/dev/tcp/127.0.0.1/$1" || return
	printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
	cat <&3
}

one() {    # PID PORT SECONDS
	metrics "$2" 2> /dev/null | awk -v t="$3" -v e="$entries" -v b="$bytes" -v l="$lag" '
		$1 == "VmRSS:" { rss = $2 }
		$1 == e || $1 == b || $1 == l { v[$1] = sprintf("%.0f", $2) }
		function get(k) { return k in v ? v[k] : "-" }
		END { if (rss != "") print t, rss, get(e), get(b), get(l) }
	' "/proc/$1/status" -
}

watch() {    # PID PORT FILE
	: > "$3"
	start=${EPOCHREALTIME/[.,]/}
	while [ -d "/proc/$1" ]; do
		now=${EPOCHREALTIME/[.,]/}
		ms=$(((now - start) / 1000))
		one "$1" "$2" "$((ms / 1000)).$(printf %03d $((ms % 1000)))" >> "$3"
		now=${EPOCHREALTIME/[.,]/}
		ms=$(((now - start) / 1000 % 1000))
		sleep "0.$(printf %03d $((999 - ms)))"
	done
}

sum() {    # FILE FROM TO
	awk -v from="$2" -v to="$3" '
	function put(k, v) { printf ",\"%s\":%.0f", k, v }
	BEGIN { nc = split("- rss_kib queue_entries queue_bytes storage_lag", name, " ") }
	$1 >= from && $1 <= to {
		half = $1 < (from + to) / 2 ? 1 : 2
		for (i = 2; i <= nc; i++) {
			if ($i == "-") continue
			v = $i + 0
			if (!(i in first)) { first[i] = v; top[i] = v }
			last[i] = v
			if (v > top[i]) top[i] = v
			if (!((i, half) in max) || v > max[i, half]) max[i, half] = v
		}
	}
	END {
		for (i = 2; i <= nc; i++)
			if (i in first) {
				put(name[i] "_first", first[i])
				put(name[i] "_last", last[i])
				put(name[i] "_max", top[i])
				if ((i, 1) in max) put(name[i] "_max1", max[i, 1])
				if ((i, 2) in max) put(name[i] "_max2", max[i, 2])
			}
	}' "$1"
}

case ${1:-}/$# in
watch/4 | sum/4) "$@" ;;
*) echo "usage: $0 watch PID PORT FILE | sum FILE FROM TO" >&2; exit 2 ;;
esac
