#!/usr/bin/env python3
"""Drains generated events through many kill -9s, then the oracle judges. Exits 1 on anything lost, doubled, leaked or
diverged, on a restart that re-reads more than since replay_from or commits too late, and on a rebuilt store.
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.environ["SEG_SOURCE_DIR"], "tests", "support"))
from daemon_run import Job  # noqa: E402
import kill_run  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--events", type=int, default=1000000)
    parser.add_argument("--customers", type=int, default=100000)
    parser.add_argument("--kills", type=int, default=10, help="that count: records were left to commit")
    parser.add_argument("--recoveries", type=int, default=3, help="kills in the midst of a recovery, beside them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--erase-share", type=float, default=0, help="events that erase their customer")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--target", type=int, default=10, help="recovery.target, seconds")
    parser.add_argument("--features", default="full")
    parser.add_argument("--keep", action="store_true", help="leave the folder of data and logs behind")
    return parser.parse_args()


def main():
    args = arguments()
    settings = {"features": args.features, "workers": args.workers, "recovery": {"target": f"{args.target}s"},
                "commit": {"max_events": 5000}, "segmenter": {"k": 8}}
    with Job(app="soak", partitions=args.partitions, settings=settings, keep=args.keep) as job:
        job.create_topics()
        began, sampler = time.monotonic(), kill_run.Sampler(job)
        kill_run.warm_up(job, "--events", args.events, "--customers", args.customers, "--seed", args.seed, "--erase-share",
                         args.erase_share, upto=args.events // 10, fit_s=120)
        ends, rounds = job.ends(), []
        print(f"{args.events} events for {args.customers} customers, killed first after {args.events // 10} and the first fit",
              flush=True)
        every = max(1, args.kills // (args.recoveries + 1))
        for round_ in kill_run.kill_rounds(job, ends, args.kills, args.target, args.seed):
            rounds.append(round_)
            counted = sum(r.phase == "running" for r in rounds)
            if counted % every == 0 and counted // every <= args.recoveries:
                rounds.append(kill_run.Round(0))
                kill_run.kill_in_recovery(job, rounds[-1], after_s=.05 * len(rounds))
        kill_run.print_table(rounds)
        killed = sum(r.lag > 0 for r in rounds)
        violations = [text for r in rounds for text in r.violations]
        if killed < args.kills:
            violations.append(f"only {killed} of {args.kills} kills came while there was lag")
        try:
            if job.process.poll() is None:
                job.kill()
            seconds, world = kill_run.finish(job, ends, timeout=600)
            if len(world.changes) < args.customers / 2:
                violations.append(f"only {len(world.changes)} changes of segments")
            print(f"drained after {time.monotonic() - began:.0f} s in all, stopped in {seconds:.1f} s")
        except AssertionError as error:
            violations.append(str(error))
            job.print_logs()
        print(f"{killed} kills while there was lag, peak memory {sampler.stop() / 1024:.0f} MiB, "
              f"{len(violations)} violations")
        for text in violations:
            print(f"VIOLATION: {text}")
        sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
