#!/bin/sh
# Builds the fuzz targets and runs each for SECONDS. Usage: fuzz.sh SECONDS
# New inputs are kept in the cache folder, what crashes a target in build/fuzz/crashes.
set -eu

cd "$(dirname "$0")/../.."
seconds="${1:-60}"
cache="$(tests/support/cache-dir.sh)/fuzz"

tests/support/build.sh fuzz
mkdir -p build/fuzz/crashes build/fuzz/logs
rc=0
count=0
for target in build/fuzz/tests/fuzz/fuzz_*; do
	name="$(basename "$target")"
	case "$name" in
	*_replay | *.cmake | *'*') continue ;;
	esac
	if [ ! -x "$target" ] || [ -d "$target" ]; then
		continue
	fi
	mkdir -p "$cache/$name"
	seeds="tests/fuzz/corpus/$name"
	log="build/fuzz/logs/$name.log"
	if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/crashes/$name-" "$cache/$name" $([ -d "$seeds" ] && echo "$seeds") \
		>"$log" 2>&1 </dev/null; then
		runs="$(sed -n 's/^stat::number_of_executed_units: //p' "$log")"
		echo "fuzz: $name ran $runs inputs in ${seconds} s without a finding"
	else
		tail -n 60 "$log"
		echo "fuzz: $name FAILED (input in build/fuzz/crashes, log in $log)"
		rc=1
	fi
	count=$((count + 1))
done
echo "fuzz: $count targets"
exit "$rc"
