#!/bin/bash
# packaging/segmentd.bash as bash uses it. Usage: completion.sh ROOT SEGMENTD
set -euo pipefail

. "$1/packaging/segmentd.bash"
program="$2"
tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir folder
touch file.yaml a.avro b.avro
rc=0

# offers EXPECTED WORD...: what completing the last word offers, in order, one blank between.
offers() {
	local expected="$1"
	shift
	COMP_WORDS=("$program" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_segmentd
	if [ "${COMPREPLY[*]}" != "$expected" ]; then
		echo "segmentd $*<TAB> offers '${COMPREPLY[*]}', not '$expected'"
		rc=1
	fi
}

offers "run replay" r
offers "--version" --v
offers "--config" run --c
offers "file.yaml" run --config file
offers "--accept-config-change" run --config file.yaml --acc
offers "create" topics --config file.yaml cr
offers "a.avro" replay --input a
offers "b.avro" replay --input a.avro b
offers "--output" replay --input a.avro --out
offers "folder" replay --output f
offers "" demo --port ""
offers "stats" state --data folder st
offers "segment_change" schema segment_ch
complete -p segmentd | grep -q -- '-F _segmentd'
exit "$rc"
