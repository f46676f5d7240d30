"""Faults 1 to 8: kill -9, at each step of the protocol by crash points (base/fault.h), and at any moment."""
import signal
import time

from lib.scenario import FaultMissed, fault

BOTH = ("3.9", "4.1")
# In some runs nobody leaves by silence, so that their aggregates are compared to the end.
EXPIRY = {"profile": {"expire": "20d"}}


def begin(site, dice, **start):
    """Two partitions, an instance that has drained a third of the stream and made segments; erasures and expiry in it."""
    site.setup(settings=EXPIRY if dice.random() < .5 else {})
    return site.warm(stream={"erase_share": .01}, **start)


def crash_while_draining(site, dice, point, last_n, delay_us=0, rate=3000):
    """More of the stream comes in; the n-th passing of the point from then on kills it. Then all must be made good."""
    crash = f"{point}:{dice.randint(1, last_n)}:{delay_us}"
    one = begin(site, dice, crash=crash, armed=False)
    one.arm()
    site.load_rest(rate=rate, upto=5000)
    one.wait_crash(missed=more_to_come(site, rate))
    recover(site)


def more_to_come(site, rate):
    """What wait_crash() looks at: when all has been sent and the point has not come, as on a busy machine that makes few large
    commits of it, further days of the shop are sent."""
    sent = []

    def look():
        if all(process.poll() is not None for process in site.loads) and len(sent) < 18:
            site.wait_loaded()
            sent.append(site.load(1500, "--start", f"2025-{3 + len(sent) // 2:02}-{2 + len(sent) % 2 * 14:02}T00:00:00Z",
                                  rate=rate, wait=False, customers=300, days=10, seed=site.seed + len(sent) + 1))
        return False
    return look


def recover(site):
    """There is something to commit for the next one, whatever the dead one has left."""
    site.wait_loaded()
    site.load_rest(rate=0)
    site.wait_commit(site.start())


@fault(1, "kill -9 before produce", runs=20, short_runs=1, kafkas=BOTH, other_runs=4)
def before_produce(site, dice):
    crash_while_draining(site, dice, "before_produce", 25)


@fault(2, "kill -9 after produce", runs=20, short_runs=1, kafkas=BOTH, other_runs=4)
def after_produce(site, dice):
    crash_while_draining(site, dice, "after_produce", 25)


@fault(3, "kill -9 after send_offsets", runs=20, short_runs=1, kafkas=BOTH, other_runs=4)
def after_offsets(site, dice):
    crash_while_draining(site, dice, "after_offsets", 25)


@fault(4, "kill -9 during EndTxn", runs=20, short_runs=2, kafkas=BOTH, other_runs=4)
def during_end_txn(site, dice):
    """Right when the request is on its way, or a little later, but before anybody has looked at the answer."""
    crash_while_draining(site, dice, "end_txn_sent", 25, delay_us=dice.choice([0, dice.randint(1, 3000)]))


@fault(5, "kill -9 after the commit", runs=20, short_runs=1, kafkas=BOTH, other_runs=4)
def after_commit(site, dice):
    crash_while_draining(site, dice, "after_commit", 25)


@fault(6, "kill -9 between a cycle's transactions", part="a", runs=20, short_runs=1, kafkas=BOTH, other_runs=3)
def cycle_between(site, dice):
    crash_while_draining(site, dice, dice.choice(["cycle_between", "cycle_part_written"]), 12, rate=2000)


@fault(6, "kill -9 before a cycle's RocksDB write", part="b", runs=20, short_runs=1, kafkas=BOTH, other_runs=3)
def cycle_before_write(site, dice):
    crash_while_draining(site, dice, "cycle_write", 15, rate=2000)


@fault(6, "kill -9 during a cycle's RocksDB write", part="c", runs=20, short_runs=1, kafkas=BOTH, other_runs=3)
def cycle_during_write(site, dice):
    crash_while_draining(site, dice, "cycle_write", 15, delay_us=dice.randint(1, 400), rate=2000)


@fault(6, "kill -9 between a cycle's end and the cut", part="d", runs=20, short_runs=1, kafkas=BOTH, other_runs=3)
def cycle_before_cut(site, dice):
    crash_while_draining(site, dice, "cycle_written", 3, rate=2000)


@fault(6, "kill -9 between the cut and the position", part="e", runs=20, short_runs=1, kafkas=BOTH, other_runs=3)
def cycle_before_position(site, dice):
    crash_while_draining(site, dice, dice.choice(["cycle_cut", "cycle_position"]), 3, rate=2000)


def crash_in_recovery(site, dice, point, last_n):
    """Killed while it works, the next start in the midst of its recovery, in some runs the one after it, too."""
    one = begin(site, dice)
    site.load_rest(rate=2500, upto=5000)
    time.sleep(dice.uniform(.4, 1.2))
    one.kill()
    for _ in range(dice.choice([1, 1, 2])):
        site.start(crash=f"{point}:{dice.randint(1, last_n)}").wait_crash()
    recover(site)


@fault(7, "kill -9 while the changelog is read", part="a", runs=20, short_runs=1, kafkas=BOTH, other_runs=3)
def recovery_changelog(site, dice):
    crash_in_recovery(site, dice, "recovery_changelog", 60)


@fault(7, "kill -9 while inputs are read again", part="b", runs=20, short_runs=1, kafkas=BOTH, other_runs=3)
def recovery_reread(site, dice):
    point, last_n = dice.choice([("recovery_taken", 2), ("recovery_reread", 40), ("recovery_done", 2)])
    crash_in_recovery(site, dice, point, last_n)


@fault(7, "kill -9 while the sums are recounted", part="c", runs=20, short_runs=1, kafkas=BOTH, other_runs=3)
def recovery_recount(site, dice):
    crash_in_recovery(site, dice, "recount", 150)


def kill_with_lag(site, instance):
    """Kills it if input records are not committed at this moment: true. The moment is kept by stopping it first."""
    instance.signal(signal.SIGSTOP)
    if site.lag():
        instance.kill()
        return True
    instance.signal(signal.SIGCONT)
    return False


@fault(8, "kill -9 at random moments, 200 times", runs=1, short_runs=1, kafkas=BOTH, limit_s=2400)
def random_moments(site, dice):
    """One stream and one application through all of it. A kill counts only if there was something left to commit. Some
    come while it starts and recovers, the others after its first commit."""
    site.setup(settings=EXPIRY)
    left, events, chunk = (12 if site.short else 200), 100000, 1500
    site.warm(events=events, upto=3000, stream={"customers": 1500, "erase_share": .01}).kill()
    sent, feeder, until = 3000, None, time.monotonic() + (300 if site.short else 2000)
    while left:
        if time.monotonic() > until or sent > events - chunk:
            raise FaultMissed(f"{left} kills are still to come")
        if feeder is None or feeder.poll() is not None:
            site.wait_loaded()
            sent += chunk
            feeder = site.load_rest(rate=400, upto=sent)
        one = site.start()
        if dice.random() < .7:
            site.wait_commit(one)
        time.sleep(dice.uniform(0, .6))
        left -= kill_with_lag(site, one)
        if one.is_running():
            time.sleep(.05)
            left -= kill_with_lag(site, one)
        if one.is_running():
            one.kill()
    site.wait_commit(site.start())
