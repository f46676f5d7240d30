"""A plain engine in Python that does with a stream what segmentd promises, and leaves a World behind (checks.py): one
transaction for every few records, segments by the number of events, sums at the end. The oracle's own tests doctor it."""
import collections
import random

import checks
import recount
import wire
import xxhash

TOPICS = {"web": "web-events", "email": "email-events", "orders": "orders", "profiles": "profiles"}
APP, PARTITIONS, BASIS = "plain", 2, 2**63 + 17


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def zigzag(n):
    return varint((n << 1) ^ (n >> 63) if n >= 0 else (-n << 1) - 1)


def text(data):
    return varint(len(data)) + data


def record(*sections):
    data = b"\x01" + b"".join(bytes([tag]) + text(body) for tag, body in sections)
    return data + (xxhash.xxh3_64_intdigest(data) & 0xffffffff).to_bytes(4, "big")


def decision_bytes(d, base):
    source, offset = d["birth"]
    flags = 1 | (4 if d["since"] is not None else 0) | wire.SOURCES.index(source) << 3
    since = zigzag(base - d["since"]) if d["since"] is not None else b""
    return bytes([flags]) + zigzag(offset) + varint(d["number"]) + varint(d["cluster"]) + since


def mask_of(there):
    return bytes([sum(1 << n for n, s in enumerate(wire.SOURCES) if s in there)])


def window_bytes(heap, base):
    items, out, before = sorted(heap, reverse=True), varint(len(heap)), None
    for when, ids in items:
        out += (zigzag(base - when) if before is None else varint(before - when)) + ids.to_bytes(8, "little")
        before = when
    return out


def profile_bytes(c, d):
    base, orders = c.last_ms, checks.orders_of(c)
    parts = [(1, b"\x03" + zigzag(-base) + zigzag(base - c.first_ms) + c.id.encode()),
             (2, mask_of(c.applied) + b"".join(varint(c.applied[s]) for s in wire.SOURCES if s in c.applied))]
    if orders:
        times = [orders[k] for k in ("first_ms", "last_ms")]
        parts.append((3, b"".join(varint(orders[k]) for k in ("purchases", "refunds", "purchased", "refunded")) +
                      bytes([sum(1 << i for i, t in enumerate(times) if t is not None)]) +
                      b"".join(zigzag(base - t) for t in times if t is not None)))
    if c.consents:
        parts.append((7, varint(len(c.consents)) + b"".join(text(p.encode()) + zigzag(base - t) + bytes([g])
                                                            for p, (t, g) in c.consents.items())))
    seen = {s: heap for s, (heap, _) in c.seen.items() if heap}
    parts.append((8, mask_of(seen) + b"".join(window_bytes(seen[s], base) for s in wire.SOURCES if s in seen)))
    return record(*parts, (9, decision_bytes(d, base)))


def cut_bytes(seq, positions, replay_from, position):
    out = varint(seq) + zigzag(1000) + zigzag(position) + b"\x01" + zigzag(500)
    for source in wire.SOURCES:
        out += zigzag(positions[source]) + zigzag(replay_from[source]) + b"\x00"
    return record((1, out + bytes(8) + varint(1) + varint(1) + bytes(8) + varint(9) + text(b"") + text(b"t") + text(b"c") +
                   text(b"i")))


def piece_bytes(sequence, buckets):
    out = b"\x01" + varint(sequence) + varint(len(buckets))
    for basis, (customers, features) in sorted(buckets.items()):
        out += basis.to_bytes(8, "little") + varint(customers) + b"\x00" + varint(len(features))
        for count, total, square in features:
            out += varint(count)
            if count:
                out += zigzag(total) + varint(square & wire.MASK) + varint(square >> 64)
    return out


def close_bytes(sequence, customers, clusters):
    out = b"\x01" + varint(sequence) + varint(len(clusters)) + varint(customers) + varint(1) + zigzag(5) + b"\x00"
    out += varint(len(clusters))
    for before, cluster in zip([0, *clusters], clusters):
        out += varint(cluster - before)
    return out


