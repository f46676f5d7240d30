"""Faults 11, 12, 13, 14s, 31 and 32: who belongs to the group, and offsets and topics that are not what they were."""
import pathlib
import re
import time

import yaml
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic

from lib.scenario import FaultMissed, fault
from lib.site import SESSION_S, expect, wait_for

# By contract (docs/definitions.md, Other outputs).
STOP_S = 30
# Too long to run out while an instance is started again on a busy machine.
LONG_SESSION = {"kafka": {"session_timeout": "15s"}}


def held(instance):
    """{partition: state} of what it has."""
    return {p["partition"]: p["state"] for w in instance.status()["workers"] for p in w["partitions"]}


def wait_shared(site, *instances):
    """Each of them has something, together they have all, and all of it runs."""
    def shared():
        parts = [held(one) for one in instances]
        together = [p for part in parts for p in part]
        return all(parts) and sorted(together) == list(range(site.partitions)) and \
            all(state == "running" for part in parts for state in part.values())
    wait_for("partitions are shared and run", shared, alive=instances)


def wait_refused(instance, *words, timeout=60):
    """It ends with 1, and its last line has all the words."""
    code = instance.wait_exit(timeout)
    told = instance.last_words()
    whole = instance.log_text().splitlines()[-1]
    expect(code == 1 and all(word in whole for word in words), f"ended with {code}, its last line lacks one of {words}: {told}")


# ---- 11: instances come and go ----

@fault(11, "scale 1 to 3 to 1 instances under load", runs=4, short_runs=1)
def scaled(site, dice):
    site.setup(partitions=4, settings={"workers": 1})
    one = site.warm(events=12000, upto=3000)
    site.load_rest(rate=600)
    two = site.start("two")
    wait_shared(site, one, two)
    three = site.start("three")
    wait_shared(site, one, two, three)
    if site.lag() == 0 and site.loads[0].poll() is not None:
        raise FaultMissed("all was read before there were three instances")
    first, second = (two, three) if dice.random() < .5 else (three, two)
    first.stop()
    if dice.random() < .5:
        wait_for("the stopped one's partitions have moved", lambda: len(held(one)) + len(held(second)) == site.partitions,
                 alive=[one, second])
    second.stop()
    site.wait_all(one)
    site.wait_drained(instances=[one])


@fault(11, "a partition that is taken and given back is not recovered", part="b", runs=2)
def given_back(site, dice):
    """Joining takes all partitions from everybody (eager rebalance) and gives most back at once."""
    del dice
    site.setup(partitions=4, settings={"workers": 1})
    one = site.warm(events=12000, upto=4000)
    site.load_rest(rate=800)
    before = len(one.events("recovery_begins"))
    taken = len(one.events("revoked"))
    two = site.start("two")
    wait_shared(site, one, two)
    if len(one.events("revoked")) < taken + site.partitions:
        raise FaultMissed("nothing was taken from the first instance")
    kept = set(held(one))
    back = {int(pairs["partition"]) for _, pairs in one.events("partition_back")}
    expect(kept <= back and len(one.events("recovery_begins")) == before,
           f"kept {sorted(kept)}, back without recovery {sorted(back)}, recoveries {before} and then "
           f"{len(one.events('recovery_begins'))}")
    expect(not one.events("commit_unknown"), "a rebalance made an outcome unknown")
    lag = re.compile(r'^segmentd_lag_records\{[^}]*partition="(\d+)"', re.M)
    wait_for("gauges of those partitions only that it has", lambda: {int(p) for p in lag.findall(one.get("/metrics")[1])} == kept,
             alive=[one])


@fault(11, "a restart within session.timeout moves nothing", part="c", runs=2, short_runs=1)
def restarted_in_time(site, dice):
    site.setup(partitions=4, settings={"workers": 1, **LONG_SESSION})
    one = site.warm(events=12000, upto=4000)
    two = site.start("two")
    wait_shared(site, one, two)
    site.load_rest(rate=600)
    kept, had = held(one).keys(), held(two).keys()
    revoked, assigned = len(one.events("revoked")), len(one.events("assigned"))
    if dice.random() < .5:
        two.kill()
    else:
        two.stop()
    again = site.start("two")
    site.wait_commit(again)
    wait_shared(site, one, again)
    took = time.monotonic() - again.began
    if took > 12:
        raise FaultMissed(f"the restart took {took:.0f} s, the session is over")
    expect(held(again).keys() == had and held(one).keys() == kept, "partitions have moved")
    expect(len(one.events("revoked")) == revoked and len(one.events("assigned")) == assigned,
           "the other instance was disturbed by a restart")


