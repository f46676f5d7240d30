#!/bin/sh
# The usage lines and the help's columns: what a command cannot do without has no brackets. Usage: help.sh SEGMENTD
set -eu
segmentd=$1

has_line() { # COMMAND LINE
	"$segmentd" "$1" --help | grep -qxF -- "$2" || {
		echo "segmentd $1 --help has no line: $2" >&2
		exit 1
	}
}

has_line run 'segmentd run --config FILE [--accept-config-change]'
has_line replay 'segmentd replay --config FILE --input F.avro… --output DIR [--checkpoint-days N] [--until TIME]'
has_line state 'segmentd state --data DIR [--config FILE] stats|dump|verify'
has_line schema 'segmentd schema [NAME]'

# The help of all options begins in one column, of which the … takes one although it is three bytes.
has_line replay '  --input F.avro…          Avro container files or JSON lines (*.jsonl), any number'
has_line replay '  --output DIR             where to write'

# A usage error shows the same line.
if shown=$("$segmentd" state stats 2>&1); then
	echo "state without --data is taken" >&2
	exit 1
fi
echo "$shown" | grep -qxF 'Usage: segmentd state --data DIR [--config FILE] stats|dump|verify'
