#!/bin/sh
# Installs the Debian packages of the named sections of debian-packages.txt that are missing; says so first, and does
# nothing when all are there. Usage: install-packages.sh SECTION... (build, test, package)
set -eu

list="$(dirname "$0")/debian-packages.txt"

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "Not a Debian system: please see that what $list names is installed." >&2
	exit 0
fi

# Lines of the sections asked for, with blanks taken out of `a | b`: one word a line.
wanted() {
	for section in "$@"; do
		sed -n "/^\[$section\]/,/^\[/p" "$list"
	done | grep -v '^[[#]' | tr -d ' \t' | grep . || true
}

is_installed() {
	printf '%s\n' "$installed" | grep -qxF "$1"
}

missing=""
installed="$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')"
for line in $(wanted "$@"); do
	have=no
	for name in $(echo "$line" | tr '|' ' '); do
		if is_installed "$name"; then
			have=yes
		fi
	done
	if [ "$have" = no ]; then
		missing="$missing $line"
	fi
done
if [ -z "$missing" ]; then
	exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "Missing packages:$missing. Please install them as root: there is no sudo here." >&2
		exit 1
	fi
	as_root="sudo"
fi
echo "Missing Debian packages:$missing"
echo "They will be installed now with ${as_root:+sudo }apt-get; this needs the network and, once, a few minutes."
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3

# Not `apt-cache show`: that knows packages, too, which others only mention.
has_candidate() {
	LC_ALL=C apt-cache policy "$1" | grep -q '^  Candidate: [^(]'
}

chosen=""
for line in $missing; do
	for name in $(echo "$line" | tr '|' ' '); do
		if has_candidate "$name"; then
			chosen="$chosen $name"
			continue 2
		fi
	done
	echo "No package of '$line' is known to this Debian release." >&2
	exit 1
done
# Starting no daemons: prometheus is here for promtool alone.
policy="/usr/sbin/policy-rc.d"
made_policy=no
log="$(mktemp)"
clean_up() {
	rm -f "$log"
	if [ "$made_policy" = yes ]; then
		$as_root rm -f "$policy"
	fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM
if [ ! -e "$policy" ]; then
	made_policy=yes
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
	$as_root chmod +x "$policy"
fi
# Word splitting is wanted: one argument a package. A machine that has just started may be updating itself: its lock is
# waited for.
if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 $chosen </dev/null >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	exit 1
fi
