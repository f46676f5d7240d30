"""Faults 27 and 29: what comes in is hostile, and the wall clock jumps.

librdkafka waits by the wall clock: one that is set back holds its heartbeats up until the session is over, and the partitions
are recovered; a stop that hangs in it is ended by the watchdog. That is allowed; what must not be is told with each check."""
import collections
import json
import mmap
import signal
import struct
import time

import fastavro.schema
from confluent_kafka import Consumer, Producer, TopicPartition

from lib.scenario import FaultMissed, fault
from lib.site import SOURCE_DIR, SOURCES, expect
import recount  # of the oracle; lib.site knows where it is

DAY_MS = 86400000

# ---- 27 ----

# A record type within itself, which no schema of ours has, as one more field: it nests deeper than the engine follows.
NESTING = {"name": "nest", "type": ["null", {"type": "record", "name": "Nest", "fields": [
    {"name": "inner", "type": ["null", "Nest"]}]}]}
SCHEMAS = SOURCE_DIR / "config" / "schemas"
# A source stops when more than 1 % of 1,000 records in a row have another's key or partition: so few may have.
MISDIRECTED_MOST = 4


def varint(number):
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    return bytes([*out, number])


def fingerprint(schema):
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


def nesting_schema(source):
    schema = json.loads((SCHEMAS / f"{recount.SCHEMA_FILES[source]}.avsc").read_text())
    return {**schema, "fields": [*schema["fields"], NESTING]}


NESTING_HEADERS = {source: fingerprint(nesting_schema(source)) for source in SOURCES}


def event_of(dice, source, customer):
    """A plain event, as the schemas in config/schemas want it."""
    fields = {"event_id": f"hostile-{dice.getrandbits(48)}", "customer_id": customer, "event_time": 1700000000000}
    more = {"web": {"kind": "page_view"}, "email": {"kind": "open", "machine_open": False},
            "orders": {"kind": "purchase", "order_id": "o", "amount": 1.0, "lines": []},
            "profiles": {"kind": "update", "attributes": {}, "consent": {}}}
    return {**fields, **more[source]}


