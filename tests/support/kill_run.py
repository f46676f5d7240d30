"""Killing the daemon while it drains: what tests/integration/kill and tests/fault/soak share.

A kill counts only if records were left to commit when it came. So that there are some however fast the machine drains, the
process is let run in slices between the first commit and the kill, and looked at while it is stopped; the kill comes at a
random moment of a running slice. After each: the restart may read no more inputs again than
lay between replay_from of the newest committed cuts and the group's offsets, must commit anew within 2 x recovery.target
and the time that joining the group took, and must not rebuild a store.
"""
import json
import random
import signal
import threading
import time

from daemon_run import Job, expect

ASSIGN_S = 60       # longest wait for the group
SLACK_S = 1.0       # of looking at the log and the offsets; more where the machine may be busy with other tests


def warm_up(job, *stream, upto, fit_s):
    """Sends the first `upto` events and drains them until there is a model, so that the kills fall among changes of
    segments; then sends the rest, and kills."""
    job.generate(*stream, "--to", upto)
    job.start()
    job.wait_drained(fit_s)
    until = time.monotonic() + fit_s
    while not json.loads(job.get("/api/v1/status")[1])["segments"]:
        expect(time.monotonic() < until, f"no segments within {fit_s} s")
        time.sleep(.1)
    job.generate(*stream, "--from", upto)
    job.kill()


class Round:
    """What one start had to do, and did."""

    def __init__(self, number):
        self.number, self.allowed, self.reread, self.join_s, self.first_commit_s = number, 0, 0, 0., 0.
        self.committed, self.lag, self.violations, self.phase = 0, 0, [], "running"


def allowed_rereads(job, positions):
    """Inputs between replay_from and the group's offsets, over all partitions."""
    total = 0
    for partition, cut in job.newest_cuts().items():
        for topic, source in (("web-events", "web"), ("email-events", "email"), ("orders", "orders"), ("profiles", "profiles")):
            start, end = cut["replay_from"][source], positions[topic, partition]
            total += max(0, end - start) if start >= 0 else 0
    return total


def wait_first_commit(job, before, timeout):
    """Seconds from the start until the group's offsets have moved anywhere, and seconds until partitions were assigned."""
    began, assigned = time.monotonic(), None
    while True:
        now = time.monotonic() - began
        job.alive()
        if assigned is None and job.events("assigned"):
            assigned = now
        if assigned is not None and job.positions() != before:
            return now, assigned
        limit = ASSIGN_S if assigned is None else assigned + timeout
        if now > limit:
            return None, assigned
        time.sleep(.02)


def look_at_log(job, round_):
    rebuilt = job.events("store_rebuilt")
    if rebuilt:
        round_.violations.append(f"a store was rebuilt: {rebuilt[0][1].get('why')}")
    round_.reread = sum(int(pairs["reread"]) for _, pairs in job.events("recovered"))
    asked = sum(int(pairs["records"]) for _, pairs in job.events("recovery_rereads"))
    if max(asked, round_.reread) > round_.allowed:
        round_.violations.append(f"re-read {max(asked, round_.reread)} inputs, {round_.allowed} since replay_from")


def start_and_check(job, round_, target_s, slack_s):
    """A start after a kill, or the first one: up to the first commit."""
    before = job.positions()
    first = max(before.values()) < 0
    round_.allowed = 0 if first else allowed_rereads(job, before)
    job.start()
    limit = 2 * target_s + slack_s
    took, joined = wait_first_commit(job, before, limit)
    if took is None:
        round_.violations.append(f"no commit within {limit:.0f} s of joining the group" if joined is not None
                                 else f"not in the group within {ASSIGN_S} s")
        return False
    round_.join_s, round_.first_commit_s = joined, took - joined
    look_at_log(job, round_)
    return True


def run_in_slices(job, ends, goal, dice):
    """Lets it commit about `goal` records more, and returns in the midst of a slice."""
    job.process.send_signal(signal.SIGSTOP)
    began = job.lag(ends)
    slice_s = .01
    while True:
        left = job.lag(ends)
        if left == 0 or began - left >= goal:
            break
        job.process.send_signal(signal.SIGCONT)
        time.sleep(slice_s * dice.uniform(1, 3))
        job.process.send_signal(signal.SIGSTOP)
        slice_s = min(slice_s * 1.3, .2)
    job.process.send_signal(signal.SIGCONT)
    time.sleep(dice.uniform(0, .03))


def kill_rounds(job, ends, kills, target_s, seed, share=(.02, .07), slack_s=SLACK_S):
    """Kills `kills` times while there is lag; yields a Round for each start. Between kills a share of all is drained."""
    dice, total = random.Random(seed), sum(high - low for low, high in ends.values())
    while kills > 0:
        round_ = Round(kills)
        if not start_and_check(job, round_, target_s, slack_s):
            yield round_
            return
        run_in_slices(job, ends, total * dice.uniform(*share), dice)
        job.kill()
        round_.lag = job.lag(ends)
        round_.committed = total - round_.lag
        look_at_log(job, round_)
        if round_.lag > 0:
            kills -= 1
        yield round_
        if round_.lag == 0:
            return


def kill_in_recovery(job, round_, after_s):
    """A start that is killed before it can have recovered; it may have re-read only what it was allowed to."""
    before = job.positions()
    round_.allowed, round_.phase = allowed_rereads(job, before), "recovering"
    job.start()
    job.wait_event("assigned", ASSIGN_S)
    time.sleep(after_s)
    job.kill()
    look_at_log(job, round_)


def print_table(rounds):
    print(f"{'start':>5} {'killed while':>12} {'may re-read':>11} {'re-read':>8} {'join s':>7} {'commit s':>8} "
          f"{'committed':>10} {'lag':>8}  violations")
    for i, r in enumerate(rounds, 1):
        print(f"{i:5} {r.phase:>12} {r.allowed:11} {r.reread:8} {r.join_s:7.2f} {r.first_commit_s:8.2f} {r.committed:10} "
              f"{r.lag:8}  {'; '.join(r.violations) or '-'}", flush=True)


class Sampler:
    """Peak memory of the daemon over all its starts."""

    def __init__(self, job):
        self.job, self.peak_kib, self.running = job, 0, True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while self.running:
            process = self.job.process
            try:
                with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                    peak = next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
                    self.peak_kib = max(self.peak_kib, peak)
            except (OSError, AttributeError):
                pass
            time.sleep(.2)

    def stop(self):
        self.running = False
        self.thread.join()
        return self.peak_kib


def finish(job, ends, timeout):
    """The last start: drains, stops, and the oracle judges."""
    job.start()
    job.wait_drained(timeout, ends)
    expect(not job.events("store_rebuilt"), "a store was rebuilt at the last start")
    seconds = job.stop()
    return seconds, job.judge()


assert Job  # the class that all functions here take
