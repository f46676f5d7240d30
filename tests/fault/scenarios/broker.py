"""Faults 9, 10, 14 to 18 and 28: what happens between a worker and its brokers."""
import signal
import time

from confluent_kafka import Producer

from lib.proxy import Proxy
from lib.scenario import FaultMissed, fault
from lib.site import SESSION_S, TRANSACTION_S, expect

BOTH = ("3.9", "4.1")
# Steps of a commit at which a process can be stopped (base/fault.h).
STEPS = ("before_produce", "after_produce", "after_offsets", "commit_entered", "after_commit")


def wait_for(what, condition, timeout=60, alive=()):
    """Until condition() is true; what it returned."""
    until = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        for one in alive:
            one.alive()
        expect(time.monotonic() < until, f"{what}: not within {timeout} s")
        time.sleep(.02)


def wait_stall(instance, timeout=60):
    """Until it is in its stall; else the run is missed."""
    until = time.monotonic() + timeout
    while "stall name=" not in instance.log_text():
        if time.monotonic() > until or not instance.is_running():
            raise FaultMissed(f"segmentd {instance.name} did not come to its stall: {instance.last_words()}")
        time.sleep(.002)


def holds_all(site, instance):
    """It has every partition, and they run."""
    partitions = [p for w in instance.status()["workers"] for p in w["partitions"]]
    return len(partitions) == site.partitions and all(p["state"] == "running" for p in partitions)


# ---- 9, 10: who is taken for dead, and is not ----

def take_over(site, stopped_for_s, **start):
    """Another instance gets all partitions and commits."""
    began = time.monotonic()
    two = site.start("two", **start)
    site.wait_commit(two)
    wait_for("the other instance has all partitions", lambda: holds_all(site, two), alive=[two])
    left = stopped_for_s - (time.monotonic() - began)
    if left > 0:
        time.sleep(left)
    return two


@fault(9, "SIGSTOP past the session time-out, another takes over, SIGCONT", runs=10, short_runs=1, kafkas=BOTH, other_runs=4)
def zombie(site, dice):
    # Every third: its transaction outlives its session, so that the zombie finds it still open.
    outlives = site.run % 3 == 2
    site.setup(settings={"kafka": {"transaction_timeout": "20s"}} if outlives else {})
    one = site.warm(events=9000, stall=f"{dice.choice(STEPS)}:{dice.randint(1, 20)}:400", armed=False)
    one.arm()
    site.load_rest(rate=1000)
    wait_stall(one)
    one.signal(signal.SIGSTOP)
    time.sleep(SESSION_S)
    two = take_over(site, 1)
    before = len(one.events("assigned"))
    one.signal(signal.SIGCONT)
    wait_for("the zombie is back in the group, or has ended", lambda: not one.is_running() or
             len(one.events("assigned")) > before or one.status()["ready"], alive=[two])
    if not one.is_running():
        expect(one.process.returncode == 1 and one.last_words().startswith("segmentd run:"),
               f"the zombie ended with {one.process.returncode}: {one.last_words()}")
    site.wait_loaded()
    site.wait_drained(instances=[two])
