#!/bin/bash
# clang-tidy and cppcheck over all C files that a build knows. A file that passed is not looked at again until it, a
# header that it includes or the configuration changes. LINT_SECONDS (900) bounds clang-tidy; files not reached are
# named and make the run fail, since nothing is known of them. Usage: lint.sh [BUILD_DIR]
set -euo pipefail

cd "$(dirname "$0")/../.."
build="${1:-build/dev}"
limit="${LINT_SECONDS:-900}"
cache="$(tests/support/cache-dir.sh)/tidy"
mkdir -p "$cache"
if [ ! -f "$build/compile_commands.json" ]; then
	cmake --preset dev -B "$build" >/dev/null
fi

config="$(cat .clang-tidy tests/.clang-tidy tests/support/lint.sh | sha256sum | cut -c1-32)"
export config cache build
# What clang-tidy sees of a file: the rules, the file and those of our headers that it includes.
stamp_of() {
	local seen
	seen="$(gcc -MM -D_GNU_SOURCE -I. -I"$build/generated" "$1" 2>/dev/null | tr -d '\\' | tr ' ' '\n' |
		grep -F -e .h -e .c | sort -u)"
	{
		echo "$config $1"
		cat ${seen:-"$1"}
	} | sha256sum | cut -c1-40
}
tidy_one() {
	local stamp
	stamp="$cache/$(stamp_of "$1")"
	if [ -f "$stamp" ]; then
		exit 0
	fi
	if [ "$(date +%s)" -ge "$LINT_END" ]; then
		echo "$1: not reached within the time limit"
		exit 1
	fi
	if clang-tidy --quiet -p "$build/lint" --extra-arg=-Wno-unknown-warning-option "$1" 2>/dev/null; then
		touch "$stamp"
	else
		echo "$1: clang-tidy complains"
		exit 1
	fi
}
export -f stamp_of tidy_one
LINT_END=$(($(date +%s) + limit))
export LINT_END

rc=0
# Each file once: what is compiled for several programs would be analyzed as often, and the analyzer takes the second time
# for the first one's continuation.
mkdir -p "$build/lint"
sources="$(python3 -c '
import json, sys, os
root = os.getcwd() + "/"
once = {e["file"]: e for e in reversed(json.load(open(sys.argv[1])))}
json.dump(list(once.values()), open(sys.argv[2], "w"))
files = {name for name in once if name.startswith(root)}
print("\n".join(sorted(f[len(root):] for f in files if f.endswith(".c") and not f.startswith(root + "build/"))))
' "$build/compile_commands.json" "$build/lint/compile_commands.json")"
echo "$sources" | xargs -P "$(nproc)" -I{} bash -c 'tidy_one {}' || rc=1

cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability,performance \
	--suppress=missingIncludeSystem --suppress=unknownMacro --suppress=normalCheckLevelMaxBranches \
	--suppress=checkersReport --suppress=preprocessorErrorDirective \
	--suppress=CastIntegerToAddressAtReturn:tests/fault/lib/shim/kafka.c \
	-j "$(nproc)" -I. -D_GNU_SOURCE '-DSEG_VERSION="0"' '-DSEG_SOURCE_DIR="."' $sources || rc=1

find "$cache" -type f -mtime +30 -delete
if [ "$rc" -eq 0 ]; then
	echo "lint: $(echo "$sources" | wc -l) files are clean"
fi
exit "$rc"
