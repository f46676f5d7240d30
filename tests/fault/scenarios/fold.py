"""Fault 30: the owner of the fold is killed, moved, duplicated, under load and with refits. Beside the oracle: what a
read_committed reader finds on <app>-model is one line of versions, each published once, and a new owner goes on from it."""
import json
import signal
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from lib.scenario import FaultMissed, fault
from lib.site import SESSION_S, expect

# Fits all the while: stream time runs through the stream's sixty days in seconds.
REFITS = {"workers": 1, "segmenter": {"refit": {"interval": "2d"}, "reevaluate": {"interval": "1d"}}}
TAKEN_S = 90


def read_models(site):
    """Records of <app>-model in their order, tombstones and markers left out: [(key, model)]."""
    reader = Consumer({"bootstrap.servers": site.brokers, "group.id": f"{site.app}-models", "enable.auto.commit": False,
                       "isolation.level": "read_committed", "enable.partition.eof": True})
    reader.assign([TopicPartition(f"{site.app}-model", 0, OFFSET_BEGINNING)])
    found = []
    try:
        while True:
            message = reader.poll(30)
            expect(message is not None, "the model topic cannot be read")
            if message.error():
                expect(message.error().code() == KafkaError._PARTITION_EOF, str(message.error()))
                return found
            if message.value() is not None:
                found.append((message.key().decode(), json.loads(message.value())))
    finally:
        reader.close()


def number(model):
    return int(model["promotion"]), int(model["revision"])


def check_line(site):
    """Versions only grow, promotions one by one; v/<n> says what `current` said in the same transaction; ids are given once."""
    models = read_models(site)
    line = [model for key, model in models if key == "current"]
    expect(line, "no model was published")
    for before, after in zip(line, line[1:]):
        expect(number(before) < number(after), f"version {number(after)} was published after {number(before)}")
        expect(int(after["promotion"]) - int(before["promotion"]) <= 1, f"{number(after)} after {number(before)}")
        expect(int(before["next_cluster"]) <= int(after["next_cluster"]), f"cluster ids are given again by {number(after)}")
    current = {number(model): model for model in line}
    kept = [(key, model) for key, model in models if key.startswith("v/")]
    for key, model in kept:
        expect(key == f"v/{model['promotion']}", f"{key} holds promotion {model['promotion']}")
        expect(number(model) not in current or current[number(model)] == model, f"{key} is not what `current` was")
    expect(len({key for key, _ in kept}) == len(kept), f"a promotion was published twice: {[key for key, _ in kept]}")
    return line


def owns_fold(instance):
    told = [event for event, _ in instance.events() if event in ("fold_ready", "fold_revoked")]
    return told[-1:] == ["fold_ready"]


def wait_owner(instance, timeout=TAKEN_S):
    """Until it has read all sums and folds."""
    until = time.monotonic() + timeout
    while not owns_fold(instance):
        instance.alive()
        expect(time.monotonic() < until, f"{instance.name} has not got the fold within {timeout} s")
        time.sleep(.05)


def versions(site):
    return number(check_line(site)[-1])


def wait_learned(site, since, alive, timeout=60):
    """Until a later version than `since` is published."""
    until = time.monotonic() + timeout
    while versions(site) <= since:
        alive.alive()
        expect(time.monotonic() < until, f"no model after {since} within {timeout} s")
        time.sleep(.2)


def finish(site, instance):
    verdict = site.finish(instance)
    check_line(site)
    return verdict


@fault(30, "the fold's owner killed", part="a", runs=6, short_runs=1)
def killed(site, dice):
    """At any moment, or in the transaction that carries a model; the other instance goes on from what was published."""
    site.setup(settings=REFITS)
    point = dice.choice([None, "after_produce", "after_offsets", "end_txn_sent", "after_commit"])
    one = site.warm(events=9000, **({"crash": f"{point}:{dice.randint(1, 40)}", "armed": False} if point else {}))
    two = site.start("two")
    two.wait_event("assigned", timeout=TAKEN_S)
    time.sleep(.3)  # the log lines of the rebalance
    wait_owner(one)
    site.load_rest(rate=1500)
    if point:
        one.arm()
        one.wait_crash()
    else:
        time.sleep(dice.uniform(.2, 2))
        one.kill()
    if not owns_fold(one):
        raise FaultMissed("the instance that was killed did not own the fold")
    before = versions(site)
    wait_owner(two)
    site.wait_loaded()
    wait_learned(site, before, two)
    finish(site, "two")


@fault(30, "the fold moved to another instance and back", part="b", runs=4)
def moved(site, dice):
    """Range gives the one partition of the sums to the first member by name: `one` takes it from `two`, and gives it back."""
    site.setup(settings=REFITS)
    two = site.warm(events=9000, name="two")
    wait_owner(two)
    site.load_rest(rate=1500)
    time.sleep(dice.uniform(0, 1))
    one = site.start("one")
    two.wait_event("fold_revoked", timeout=TAKEN_S)
    wait_owner(one)
    before = versions(site)
    wait_learned(site, before, one)
    one.stop()
    wait_owner(two)
    site.wait_loaded()
    finish(site, "two")


@fault(30, "the fold's owner frozen past its session and thawed", part="c", runs=4)
def duplicated(site, dice):
    """Two processes that both take themselves for the owner: only one of them can publish."""
    site.setup(settings=REFITS)
    one = site.warm(events=9000)
    two = site.start("two")
    two.wait_event("assigned", timeout=TAKEN_S)
    time.sleep(.3)  # the log lines of the rebalance
    wait_owner(one)
    site.load_rest(rate=600)
    time.sleep(dice.uniform(.2, 2))
    one.signal(signal.SIGSTOP)
    if not owns_fold(one):
        one.signal(signal.SIGCONT)
        raise FaultMissed("the instance that was frozen did not own the fold")
    revoked = len(one.events("fold_revoked"))
    try:
        wait_owner(two)
        before = versions(site)
        wait_learned(site, before, two)
        time.sleep(dice.uniform(0, SESSION_S / 6))
    finally:
        one.signal(signal.SIGCONT)
    # It finds out, and joins again: by name it is the first, so the fold comes back to it in the end.
    one.wait_event("fold_revoked", timeout=TAKEN_S, count=revoked + 1)
    wait_owner(one)
    site.wait_loaded()
    before = versions(site)
    finish(site, "one")
    expect(versions(site) >= before, "the line of versions went back")
