"""A plain engine in Python that does with a stream what segmentd promises, and leaves a World behind (checks.py): one
transaction for every few records, segments by a model of two features, erasures, sums at the end. The oracle's own tests
doctor it."""
import collections
import json
import random

import checks
import explain
import recount
import wire
import xxhash

TOPICS = {"web": "web-events", "email": "email-events", "orders": "orders", "profiles": "profiles"}
APP, PARTITIONS, BASIS, AT_MS = "plain", 2, 2**63 + 17, 1738281600000
NOWHERE = [-1] * 4
SCALE = {"mean": 0., "scale": 1., "weight": 1., "imputed": 2., "quantum": 2.**-20}
MODEL = {"promotion": "1", "revision": "3", "basis": str(BASIS), "clusters": ["1", "2", "3"],
         "features": [{"name": "avg_order_value", "transform": "log1p", **SCALE},
                      {"name": "page_views_7d", "transform": "linear", **SCALE}],
         "centroids": [[2., 0.], [4., 1.], [5., 3.]]}
VERSION = explain.Model(json.dumps(MODEL)).version


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


def record(*sections, version=1):
    data = bytes([version]) + b"".join(bytes([tag]) + text(body) for tag, body in sections)
    return data + (xxhash.xxh3_64_intdigest(data) & 0xffffffff).to_bytes(4, "big")


def decision_bytes(d, base):
    """birth None: dead."""
    floor = b"".join(map(zigzag, d["stay_out"])) if d.get("stay_out") else b""
    flags = 2 if floor else 0
    if d["birth"] is None:
        return bytes([flags]) + floor
    source, offset = d["birth"]
    flags |= 1 | (4 if d["since"] is not None else 0) | wire.SOURCES.index(source) << 3 | (64 if d.get("rules") else 0)
    since = zigzag(base - d["since"]) if d["since"] is not None else b""
    rules = text(b"".join(name.encode() + b"\0" for name in sorted(d["rules"]))) if d.get("rules") else b""
    return bytes([flags]) + zigzag(offset) + varint(d["number"]) + varint(d["cluster"]) + since + rules + floor


def contribution_bytes(c, base):
    values = b"".join(varint(0 if v is None else ((v << 1) ^ (v >> 63)) + 1) for v in c["values"])
    return (varint(int(c["basis"])) + varint(int(c["cluster"])) + varint(c["promotion"]) +
            zigzag(base - c["evaluated_at_ms"]) + varint(len(c["values"])) + values)


def mask_of(there):
    return bytes([sum(1 << n for n, s in enumerate(wire.SOURCES) if s in there)])


def window_bytes(heap, base):
    items, out, before = sorted(heap, reverse=True), varint(len(heap)), None
    for when, ids in items:
        out += (zigzag(base - when) if before is None else varint(before - when)) + ids.to_bytes(8, "little")
        before = when
    return out


def profile_bytes(c, d, contribution):
    base, orders = c.last_ms, checks.orders_of(c)
    applied = {s: c.applied.get(s, f) for s, f in zip(wire.SOURCES, d.get("floor", NOWHERE)) if c.applied.get(s, f) >= 0}
    parts = [(1, b"\x03" + zigzag(-base) + zigzag(base - c.first_ms) + c.id.encode()),
             (2, mask_of(applied) + b"".join(varint(applied[s]) for s in wire.SOURCES if s in applied))]
    if orders:
        times, first_day = [orders[k] for k in ("first_ms", "last_ms")], orders["first_day"]
        told = first_day is not None and first_day != orders["purchased"]
        parts.append((3, b"".join(varint(orders[k]) for k in ("purchases", "refunds", "purchased", "refunded")) +
                      bytes([sum(1 << i for i, t in enumerate(times) if t is not None) | (16 if told else 0)]) +
                      (varint(first_day) if told else b"") +
                      b"".join(zigzag(base - t) for t in times if t is not None)))
    if c.consents:
        parts.append((7, varint(len(c.consents)) + b"".join(text(p.encode()) + zigzag(base - t) + bytes([g])
                                                            for p, (t, g) in c.consents.items())))
    seen = {s: heap for s, (heap, _) in c.seen.items() if heap}
    parts.append((8, mask_of(seen) + b"".join(window_bytes(seen[s], base) for s in wire.SOURCES if s in seen)))
    return record(*parts, (9, decision_bytes(d, base)), (10, contribution_bytes(contribution, base)), version=3)


