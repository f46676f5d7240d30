#!/usr/bin/env python3
"""The load generator on a real broker: every record that bench/load.h promises arrives once, in its partition and in order.

    generator.py SEG_GENERATE SOURCE_DIR      (needs SEG_BROKERS; run below kafka.py)
"""
import io
import json
import os
import pathlib
import subprocess
import sys

import fastavro
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SOURCE_DIR = pathlib.Path(sys.argv[2])
sys.path.insert(0, str(SOURCE_DIR / "tests/support"))
from load_stream import TOPICS, LoadStream  # noqa: E402

EVENTS, CUSTOMERS, SEED, PARTITIONS, PREFIX = 20000, 500, 3, 4, "gen-"
SCHEMAS = {"web": "web_event", "email": "email_event", "orders": "order", "profiles": "profile_update"}


def expect(condition, what):
    if not condition:
        raise SystemExit(what)


def without_logical_types(node):
    if isinstance(node, dict):
        return {k: without_logical_types(v) for k, v in node.items() if k != "logicalType"}
    return [without_logical_types(v) for v in node] if isinstance(node, list) else node


def java_partition(key, partitions):
    """Kafka's DefaultPartitioner, from org.apache.kafka.common.utils.Utils.murmur2."""
    mask, m = 0xffffffff, 0x5bd1e995
    h = 0x9747b28c ^ len(key)
    whole = len(key) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if len(key) > whole:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return ((h ^ h >> 15) & 0x7fffffff) % partitions


def create_topics(brokers):
    topics = [NewTopic(PREFIX + name, PARTITIONS, 1, config={"retention.ms": "-1"}) for name in TOPICS.values()]
    admin = AdminClient({"bootstrap.servers": brokers})
    for future in admin.create_topics(topics).values():
        future.result(30)


def read_all(brokers):
    """Messages by (source, partition), in order."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "enable.auto.commit": False,
                         "isolation.level": "read_committed"})
    found, left, where = {}, {}, []
    for source, name in TOPICS.items():
        for partition in range(PARTITIONS):
            low, high = consumer.get_watermark_offsets(TopicPartition(PREFIX + name, partition), timeout=30)
            found[source, partition], left[PREFIX + name, partition] = [], high - low
            where.append(TopicPartition(PREFIX + name, partition, low))
    consumer.assign(where)
    by_topic = {PREFIX + name: source for source, name in TOPICS.items()}
    while any(left.values()):
        message = consumer.poll(30)
        expect(message is not None and not message.error(), f"nothing more comes, missing: {left}")
        found[by_topic[message.topic()], message.partition()].append(message)
        left[message.topic(), message.partition()] -= 1
    consumer.close()
    return found


def main():
    brokers = os.environ["SEG_BROKERS"]
    create_topics(brokers)
    command = [sys.argv[1], "--brokers", brokers, "--events", EVENTS, "--customers", CUSTOMERS, "--seed", SEED,
               "--partitions", PARTITIONS, "--prefix", PREFIX, "--erase-share", ".001"]
    subprocess.run(list(map(str, command)), check=True)
    stream, wanted = LoadStream(seed=SEED, events=EVENTS, customers=CUSTOMERS, erase_share=.001), {}
    for i in range(EVENTS):
        record = stream.event(i)
        wanted.setdefault((record.source, java_partition(record.key.encode(), PARTITIONS)), []).append(record)
    schemas = {source: fastavro.parse_schema(without_logical_types(json.loads(
        (SOURCE_DIR / f"config/schemas/{name}.avsc").read_text()))) for source, name in SCHEMAS.items()}
    for where, messages in read_all(brokers).items():
        records = wanted.get(where, [])
        expect(len(messages) == len(records), f"{where}: {len(messages)} records, wanted {len(records)}")
        for message, record in zip(messages, records):
            value = fastavro.schemaless_reader(io.BytesIO(message.value()[10:]), schemas[where[0]])
            got = {k: v for k, v in value.items() if v is not None and v not in ([], {})}
            expect((message.key(), message.timestamp()[1]) == (record.key.encode(), record.timestamp_ms),
                   f"{where} {message.offset()}: key {message.key()}, timestamp {message.timestamp()}, wanted {record}")
            expect(got == record.fields, f"{where} {message.offset()}: {got}, wanted {record}")
    wrong = subprocess.run([*map(str, command), "--partitions", "3"], capture_output=True, text=True)
    expect(wrong.returncode == 1 and "partitions" in wrong.stderr, f"a wrong --partitions is taken: {wrong}")
    print(f"{EVENTS} records arrived as promised")


if __name__ == "__main__":
    main()
