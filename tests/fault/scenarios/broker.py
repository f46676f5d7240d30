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


# ---- 9, 10: who is taken for dead, and is not ----

def take_over(site, stopped_for_s, **start):
    """Another instance gets all partitions and commits."""
    began = time.monotonic()
    two = site.start("two", **start)
    site.wait_commit(two)
    site.wait_all(two)
    left = stopped_for_s - (time.monotonic() - began)
    if left > 0:
        time.sleep(left)
    return two


def give_back(site, one, two):
    """The other one goes, and what was taken for dead has everything again (if it lives)."""
    site.wait_loaded()
    site.wait_drained(instances=[two])
    two.stop()
    if one.is_running():
        site.wait_all(one)


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
    give_back(site, one, two)


@fault(10, "max.poll.interval exceeded, another takes over", runs=6, short_runs=1)
def too_slow_to_poll(site, dice):
    """One worker thread stands still for longer than the interval, while librdkafka's threads go on with heartbeats."""
    interval_s = SESSION_S + 1
    site.setup(settings={"workers": 1, "kafka": {"max_poll_interval": f"{interval_s}s"}})
    one = site.warm(events=9000, stall=f"before_produce:{dice.randint(1, 20)}:{(interval_s + SESSION_S + 4) * 1000}", armed=False)
    one.arm()
    site.load_rest(rate=1000)
    wait_stall(one)
    before = len(one.events("assigned"))
    two = site.start("two")
    site.wait_all(two)
    wait_for("the slow one knows that it was too slow", lambda: "MAX_POLL_EXCEEDED" in one.log_text(), alive=[one, two])
    wait_for("the slow one is back", lambda: len(one.events("assigned")) > before, alive=[one, two])
    give_back(site, one, two)


# ---- 14: brokers go and come ----

@fault(14, "broker: kill -9 and restart under load", runs=6, short_runs=1, kafkas=BOTH, other_runs=2, private=True)
def broker_killed(site, dice):
    site.setup()
    one = site.warm(events=9000)
    site.load_rest(rate=1500)
    node = site.cluster.kafka.nodes[0]
    for _ in range(2):
        time.sleep(dice.uniform(.2, 1.))
        node.kill()
        time.sleep(dice.uniform(0, 2))
        node.start()
        one.alive()
    site.wait_loaded()
    site.wait_drained(instances=[one])


@fault(14, "three brokers, rolling restart under load", part="b", runs=1, kafkas=BOTH, other_runs=1, brokers=3, private=True)
def brokers_rolled(site, dice):
    site.setup()
    one = site.warm(events=30000, upto=4000)
    site.load_rest(rate=1000)
    site.cluster.kafka.roll(each=lambda _: one.alive())
    site.wait_loaded()
    site.wait_drained(instances=[one])
    expect(not one.events("producer_recreated") or dice, "")


@fault(14, "three brokers, one killed with -9 and restarted", part="c", runs=3, kafkas=BOTH, other_runs=1, brokers=3, private=True)
def one_of_three_killed(site, dice):
    site.setup()
    one = site.warm(events=12000, upto=4000)
    site.load_rest(rate=1000)
    node = dice.choice(site.cluster.kafka.nodes)
    time.sleep(dice.uniform(.2, 1))
    node.kill()
    time.sleep(dice.uniform(0, 5))
    one.alive()
    node.start()
    site.cluster.kafka.wait_in_sync()
    site.wait_loaded()
    site.wait_drained(instances=[one])


# ---- 15, 18, 34: through a proxy ----

def through_proxy(site, **settings):
    """Site with topics, and the proxy that its instances are to connect through: start(brokers=site.cluster.front_brokers)."""
    # Half of all defaults' 60 s and more, so that what waits for them ends.
    site.setup(settings={"kafka": {"client": {"socket.timeout.ms": "4000"}}, **settings})
    return Proxy(site.cluster.front_ports, [node.front_target for node in site.cluster.kafka.nodes])


LOSSES = ("drop_request", "drop_response", "cut_request", "cut_response", "delay_request", "delay_response")


@fault(15, "EndTxn's request or answer lost or delayed by a proxy", runs=12, short_runs=1, front=True)
def end_txn_lost(site, dice):
    proxy = through_proxy(site)
    try:
        action = LOSSES[site.run % len(LOSSES)]
        one = site.warm(events=9000, brokers=site.cluster.front_brokers)
        # Beyond the transaction's time-out the request arrives when its transaction is no more.
        rule = proxy.rule("EndTxn", action, nth=dice.randint(1, 20), delay_s=dice.choice((.5, 2, TRANSACTION_S + 3)))
        site.load_rest(rate=1500)
        if not rule.wait(60):
            raise FaultMissed("no such EndTxn came")
        rule.wait_over(30)
        site.wait_loaded()
        site.wait_drained(instances=[one])
        site.finish(brokers=site.cluster.front_brokers)
    finally:
        proxy.close()


@fault(16, "the broker aborts a transaction for its time-out", runs=6, short_runs=1)
def transaction_timed_out(site, dice):
    site.setup()
    step = dice.choice(("after_produce", "after_offsets"))
    one = site.warm(events=9000, stall=f"{step}:{dice.randint(1, 20)}:{(TRANSACTION_S + 3) * 1000}", armed=False)
    one.arm()
    site.load_rest(rate=1500)
    wait_stall(one)
    wait_for("it makes its producer anew", lambda: one.events("producer_recreated"), alive=[one])
    site.wait_loaded()
    site.wait_drained(instances=[one])
