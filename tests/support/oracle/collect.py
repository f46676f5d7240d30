"""Makes a World (checks.py) of what is in Kafka and of `segmentd state dump`; read_committed throughout."""
import io
import json
import pathlib
import socket
import subprocess
import time

import fastavro
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

import checks
import recount

TOPICS = {"web": "web-events", "email": "email-events", "orders": "orders", "profiles": "profiles"}
OUTPUTS = {"segment_changes": "segment-changes", "dead_letters": "dead-letters", "segments": "segments",
           "drift_alerts": "drift-alerts"}
SCHEMAS = {"segment_changes": "segment_change", "segments": "segment", "drift_alerts": "drift_alert"}
TIMEOUT_S = 30
NOT_COORDINATOR, COORDINATOR_LOADING, COORDINATOR_NOT_AVAILABLE = 16, 14, 15


def read_topics(brokers, topics, take):
    """take(message) for every committed record of the topics, each partition in order. Returns {(topic, p): start}."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "oracle", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "enable.partition.eof": True,
                         "queued.max.messages.kbytes": 16384})
    known = consumer.list_topics(timeout=TIMEOUT_S).topics
    where = [TopicPartition(t, p) for t in topics if t in known for p in known[t].partitions]
    starts, left = {}, set()
    for place in where:
        low, _ = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
        starts[place.topic, place.partition] = place.offset = low
        left.add((place.topic, place.partition))
    consumer.assign(where)
    quiet_since = time.monotonic()
    while left:
        messages = consumer.consume(10000, timeout=.2)
        for message in messages:
            error = message.error()
            if error is None:
                take(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard((message.topic(), message.partition()))
            else:
                raise SystemExit(f"oracle: {message.topic()}/{message.partition()}: {error}")
        quiet_since = time.monotonic() if messages else quiet_since
        if time.monotonic() - quiet_since > TIMEOUT_S:
            raise SystemExit(f"oracle: nothing more comes of {sorted(left)}: an open transaction?")
    consumer.close()
    return starts


def receive(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("the broker closed the connection")
        data += more
    return data


class Answer:
    """Fields of a Kafka response, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def integer(self, size):
        self.at += size
        return int.from_bytes(self.data[self.at - size:self.at], "big", signed=True)

    def string(self):
        size = max(self.integer(2), 0)
        self.at += size
        return self.data[self.at - size:self.at].decode()


class GroupReader:
    """A group's committed offsets by OffsetFetch version 5, over a connection to the broker that coordinates the group. Not
    by confluent_kafka: 2.6 reads beyond the end of the metadata, which librdkafka hands over with its length, and it waits
    for offsets of open transactions."""

    def __init__(self, brokers, group):
        self.brokers, self.group, self.connection = brokers.split(","), group.encode(), None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, request):
        if not self.connection:
            host, port = self.brokers[0].rsplit(":", 1)
            self.connection = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(len(request).to_bytes(4, "big") + request)
        return Answer(receive(self.connection, int.from_bytes(receive(self.connection, 4), "big")))

    def read(self, topics):
        """{(topic, partition): (offset, metadata)} of those that have one. Tries one broker after the other."""
        until = time.monotonic() + TIMEOUT_S
        while True:
            try:
                error, found = self.read_here(topics)
            except OSError:
                error, found = NOT_COORDINATOR, {}
            if error == 0:
                return found
            if error not in (NOT_COORDINATOR, COORDINATOR_LOADING, COORDINATOR_NOT_AVAILABLE) or time.monotonic() > until:
                raise SystemExit(f"oracle: the offsets of group {self.group.decode()} cannot be read: error {error}")
            self.close()
            self.brokers.append(self.brokers.pop(0))
            time.sleep(.05)

    def read_here(self, topics):
        """(error, offsets) as the broker connected to has it."""
        request = (b"\x00\x09\x00\x05\x00\x00\x00\x01\xff\xff" + len(self.group).to_bytes(2, "big") + self.group +
                   b"\xff\xff\xff\xff")
        try:
            answer = self.ask(request)
        except OSError:  # closed after ten idle minutes, or the broker was restarted
            self.close()
            answer = self.ask(request)
        answer.integer(4), answer.integer(4)  # correlation id, throttling
        found = {}
        for _ in range(answer.integer(4)):
            topic = answer.string()
            for _ in range(answer.integer(4)):
                partition, offset, _ = answer.integer(4), answer.integer(8), answer.integer(4)
                metadata, error = answer.string(), answer.integer(2)
                if topic in topics and not error and offset >= 0:
                    found[topic, partition] = (offset, metadata)
        return answer.integer(2), found


def read_group(brokers, group, topics):
    reader = GroupReader(brokers, group)
    try:
        return reader.read(topics)
    finally:
        reader.close()


def read_dump(binary, data_dir):
    run = subprocess.run([binary, "state", "--data", str(data_dir), "dump"], capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"oracle: state dump ended with {run.returncode}: {run.stderr[-500:]}")
    return [json.loads(line) for line in run.stdout.splitlines()], run.stderr