@fault(11, "a source is added and the instance started within its session", part="d", runs=1)
def other_topics(site, dice):
    """Brokers give a static member what it had before, without looking at what it subscribes to now."""
    del dice
    site.setup(settings=LONG_SESSION)
    few = {s: {"topic": t} for s, t in site.topics.items() if s != "email"}
    path = pathlib.Path(site.config("one"))
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, "sources": few}))
    one = site.start("one", config=str(path))
    site.wait_all(one)
    one.stop()
    again = site.start("one")
    wait_for("started, or ended with what to do", lambda: not again.is_running() or "recovered" in again.log_text())
    time.sleep(1)
    if not again.is_running():
        told = again.log_text().splitlines()[-1]
        expect("session_timeout" in told and "sources" in told, f"no word of what to do: {told}")
        time.sleep(17)
    site.load(3000)


@fault(11, "a worker too slow to poll: its neighbour in the process gets the partition, and later the store", part="e", runs=3,
       short_runs=1)
def neighbour(site, dice):
    """The group gives the partition on while the slow worker still has its store open."""
    interval_s = SESSION_S + 1
    site.setup(settings={"kafka": {"max_poll_interval": f"{interval_s}s"}})
    stall_ms = (interval_s + SESSION_S + 6) * 1000
    one = site.warm(events=9000, stall=f"before_produce:{dice.randint(1, 20)}:{stall_ms}", armed=False)
    one.arm()
    site.load_rest(rate=1000)
    wait_for("it stalls", lambda: "stall name=" in one.log_text(), alive=[one])
    taken = len(one.events("assigned"))
    wait_for("the neighbour was given the partition", lambda: len(one.events("assigned")) > taken, alive=[one])
    until = time.monotonic() + 15
    while not one.events("store_waits"):
        one.alive()
        if time.monotonic() > until:
            raise FaultMissed("the slow worker had let go before its neighbour was given the partition")
        time.sleep(.05)
    site.wait_all(one)
    site.wait_loaded()
    site.wait_drained(instances=[one])


@fault(11, "a stop in the midst of a rebalance", part="f", runs=6, short_runs=1)
def stopped_while_shared(site, dice):
    """What the group takes back is checkpointed before it goes, or the stop says that it was not whole."""
    site.setup(partitions=4)
    one = site.warm(events=9000)
    site.load_rest(rate=1500)
    taken = len(one.events("revoked"))
    two = site.start("two")
    wait_for("the other joins", lambda: len(one.events("revoked")) > taken, alive=[one, two])
    time.sleep(dice.uniform(0, .1))
    one.stop()
    dumped = site.segmentd("state", "--data", one.data_dir, "dump")
    expect(not dumped.returncode, f"state dump: {dumped.stderr}")
    expect(not (site.is_whole(one) and "not whole" in dumped.stderr), f"a stop was called whole: {dumped.stderr}")
    site.wait_all(two)
    site.wait_loaded()


# ---- 12: the same instance id twice ----

def twin_config(site, data_dir=None):
    """The configuration of a second process that calls itself `one`."""
    path = pathlib.Path(site.config("twin", data_dir=data_dir))
    config = yaml.safe_load(path.read_text())
    config["instance"] = "one"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@fault(12, "the same instance id twice, same data folder", runs=2)
def same_folder(site, dice):
    site.setup()
    one = site.warm(events=9000)
    site.load_rest(rate=1500)
    time.sleep(dice.uniform(0, 1))
    twin = site.start("twin", config=twin_config(site, site.data_dir("one")))
    wait_refused(twin, "in use by process", str(one.process.pid), "instance")
    site.wait_loaded()
    site.wait_drained(instances=[one])
    expect(not one.events("commit_aborted") and not one.events("producer_recreated"), "the first instance was disturbed")