class PlainEngine:
    def __init__(self, schema_dir, stream, seed=1):
        self.random = random.Random(seed)
        self.counted = recount.Recount(schema_dir, PARTITIONS)
        self.logs = collections.defaultdict(list)
        for i in range(stream.events):
            r = stream.event(i)
            value = self.counted.reader.encode(r.source, r.fields)
            key = r.key.encode()
            self.logs[r.source, recount.partition_of(key, PARTITIONS)].append((key, value, r.timestamp_ms))
        self.decisions, self.births = {}, {}
        self.changes, self.changelog, self.group = [], collections.defaultdict(list), {}

    def log(self, partition, kind, who, value):
        self.changelog[partition].append((len(self.changelog[partition]), kind, who, value))

    def decide(self, partition, who, source, offset):
        c = self.counted.customers[who]
        d = self.decisions.setdefault(who, {"birth": self.births[who], "number": 0, "cluster": 0, "since": None})
        events = len(c.order_times) + sum(map(len, c.web.values())) + sum(map(len, c.email.values()))
        cluster = 1 + events // 9 % 3
        if cluster != d["cluster"]:
            d["number"] += 1
            place = wire.event_id(APP, who.encode(), TOPICS[d["birth"][0]], partition, d["birth"][1], d["number"])
            self.changes.append((partition, len(self.changes), who.encode(), {
                "event_id": place, "customer_id": who, "from_segment": f"s{d['cluster']}" if d["cluster"] else None,
                "to_segment": f"s{cluster}", "reason": "behaviour" if d["cluster"] else "first",
                "cause": {"topic": TOPICS[source], "partition": partition, "offset": offset}}))
            d["cluster"], d["since"] = cluster, c.last_ms
        self.log(partition, "d", who.encode(), record((1, decision_bytes(d, 0))))

    def run_partition(self, partition):
        at, seq = dict.fromkeys(wire.SOURCES, 0), 0
        while any(at[s] < len(self.logs[s, partition]) for s in wire.SOURCES):
            causes = {}
            for _ in range(self.random.randrange(1, 40)):
                source = self.random.choice([s for s in wire.SOURCES if at[s] < len(self.logs[s, partition])] or ["web"])
                if at[source] == len(self.logs[source, partition]):
                    break
                key, value, timestamp_ms = self.logs[source, partition][at[source]]
                self.counted.take(source, partition, at[source], key, value, timestamp_ms)
                who = self.counted.owner[source, partition].get(at[source])
                if who:
                    causes[who] = (source, at[source])
                    self.births.setdefault(who, causes[who])
                at[source] += 1
            for who, (source, offset) in causes.items():
                self.decide(partition, who, source, offset)
            seq += 1
            self.log(partition, "c", b"", cut_bytes(seq, at, {s: max(0, at[s] - 30) for s in at}, 0))
        for c in self.counted.living().values():
            if c.partition == partition:
                self.log(partition, "p", c.id.encode(), profile_bytes(c, self.decisions[c.id]))
        seq += 1
        self.log(partition, "c", b"", cut_bytes(seq, at, at, len(self.changelog[partition])))
        self.group.update({(s, partition): (at[s], f"seq={seq}") for s in at})

    def row(self, c):
        d = self.decisions[c.id]
        last = [change["event_id"] for _, _, key, change in self.changes if key == c.id.encode()]
        values = [None if c.id.endswith("7") else len(c.order_times) - 3, sum(map(len, c.web.values())) * 1000]
        return {"customer_id": c.id, "partition": c.partition, "segment_id": f"s{d['cluster']}", "as_of_ms": 1738281600000,
                "features": recount.features(c, 1738281600000), "change_number": d["number"], "change_id": last[-1],
                "contribution": {"basis": str(BASIS), "cluster": str(d["cluster"]), "promotion": 1, "evaluated_at_ms": 0,
                                 "values": values}}

    def dead_letters(self):
        return [(0, n, key, value, {"segmentd.dlq.topic": TOPICS[s].encode(), "segmentd.dlq.partition": b"%d" % p,
                                    "segmentd.dlq.offset": b"%d" % o, "segmentd.dlq.reason": reason.encode()})
                for n, ((s, p, o), (reason, key, value)) in enumerate(self.counted.refused.items())]

    def world(self):
        for partition in range(PARTITIONS):
            self.run_partition(partition)
        living = self.counted.living()
        world = checks.World(
            app=APP, topics=TOPICS, partitions=PARTITIONS, recount=self.counted,
            starts={(s, p): 0 for s in TOPICS for p in range(PARTITIONS)}, changes=self.changes,
            dead_letters=self.dead_letters(), changelog=dict(self.changelog), group=self.group, sums={},
            dump=[self.row(living[who]) for who in sorted(living)])
        totals = checks.recount_sums(world)
        for (partition, cluster), buckets in totals.items():
            world.sums[f"sums/{partition}/{cluster}"] = piece_bytes(7, buckets)
        for partition in range(PARTITIONS):
            here = sum(row["partition"] == partition for row in world.dump)
            world.sums[f"sums/{partition}"] = close_bytes(7, here, sorted(c for p, c in totals if p == partition))
        world.sums["sample/c1"] = b"not looked at"
        return world
