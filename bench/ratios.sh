#!/bin/sh
# ratios.sh RESULTS - kith beside the peers of the same run: for each bar the
# figure, what it is held against, the ratio, and whether it is met. The bars
# are in the function bars below. What is not in RESULTS is "no figure".
here=$(cd "$(dirname "$0")" && pwd)
"$here/medians.sh" -t "${1:?usage: ratios.sh RESULTS}" | exec awk -F '\t' '
function key(row, peer, k) { return row SUBSEP peer SUBSEP k }
function get(row, peer, k) {
	k = key(row, peer, k)
	return k in median ? median[k] : ""
}
function num(v) {
	return v == "" ? "-" : sprintf(v < 100 && v != int(v) ? "%.2f" : "%.0f", v)
}
# A bar or an aim: ">= 1.3" or "<= 1", times the other figure; "": none.
function verdict(ratio, bar,   part) {
	if (bar == "") return ""
	if (ratio == "") return "no figure"
	split(bar, part, " ")
	# two digits are what is printed and what is meant
	ratio = sprintf("%.2f", ratio) + 0
	return (part[1] == ">=" ? ratio >= part[2] + 0 : ratio <= part[2] + 0) ? \
		"met" : "MISSED"
}
function line(what, v, against, ref, bar, aim,   ratio, said) {
	if (v == "" || ref == "") ratio = ""
	else ratio = ref != 0 ? v / ref : v == 0 ? 1 : 999
	said = verdict(ratio, bar)
	count[said]++
	printf "%-34s %10s  %-22s %10s %7s  %-8s %-9s %-8s %s\n", what, num(v), \
		against, num(ref), ratio == "" ? "-" : sprintf("%.2f", ratio), \
		bar, said, aim, verdict(ratio, aim)
}
# Against a peer, in the same row.
function peer(row, k, what, other, bar, aim) {
	line(what, get(row, "kith", k), other, get(row, other, k), bar, aim)
}
# Grows neither in memory nor in the journal: the second half no higher than
# the first, by a quarter at most (segments are trimmed whole).
function flat(row, what) {
	half(row, what, "queue_entries", "queue entries")
	half(row, what, "rss_kib", "RSS KiB")
}
function half(row, what, k, name,   v) {
	line(what " " name ", highest", get(row, "kith", k "_max2"), "in the first half", \
		get(row, "kith", k "_max1"), "<= 1.25", "")
	course[++nc] = sprintf("%-34s first %s, last %s, highest %s", what " " name, \
		num(get(row, "kith", k "_first")), num(get(row, "kith", k "_last")), \
		num(get(row, "kith", k "_max")))
}
function bars(   pairs, single, many, paced, room, sync, i) {
	pairs = "pairs w=16 n=50"; single = "pairs w=1 n=10"; many = "pairs w=2 n=5000"
	paced = "paced n=50 rate=2000"; room = "room w=16 m=200"
	sync = get("fdatasync", "fdatasync", "p50_us")

	peer(pairs, "per_s", "pairs n=50 w=16, /s", "jetstream", ">= 1.3", ">= 2")
	peer(pairs, "srv_us_per_delivery", "  server CPU us a delivery", "jetstream", "<= 0.8", "")
	line("pairs n=50 w=16 long, /s", get(long, "kith", "per_s"), "the short run", \
		get(pairs, "kith", "per_s"), ">= 0.9", ">= 1")
	flat(long, "  long:")
	peer(many, "per_s", "pairs n=5000 w=2, /s", "mosquitto", ">= 1", "")
	line("", get(many, "kith", "per_s"), "kith, n=50 w=16", get(pairs, "kith", "per_s"), \
		"", ">= 0.8")
	half(many, "  n=5000:", "queue_entries", "queue entries")
	peer(single, "per_s", "pairs n=10 w=1, /s", "jetstream", ">= 0.5", ">= 1")
	line("paced 2,000/s, p50 us", get(paced, "kith", "p50_us"), "1 ms", 1000, "<= 1", "")
	line("", get(paced, "kith", "p50_us"), "one fdatasync, p50", sync, "", "<= 2")
	peer(paced, "p99_us", "paced 2,000/s, p99 us", "jetstream", "<= 1", "")
	peer(room, "per_s", "room m=200 w=16, /s", "inspircd", ">= 1", "")
	line("", get(room, "kith", "per_s"), "nats", get(room, "nats", "per_s"), "", ">= 1")
	line("idle k=5000, bytes a connection", get("idle", "kith", "bytes_per_conn"), \
		"4 KB, 2 KB", 4000, "<= 1", "<= 0.5")
	line("idle k=5000, logins/s", get("idle", "kith", "logins_per_s"), "5k, 10k", 5000, \
		">= 1", ">= 2")
	line("lost, dup, reordered, all runs", wrong, "none", 0, "<= 1", "")
	print "\nHow far from the limits of this machine (no bars):"
	peer(pairs, "per_s", "pairs n=50 w=16, /s", "forward", "", "")
	peer(pairs, "srv_us_per_delivery", "  server CPU us a delivery", "forward", "", "")
	peer(single, "per_s", "pairs n=10 w=1, /s", "forward", "", "")
	peer(paced, "p50_us", "paced 2,000/s, p50 us", "forward", "", "")
	line("", get(paced, "kith", "p50_us"), "one fdatasync, p50", sync, "", "")
	line("  p99 us", get(paced, "kith", "p99_us"), "one fdatasync, p99", \
		get("fdatasync", "fdatasync", "p99_us"), "", "")
	peer(room, "per_s", "room m=200 w=16, /s", "forward", "", "")
	print "\nThe course of the long runs:"
	for (i = 1; i <= nc; i++) print course[i]
}
{
	median[key($1, $2, $3)] = $5
	if ($1 ~ /^pairs w=16 n=50 [0-9]+s$/) long = $1
	if ($2 != "kith") next
	if ($4 > most) most = $4
	if (least == "" || $4 < least) least = $4
	if ($3 == "lost" || $3 == "dup" || $3 == "reordered") wrong += $7
}
END {
	printf "kith, medians of %s runs\n", most == least ? most + 0 : least " to " most
	printf "%-34s %10s  %-22s %10s %7s  %-8s %-9s %-8s\n", "", "kith", "against", \
		"figure", "ratio", "bar", "", "aim"
	bars()
	printf "\nbars met: %d, missed: %d, without a figure: %d\n", count["met"], \
		count["MISSED"], count["no figure"]
}'
