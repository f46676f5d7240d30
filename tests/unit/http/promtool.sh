#!/bin/sh
# The program's metrics, read by Prometheus' own tool: promtool.sh PRINT_METERS. Also sees that the check can fail.
set -eu

if ! command -v promtool >/dev/null 2>&1; then
	echo "SKIPPED: promtool is not installed (Debian package prometheus, see packaging/debian-packages.txt)"
	exit 77
fi
text="$(mktemp)"
trap 'rm -f "$text"' EXIT
"$1" >"$text"
grep -q '^segmentd_events_total{' "$text"
promtool check metrics <"$text"
sed 's/^# HELP segmentd_lag_records.*//' "$text" >"$text.bad"
rc=0
promtool check metrics <"$text.bad" >/dev/null 2>&1 || rc=$?
rm -f "$text.bad"
if [ "$rc" -eq 0 ]; then
	echo "promtool has no objection to a family without HELP: this check would not find anything"
	exit 1
fi
