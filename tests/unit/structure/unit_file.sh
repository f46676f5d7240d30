#!/bin/sh
# systemd has nothing to say against the unit. Usage: unit_file.sh UNIT PROGRAM
set -eu

if ! command -v systemd-analyze >/dev/null 2>&1; then
	echo "SKIPPED: systemd-analyze is not installed (Debian package systemd, see packaging/debian-packages.txt)"
	exit 77
fi
tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT

# verify NAME: what is said on NAME alone; missing units that it refers to are the machine's business.
verify() {
	SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no --recursive-errors=no "$tmp/$1" 2>&1 | grep -F "$1" || true
}
sed "s|^ExecStart=/usr/bin/segmentd|ExecStart=$2|" "$1" >"$tmp/segmentd.service"
said="$(verify segmentd.service)"
if [ -n "$said" ]; then
	echo "$said"
	exit 1
fi
sed 's/^DynamicUser/DynamicUsr/' "$tmp/segmentd.service" >"$tmp/wrong.service"
if [ -z "$(verify wrong.service)" ]; then
	echo "systemd-analyze did not notice a key that does not exist"
	exit 1
fi
