#!/usr/bin/env python3
"""Ten kill -9s while 60,000 events for 2,000 customers are drained; exactly once all the same."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["SEG_SOURCE_DIR"], "tests", "support"))
from daemon_run import Job, expect  # noqa: E402
import kill_run  # noqa: E402

# How soon a restart commits is the soak's to judge, on a machine of its own; here only that it does.
SLACK_S = 40
KILLS, EVENTS, BEFORE, CUSTOMERS, TARGET_S, FIT_S = 10, 60000, 8000, 2000, 2, 30
# Small commits, so that each kill has some before and after it, and short cycles, so that it falls into one.
SETTINGS = {"features": "full", "segmenter": {"k": 5, "min_customers": 500}, "commit": {"max_events": 150},
            "recovery": {"target": f"{TARGET_S}s"}, "checkpoint": {"max_interval": "2s"}}
STREAM = ("--events", EVENTS, "--customers", CUSTOMERS, "--days", 60, "--seed", 11, "--late-share", .02,
          "--erase-share", .003)


def main():
    with Job(settings=SETTINGS) as job:
        job.create_topics()
        kill_run.warm_up(job, *STREAM, upto=BEFORE, fit_s=FIT_S)
        ends, rounds = job.ends(), []
        for round_ in kill_run.kill_rounds(job, ends, KILLS, TARGET_S, seed=5, share=(0, .03),
                                           slack_s=SLACK_S):
            rounds.append(round_)
            if len(rounds) in (3, 7):
                rounds.append(kill_run.Round(0))
                kill_run.kill_in_recovery(job, rounds[-1], after_s=.03 * len(rounds))
        kill_run.print_table(rounds)
        expect(sum(r.lag > 0 for r in rounds) >= KILLS, f"only {sum(r.lag > 0 for r in rounds)} kills came while there was lag")
        violations = [text for r in rounds for text in r.violations]
        expect(not violations, f"{len(violations)} violations: {violations}")
        seconds, world = kill_run.finish(job, ends, timeout=60)
        expect(len(world.changes) > CUSTOMERS / 2, f"only {len(world.changes)} changes")
        print(f"kill: passed, stopped in {seconds:.1f} s")


if __name__ == "__main__":
    main()
