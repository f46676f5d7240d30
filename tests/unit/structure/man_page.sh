#!/bin/sh
# groff has nothing to say against the man page. Usage: man_page.sh PAGE
set -eu

if ! command -v groff >/dev/null 2>&1; then
	echo "SKIPPED: groff is not installed (Debian package groff-base, see packaging/debian-packages.txt)"
	exit 77
fi
said="$(groff -man -Tutf8 -ww -b -z "$1" 2>&1)" || said="$said (groff failed)"
if [ -n "$said" ]; then
	echo "$said"
	exit 1
fi
# The check can fail: an unknown macro is noticed.
if [ -z "$(printf '.TH X 1\n.SH NAME\n.nonsense\n' | groff -man -Tutf8 -ww -b -z 2>&1)" ]; then
	echo "groff did not notice a macro that does not exist"
	exit 1
fi
