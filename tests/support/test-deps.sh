#!/bin/sh
# Brings what the tests need beside Debian's packages: the Python packages of tests/requirements.txt in a virtual
# environment, and Kafka's jars by tests/support/kafka/pom.xml, both in the cache folder. `test-deps.sh fault` brings also
# those of a second version of Kafka (pom-4.xml), which only the fault suite uses. Does nothing when all is there.
set -eu

root="$(cd "$(dirname "$0")/../.." && pwd)"
cache="$("$root/tests/support/cache-dir.sh")"
mkdir -p "$cache"

# A stamp holds the checksum of the list it was made from, so a changed list makes its folder anew.
stamp_of() {
	sha256sum <"$1" | cut -c1-64
}

python_packages() {
	list="$root/tests/requirements.txt"
	stamp="$cache/venv/.stamp"
	want="$(stamp_of "$list") $(python3 -c 'import sys; print(sys.version)' | tr -d '\n')"
	if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
		return
	fi
	echo "Making the tests' Python environment in $cache/venv (once)."
	rm -rf "$cache/venv"
	python3 -m venv "$cache/venv"
	"$cache/venv/bin/pip" install -q --disable-pip-version-check -r "$list"
	echo "$want" >"$stamp"
}

# kafka_jars POM FOLDER MEGABYTES
kafka_jars() {
	pom="$root/tests/support/kafka/$1"
	stamp="$cache/$2/.stamp"
	if [ ! -f "$pom" ]; then
		return
	fi
	want="$(stamp_of "$pom")"
	if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
		return
	fi
	echo "Fetching Kafka's jars into $cache/$2/libs (once, $3 MB)."
	rm -rf "${cache:?}/$2"
	mkdir -p "$cache/$2/libs"
	mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$cache/$2/libs" </dev/null
	echo "$want" >"$stamp"
}

python_packages
kafka_jars pom.xml kafka 46
if [ "${1:-}" = fault ]; then
	kafka_jars pom-4.xml kafka-4 43
fi
