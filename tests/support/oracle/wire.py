"""Stored and sent forms, read by a second hand: changelog records, cuts, sums (formats: state/codec_write.c, state/cut.c,
segmenter/sums_codec.c). Nothing here is taken from the engine; a record that cannot be read raises Corrupt."""
import functools
import struct

import xxhash

SOURCES = ("web", "email", "orders", "profiles")
MASK = 2**64 - 1


class Corrupt(Exception):
    pass


class View:
    def __init__(self, data):
        self.data, self.at = data, 0

    def raw(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise Corrupt("cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def u8(self):
        return self.raw(1)[0]

    def u64(self):
        return int.from_bytes(self.raw(8), "little")

    def f64(self):
        return struct.unpack("<d", self.raw(8))[0]

    def varint(self):
        data, at, value, shift = self.data, self.at, 0, 0
        try:
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 0x7f) << shift
                if byte < 0x80:
                    self.at = at
                    return value
                shift += 7
                if shift > 63:
                    raise Corrupt("a number that is too long")
        except IndexError:
            raise Corrupt("cut short") from None

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def time(self, base):
        value = (base - self.zigzag()) & MASK
        return value - 2**64 if value >> 63 else value

    def bytes(self):
        return self.raw(self.varint())

    def end(self):
        return self.at == len(self.data)


def sections(data, what, newest=1):
    """Yields (tag, View) after checking version and checksum."""
    if len(data) < 5 or not 1 <= data[0] <= newest:
        raise Corrupt(f"{what}: version")
    if int.from_bytes(data[-4:], "big") != xxhash.xxh3_64_intdigest(data[:-4]) & 0xffffffff:
        raise Corrupt(f"{what}: checksum")
    view = View(data[1:-4])
    while not view.end():
        tag = view.u8()
        yield tag, View(view.bytes())


def decision_body(view, base):
    flags = view.u8()
    decision = {"alive": bool(flags & 1), "birth": None, "number": 0, "cluster": 0, "since_ms": None, "stay_out": None,
                "previous": 0, "rules": []}
    if flags & 1:
        decision["birth"] = (SOURCES[flags >> 3 & 3], view.zigzag())
        decision["number"], decision["cluster"] = view.varint(), view.varint()
        if flags & 4:
            decision["since_ms"] = view.time(base)
        if flags & 32:
            decision["previous"] = view.varint()
            view.u8()
        if flags & 64:
            decision["rules"] = [name.decode() for name in view.bytes().split(b"\0")[:-1]]
    if flags & 2:
        decision["stay_out"] = [view.zigzag() for _ in SOURCES]
    return decision


@functools.lru_cache(maxsize=65536)
def read_decision(data):
    for tag, view in sections(data, "decision", newest=2):
        if tag == 1:
            return decision_body(view, 0)
    raise Corrupt("decision: empty")


def read_identity(view):
    flags = view.u8()
    last = view.time(0) if flags & 1 else None
    first = view.time(last or 0) if flags & 2 else None
    return last, first, view.raw(len(view.data) - view.at)


def read_orders(view, base, version):
    purchases, refunds, purchased, refunded, flags = view.varint(), view.varint(), view.varint(), view.varint(), view.u8()
    first_day = view.varint() if flags & 16 else None if flags & 32 or version < 3 else purchased  # not kept before 3
    return {"first_day": first_day, "purchases": purchases, "refunds": refunds, "purchased": purchased, "refunded": refunded,
            "first_ms": view.time(base) if flags & 1 else None, "last_ms": view.time(base) if flags & 2 else None}


def read_windows(view, base):
    mask, windows = view.u8(), {}
    for number, source in enumerate(SOURCES):
        if not mask >> number & 1:
            continue
        items, when = [], None
        for _ in range(view.varint()):
            when = view.time(base) if when is None else when - view.varint()
            items.append((when, view.u64()))
        windows[source] = items[::-1]
    return windows


def read_consents(view, base):
    return {view.bytes().decode(): (view.time(base), bool(view.u8())) for _ in range(view.varint())}


def read_contribution(view, base):
    contribution = {"basis": view.varint(), "cluster": view.varint(), "promotion": view.varint(),
                    "evaluated_at_ms": view.time(base), "values": []}
    for _ in range(view.varint()):
        value = view.varint()
        contribution["values"].append(None if value == 0 else (value - 1 >> 1) ^ -(value - 1 & 1))
    return contribution


PARTS = {"applied": 2, "orders": 3, "consents": 7, "windows": 8, "decision": 9, "contribution": 10}


def read_profile(data, *parts):
    """Identity, applied, orders, consents, windows, decision and contribution: what can be compared to the last digit.
    parts: those that are wanted, else all."""
    wanted = {PARTS[part] for part in parts or PARTS}
    profile = {"applied": {}, "orders": None, "consents": {}, "windows": {}, "decision": None, "contribution": None}
    base = 0
    for tag, view in sections(data, "profile", newest=3):  # 2 is another form of the attributes, 3 adds to orders and decision
        if tag == 1:
            profile["last_ms"], profile["first_ms"], profile["id"] = read_identity(view)
            base = profile["last_ms"] or 0
        elif tag not in wanted:
            continue
        elif tag == 2:
            mask = view.u8()
            profile["applied"] = {s: view.varint() for n, s in enumerate(SOURCES) if mask >> n & 1}
        elif tag == 3:
            profile["orders"] = read_orders(view, base, data[0])
        elif tag == 7:
            profile["consents"] = read_consents(view, base)
        elif tag == 8:
            profile["windows"] = read_windows(view, base)
        elif tag == 9:
            profile["decision"] = decision_body(view, base)
        elif tag == 10:
            profile["contribution"] = read_contribution(view, base)
    return profile


def read_cut(data):
    for tag, view in sections(data, "cut"):
        if tag != 1:
            continue
        cut = {"seq": view.varint(), "wall_ms": view.zigzag(), "changelog_position": view.zigzag()}
        cut["stream_time_ms"] = view.time(cut["wall_ms"]) if view.u8() else None
        cut["next"], cut["replay_from"] = {}, {}
        for source in SOURCES:
            cut["next"][source], cut["replay_from"][source] = view.zigzag(), view.zigzag()
            if view.u8():
                view.time(cut["wall_ms"])
        cut["scan_cursor"], cut["sweep_promotion"], cut["model_version"] = view.u64(), view.varint(), view.varint()
        cut["fingerprint"], cut["customers"] = view.u64(), view.varint()
        cut["topic_ids"] = view.bytes()
        cut["transactional_id"], cut["cluster_id"], cut["instance"] = (view.bytes().decode() for _ in range(3))
        return cut
    raise Corrupt("cut: empty")


def read_piece(data):
    """(sequence, {basis: (customers, [(count, sum, square)])})"""
    view, buckets = View(data), {}
    if view.u8() != 1:
        raise Corrupt("sums: version")
    sequence = view.varint()
    for _ in range(view.varint()):
        basis, customers, binned, features = view.u64(), view.varint(), view.u8(), []
        for _ in range(view.varint()):
            count, total, square = view.varint(), 0, 0
            if binned:
                view.zigzag(), view.zigzag()
            if count:
                total = view.zigzag()
                square = view.varint() | view.varint() << 64
                if binned and sum([(view.varint(), view.varint())[1] for _ in range(view.varint())]) != count:
                    raise Corrupt("sums: a histogram that does not add up to its count")
            features.append((count, total, square))
        buckets[basis] = (customers, features)
    if not view.end():
        raise Corrupt("sums: trailing bytes")
    return sequence, buckets


def read_close(data):
    view = View(data)
    if view.u8() != 1:
        raise Corrupt("sums: version")
    close = {"sequence": view.varint(), "pieces": view.varint(), "customers": view.varint(),
             "swept_promotion": view.varint(), "stream_time_ms": view.zigzag(), "idle": view.u8(), "clusters": []}
    cluster = 0
    for _ in range(view.varint()):
        cluster += view.varint()
        close["clusters"].append(cluster)
    return close


def event_id(app, customer, topic, partition, offset, number):
    def part(data):
        data = data[:1024]
        return len(data).to_bytes(4, "little") + data
    text = (part(app.encode()) + part(customer) + part(f"{topic}/{partition}/{offset}".encode()) +
            number.to_bytes(8, "little"))
    return xxhash.xxh3_128_hexdigest(text)
