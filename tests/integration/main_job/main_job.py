#!/usr/bin/env python3
"""The main job on a real Kafka: set up, check, drain, look at it, stop, restart, rebuild; the oracle judges each time."""
import collections
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["SEG_SOURCE_DIR"], "tests", "support"))
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from daemon_run import INPUTS, SOURCE_DIR, Job, expect  # noqa: E402
import recount  # noqa: E402

EVENTS, FIRST_EVENTS, CUSTOMERS, DAYS, SETTLE_S = 40000, 30000, 2000, 60, 15
STREAM = ("--events", EVENTS, "--customers", CUSTOMERS, "--days", DAYS, "--seed", 7)
RULES = [{"name": "buyers", "when": "frequency >= 2 and recency_days < 20"}, {"name": "here-now", "when": "web_recency_days < 1"},
         {"name": "no-mail", "when": "open_rate is missing or emails_delivered_30d < 0.5"}]
SETTINGS = {"features": "full", "segmenter": {"k": 5, "min_customers": 500}, "commit": {"max_events": 2000}, "rules": RULES}
STATUS = {"app", "instance", "version", "ready", "uptime_s", "stream_time_ms", "model_version", "customers", "segments",
          "workers", "dead_letters"}
METRICS = ("events_total", "commits_total", "commit_seconds", "event_to_decision_seconds", "event_to_commit_seconds",
           "lag_records", "cache_hits_total", "cache_misses_total", "store_bytes", "model_version", "segment_customers",
           "segment_changes_total", "moves_suppressed_total", "dead_letters_total")
# What is made by hand below, by the reason to refuse it.
BY_HAND = {"null_value", "not_single_object", "unknown_schema", "unreadable", "too_far_ahead", "bot", "key_mismatch",
           "wrong_partition", "unknown_currency", "bad_id"}


def step(text):
    print(f"== {text}", flush=True)


def check_fails(job, config, *words):
    done = job.run("check", "--config", config)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "FAILED" in line]
    expect(done.returncode == 1, f"check ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    expect(any(all(word in line for word in words) for line in lines),
           f"no line that fails tells {words}:\n{done.stdout}{done.stderr}")
    expect(all("Traceback" not in line and len(line) < 500 for line in lines), f"lines that are not clear: {lines}")


def told_once(job, unreachable, address):
    """Without a broker: one clear line, none of the Kafka library's."""
    done = job.run("check", "--config", unreachable)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    expect(done.returncode == 1 and len(failed) == 1 and not done.stderr, f"check: {done}")
    expect("broker" in failed[0] and address in failed[0] and len(failed[0]) < 500, f"check is not clear: {failed}")
    done = job.run("topics", "--config", unreachable, "describe")
    lines = (done.stdout + done.stderr).splitlines()
    expect(done.returncode == 1 and len(lines) == 1 and "no answer from the brokers" in lines[0], f"topics: {done}")


def check_before(job):
    step("check: what is missing or wrong is told, exit 1")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        unreachable = job.write_config("unreachable.yaml", kafka={"brokers": address})
        told_once(job, unreachable, address)
    check_fails(job, job.config, "orders")
    done = job.run("topics", "--config", job.config, "create")
    expect(done.returncode == 1 and "orders" in done.stdout + done.stderr, f"create without inputs: {done}")
    job.create_topics()
    step("check: all is right, exit 0")
    print(job.run_ok("check", "--config", job.config), end="")
    admin = AdminClient({"bootstrap.servers": job.kafka.brokers})
    admin.create_topics([NewTopic("orders-of-three", 3, 1)])["orders-of-three"].result(30)
    sources = {"web": {"topic": "web-events"}, "orders": {"topic": "orders-of-three"}}
    check_fails(job, job.write_config("three.yaml", sources=sources), "orders-of-three", "3")