class Hostile:
    """Makes records that are to be refused: (kind, key, value, right). right: in the customer's partition (True), in another
    (False), or in that of the name given."""

    def __init__(self, dice, reader):
        self.dice, self.reader, self.misdirected = dice, reader, collections.Counter()
        self.makers = [self.truncated, self.trailing, self.huge_length, self.negative_length, self.long_varint,
                       self.strange_schema, self.no_avro, self.empty, self.tombstone, self.bad_utf8, self.bad_enum,
                       self.bad_union, self.placeholder, self.control_id, self.no_id, self.far_ahead, self.too_early,
                       self.deep, self.null_key, self.wrong_key, self.wrong_partition, self.bad_amount]

    def good(self, source, customer, **changes):
        return self.reader.encode(source, {**event_of(self.dice, source, customer), **changes})

    def make(self, source, customer):
        while True:
            maker = self.dice.choice(self.makers)
            made = maker(source, customer)
            if made is not None:
                key, value, right = made
                return maker.__name__, key, value, right

    def raw(self, source, customer, body):
        return customer.encode(), self.reader.header(source) + body, True

    def truncated(self, source, customer):
        value = self.good(source, customer)
        return customer.encode(), value[:self.dice.randint(10, len(value) - 1)], True

    def trailing(self, source, customer):
        return customer.encode(), self.good(source, customer) + self.dice.randbytes(self.dice.randint(1, 9)), True

    def huge_length(self, source, customer):
        return self.raw(source, customer, varint(self.dice.choice([1 << 20, 1 << 31, 1 << 62])) + b"x")

    def negative_length(self, source, customer):
        return self.raw(source, customer, varint(-self.dice.randint(1, 1 << 40)) + b"x" * 40)

    def long_varint(self, source, customer):
        return self.raw(source, customer, b"\xff" * 40)

    def strange_schema(self, source, customer):
        return customer.encode(), b"\xc3\x01" + self.dice.randbytes(8) + self.good(source, customer)[10:], True

    def no_avro(self, source, customer):
        return customer.encode(), self.dice.choice([json.dumps({"customer_id": customer}).encode(), b"\0\0\0\0\1x",
                                                    b"n" + self.dice.randbytes(200), b"\xc3"]), True

    def empty(self, source, customer):
        return customer.encode(), b"", True

    def tombstone(self, source, customer):
        return customer.encode(), None, True

    def bad_utf8(self, source, customer):
        return self.raw(source, customer, varint(4) + b"\xff\xfe\xc0\x80" + self.good(source, customer)[11:])

    def bad_enum(self, source, customer):
        value = self.good(source, customer)
        head = len(self.reader.header(source))
        at = head + value[head] // 2 + 1
        at += 1 + len(customer.encode()) + len(varint(1700000000000))
        return customer.encode(), value[:at] + varint(self.dice.choice([99, 1 << 33])) + value[at + 1:], True

    def bad_union(self, source, customer):
        if source not in ("web", "email"):
            return None
        value = self.good(source, customer)
        last = 2 if source == "email" else 1  # its last field but one, or its last, is null or a string
        index = varint(self.dice.choice([2, 99, 1 << 40]))
        return customer.encode(), value[:-last] + index + value[len(value) + 1 - last:], True

    def placeholder(self, source, customer):
        name = self.dice.choice(["null", "undefined", "0", "anonymous"])
        return name.encode(), self.good(source, name), name

    def control_id(self, source, customer):
        name = f"bad\x01{self.dice.randint(0, 99)}"
        return name.encode(), self.good(source, name), name

    def no_id(self, source, customer):
        return customer.encode(), self.good(source, customer, event_id=""), True

    def far_ahead(self, source, customer):
        return customer.encode(), self.good(source, customer, event_time=int(time.time() * 1000) + 3 * DAY_MS), True

    def too_early(self, source, customer):
        return customer.encode(), self.good(source, customer, event_time=self.dice.choice([-5, 0, 1 << 60])), True

    def deep(self, source, customer):
        body = self.good(source, customer)[10:] + b"\x02" * self.dice.choice([65, 1000, 100000]) + b"\0"
        return customer.encode(), NESTING_HEADERS[source] + body, True

    def bad_amount(self, source, customer):
        if source != "orders":
            return None
        return customer.encode(), self.good(source, customer, amount=self.dice.choice([-1., float("nan"), 1e300])), True

    def sparing(self, source, made):
        self.misdirected[source] += 1
        return made if self.misdirected[source] <= MISDIRECTED_MOST else None

    def null_key(self, source, customer):
        return self.sparing(source, (None, self.good(source, customer), True))

    def wrong_key(self, source, customer):
        return self.sparing(source, (f"{customer}x".encode(), self.good(source, customer), True))

    def wrong_partition(self, source, customer):
        return self.sparing(source, (customer.encode(), self.good(source, customer), False))


def dead_letters(site):
    """{place: [(reason, key, value)]}, as a read_committed reader sees them."""
    topic = site.outputs["dead_letters"]
    reader = Consumer({"bootstrap.servers": site.brokers, "group.id": f"{site.app}-dead", "enable.auto.commit": False,
                       "enable.partition.eof": True, "isolation.level": "read_committed"})
    partitions = reader.list_topics(topic, timeout=30).topics[topic].partitions
    reader.assign([TopicPartition(topic, p, 0) for p in partitions])
    ended, found = set(), collections.defaultdict(list)
    while len(ended) < len(partitions):
        message = reader.poll(30)
        expect(message is not None, "the dead letters cannot be read")
        if message.error():
            ended.add(message.partition())
        else:
            told = {name: value.decode() for name, value in message.headers() if name.startswith("segmentd.dlq.")}
            place = (told["segmentd.dlq.topic"], int(told["segmentd.dlq.partition"]), int(told["segmentd.dlq.offset"]))
            found[place].append((told["segmentd.dlq.reason"], message.key(), message.value()))
    reader.close()
    return found


def told_of_nesting(read):
    """The oracle's reader knows the four schemas only; these are the suite's."""
    def reads(self, source, value):
        return (None, "unreadable") if value and value[:10] == NESTING_HEADERS[source] else read(self, source, value)
    return reads


