#!/usr/bin/env python3
"""The load generator writes what bench/load.h says: compared event by event with tests/support/load_stream.py, and the
parts of a stream with the whole.

    check_generate.py SEG_GENERATE SUPPORT
"""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, sys.argv[2])
from load_stream import LoadStream, start_ms  # noqa: E402  (found below tests/support)


def expect(condition, what):
    if not condition:
        raise SystemExit(what)


def generate(folder, *options):
    path = pathlib.Path(folder) / "events.jsonl"
    out = subprocess.run([sys.argv[1], "--jsonl", path, *map(str, options)], check=True, capture_output=True, text=True)
    return path.read_text().splitlines(), json.loads(out.stdout)


def compare(lines, stream, summary):
    flaws = dict.fromkeys(("fine", "repeat", "bad", "late", "erase"), 0)
    for i, line in enumerate(lines):
        wanted, got = stream.event(i), json.loads(line)
        expect(got.pop("source") == wanted.source, f"event {i}: {line}, wanted {wanted}")
        expect(got == wanted.fields, f"event {i}: {line}, wanted {wanted}")
        flaws[wanted.flaw] += 1
    expect(len(lines) == stream.events == summary["events"], f"{len(lines)} lines, {summary}")
    told = [summary[name] for name in ("repeats", "bad", "late", "erasures")]
    expect(told == [flaws[name] for name in ("repeat", "bad", "late", "erase")], f"{summary}, counted {flaws}")
    expect(all(flaws.values()), f"a kind of event never came: {flaws}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        lines, summary = generate(folder, "--events", 20000, "--customers", 700, "--seed", 5, "--erase-share", .001)
        compare(lines, LoadStream(seed=5, events=20000, customers=700, erase_share=.001), summary)
        ids = [json.loads(line)["event_id"] for line in lines]
        expect(len(ids) - len(set(ids)) == summary["repeats"], "repeats repeat an id")

        options = ["--events", 3000, "--customers", 3, "--days", 400, "--start", "2011-12-09", "--late-share", .1,
                   "--duplicate-share", .2, "--bad-share", .1, "--erase-share", .1]
        whole, summary = generate(folder, *options)
        compare(whole, LoadStream(events=3000, customers=3, days=400, start_ms=start_ms("2011-12-09T00:00:00Z"),
                                  late_share=.1, duplicate_share=.2, bad_share=.1, erase_share=.1), summary)
        parts = [generate(folder, *options, "--from", a, "--to", b)[0] for a, b in ((0, 999), (999, 1000), (1000, 9999))]
        expect(sum(parts, []) == whole, "the parts are not the whole")
    for bad in (["--events", "x"], ["--bad-share", "1.5"], ["--start", "noon"], ["--unknown"], []):
        run = subprocess.run([sys.argv[1], *(["--jsonl", "/dev/null", *bad] if bad else [])], capture_output=True, text=True)
        expect(run.returncode in (1, 2) and run.stderr, f"{bad}: {run}")
    print("the generator writes what it says")


if __name__ == "__main__":
    main()
