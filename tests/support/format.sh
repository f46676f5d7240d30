#!/bin/sh
# Checks that all C files have the form of .clang-format, or with --fix puts them into it.
# The clang-format is the pinned one of tests/requirements.txt, so that every machine agrees.
set -eu

cd "$(dirname "$0")/../.."
clang_format="$(tests/support/cache-dir.sh)/venv/bin/clang-format"
files="$(git ls-files -co --exclude-standard '*.c' '*.h')"

if [ "${1:-}" = --fix ]; then
	"$clang_format" -i $files
	exit 0
fi

bad=""
for file in $files; do
	if ! "$clang_format" "$file" | cmp -s - "$file"; then
		bad="$bad $file"
	fi
done
if [ -n "$bad" ]; then
	echo "Not in the project's form (run make format):"
	printf '  %s\n' $bad
	exit 1
fi
echo "format: all of $(echo "$files" | wc -l) files are in form"