@fault(27, "hostile Avro, keys and tombstones mixed into the input at 5 %", runs=3, short_runs=1)
def hostile(site, dice):
    recount.Reader.read = told_of_nesting(recount.Reader.read)
    schemas = site.folder / "schemas"
    schemas.mkdir()
    for source in SOURCES:
        (schemas / f"nesting_{source}.avsc").write_text(json.dumps(nesting_schema(source)))
    site.setup(settings={"schemas": {"dir": str(schemas)}})
    one = site.warm(events=8000, upto=2000)
    site.load_rest(rate=3000)
    maker = Hostile(dice, recount.Reader(SCHEMAS))
    producer = Producer({"bootstrap.servers": site.brokers, "linger.ms": 5})
    kinds, sent = collections.Counter(), {}

    def delivered(error, message):
        expect(not error, f"a hostile record was not taken: {error}")
        sent[message.topic(), message.partition(), message.offset()] = (message.key(), message.value())

    for _ in range(400):
        source, customer = dice.choice(list(SOURCES)), f"c{dice.randint(1, 400)}"
        kind, key, value, right = maker.make(source, customer)
        partition = recount.partition_of(key if isinstance(right, str) else customer.encode(), site.partitions)
        if right is False:
            partition = (partition + 1) % site.partitions
        producer.produce(site.topics[source], value, key, partition, on_delivery=delivered)
        kinds[kind] += 1
        producer.poll(0)
        time.sleep(.005)
    expect(producer.flush(60) == 0, "the hostile records cannot be sent")
    site.events += sum(kinds.values())
    site.wait_loaded()
    site.wait_drained(instances=[one])
    if len(kinds) < 20:
        raise FaultMissed(f"only {sorted(kinds)}")
    if site.run % 2 == 1:  # what was refused is not refused twice when it is read again
        one.kill()
        one = site.start()
    verdict = site.finish()
    found = dead_letters(site)
    for place, record in sent.items():
        letters = found[place]
        expect(len(letters) == 1 and letters[0][1:] == record, f"{place}: {record} became {letters}")
    reasons = collections.Counter(found[place][0][0] for place in sent)
    print(f"hostile: {dict(kinds)} as {dict(reasons)}")
    expect(len(reasons) >= 14, f"only these reasons: {dict(reasons)}")
    return verdict


# ---- 29 ----

class Clock:
    """The wall clock of processes that are started with env(): ahead of ours by `ahead_ms`. See lib/shim/clock.c."""

    def __init__(self, site):
        self.library = str(site.build_dir / "tests" / "fault" / "libsegclock.so")
        self.path = site.folder / "clock.control"
        self.path.write_bytes(bytes(4096))
        with self.path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)

    def env(self):
        return {"SEGCLOCK_CONTROL": str(self.path)}

    def jump_to(self, ahead_ms):
        struct.pack_into("<q", self.map, 0, ahead_ms)


IDLE_MOST_MS = 60000


class StreamTime:
    """Watches each partition's stream time: it never falls, and with nothing coming in it moves as time passes."""

    def __init__(self):
        self.last = {}  # by partition: stream time, when it was looked at, and what had recovered by then

    def look(self, instance, what, idle=False):
        """With idle: nothing came in since the last look. Returns the least of them."""
        now, seen = time.monotonic(), {}
        for worker in instance.status()["workers"]:
            for part in worker["partitions"]:
                if part["state"] == "running" and part.get("stream_time_ms") is not None:
                    seen[part["partition"]] = part["stream_time_ms"]
        recovered = len(instance.events("recovered"))  # looked at last: a recovery in between is allowed for
        for partition, ms in seen.items():
            known = (instance, recovered)
            before_ms, at, known_before = self.last.get(partition, (ms, now, known))
            # What time alone has added since the last cut is known to memory only: a recovery may begin without it.
            slack_ms = 0 if known == known_before else IDLE_MOST_MS
            expect(ms >= before_ms - slack_ms, f"{what}: stream time of partition {partition} fell by {before_ms - ms} ms")
            if idle:
                passed_ms = (now - at) * 1000 + 2000
                expect(ms - before_ms <= passed_ms, f"{what}: stream time of partition {partition} moved by {ms - before_ms} "
                       f"ms within {passed_ms:.0f} ms")
            self.last[partition] = (ms, now, known)
        return seen

    def settle(self, instance, timeout=120):
        """Until it has come as far as the events, and moves with the clock alone."""
        until, quiet = time.monotonic() + timeout, 0
        while quiet < 3:  # the status is made about once a second
            before = dict(self.look(instance, "settling"))
            time.sleep(.8)
            after = self.look(instance, "settling")
            quiet = quiet + 1 if after and all(after[p] - before.get(p, 0) < 4000 for p in after) else 0
            expect(time.monotonic() < until, f"stream time does not come to rest: {before} {after}")


