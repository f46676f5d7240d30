"""Faults 9, 10, 14 to 18, 28 and 34: what happens between a worker and its brokers."""
import hashlib
import signal
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from lib.proxy import Proxy
from lib.scenario import FaultMissed, fault
from lib.site import SESSION_S, TRANSACTION_S, expect, wait_for

BOTH = ("3.9", "4.1")
# With a transaction time-out of 2 s a commit is given up after 12; a session is 6 s, a request 4.
OUTAGE_S, OUTAGE_LINES = 16, 25
# What a process may grow by behind a slow broker: librdkafka's queues (4 MiB a partition) and what lies in RocksDB's buffers.
MORE_KIB = 64 * 1024
# Steps of a commit at which a process can be stopped (base/fault.h).
STEPS = ("before_produce", "after_produce", "after_offsets", "commit_entered", "after_commit")


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


@fault(10, "max.poll.interval exceeded, another takes over", runs=4)
def too_slow_to_poll(site, dice):
    """One worker thread stands still for longer than the interval, while librdkafka's threads go on with heartbeats."""
    interval_s = SESSION_S + 1
    site.setup(settings={"workers": 1, "kafka": {"max_poll_interval": f"{interval_s}s"}})
    stall_s = interval_s + SESSION_S + 4
    one = site.warm(events=9000, stall=f"before_produce:{dice.randint(1, 20)}:{stall_s * 1000}", armed=False)
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

@fault(14, "broker: kill -9 and restart under load", runs=4, short_runs=1, kafkas=BOTH, other_runs=2, private=True)
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


@fault(14, "three brokers, one killed with -9 and restarted", part="c", runs=3, kafkas=BOTH, other_runs=1, brokers=3,
       private=True)
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

def through_proxy(site, transaction_timeout=None, **settings):
    """Site with topics, and the proxy that its instances are to connect through: start(brokers=site.cluster.front_brokers)."""
    # A request's default of 60 s would be long.
    kafka = {"client": {"socket.timeout.ms": "1900" if transaction_timeout else "4000"}}
    if transaction_timeout:
        kafka["transaction_timeout"] = transaction_timeout
    site.setup(settings={"kafka": kafka, **settings})
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


@fault(16, "the broker aborts a transaction for its time-out", runs=4, short_runs=1)
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


@fault(14, "broker gone for longer than every time-out, and SIGTERM while it is gone", part="d", runs=2, private=True)
def broker_gone(site, dice):
    """The process lives on, says so once, and is not ready; when told to end without a broker, it ends in time."""
    site.setup(settings={"kafka": {"transaction_timeout": "2s"}})
    one = site.warm(events=9000)
    site.load_rest(rate=1500)
    time.sleep(dice.uniform(.2, 1.))
    node = site.cluster.kafka.nodes[0]
    node.kill()
    lines = len(one.log_text().splitlines())
    wait_for("it is not ready any more", lambda: one.get("/readyz")[0] == 503, alive=[one])
    time.sleep(OUTAGE_S)
    expect(one.get("/readyz")[0] == 503, "ready without a broker")
    one.alive()
    told = one.log_text().splitlines()[lines:]
    expect(len(told) <= OUTAGE_LINES, f"{len(told)} log lines in an outage of {OUTAGE_S} s:\n" + "\n".join(told))
    if site.run % 2 == 0:
        node.start()
        wait_for("it is ready again", lambda: one.get("/readyz")[0] == 200, alive=[one])
    began = time.monotonic()
    one.signal(signal.SIGTERM)
    code = one.wait_exit(60)
    took = time.monotonic() - began
    expect(took <= 30, f"it ended {took:.0f} s after SIGTERM, 30 are allowed")
    expect(code == 0, f"it ended with {code} after SIGTERM: {one.last_words()}")
    expect(one.events("stopped"), f"no clear last line: {one.last_words()}")
    node.start()
    site.wait_commit(site.start())


@fault(17, "another producer's open transaction holds the last stable offset", runs=4, short_runs=1)
def held_by_another(site, dice):
    site.setup()
    one = site.warm(events=9000)
    other = Producer({"bootstrap.servers": site.brokers, "transactional.id": f"{site.app}-other",
                      "transaction.timeout.ms": 300000})
    other.init_transactions(30)
    other.begin_transaction()
    for topic in site.topics.values():
        for partition in range(site.partitions):
            other.produce(topic, b"never seen", b"nobody", partition)
    other.flush(30)
    before = site.positions()
    site.load_rest(rate=0, wait=True)
    if site.run % 2:
        one.kill()
        one = site.start()
    else:
        time.sleep(1)
    told = one.wait_event("input_held", timeout=60)
    expect({pairs["topic"] for _, pairs in told} <= set(site.topics.values()), f"input_held names other topics: {told}")
    now = site.positions()
    expect(all(now[place] <= before[place] + 1 for place in now), f"read beyond the open transaction: {before}, {now}")
    expect(one.get("/readyz")[0] == 200, "waiting for another's transaction is no reason to be not ready")
    other.abort_transaction(30)
    site.wait_drained(instances=[one])


