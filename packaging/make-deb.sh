#!/bin/sh
# Makes the Debian package of a release build. Usage: make-deb.sh BUILD_DIR
# Prints where it is, and all of the output if it fails.
set -eu

cd "$1"
rm -f segmentd_*.deb
if ! cpack -G DEB >build-deb.log 2>&1; then
	cat build-deb.log >&2
	echo "Making the package failed; the output above is in $1/build-deb.log." >&2
	exit 1
fi
ls "$PWD"/segmentd_*.deb