@fault(12, "the same instance id twice, on two machines", part="b", runs=4, short_runs=1)
def same_id(site, dice):
    """Each fences the other's producers; the group then lets go of one of them."""
    site.setup()
    one = site.warm(events=9000)
    site.load_rest(rate=1000)
    time.sleep(dice.uniform(0, 1))
    path = twin_config(site)
    twin = site.start("twin", config=path)
    wait_for("one of two has ended", lambda: not one.is_running() or not twin.is_running(), timeout=120)
    time.sleep(1)
    ended, other = (one, twin) if not one.is_running() else (twin, one)
    expect(other.is_running(), f"both have ended: {one.last_words()}; {twin.last_words()}")
    wait_refused(ended, "same `instance`")
    site.wait_loaded()
    site.wait_drained(instances=[other])
    if other is twin:
        site.finish("twin", config=path)


# ---- 13: not in the group yet ----

@fault(13, "the group takes long to be joined: nothing is committed before", runs=3, private=True,
       properties={"group.initial.rebalance.delay.ms": 4000})
def slow_join(site, dice):
    """Brokers take a transaction's offsets without a look at the group when the generation is -1, as it is before the join."""
    site.setup()
    site.load(dice.randint(3000, 5000))
    changelog = [TopicPartition(f"{site.app}-changelog", p) for p in range(site.partitions)]
    one = site.start()
    looks = 0
    while not one.events("assigned"):
        one.alive()
        positions = site.positions()
        ends = [site.probe.get_watermark_offsets(place, timeout=30)[1] for place in changelog]
        if one.events("assigned"):
            break
        looks += bool(one.events("http_listens"))
        expect(max(positions.values()) < 0, f"committed before the group was joined: {positions}")
        expect(max(ends) == 0, f"changelog records before the group was joined: {ends}")
        expect(time.monotonic() - one.began < 60, "the group was never joined")
        time.sleep(.1)
    if looks < 5:
        raise FaultMissed(f"looked {looks} times only while the group was being joined")
    site.wait_commit(one)
    site.wait_fitted(one)


# ---- 31: the group's offsets ----

def delete_offsets(site):
    wait_for("the group is empty", lambda: not site.admin.describe_consumer_groups([site.app])[site.app].result(30).members)
    for future in site.admin.delete_consumer_groups([site.app], request_timeout=30).values():
        future.result(30)


@fault(31, "the group's offsets are gone: it goes on from the last cut", runs=4, short_runs=1)
def offsets_gone(site, dice):
    site.setup()
    one = site.warm(events=9000, upto=dice.randint(3000, 5000))
    if dice.random() < .5:
        one.stop()
    else:
        one.kill()
    delete_offsets(site)
    if max(site.positions().values()) >= 0:
        raise FaultMissed("the offsets are still there")
    site.load_rest(rate=0, wait=True)
    again = site.start()
    told = again.wait_event("group_offsets_gone", count=site.partitions)
    expect(len(told) == site.partitions, "not told for each partition")
    site.wait_drained(instances=[again])


def delete_records(site, topic, before):
    """Of all partitions of the topic, as retention does."""
    places = [TopicPartition(topic, p, offset) for p, offset in before.items()]
    for future in site.admin.delete_records(places, request_timeout=30).values():
        future.result(30)


def everything(site):
    """What a refused start must leave as it is: the group's offsets, and the ends of outputs and changelog."""
    topics = [*site.outputs.values(), f"{site.app}-changelog", f"{site.app}-model-sums", f"{site.app}-model"]
    known = site.admin.list_topics(timeout=30).topics
    ends = {(t, p): site.probe.get_watermark_offsets(TopicPartition(t, p), timeout=30)[1]
            for t in topics if t in known for p in known[t].partitions}
    return {"group": site.positions(), "ends": ends}


