#!/bin/bash
# clang-tidy and cppcheck over all C files that a build knows. A file that passed is not looked at again until it, a
# header or the configuration changes. LINT_SECONDS (600) bounds the run; files not reached are named, never passed.
set -euo pipefail

cd "$(dirname "$0")/../.."
build="${1:-build/dev}"
limit="${LINT_SECONDS:-600}"
cache="$(tests/support/cache-dir.sh)/tidy"
mkdir -p "$cache"
if [ ! -f "$build/compile_commands.json" ]; then
	cmake --preset dev -B "$build" >/dev/null
fi

headers="$(git ls-files -co --exclude-standard '*.h' .clang-tidy | sort | xargs sha256sum | sha256sum | cut -c1-32)"
export headers cache build
tidy_one() {
	local stamp
	stamp="$cache/$({ echo "$headers $1"; cat "$1"; } | sha256sum | cut -c1-40)"
	if [ -f "$stamp" ]; then
		exit 0
	fi
	if [ "$(date +%s)" -ge "$LINT_END" ]; then
		echo "$1: not reached within the time limit"
		exit 0
	fi
	if clang-tidy --quiet -p "$build" --extra-arg=-Wno-unknown-warning-option "$1" 2>/dev/null; then
		touch "$stamp"
	else
		echo "$1: clang-tidy complains"
		exit 1
	fi
}
export -f tidy_one
LINT_END=$(($(date +%s) + limit))
export LINT_END

rc=0
sources="$(python3 -c '
import json, sys, os
root = os.getcwd() + "/"
files = {e["file"] for e in json.load(open(sys.argv[1])) if e["file"].startswith(root)}
print("\n".join(sorted(f[len(root):] for f in files if f.endswith(".c") and not f.startswith(root + "build/"))))
' "$build/compile_commands.json")"
echo "$sources" | xargs -P "$(nproc)" -I{} bash -c 'tidy_one {}' || rc=1

cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability,performance \
	--suppress=missingIncludeSystem --suppress=unknownMacro --suppress=normalCheckLevelMaxBranches \
	--suppress=checkersReport --suppress=preprocessorErrorDirective \
	-j "$(nproc)" -I. -D_GNU_SOURCE '-DSEG_VERSION="0"' '-DSEG_SOURCE_DIR="."' $sources || rc=1

find "$cache" -type f -mtime +30 -delete
if [ "$rc" -eq 0 ]; then
	echo "lint: $(echo "$sources" | wc -l) files are clean"
fi
exit "$rc"