@fault(18, "partition between worker and broker for longer than every time-out", runs=4, short_runs=0, front=True)
def partitioned(site, dice):
    proxy = through_proxy(site, transaction_timeout="2s")
    try:
        one = site.warm(events=12000, brokers=site.cluster.front_brokers)
        site.load_rest(rate=1500)
        time.sleep(dice.uniform(.2, 1.5))
        proxy.hold()
        wait_for("it is not ready any more", lambda: one.get("/readyz")[0] == 503, alive=[one])
        time.sleep(OUTAGE_S)
        one.alive()
        # What was on the way comes after all (every second run), as TCP has it, or never.
        proxy.heal(deliver=site.run % 2 == 0)
        site.wait_loaded()
        site.wait_drained(instances=[one])
        site.finish(brokers=site.cluster.front_brokers)
    finally:
        proxy.close()


# ---- 28: too large ----

def limit(site, topic, max_bytes):
    """The broker's limit for records of a topic."""
    change = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
        ConfigEntry("max.message.bytes", str(max_bytes), incremental_operation=AlterConfigOpType.SET)])
    for future in site.admin.incremental_alter_configs([change]).values():
        future.result(30)


def records_of(site, topic):
    """All committed records of partitions of a topic: messages."""
    reader = Consumer({"bootstrap.servers": site.brokers, "group.id": f"{site.app}-look", "enable.auto.commit": False,
                       "isolation.level": "read_committed", "enable.partition.eof": True})
    partitions = reader.list_topics(topic, timeout=30).topics[topic].partitions
    reader.assign([TopicPartition(topic, p, 0) for p in partitions])
    found, at_end, until = [], set(), time.monotonic() + 60
    while len(at_end) < len(partitions):
        expect(time.monotonic() < until, f"{topic} cannot be read to its end")
        for message in reader.consume(500, timeout=.1):
            if message.error():
                at_end.add(message.partition())
            else:
                found.append(message)
    reader.close()
    return found


@fault(28, "a dead letter larger than the broker takes", runs=3, short_runs=1)
def dead_letter_too_large(site, dice):
    """It goes as key, headers and digest."""
    site.setup()
    one = site.warm(events=6000)
    limit(site, site.outputs["dead_letters"], 20000)
    bad = bytes(dice.getrandbits(8) for _ in range(60000))
    sender = Producer({"bootstrap.servers": site.brokers})
    topic, partition = site.topics["orders"], dice.randrange(site.partitions)
    sender.produce(topic, bad, b"whoever", partition)
    sender.flush(30)
    site.load_rest(rate=3000)
    site.wait_loaded()
    site.wait_drained(instances=[one])
    cut = [m for m in records_of(site, site.outputs["dead_letters"]) if m.key() == b"whoever"]
    expect(len(cut) == 1, f"{len(cut)} dead letters of it")
    headers = dict(cut[0].headers())
    expect(not cut[0].value(), "it has a value")
    expect(headers.get("truncated") == b"true", f"no header truncated: {headers}")
    digest = hashlib.sha256(bad).hexdigest().encode()
    expect(digest in headers.values(), f"the digest {digest} is in no header: {headers}")


@fault(28, "another output larger than the broker takes", part="b", runs=3)
def output_too_large(site, dice):
    """The partition stops and says why; nothing of the commit is seen; when the limit is raised it goes on."""
    site.setup()
    one = site.warm(events=6000)
    topic = dice.choice((f"{site.app}-changelog", site.outputs["segment_changes"]))
    limit(site, topic, 150)
    site.load_rest(rate=0, wait=True)
    code = one.wait_exit(60)
    expect(code == 1 and topic in one.last_words() and "max.message.bytes" in one.last_words(),
           f"it ended with {code} and does not say why: {one.last_words()}")
    limit(site, topic, 4194304)
    site.wait_commit(site.start())


# ---- 34: backpressure ----

def rss_kib(instance):
    """Resident now and at most."""
    with open(f"/proc/{instance.process.pid}/status", encoding="ascii") as status:
        values = {line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith(("VmRSS", "VmHWM"))}
    return values["VmRSS"], values["VmHWM"]


@fault(34, "backpressure: a slow broker", runs=1, front=True, alone=True)
def slow_broker(site, dice):
    """Through a narrow line it reads and commits more slowly, and needs no more memory."""
    proxy = through_proxy(site, **{"memory": {"total": "64MiB"}, "commit": {"max_events": 5000}})
    try:
        one = site.warm(events=60000, upto=10000, stream={"customers": 3000}, brokers=site.cluster.front_brokers)
        before = rss_kib(one)[1]
        proxy.throttle(1_500_000)
        lag_before = site.lag()
        site.load_rest(rate=0, wait=True)
        peak, until, lags = 0, time.monotonic() + 8, []
        while time.monotonic() < until:
            one.alive()
            peak = max(peak, rss_kib(one)[0])
            lags.append(site.lag())
            time.sleep(.1)
        expect(lags[-1] > 0, f"the line was not narrow: lag {lag_before}, then {lags[0]} and {lags[-1]}")
        expect(peak < before + MORE_KIB, f"{before} KiB before, {peak} behind a slow broker")
        proxy.throttle(None)
        site.wait_drained(instances=[one])
        site.finish(brokers=site.cluster.front_brokers)
    finally:
        proxy.close()