def send_by_hand(job):
    """Records that are to be refused, one of each kind, none of them by the generator."""
    reader = recount.Reader(SOURCE_DIR / "config" / "schemas")
    producer = Producer({"bootstrap.servers": job.kafka.brokers})
    at_ms = 1740000000000

    def send(topic, key, value, partition=None, **kwargs):
        place = recount.partition_of(key or b"", job.partitions) if partition is None else partition
        producer.produce(topic, key=key, value=value, partition=place, timestamp=at_ms,
                         headers={"traceparent": b"00-by-hand-01"}, **kwargs)

    def web(**fields):
        return reader.encode("web", {"event_id": "h1", "customer_id": "c1", "event_time": at_ms, "kind": "page_view",
                                     **fields})
    good = web()
    send("web-events", b"c1", None)
    send("web-events", b"c1", b"{}")
    send("web-events", b"c1", b"\xc3\x01\x00\x00\x00\x00\x00\x00\x00\x00" + good[10:])
    send("web-events", b"c1", good[:-9])
    send("web-events", b"c1", good + b"\x00")
    send("web-events", b"c1", web(event_time=at_ms + 2 * 3600000))
    send("web-events", b"c1", web(user_agent="GoodBot/2.1"))
    send("web-events", b"c2", good)
    send("web-events", b"c1", good, partition=(recount.partition_of(b"c1", job.partitions) + 1) % job.partitions)
    send("orders", b"c1", reader.encode("orders", {
        "event_id": "h2", "customer_id": "c1", "event_time": at_ms, "kind": "purchase", "order_id": "o", "amount": 5.,
        "currency": "XXX"}))
    send("web-events", b"c\x01", web(customer_id="c\x01"))
    expect(producer.flush(30) == 0, "records by hand were not taken")


def settled_status(job):
    """The status once lags are known and the first fit has been told, or as it is after a while."""
    until = time.monotonic() + SETTLE_S
    while True:
        code, text = job.get("/api/v1/status")
        expect(code == 200, f"/api/v1/status: {code}")
        status = json.loads(text)
        lags = [lane["lag"] for worker in status["workers"] for lane in worker["partitions"]]
        if (status["segments"] and not any(lags)) or time.monotonic() > until:
            return status, text
        time.sleep(.1)


def look_at_status(job):
    status, text = settled_status(job)
    expect(STATUS <= status.keys(), f"/api/v1/status lacks {STATUS - status.keys()}")
    expect((status["app"], status["instance"], status["ready"]) == (job.app, "one", True), text)
    lanes = [lane for worker in status["workers"] for lane in worker["partitions"]]
    expect(len(status["workers"]) == 2 and all(len(w["partitions"]) == 2 for w in status["workers"]),
           f"two workers do not share four partitions: {status['workers']}")
    for lane in lanes:
        expect({"partition", "state", "lag", "stream_time_ms", "seq", "recovery"} <= lane.keys(), f"a partition: {lane}")
        expect(lane["state"] == "running" and lane["lag"] == 0 and lane["seq"] > 0, f"a partition: {lane}")
    expect(len(status["segments"]) == 5 and status["customers"] > CUSTOMERS / 2, text)
    expect(sum(s["customers"] for s in status["segments"]) > CUSTOMERS / 2, f"segments: {status['segments']}")


def look_at_metrics(job):
    until = time.monotonic() + SETTLE_S
    while True:  # until those of the first fit have been committed
        code, text = job.get("/metrics")
        expect(code == 200, f"/metrics: {code}")
        if "segmentd_segment_changes_total{" in text or time.monotonic() > until:
            break
        time.sleep(.1)
    missing = [name for name in METRICS if f"\nsegmentd_{name}" not in text and f"TYPE segmentd_{name} " not in text]
    expect(not missing, f"/metrics lacks {missing}")
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    expect(lint.returncode == 0 and not lint.stdout.strip() and not lint.stderr.strip(), f"promtool: {lint}")
    events = sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("segmentd_events_total{"))
    expect(events == FIRST_EVENTS + len(BY_HAND) + 1, f"segmentd_events_total adds up to {events}")
    expect('c1' not in [part for line in text.splitlines() for part in line.split('"')], "a customer id is a label")


