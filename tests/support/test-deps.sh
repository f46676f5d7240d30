#!/bin/sh
# Brings what the tests need beside Debian's packages: the Python packages of tests/requirements.txt in a virtual
# environment, and Kafka's jars by tests/support/kafka/pom.xml, both in the cache folder. Does nothing when all is there.
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

kafka_jars() {
	pom="$root/tests/support/kafka/pom.xml"
	stamp="$cache/kafka/.stamp"
	if [ ! -f "$pom" ]; then
		return
	fi
	want="$(stamp_of "$pom")"
	if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
		return
	fi
	echo "Fetching Kafka's jars into $cache/kafka/libs (once, 46 MB)."
	rm -rf "$cache/kafka"
	mkdir -p "$cache/kafka/libs"
	mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$cache/kafka/libs" </dev/null
	echo "$want" >"$stamp"
}

python_packages
kafka_jars
