#!/usr/bin/env python3
"""A generated stream of all sources through `segmentd replay` with every feature: what comes out is what a plain computation
says, and the summary and the changes are those of golden.json (SEG_UPDATE=1 writes it anew).

The golden file holds nothing that the last bit of a double decides alone: another libm may round otherwise.
"""
import hashlib
import json
import os
import pathlib
import sys
import tempfile

from replay_run import Failed, records, replay, without_seconds
import stream

GOLDEN = pathlib.Path(__file__).with_name("golden.json")
STREAM = {"events": 20000, "customers": 800, "seed": 7, "days": 60, "bad_share": .01, "erase_share": .0005}


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def hash_of(changes):
    total = hashlib.sha256()
    for c in changes:
        cause = c["cause"] and [c["cause"]["topic"], c["cause"]["offset"]]
        total.update(json.dumps([c["event_id"], c["customer_id"], c["from_segment"], c["from_name"], c["to_segment"],
                                 c["to_name"], c["reason"], c["model_version"], c["event_time"],
                                 c["decided_at"], [d["feature"] for d in c["drivers"][:1]], cause]).encode())
    return total.hexdigest()


def check_golden(found):
    if os.environ.get("SEG_UPDATE"):
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        print(f"{GOLDEN} is written")
        return
    wanted = json.loads(GOLDEN.read_text())
    if found != wanted:
        raise Failed("not as in golden.json; if the change of behaviour is meant: SEG_UPDATE=1\n"
                     f"found  {json.dumps(found, sort_keys=True)}\nwanted {json.dumps(wanted, sort_keys=True)}")


def main():
    with tempfile.TemporaryDirectory(prefix="segmentd-golden-") as folder:
        work = pathlib.Path(folder)
        (work / "config.yaml").write_text("app: golden\nfeatures: full\n")
        stream.generate(work / "events.jsonl", **STREAM)
        summary = replay(work / "config.yaml", [work / "events.jsonl"], work / "out")
        plain = stream.Plain(stream.read_lines(work / "events.jsonl"))
        rows = list(records(work / "out/customers.avro"))
        changes = list(records(work / "out/segment-changes.avro"))
        letters = list(records(work / "out/dead-letters.avro"))
        model = json.loads((work / "out/model.json").read_text())
    counts = {"events": plain.events, "accepted": plain.accepted, "duplicates": plain.repeats,
              "customers": len(plain.customers)}
    if any(summary[name] != value for name, value in counts.items()):
        raise Failed(f"the summary says {summary}, the input {counts}")
    stream.check_refused(plain, letters)
    values = stream.check_customers(plain, rows, model["time_ms"])
    stream.check_geometry(model, rows)
    stream.check_changes(plain, changes, rows, "golden")
    check_golden({"summary": rounded(without_seconds(summary)), "changes": hash_of(changes)})
    print(f"{summary['events']} events, {len(rows)} customers, {values} feature values and {len(changes)} changes are as the "
          f"input says; {summary['seconds']:.1f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        print(failed)
        sys.exit(1)