def look(job):
    step("while it runs: health, status, metrics")
    for path in ("/healthz", "/readyz"):
        code, text = job.get(path)
        expect(code == 200, f"{path}: {code} {text}")
    look_at_status(job)
    look_at_metrics(job)
    expect(job.get("/api/v1/no-such-thing")[0] == 404, "an unknown path is not 404")
    busy = job.run("state", "--data", job.data_dir, "dump")
    expect(busy.returncode == 1 and str(job.process.pid) in busy.stderr,
           f"state dump beside run must fail and name the process: {busy.returncode} {busy.stderr[-300:]}")


def run_until_drained(job, name):
    step(name)
    job.start()
    job.wait_drained(90)
    recovered = job.wait_event("recovered", count=job.partitions)
    return recovered


def no_rebuild(job):
    expect(not job.events("store_rebuilt"), f"a store was rebuilt: {job.events('store_rebuilt')}")


def restart(job):
    recovered = run_until_drained(job, "a restart after a clean stop reads nothing again")
    no_rebuild(job)
    rereads = [pairs for _, pairs in job.events("recovery_rereads")]
    expect(len(rereads) == job.partitions and all(int(r["records"]) == 0 for r in rereads), f"re-read: {rereads}")
    expect(all(int(pairs["reread"]) == 0 for _, pairs in recovered), f"re-read: {recovered}")


def rebuild(job):
    shutil.rmtree(job.data_dir / job.app / "p1")
    run_until_drained(job, "a deleted store is rebuilt from the changelog")
    seqs = {pairs["partition"]: int(pairs["customers"]) for _, pairs in job.events("recovered")}
    expect(seqs["1"] > 0, f"partition 1 came back without customers: {seqs}")
    rereads = [pairs for _, pairs in job.events("recovery_rereads")]
    expect(all(int(r["records"]) == 0 for r in rereads), f"inputs were read again although the changelog has all: {rereads}")
    start = {pairs["partition"]: int(pairs["changelog_from"]) for _, pairs in job.events("recovery_begins")}
    expect(start["1"] == 0 and start["0"] > 0, f"changelog read from {start}, wanted 0 for partition 1 alone")


