#!/bin/sh
# Prints the folder that keeps what the tests fetch or make once: Python packages, Kafka's jars, compiled objects.
echo "${SEG_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/segmentd}"
