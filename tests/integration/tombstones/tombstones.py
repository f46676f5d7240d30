#!/usr/bin/env python3
"""Customers who are erased, or expire by profile.expire, leave the changelog and the sample: after a whole clean stop their last
records are tombstones; compaction takes what was before and, after the retention of tombstones, these too; and a store that is
made anew from what is left does not bring them back."""
import collections
import json
import os
import shutil
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

sys.path.insert(0, os.path.join(os.environ["SEG_SOURCE_DIR"], "tests", "support"))
from daemon_run import Job, expect  # noqa: E402

WARM, EVENTS, BACK, CUSTOMERS, PARTITIONS, CLEAN_S = 1500, 5000, 400, 400, 2, 240
STREAM = ("--events", EVENTS + BACK, "--customers", CUSTOMERS, "--days", 90, "--seed", 3, "--erase-share", .01)
SETTINGS = {"features": "rfm", "profile": {"expire": "12d"}, "segmenter": {"k": 3, "min_customers": 60},
            "checkpoint": {"max_interval": "1s"}, "recovery": {"target": "1s"}}
# A cleaner that does not wait, and tombstones that are kept for seconds.
BROKER = {"log.cleaner.backoff.ms": "100", "log.cleaner.delete.retention.ms": "1000", "log.retention.check.interval.ms": "500"}
COMPACTION = {"segment.ms": "1000", "min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "1500",
              "min.compaction.lag.ms": "0", "max.compaction.lag.ms": "1000", "file.delete.delay.ms": "100"}


def alter(job, topics, settings):
    admin = AdminClient({"bootstrap.servers": job.kafka.brokers})
    wanted = [ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()])
        for topic in topics]
    for future in admin.incremental_alter_configs(wanted).values():
        future.result(30)


def read(job, topic, partitions):
    """All committed records, in the order of each partition: [(key, has a value)]."""
    reader = Consumer({"bootstrap.servers": job.kafka.brokers, "group.id": "reads", "enable.auto.commit": False,
                       "isolation.level": "read_committed", "enable.partition.eof": True})
    reader.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
    found, ends, until = [], 0, time.monotonic() + 60
    while ends < partitions:
        expect(time.monotonic() < until, f"{topic} cannot be read to its end")
        for message in reader.consume(1000, timeout=.1):
            if message.error():
                expect(message.error().code() == KafkaError._PARTITION_EOF, str(message.error()))
                ends += 1
            else:
                found.append((message.key(), message.value() is not None))
    reader.close()
    return found


def changelog(job):
    return read(job, f"{job.app}-changelog", PARTITIONS)


def living(job):
    rows = [json.loads(line) for line in job.run_ok("state", "--data", job.data_dir, "dump").splitlines()]
    return {row["customer_id"] for row in rows}


def dead_by_reason(job):
    """The status, and changes to null by reason."""
    status = json.loads(job.get("/api/v1/status")[1])
    metrics = job.get("/metrics")[1].splitlines()
    counts = collections.Counter()
    for line in metrics:
        for reason in ("erasure", "expiry"):
            if line.startswith(f'segmentd_segment_changes_total{{reason="{reason}"}}'):
                counts[reason] = float(line.rsplit(" ", 1)[1])
    return status, counts


def check_tombstones(job, alive):
    """The last word on each who has gone is a tombstone, in both kinds of records; and only on them."""
    last, seen = {}, set()
    for key, there in changelog(job):
        if key[:1] != b"c":
            last[key] = there
            seen.add(key[1:].decode())
    gone = seen - alive
    for customer in gone:
        for kind in "pd":
            expect(not last.get((kind + customer).encode(), False), f"{kind} record of {customer}, who has gone, stays")
        expect((f"d{customer}").encode() in last, f"the decision of {customer}, who has gone, is not tombstoned")
    for customer in alive:
        expect(last.get(f"p{customer}".encode()), f"no profile of {customer}, who lives")
    sample = {}
    for key, there in read(job, f"{job.app}-model-sums", 1):
        if key.startswith(b"sample/"):
            sample[key[len("sample/"):].decode()] = there
    stay = {customer for customer, there in sample.items() if there} - alive
    expect(not stay, f"{len(stay)} who have gone stay in the sample: {sorted(stay)[:3]}")
    return gone


def restart(job):
    """A start and a clean stop: each leaves a cut, so that the log goes on to a new segment."""
    job.start()
    until = time.monotonic() + 90
    while job.get("/readyz")[0] != 200:
        job.alive()
        expect(time.monotonic() < until, "not ready within 90 s")
        time.sleep(.05)
    told = dead_by_reason(job)
    job.stop()
    return told


def wait_clean(job, gone):
    """Until nothing of them is in the changelog, not even a tombstone."""
    until = time.monotonic() + CLEAN_S
    while True:
        left = {key[1:].decode() for key, _ in changelog(job)} & gone
        if not left:
            return
        expect(time.monotonic() < until, f"{len(left)} of {len(gone)} who have gone are in the changelog after {CLEAN_S} s")
        restart(job)
        time.sleep(1.2)


def main():
    with Job(app="gone", partitions=PARTITIONS, settings=SETTINGS, kafka_properties=BROKER) as job:
        job.create_topics()
        job.generate(*STREAM, "--to", WARM)
        job.start()
        job.wait_drained(120)
        until = time.monotonic() + 60
        while not dead_by_reason(job)[0]["segments"]:
            expect(time.monotonic() < until, "no segments within 60 s")
            time.sleep(.1)
        job.generate(*STREAM, "--from", WARM, "--to", EVENTS, "--rate", 1500)
        job.wait_drained(120)
        time.sleep(1)  # the scan of the last hours
        _, counts = dead_by_reason(job)
        job.stop()
        expect(counts["expiry"] >= 10 and counts["erasure"] >= 3, f"too few have gone for a test: {counts}")
        alive = living(job)
        gone = check_tombstones(job, alive)
        print(f"tombstones: {len(alive)} live, {len(gone)} have gone ({counts['expiry']:.0f} changes by expiry, "
              f"{counts['erasure']:.0f} by erasure): tombstoned")

        # Some come back, and live like anybody.
        job.generate(*STREAM, "--from", EVENTS)
        job.start()
        job.wait_drained(120)
        job.stop()
        back = gone & living(job)
        alive = living(job)
        gone = check_tombstones(job, alive)
        print(f"tombstones: {len(back)} came back")

        alter(job, [f"{job.app}-changelog"], COMPACTION)
        began = time.monotonic()
        wait_clean(job, gone)
        print(f"tombstones: compaction has taken all of them after {time.monotonic() - began:.0f} s")
        alive = living(job)
        shutil.rmtree(job.data_dir)
        restart(job)
        now = living(job)
        expect(not now - alive, f"{len(now - alive)} came back with the rebuild: {sorted(now - alive)[:5]}")
        check_tombstones(job, now)  # who is not there any more has expired meanwhile, and is lost otherwise
        expect(len(alive - now) <= len(alive) / 10, f"{len(alive - now)} of {len(alive)} have gone with the rebuild")
        job.run_ok("state", "--data", job.data_dir, "verify", "--config", job.config)
        print("tombstones: a store made anew from the changelog brings nobody back; passed")


if __name__ == "__main__":
    main()