def verify(job, code, *lines, config=None):
    """Lines: what some line says, all words of it."""
    done = job.run("state", "--data", job.data_dir, "--config", config or job.config, "verify")
    expect(done.returncode == code, f"state verify ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    for words in lines:
        expect(any(all(word in line for word in words) for line in done.stdout.splitlines()),
               f"no line tells {words}:\n{done.stdout}{done.stderr}")


def verify_is_right(job):
    step("state verify: checksums, offsets and sums are right, exit 0")
    verify(job, 0, (f"fleet: sums equal the recount over all {job.partitions} partitions",),
           *[(f"partition {p}:", "sums equal the recount") for p in range(job.partitions)],
           *[(f"partition {p}:", "equals the group's committed offsets") for p in range(job.partitions)])


def commit_as(job, group, positions):
    """Offsets of a group that nobody is in: ours keeps its static members for a while."""
    consumer = Consumer({"bootstrap.servers": job.kafka.brokers, "group.id": group})
    consumer.commit(offsets=[TopicPartition(*place, offset) for place, offset in positions.items()], asynchronous=False)
    consumer.close()


def verify_standing(job):
    step("state verify: no offsets and an older store are said, one that is ahead is found, exit 1")
    config, positions, place = job.write_config("other.yaml", group="other"), job.positions(), ("web-events", 0)
    verify(job, 0, ("partition 0:", "other has no committed offsets"), ("partition 0: sums not compared",),
           (f"fleet: sums not compared: equal to the recount in 0 of {job.partitions} partitions",), config=config)
    commit_as(job, "other", positions)
    verify(job, 0, ("partition 0:", "equals"), ("partition 0: sums equal",), config=config)
    commit_as(job, "other", {**positions, place: positions[place] - 1})
    verify(job, 1, ("partition 0: FAILED", "ahead", "web-events", f"{positions[place]} against {positions[place] - 1}"),
           ("partition 1: sums equal",), ("fleet: sums not compared", f"{job.partitions - 1} of {job.partitions}"),
           config=config)
    commit_as(job, "other", {**positions, place: positions[place] + 1})
    verify(job, 0, ("partition 0:", "older than the group's"), ("partition 0: sums not compared",), config=config)


def verify_finds(job, world):
    """Partition 0's piece of a cluster becomes what partition 1 has of it."""
    step("state verify: doctored sums are found, exit 1")
    cluster = next(key.split("/")[2] for key, value in sorted(world.sums.items())
                   if value and key.startswith("sums/1/") and world.sums.get("sums/0/" + key.split("/")[2]))
    producer = Producer({"bootstrap.servers": job.kafka.brokers})

    def send(key, value):
        producer.produce(f"{job.app}-model-sums", key=key, value=value, partition=0)
        expect(producer.flush(30) == 0, "a doctored record was not taken")

    send(f"sums/0/{cluster}", world.sums[f"sums/1/{cluster}"])
    verify(job, 1, ("partition 0: FAILED", f"cluster {cluster} ", "no closing record"), ("partition 1: sums equal",))
    send("sums/0", world.sums["sums/0"])
    verify(job, 1, ("partition 0: FAILED", "sums differ", f"cluster {cluster} "), ("partition 1: sums equal",))
    send(f"sums/0/{cluster}", world.sums[f"sums/0/{cluster}"])
    send("sums/0", world.sums["sums/0"])
    verify_is_right(job)
    step("state verify: sums of a partition that does not exist are found, exit 1")
    stranger = job.partitions
    send(f"sums/{stranger}/{cluster}", world.sums[f"sums/1/{cluster}"])
    send(f"sums/{stranger}", world.sums["sums/1"])
    verify(job, 1, ("fleet: FAILED", "none of them"),
           *[(f"partition {p}:", "sums equal the recount") for p in range(job.partitions)])
    send(f"sums/{stranger}/{cluster}", None)
    verify_is_right(job)


def main():
    with Job(settings=SETTINGS) as job:
        check_before(job)
        job.generate(*STREAM, "--to", FIRST_EVENTS)
        send_by_hand(job)
        run_until_drained(job, "segmentd run, 2 workers, 4 partitions")
        look(job)
        step(f"stopped cleanly in {job.stop():.1f} s")
        world = job.judge()
        told = {reason for reason, _, _ in world.recount.refused.values()}
        expect(BY_HAND <= told, f"records by hand that were not refused: {BY_HAND - told}")
        expect(len(world.changes) > CUSTOMERS / 2, f"only {len(world.changes)} changes")
        entered = collections.Counter(change["to_segment"] for _, _, _, change in world.changes)
        expect(all(entered[f"rule:{rule['name']}"] > 20 for rule in RULES), f"rule segments that nobody entered: {entered}")
        verify_is_right(job)
        restart(job)
        job.generate(*STREAM, "--from", FIRST_EVENTS)
        job.wait_drained(60)
        step(f"stopped cleanly in {job.stop():.1f} s")
        reasons = collections.Counter(change["reason"] for _, _, _, change in job.judge().changes)
        expect(reasons["first"] > 0 and reasons["behaviour"] > 0, f"no customer moved by behaviour: {reasons}")
        rebuild(job)
        step(f"stopped cleanly in {job.stop():.1f} s")
        verify_finds(job, job.judge())
        verify_standing(job)
    print("main job: passed")


assert set(INPUTS) == {"web-events", "email-events", "orders", "profiles"} and pathlib.Path(SOURCE_DIR).is_dir()
if __name__ == "__main__":
    main()
