#!/bin/bash
# All of `make test`: every test in the dev build, those that can run there under ASan and UBSan, a short run of the
# fuzz targets, form and lint. A failing step does not stop the next ones; the last line counts all of them.
# STEPS="dev asan" runs only the steps named. Logs are in build/logs.
set -uo pipefail

cd "$(dirname "$0")/../.."
steps="${STEPS:-dev asan fuzz format lint}"
jobs="$(nproc)"
logs="$PWD/build/logs"
passed=0
failed=0
skipped=0
mkdir -p "$logs"

# count N M S: adds to the totals.
count() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	skipped=$((skipped + $3))
}

attribute() {
	sed -n "/<testsuite /,/>/s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1
}

# ctest_step PRESET [ctest arguments]: builds the preset and runs its tests.
ctest_step() {
	local preset="$1" report="$logs/$1.xml" started=$SECONDS
	shift
	rm -f "$report"
	if ! tests/support/build.sh "$preset"; then
		count 0 1 0
		return
	fi
	ctest --test-dir "build/$preset" -j "$jobs" --no-tests=error --output-on-failure --test-output-size-failed 20000 \
		--output-log "$logs/$preset.log" --output-junit "$report" "$@" </dev/null
	local rc=$? tests failures not_run
	tests="$(attribute tests "$report")"
	failures="$(attribute failures "$report")"
	not_run=$(($(attribute skipped "$report") + $(attribute disabled "$report")))
	if [ -z "$tests" ] || { [ "$rc" -ne 0 ] && [ "${failures:-0}" -eq 0 ]; }; then
		count 0 1 0
		return
	fi
	count $((tests - failures - not_run)) "$failures" "$not_run"
	echo "== $preset: $((tests - failures - not_run)) of $tests passed in $((SECONDS - started)) s"
}

# tool_step NAME COMMAND...: a check that counts as one test.
tool_step() {
	local name="$1" started=$SECONDS
	shift
	if "$@" >"$logs/$name.log" 2>&1 </dev/null; then
		tail -n 4 "$logs/$name.log"
		echo "== $name: passed in $((SECONDS - started)) s"
		count 1 0 0
	else
		tail -n 200 "$logs/$name.log"
		echo "== $name: FAILED (all of it in build/logs/$name.log)"
		count 0 1 0
	fi
}

for step in $steps; do
	case "$step" in
	dev) ctest_step dev ;;
	asan) ctest_step asan -L '^(unit|property|fuzz|asan)$' -LE '^long$' ;;
	fuzz) tool_step fuzz tests/support/fuzz.sh "${FUZZ_SECONDS_SHORT:-20}" ;;
	format) tool_step format tests/support/format.sh ;;
	lint) tool_step lint tests/support/lint.sh build/dev ;;
	*)
		echo "Unknown step $step" >&2
		exit 2
		;;
	esac
done

echo
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