def cut_bytes(seq, positions, replay_from, position, customers):
    out = varint(seq) + zigzag(1000) + zigzag(position) + b"\x01" + zigzag(500)
    for source in wire.SOURCES:
        out += zigzag(positions[source]) + zigzag(replay_from[source]) + b"\x00"
    return record((1, out + bytes(8) + varint(1) + varint(VERSION) + bytes(8) + varint(customers) + text(b"") + text(b"t") + text(b"c") +
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
        self.model, self.rules = explain.Model(json.dumps(MODEL)), checks.Rules(hysteresis=.05, dwell_ms=3600000)
        self.lives, self.decisions, self.dead = {}, {}, {}  # of customers who live; floors of those who do not
        self.changes, self.changelog, self.group = [], collections.defaultdict(list), {}

    def log(self, partition, kind, who, value):
        self.changelog[partition].append((len(self.changelog[partition]), kind, who, value))

    def tell(self, partition, who, d, cluster, reason, cause, now_ms, **told):
        d["number"] += 1
        place = wire.event_id(APP, who.encode(), TOPICS[d["birth"][0]], partition, d["birth"][1], d["number"])
        self.changes.append((partition, len(self.changes), who.encode(), {
            "event_id": place, "customer_id": who, "from_segment": f"s{d['cluster']}" if d["cluster"] else None,
            "to_segment": f"s{cluster}" if cluster else None, "reason": reason, "event_time": now_ms, "model_version": VERSION,
            "cause": {"topic": TOPICS[cause[0]], "partition": partition, "offset": cause[1]}, "distance_from": None,
            "distance_to": None, "margin": None, "drivers": [], **told}))

    def pass_rules(self, partition, who, holds, reason, cause, now_ms):
        """Rule segments are left, then entered."""
        d = self.decisions[who]
        for name in sorted(d["rules"] - holds):
            self.tell(partition, who, d, 0, reason, cause, now_ms, from_segment=f"rule:{name}")
        for name in sorted(holds - d["rules"]):
            self.tell(partition, who, d, 0, reason, cause, now_ms, from_segment=None, to_segment=f"rule:{name}")
        d["rules"] = holds

    def decide(self, partition, who, cause, now_ms):
        d, life = self.decisions[who], self.lives[who]
        values = recount.features(life, now_ms)
        vector = self.model.vector(values)
        (near, cluster), (second, _), _ = self.model.distances(vector)
        distance = dict((c, far) for far, c in self.model.distances(vector))
        held = d["cluster"] or None
        if held is not None and (now_ms - d["since"] < self.rules.dwell_ms or
                                 near >= (1 - self.rules.hysteresis) * distance[held]):
            cluster = held
        if cluster != held:
            drivers = [{"feature": name, "value": values[name]} for name in self.model.names]
            self.tell(partition, who, d, cluster, "behaviour" if held else "first", cause, now_ms, distance_to=distance[cluster],
                      distance_from=distance.get(held), margin=(second - near) / second, drivers=drivers)
            d["cluster"], d["since"] = cluster, now_ms
        holds = {name for name, held in (("odd", life.purchases % 2), ("many", life.purchases > 2)) if held}
        self.pass_rules(partition, who, holds, "behaviour", cause, now_ms)
        self.log(partition, "d", who.encode(), record((1, decision_bytes(d, 0)), version=2))

    def take(self, partition, source, offset, at, left):
        """The customer whom the record changed, or None. left: (customer, decision, cause) of those who go."""
        key, value, timestamp_ms = self.logs[source, partition][offset]
        self.counted.take(source, partition, offset, key, value, timestamp_ms)
        if (source, partition, offset) in self.counted.refused:
            return None
        event, _ = self.counted.reader.read(source, value)
        who = event["customer_id"]
        if source == "profiles" and event["kind"] == "erase":
            if self.lives.pop(who, None):
                self.dead[who] = [offset if s == "profiles" else at[s] - 1 for s in wire.SOURCES]
                left.append((who, self.decisions.pop(who), (source, offset)))
            return None
        life = self.lives.get(who) or recount.Customer(who, partition)
        if not life.take(source, offset, event, 1.):
            return None
        if who not in self.lives:
            floor = self.dead.pop(who, None)
            self.lives[who] = life
            self.decisions[who] = {"birth": (source, offset), "number": 0, "cluster": 0, "since": None, "stay_out": floor, "rules": set(),
                                   "floor": floor or NOWHERE}
        return who

    def commit(self, partition, seq, at, replay_from, causes, left, now_ms):
        for who, was, cause in left:
            if was["cluster"]:
                self.tell(partition, who, was, None, "erasure", cause, now_ms)
            for name in sorted(was["rules"]):
                self.tell(partition, who, was, None, "erasure", cause, now_ms, from_segment=f"rule:{name}")
            self.log(partition, "p", who.encode(), None)
            if who in self.dead:
                self.log(partition, "d", who.encode(), record((1, decision_bytes({"birth": None, "stay_out": self.dead[who]}, 0))))
        for who, cause in causes.items():
            if who in self.lives:
                self.decide(partition, who, cause, now_ms)
        for who, floor in list(self.dead.items()):
            if self.counted.customers[who].partition == partition and self.passed(floor, replay_from):
                self.log(partition, "d", who.encode(), None)
                del self.dead[who]
        for who, d in self.decisions.items():
            if d["stay_out"] and self.lives[who].partition == partition and self.passed(d["stay_out"], replay_from):
                d["stay_out"] = None
        here = sum(c.partition == partition for c in self.lives.values())
        self.log(partition, "c", b"", cut_bytes(seq, at, replay_from, 0, here))

    @staticmethod
    def passed(floor, replay_from):
        return all(f < replay_from[s] for s, f in zip(wire.SOURCES, floor))

    def run_partition(self, partition):
        at, seq, now_ms, left = dict.fromkeys(wire.SOURCES, 0), 0, 0, []
        while any(at[s] < len(self.logs[s, partition]) for s in wire.SOURCES):
            causes, left = {}, []
            for _ in range(self.random.randrange(1, 40)):
                source = self.random.choice([s for s in wire.SOURCES if at[s] < len(self.logs[s, partition])] or ["web"])
                if at[source] == len(self.logs[source, partition]):
                    break
                who = self.take(partition, source, at[source], at, left)
                if who:
                    causes[who] = (source, at[source])
                    now_ms = max(now_ms, self.lives[who].last_ms)
                at[source] += 1
            seq += 1
            self.commit(partition, seq, at, {s: max(0, at[s] - 30) for s in at}, causes, left, now_ms)
        for c in self.lives.values():
            if c.partition == partition:
                self.log(partition, "p", c.id.encode(), profile_bytes(c, self.decisions[c.id], self.row(c)["contribution"]))
        seq += 1
        self.commit(partition, seq, at, dict(at), {}, [], now_ms)
        self.group.update({(s, partition): (at[s], f"seq={seq}") for s in at})
        return seq

    def row(self, c):
        d = self.decisions[c.id]
        last = [change["event_id"] for _, _, key, change in self.changes if key == c.id.encode()]
        values = {**recount.features(c, AT_MS), "lifetime_value": None}
        values.update(dict.fromkeys(checks.SCORES, None if values["frequency"] else 0))
        return {"customer_id": c.id, "partition": c.partition, "segment_id": f"s{d['cluster']}", "as_of_ms": AT_MS,
                "features": values, "change_number": d["number"], "change_id": last[-1], "rules": sorted(d["rules"]),
                "contribution": {"basis": str(BASIS), "cluster": str(d["cluster"]), "promotion": 1, "evaluated_at_ms": AT_MS,
                                 "values": self.model.fixed(values)}}

    def dead_letters(self):
        return [(0, n, key, value, {"segmentd.dlq.topic": TOPICS[s].encode(), "segmentd.dlq.partition": b"%d" % p,
                                    "segmentd.dlq.offset": b"%d" % o, "segmentd.dlq.reason": reason.encode()})
                for n, ((s, p, o), (reason, key, value)) in enumerate(self.counted.refused.items())]

    @staticmethod
    def segments():
        """The model's, and one that an earlier model had."""
        states = {"s1": "active", "s2": "active", "s3": "active", "s4": "retired"}
        return [(n, segment, {"segment_id": segment, "state": state, "model_version": VERSION})
                for n, (segment, state) in enumerate(states.items())]

    @staticmethod
    def alerts():
        told = [("a", "raised"), ("b", "raised"), ("a", "escalated"), ("a", "cleared"), ("b", "cleared"), ("c", "raised")]
        return [(n, f"feature:{alert}", {"alert_id": alert, "subject": f"feature:{alert}", "state": state,
                                         "model_version": VERSION}) for n, (alert, state) in enumerate(told)]

    def world(self):
        seqs = [self.run_partition(partition) for partition in range(PARTITIONS)]
        world = checks.World(
            app=APP, topics=TOPICS, partitions=PARTITIONS, recount=self.counted,
            starts={(s, p): 0 for s in TOPICS for p in range(PARTITIONS)}, changes=self.changes,
            dead_letters=self.dead_letters(), changelog=dict(self.changelog), group=self.group, sums={},
            dump=[self.row(self.lives[who]) for who in sorted(self.lives)], rules=self.rules, models_whole=True,
            models=[(0, "current", json.dumps(MODEL).encode())], segments=self.segments(), alerts=self.alerts())
        totals = checks.recount_sums(world)
        for (partition, cluster), buckets in totals.items():
            world.sums[f"sums/{partition}/{cluster}"] = piece_bytes(seqs[partition], buckets)
        for partition, seq in enumerate(seqs):
            here = sum(row["partition"] == partition for row in world.dump)
            world.sums[f"sums/{partition}"] = close_bytes(seq, here, sorted(c for p, c in totals if p == partition))
        world.sums["sample/c1"] = b"not looked at"
        world.sums_log = [(offset, *item) for offset, item in enumerate(world.sums.items())]
        return world