def moves_by_time(instance):
    """Changes without an event: by expiry, and by a sweep."""
    text = instance.get("/metrics")[1]
    return {reason: sum(float(line.split()[-1]) for line in text.splitlines()
                        if line.startswith("segmentd_segment_changes_total") and f'reason="{reason}"' in line)
            for reason in ("expiry", "time")}


def jump(site, clock, stream, instance, ahead_ms, what):
    """Nothing comes in: the jump alone moves neither stream time nor anybody."""
    stream.settle(instance)
    before = moves_by_time(instance)
    clock.jump_to(ahead_ms)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        time.sleep(.2)
        instance.alive()
        stream.look(instance, what, idle=True)
    expect(moves_by_time(instance) == before, f"{what}: customers moved: {before}, {moves_by_time(instance)}")


def stop_or_hang(instance):
    """A clean stop; or the watchdog ends what librdkafka holds up since the clock was set back, and says so."""
    instance.signal(signal.SIGTERM)
    code = instance.wait_exit()
    expect(code == 0 or code == 1 and "nothing is lost, a new start recovers" in instance.log_text(),
           f"ended with {code} after SIGTERM: {instance.last_words()}")


@fault(29, "the wall clock jumps by a day, back and forth, also over a restart", runs=4, short_runs=1)
def clock_jumps(site, dice):
    clock, stream = Clock(site), StreamTime()
    shim = {"preload": clock.library, "env": clock.env()}
    # The stream is a day long: who has been silent for three was made so by a clock. Nobody is erased: brokers roll and
    # compact the changelog by the records' timestamps, and of earlier lives the oracle knows from there only.
    site.setup(settings={"profile": {"expire": "3d"}, "segmenter": {"reevaluate": {"interval": "1h"}}})
    one = site.warm(events=8000, upto=2000, stream={"days": 1, "erase_share": 0}, **shim)
    jumps = [DAY_MS, 0, -DAY_MS, 0]
    dice.shuffle(jumps)
    for i, ahead_ms in enumerate(jumps):
        jump(site, clock, stream, one, ahead_ms, f"idle, clock by {ahead_ms} ms")
        site.load_rest(upto=2000 + (i + 1) * 1000, rate=2000)
        clock.jump_to(dice.choice([DAY_MS, -DAY_MS]))  # while records come in
        site.wait_loaded()
        clock.jump_to(ahead_ms)
        site.wait_drained(instances=[one])
        stream.look(one, "drained")
    for ahead_ms in (dice.choice([DAY_MS, -DAY_MS]), 0):
        one.kill() if dice.random() < .5 else stop_or_hang(one)
        clock.jump_to(ahead_ms)
        one = site.start(**shim)
        one.wait_ready()
        stream.look(one, f"after a restart with the clock ahead by {ahead_ms} ms")
        site.load_rest(upto=min(8000, 6000 + 1000 * (1 + (ahead_ms == 0))), rate=2000, wait=True)
        site.wait_drained(instances=[one])
        stream.look(one, "drained after the restart")
        expired = moves_by_time(one)["expiry"]
        expect(expired == 0, f"clock by {ahead_ms} ms: {expired} customers were taken out as silent")
    if len(stream.last) < site.partitions:
        raise FaultMissed("not every partition's stream time was seen")
    one.kill()
    clock.jump_to(0)
    return site.finish(**shim)
