"""Runs `segmentd replay` and reads what it wrote."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import fastavro

SOURCE = pathlib.Path(os.environ.get("SEG_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[3]))
BUILD = pathlib.Path(os.environ.get("SEG_BUILD_DIR", SOURCE / "build/dev"))
DATA = pathlib.Path(os.environ.get("SEG_DATA", SOURCE.parent / "shared/data"))
BINARY = BUILD / "daemon/segmentd"
GENERATE = BUILD / "bench/seg_generate"
DAY_MS, HOUR_MS = 86400000, 3600000
SKIP = 77

sys.path.insert(0, str(SOURCE / "tests/support"))


class Failed(Exception):
    pass


def segmentd(*words, cwd=None, env=None, timeout=900):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([str(BINARY), *map(str, words)], cwd=cwd, env={**os.environ, **(env or {})}, timeout=timeout,
                          capture_output=True)
    return done.returncode, done.stdout, done.stderr.decode()


def replay(config, inputs, output, *words, **how):
    """Must succeed; the summary as a dict."""
    code, out, err = segmentd("replay", "--config", config, "--input", *inputs, "--output", output, *words, **how)
    if code:
        raise Failed(f"replay ended with {code}: {err}")
    if err:
        raise Failed(f"replay wrote to standard error: {err}")
    return json.loads(out.splitlines()[-1])


def records(path, schema=None):
    with open(path, "rb") as file:
        yield from fastavro.reader(file, reader_schema=schema)


def fingerprint(path):
    """Count and SHA-256 of a container file's records in order: equal if and only if the records are (doubles bit for bit)."""
    total, count = hashlib.sha256(), 0
    for record in records(path):
        total.update(repr(record).encode())
        count += 1
    return f"{count} records, {total.hexdigest()}"


def state_of(folder):
    """By file: what must be equal in two replays of the same. Sync markers in container files are random."""
    state = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file():
            name = str(path.relative_to(folder))
            state[name] = fingerprint(path) if path.suffix == ".avro" else hashlib.sha256(path.read_bytes()).hexdigest()
    return state


def without_seconds(summary):
    return {k: v for k, v in summary.items() if k != "seconds"}