def read_schemas(schema_dir):
    """{output: its schema}"""
    texts = {output: (pathlib.Path(schema_dir) / f"{name}.avsc").read_text() for output, name in SCHEMAS.items()}
    return {output: fastavro.parse_schema(recount.without_logical_types(json.loads(text))) for output, text in texts.items()}


def decode(schema, value):
    """Of Avro's single-object encoding: marker and fingerprint stand first."""
    return None if value is None else fastavro.schemaless_reader(io.BytesIO(value[10:]), schema)


UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000}
KEPT_RECORDS = 400000    # of so many inputs the events are kept in memory
COMPACTION_MS = 3000000  # what is younger in one log can never have been in a segment that is compacted


def duration_ms(value):
    text = str(value)
    unit = next((u for u in UNITS if text.endswith(u) and text.removesuffix(u).isdigit()), None)
    return int(text.removesuffix(unit)) * UNITS[unit] if unit else 0


def rules_of(settings):
    """settings: the daemon's configuration, as far as it is not the default."""
    segmenter, rules = settings.get("segmenter", {}), checks.Rules()
    if "hysteresis" in segmenter:
        rules.hysteresis = float(segmenter["hysteresis"])
    if "dwell" in segmenter:
        rules.dwell_ms = duration_ms(segmenter["dwell"])
    if "expire" in settings.get("profile", {}):
        rules.expire_ms = duration_ms(settings["profile"]["expire"])
    return rules


def how_many(brokers, topics):
    reader = Consumer({"bootstrap.servers": brokers, "group.id": "oracle"})
    places = [(t, p) for t in topics for p in reader.list_topics(t, timeout=TIMEOUT_S).topics[t].partitions]
    ends = [reader.get_watermark_offsets(TopicPartition(*place), timeout=TIMEOUT_S) for place in places]
    reader.close()
    return sum(high - low for low, high in ends)


def collect(brokers, app, binary, data_dir, source_dir, topics=None, dump=None, outputs=None, settings=None, **cleaning):
    """dump: rows to use instead of asking the binary. outputs: names of the topics of OUTPUTS; more are left alone.
    settings: the daemon's configuration, for the rules by which customers move."""
    topics = topics or TOPICS
    outputs = {output: (outputs or OUTPUTS)[output] for output in OUTPUTS}
    schema_dir = pathlib.Path(source_dir) / "config" / "schemas"
    schemas, source_of = read_schemas(schema_dir), {topic: source for source, topic in topics.items()}
    metadata = AdminClient({"bootstrap.servers": brokers}).list_topics(timeout=TIMEOUT_S).topics
    partitions = len(metadata[next(iter(topics.values()))].partitions)
    cleaning.setdefault("keep_one_in", 1 + how_many(brokers, topics.values()) // KEPT_RECORDS)
    counted = recount.Recount(schema_dir, partitions, **cleaning)
    changes, dead, changelog, sums, sums_log, models, ages, segments, alerts = [], [], {}, {}, [], [], [], [], []

    def take(message):
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        key, value = message.key(), message.value()
        if topic in source_of:
            counted.take(source_of[topic], partition, offset, key, value, message.timestamp()[1])
        elif topic == outputs["segment_changes"]:
            changes.append((partition, offset, key, decode(schemas["segment_changes"], value)))
        elif topic == outputs["segments"]:
            segments.append((offset, key.decode(), decode(schemas["segments"], value)))
        elif topic == outputs["drift_alerts"]:
            alerts.append((offset, key.decode(), decode(schemas["drift_alerts"], value)))
        elif topic == outputs["dead_letters"]:
            dead.append((partition, offset, key, value, dict(message.headers() or [])))
        elif topic == f"{app}-changelog":
            changelog.setdefault(partition, []).append((offset, chr(key[0]), key[1:], value))
        elif topic == f"{app}-model":
            models.append((offset, key.decode(), value))
            ages.append(message.timestamp()[1])
        else:
            sums[key.decode()] = value
            sums_log.append((offset, key.decode(), value))

    starts = read_topics(brokers, [*source_of, *outputs.values(), f"{app}-changelog", f"{app}-model-sums", f"{app}-model"],
                         take)
    group = read_group(brokers, app, source_of)
    rows, said = (dump, "") if dump is not None else read_dump(binary, data_dir)
    return checks.World(
        app=app, topics=topics, partitions=partitions, recount=counted,
        starts={(source_of[t], p): low for (t, p), low in starts.items() if t in source_of},
        changes=changes, dead_letters=dead, changelog=changelog,
        group={(source_of[t], p): at for (t, p), at in group.items()}, sums=sums, dump=rows,
        whole="not whole" not in said and "not equal" not in said, models=models, sums_log=sums_log,
        segments=segments, alerts=alerts, alerts_whole=starts.get((outputs["drift_alerts"], 0), 0) == 0,
        models_whole=not ages or max(ages) - min(ages) < COMPACTION_MS, rules=rules_of(settings or {}))
