#!/bin/sh
# `cmake --install` into an empty folder puts everything where Debian expects it, and the program runs from there.
# Usage: install.sh BUILD_DIR
set -eu

tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT
DESTDIR="$tmp" cmake --install "$1" --prefix /usr >"$tmp/log" 2>&1 || {
	cat "$tmp/log"
	exit 1
}
rc=0
for file in usr/bin/segmentd usr/share/segmentd/schemas/order.avsc usr/share/segmentd/schemas/segment_change.avsc \
	usr/lib/systemd/system/segmentd.service usr/share/man/man1/segmentd.1 \
	usr/share/bash-completion/completions/segmentd usr/share/doc/segmentd/segmentd.yaml \
	usr/share/doc/segmentd/prometheus-rules.yml usr/share/doc/segmentd/grafana.json; do
	if [ ! -e "$tmp/$file" ]; then
		echo "not installed: $file"
		rc=1
	fi
done
if ! "$tmp/usr/bin/segmentd" --version >"$tmp/version"; then
	echo "the installed program does not run"
	rc=1
fi
exit "$rc"