@fault(31, "inputs deleted before they were read: it stops and says what to do", part="b", runs=3)
def out_of_range(site, dice):
    site.setup()
    site.warm(events=9000, upto=5000)
    site.finish()
    site.load_rest(rate=0, wait=True)
    topic = site.topics["web"]
    lost = {p: site.positions()[topic, p] + dice.randint(1, 50) for p in range(site.partitions)}
    delete_records(site, topic, lost)
    starts = {p: site.probe.get_watermark_offsets(TopicPartition(topic, p), timeout=30)[0] for p in lost}
    if starts != lost:
        raise FaultMissed(f"the log begins at {starts}, not at {lost}")
    before = everything(site)["group"]
    wait_refused(site.start(), topic, "begins at offset", "were deleted before they were read", "`app`")
    wait_refused(site.start(), topic, "begins at offset")
    expect(everything(site)["group"] == before, "a refused start has moved the group's offsets")


# ---- 32: topics that are not what they were ----

@fault(32, "partitions added to an input: refused with what to do", runs=2)
def partitions_added(site, dice):
    site.setup()
    site.warm(events=6000, upto=4000)
    site.finish()
    one = site.start()
    site.wait_all(one)
    topic = dice.choice(sorted(site.topics.values()))
    for future in site.admin.create_partitions([NewPartitions(topic, site.partitions + 1)], request_timeout=30).values():
        future.result(30)
    wait_refused(one, topic, f"has {site.partitions + 1} partitions and had {site.partitions}", "`app`")
    before = everything(site)
    wait_refused(site.start(), "partitions")
    expect(everything(site) == before, "a refused start has changed something")


def make_anew(site, topic, records):
    for future in site.admin.delete_topics([topic], request_timeout=30).values():
        future.result(30)
    wait_for("the topic is gone", lambda: topic not in site.admin.list_topics(timeout=30).topics)

    def created():
        try:
            for future in site.admin.create_topics([NewTopic(topic, site.partitions, config={"retention.ms": "-1"})],
                                                   request_timeout=30).values():
                future.result(30)
            return True
        except Exception as error:
            if "TOPIC_ALREADY_EXISTS" in str(error):
                return False
            raise
    wait_for("the topic is there again", created)
    producer = Producer({"bootstrap.servers": site.brokers})
    for i in range(records):
        producer.produce(topic, b"x", b"c1", partition=i % site.partitions)
    expect(producer.flush(60) == 0, "records of the new topic were not written")


@fault(32, "an input deleted and made anew: refused with what to do", part="b", runs=6, short_runs=1)
def topic_made_anew(site, dice):
    site.setup()
    site.warm(events=6000, upto=4000)
    site.finish()
    topic = site.topics["web"]
    least = min(high for (t, _), (_, high) in site.ends().items() if t == topic)
    records = dice.choice([0, 10])
    expect(least > 10, "there is too little to tell by")
    running = site.run % 2 == 0
    one = site.start() if running else None
    if one:
        site.wait_all(one)
    make_anew(site, topic, records)
    if one:
        wait_refused(one, topic, "`app`", timeout=90)
    before = everything(site)
    wait_refused(site.start(), "made anew", "`app`", timeout=90)
    expect(everything(site)["group"] == before["group"], "a refused start has moved the group's offsets")


@fault(32, "an input deleted while it runs: it stops and says so", part="c", runs=1, short_runs=0)
def topic_deleted(site, dice):
    del dice
    site.setup()
    site.warm(events=6000, upto=4000)
    site.finish()
    one = site.start()
    site.wait_all(one)
    topic = site.topics["orders"]
    for future in site.admin.delete_topics([topic], request_timeout=30).values():
        future.result(30)
    wait_refused(one, topic, "`app`", timeout=90)
    wait_refused(site.start(), topic, "does not exist")


# ---- 14: a stop that nobody answers ----

@fault(14, "SIGTERM while no broker answers: it ends in time", part="s", runs=3, private=True)
def stop_without_brokers(site, dice):
    site.setup()
    one = site.warm(events=9000)
    load = site.load_rest(rate=1500)
    node = site.cluster.kafka.nodes[0]
    time.sleep(dice.uniform(.3, 1.5))
    node.kill()
    time.sleep(dice.choice([0, .5, 4]))
    took = one.stop()
    expect(took <= STOP_S and not one.events("stop_overdue"), f"the stop took {took:.1f} s")
    node.start()
    load.wait(120)
    again = site.start()
    site.wait_commit(again)
    site.wait_drained(instances=[again])
