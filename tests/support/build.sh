#!/bin/sh
# Configures a preset and builds it. Usage: build.sh PRESET [TARGET...]
# Prints one line, and all of the build's output if it fails.
set -eu

root="$(cd "$(dirname "$0")/../.." && pwd)"
preset="$1"
shift
cd "$root"
mkdir -p build
log="build/build-$preset.log"

fail() {
	cat "$log" >&2
	echo "Building $preset failed; the output above is in $log." >&2
	exit 1
}

echo "Building $preset (output in $log)"
cmake --preset "$preset" >"$log" 2>&1 || fail
if [ $# -gt 0 ]; then
	set -- --target "$@"
fi
cmake --build --preset "$preset" "$@" >>"$log" 2>&1 || fail
