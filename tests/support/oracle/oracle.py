#!/usr/bin/env python3
"""The oracle: recomputes from the inputs what segmentd must have made of them, and says what is lost, doubled, leaked or
diverged. Needs a segmentd that was stopped cleanly.

    oracle.py --brokers B --app APP --data DIR --binary SEGMENTD [--source-dir DIR]
"""
import argparse
import collections
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import checks  # noqa: E402
import collect  # noqa: E402

SHOWN = 20


def report(world, findings):
    counted = world.recount
    living = counted.living()
    lines = [f"oracle: {counted.records} records, {len(living)} customers "
             f"({sum(c.erased for c in living.values())} erased once), {counted.repeats} repeats, "
             f"{len(counted.refused)} refused; {len(world.changes)} changes, {len(world.dead_letters)} dead letters, "
             f"{sum(map(len, world.changelog.values()))} changelog records, {len(world.dump)} profiles, "
             f"{len(world.models)} models, {len(world.segments)} catalogue records, {len(world.alerts)} alerts; "
             f"{world.explained} changes explained by their model"]
    if not findings:
        return lines + ["oracle: nothing lost, doubled, leaked or diverged"]
    kinds = collections.Counter(finding.kind for finding in findings)
    lines += [f"  {finding}" for finding in findings[:SHOWN]]
    if len(findings) > SHOWN:
        lines.append(f"  … and {len(findings) - SHOWN} more")
    return lines + ["oracle: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))]


def run(brokers, app, binary, data_dir, source_dir, which=checks.CHECKS, **cleaning):
    """Collects and checks; prints the report. Returns (world, findings). cleaning: as collect.collect()."""
    world = collect.collect(brokers, app, binary, data_dir, source_dir, **cleaning)
    findings = checks.check(world, which)
    print("\n".join(report(world, findings)), flush=True)
    return world, findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--app", default="segmentd")
    parser.add_argument("--data", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--source-dir", default=pathlib.Path(__file__).resolve().parents[3])
    args = parser.parse_args()
    _, findings = run(args.brokers, args.app, args.binary, args.data, args.source_dir)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
