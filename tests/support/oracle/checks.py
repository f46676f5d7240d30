"""What an oracle may demand of the outputs (docs/design.md, section 2), as checks over a World: plain data, wherever it is
from. Each deviation is a Finding: lost, doubled, leaked (an effect without a cause) or diverged (two places that differ)."""
import collections
import dataclasses
import math

import recount
import wire

SOURCES = wire.SOURCES


@dataclasses.dataclass(frozen=True)
class Finding:
    kind: str
    where: str
    text: str

    def __str__(self):
        return f"{self.kind}: {self.where}: {self.text}"


@dataclasses.dataclass
class World:
    app: str
    topics: dict        # source: topic
    partitions: int
    recount: recount.Recount
    starts: dict        # (source, partition): first offset of the log
    changes: list       # (partition, offset, key, value as dict), in order of each partition
    dead_letters: list  # (partition, offset, key, value, headers)
    changelog: dict     # partition: [(offset, kind, customer, value or None)] in order
    group: dict         # (source, partition): (offset, metadata)
    sums: dict          # key: value, newest
    dump: list          # rows of `segmentd state dump`
    whole: bool = True  # it was stopped cleanly, all profiles are in the changelog


def number(text):
    return int(text) if isinstance(text, (int, str)) else None


# ---- positions ----

def check_offsets(world):
    """All read; the newest cut's offsets and number are the group's; cuts follow each other."""
    for (source, partition), last in sorted(world.recount.last.items()):
        offset, _ = world.group.get((source, partition), (-1, ""))
        if offset <= last:
            yield Finding("lost", f"{world.topics[source]}/{partition}",
                          f"the group stands at {offset}, the last record is {last}")
    for partition in range(world.partitions):
        yield from check_cuts(world, partition)


def check_cuts(world, partition):
    where, before = f"changelog/{partition}", None
    for offset, kind, _, value in world.changelog.get(partition, ()):
        if kind != "c" or value is None:
            continue
        cut = wire.read_cut(value)
        yield from check_cut_order(f"{where} offset {offset}", offset, before, cut)
        before = cut
    if before is None:
        if any(p == partition for _, p in world.recount.last):
            yield Finding("lost", where, "there is no cut")
        return
    for source in world.topics:
        offset, metadata = world.group.get((source, partition), (-1, ""))
        if before["next"][source] != offset or metadata != f"seq={before['seq']}":
            yield Finding("diverged", where, f"{source}: the newest cut {before['seq']} says {before['next'][source]}, "
                          f"the group {offset} \"{metadata}\"")


def check_cut_order(where, offset, before, cut):
    if cut["changelog_position"] > offset:
        yield Finding("diverged", where, f"its changelog position {cut['changelog_position']} is ahead of it")
    for source in SOURCES:
        if cut["replay_from"][source] > cut["next"][source]:
            yield Finding("diverged", where, f"{source}: replay_from {cut['replay_from'][source]} is beyond next")
        if before and cut["next"][source] < before["next"][source]:
            yield Finding("doubled", where, f"{source}: goes back from {before['next'][source]} to {cut['next'][source]}")
        if before and cut["replay_from"][source] < before["replay_from"][source]:
            yield Finding("diverged", where, f"{source}: replay_from goes back from {before['replay_from'][source]} to "
                          f"{cut['replay_from'][source]}")
    if before and cut["seq"] != before["seq"] + 1:
        yield Finding("diverged", where, f"cut {cut['seq']} follows cut {before['seq']}")


# ---- profiles ----

EXACT = {"frequency", "monetary", "purchase_days", "sessions_30d", "session_minutes"}
COUNTS = {"frequency", "purchase_days", "sessions_30d"}


def same(name, got, wanted):
    if got is None or wanted is None:
        return got is wanted
    if name in EXACT or name.startswith("attr:"):
        return float(got) == float(wanted)
    return math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9)


def check_profiles(world):
    """Everyone of whom an event counted, with the features that follow from these events; nobody else, and once."""
    living, seen = world.recount.living(), set()
    for row in world.dump:
        who = row["customer_id"]
        if who in seen:
            yield Finding("doubled", who, "is in the dump twice")
        seen.add(who)
        customer = living.get(who)
        if customer is None:
            yield Finding("leaked", who, "has a profile, and no event of theirs counted")
        elif row["partition"] != customer.partition:
            yield Finding("diverged", who, f"is in partition {row['partition']}, the events are in {customer.partition}")
        elif not customer.erased:
            yield from check_features(row, customer)
    for who in living.keys() - seen:
        if not living[who].erased:
            yield Finding("lost", who, f"partition {living[who].partition}: has no profile")


def check_features(row, customer):
    wanted = recount.features(customer, row["as_of_ms"])
    for name, value in row["features"].items():
        if name not in wanted and not name.startswith("attr:"):
            yield Finding("diverged", row["customer_id"], f"feature {name} is unknown to the oracle")
        elif not same(name, value, wanted.get(name)):
            kind = "diverged"
            if name in COUNTS and value is not None:
                kind = "lost" if value < wanted[name] else "doubled"
            yield Finding(kind, row["customer_id"], f"{name} is {value!r}, the inputs say {wanted.get(name)!r}")
    for name in wanted.keys() - row["features"].keys():
        if not name.startswith("attr:"):
            yield Finding("lost", row["customer_id"], f"feature {name} is not in the dump")


def newest(world, kinds):
    """(partition, customer): (kind, value) of the newest record of these kinds, in changelog order."""
    found = {}
    for partition, records in world.changelog.items():
        for _, kind, who, value in records:
            if kind in kinds:
                found[partition, who] = (kind, value)
    return found


def check_changelog_profiles(world):
    """After a whole stop every profile stands in the changelog as it is: exact numbers, positions and windows."""
    if not world.whole:
        return
    found = newest(world, "p")
    for who, customer in world.recount.living().items():
        if customer.erased:
            continue
        _, value = found.get((customer.partition, who.encode()), (None, None))
        if value is None:
            yield Finding("lost", who, f"changelog/{customer.partition} has no profile")
            continue
        profile = wire.read_profile(value)
        wanted = (customer.applied, customer.first_ms, customer.last_ms, customer.consents,
                  {s: sorted(heap) for s, (heap, _) in customer.seen.items() if heap}, orders_of(customer))
        got = (profile["applied"], profile["first_ms"], profile["last_ms"], profile["consents"], profile["windows"],
               profile["orders"])
        for name, a, b in zip(("applied", "first_ms", "last_ms", "consents", "dedup windows", "orders"), got, wanted):
            if a != b:
                yield Finding("diverged", who, f"changelog: {name} {a}, the inputs say {b}")


def orders_of(customer):
    if not customer.purchases and not customer.refunds:
        return None
    return {"purchases": customer.purchases, "refunds": customer.refunds, "purchased": customer.purchased,
            "refunded": customer.refunded, "first_ms": min(customer.order_times, default=None),
            "last_ms": max(customer.order_times, default=None)}


# ---- changes ----

def check_changes(world):
    """Chains from null to the stored segment, ids unique and right, causes real and used once."""
    chains, ids, causes = collections.defaultdict(list), {}, {}
    for partition, offset, key, change in world.changes:
        where = f"segment-changes/{partition} offset {offset}"
        who = change["customer_id"]
        if key != who.encode() or recount.partition_of(key, world.partitions) != partition:
            yield Finding("diverged", where, f"key {key} or partition is not that of {who}")
        if change["event_id"] in ids:
            yield Finding("doubled", where, f"event id {change['event_id']} is also at {ids[change['event_id']]}")
        ids[change["event_id"]] = where
        yield from check_cause(world, where, partition, change, causes)
        chains[who].append((where, change))
    stored, erased = {row["customer_id"]: row for row in world.dump}, records_of_erased(world)
    for who, chain in chains.items():
        yield from check_chain(who, chain, stored.get(who))
        yield from check_ids(world, who, chain, erased)
    for who, row in stored.items():
        if who not in chains and row["segment_id"] is not None:
            yield Finding("lost", who, f"is in {row['segment_id']}, no change says so")


def check_cause(world, where, partition, change, causes):
    cause, reason = change["cause"], change["reason"]
    if cause is None:
        if reason in ("behaviour", "erasure"):
            yield Finding("diverged", where, f"reason {reason} without a cause")
        return
    if reason in ("time", "model", "expiry"):
        yield Finding("diverged", where, f"reason {reason} with a cause: {cause}")
    source = next((s for s, topic in world.topics.items() if topic == cause["topic"]), None)
    place = (source, cause["partition"], cause["offset"])
    if place in causes:
        yield Finding("doubled", where, f"its cause {cause} is also that of {causes[place]}")
    causes[place] = where
    owner = world.recount.owner.get(place[:2], {}).get(cause["offset"])
    customer = world.recount.customers.get(change["customer_id"])
    if customer is not None and customer.erased:
        if reason == "erasure":
            return
        # What was told before the erasure counts again after it.
        owner = owner or world.recount.repeated.get(place[:2], {}).get(cause["offset"])
    if cause["partition"] != partition or owner != change["customer_id"]:
        yield Finding("leaked", where, f"its cause {cause} is no record of {change['customer_id']} that counted: {owner}")


def check_chain(who, chain, row):
    held = None
    for where, change in chain:
        if change["from_segment"] != held:
            yield Finding("lost" if held is not None else "doubled", where,
                          f"{who}: goes from {change['from_segment']}, was in {held}")
        if change["to_segment"] == change["from_segment"]:
            yield Finding("doubled", where, f"{who}: goes from {held} to the same")
        if change["reason"] == "first" and change["from_segment"] is not None:
            yield Finding("diverged", where, f"{who}: reason first, but from {change['from_segment']}")
        held = change["to_segment"]
    stored = row["segment_id"] if row else None
    if stored != held:
        yield Finding("diverged", who, f"is stored in {stored}, the changes end in {held}")
    erasures = [i for i, (_, change) in enumerate(chain) if change["to_segment"] is None]
    life = chain[erasures[-1] + 1:] if erasures else chain
    if row and row.get("change_number") is not None and row["change_number"] != len(life):
        kind = "lost" if row["change_number"] > len(life) else "doubled"
        yield Finding(kind, who, f"change number {row['change_number']}, {len(life)} changes")
    if row and life and row.get("change_id") is not None and row["change_id"] != life[-1][1]["event_id"]:
        yield Finding("diverged", who, f"change id {row['change_id']}, the newest change has {life[-1][1]['event_id']}")


def records_of_erased(world):
    """{customer: [(source, offset)]} of those who were erased once: any of their records may have been a birth."""
    found = collections.defaultdict(list)
    for known in (world.recount.owner, world.recount.repeated):
        for (source, _), records in known.items():
            for offset, who in records.items():
                if world.recount.customers[who].erased:
                    found[who].append((source, offset))
    return found


def check_ids(world, who, chain, erased):
    customer = world.recount.customers.get(who)
    if customer is None or not customer.applied:
        yield Finding("leaked", chain[0][0], f"a change of {who}, of whom no event counted")
        return
    at, end = 0, len(chain)
    while at < end:
        stop = next((i + 1 for i in range(at, end) if chain[i][1]["to_segment"] is None), end)
        life = [change["event_id"] for _, change in chain[at:stop]]
        births = erased[who] if customer.erased else list(customer.first_offset.items())
        if not any(life == [wire.event_id(world.app, who.encode(), world.topics[source], customer.partition, offset, n + 1)
                            for n in range(len(life))] for source, offset in births):
            yield Finding("diverged", chain[at][0], f"{who}: event ids {life} do not follow from any possible birth")
        at = stop


def check_decisions(world):
    """The changelog's newest decision is what the store holds; a change's cause lies in the transaction that logged it."""
    found = newest(world, "pd")
    for row in world.dump:
        kind, value = found.get((row["partition"], row["customer_id"].encode()), (None, None))
        if value is None:
            yield Finding("lost", row["customer_id"], "the changelog knows neither profile nor decision")
            continue
        decision = wire.read_decision(value) if kind == "d" else wire.read_profile(value)["decision"]
        held = f"s{decision['cluster']}" if decision and decision["cluster"] else None
        if not decision or not decision["alive"] or held != row["segment_id"]:
            yield Finding("diverged", row["customer_id"], f"changelog: {decision}, store: {row['segment_id']}")
    for partition, records in world.changelog.items():
        yield from check_transactions(world, partition, records)


def check_transactions(world, partition, records):
    """Decisions of one life (told by its birth) are numbered without a gap; each number is a change that was told, caused
    by a record of the transaction that logged it."""
    told = {change["event_id"]: (offset, change) for p, offset, _, change in world.changes if p == partition}
    open_, known, before = [], {}, None
    whole = bool(records) and records[0][0] == 0
    for offset, kind, who, value in records:
        if kind == "d" and value is not None:
            decision = wire.read_decision(value)
            if not decision["alive"]:
                continue
            birth, change_number = decision["birth"], decision["number"]
            at = known[who][1] if known.get(who, (None,))[0] == birth else 0
            if whole and change_number not in (at, at + 1):
                yield Finding("diverged", f"changelog/{partition} offset {offset}",
                              f"{who}: change number {change_number} follows {at}")
            if change_number == at + 1:
                open_.append((who, birth, change_number))
            known[who] = (birth, change_number)
        if kind == "c" and value is not None:
            cut = wire.read_cut(value)
            for name, birth, change_number in open_:
                yield from check_range(world, partition, before, cut, name, birth, change_number, told)
            open_, before = [], cut


def check_range(world, partition, before, cut, who, birth, change_number, told):
    place = wire.event_id(world.app, who, world.topics[birth[0]], partition, birth[1], change_number)
    if place not in told:
        yield Finding("lost", f"changelog/{partition} cut {cut['seq']}",
                      f"{who}: change {change_number} was logged and never told")
        return
    offset, change = told[place]
    cause = change["cause"]
    if cause is None:
        return
    source = next((s for s, topic in world.topics.items() if topic == cause["topic"]), SOURCES[0])
    first = before["next"][source] if before else world.starts.get((source, partition), 0)
    if not first <= cause["offset"] < cut["next"][source]:
        yield Finding("leaked", f"segment-changes/{partition} offset {offset}",
                      f"its cause {cause} is outside its transaction's {first} to {cut['next'][source]}")


# ---- dead letters ----

def check_dead_letters(world):
    """Each refused record once, its bytes untouched, with the reason; nothing else."""
    by_topic, seen = {topic: source for source, topic in world.topics.items()}, {}
    for partition, offset, key, value, headers in world.dead_letters:
        where = f"dead-letters/{partition} offset {offset}"
        text = {name: (data or b"").decode(errors="replace") for name, data in headers.items()}
        place = (by_topic.get(text.get("segmentd.dlq.topic")), number(text.get("segmentd.dlq.partition", "-1")),
                 number(text.get("segmentd.dlq.offset", "-1")))
        if place in seen:
            yield Finding("doubled", where, f"{place} is also at {seen[place]}")
        seen[place] = where
        if place not in world.recount.refused:
            yield Finding("leaked", where, f"{place} was not to be refused: {text.get('segmentd.dlq.reason')}")
            continue
        reason, wanted_key, wanted_value = world.recount.refused[place]
        got = text.get("segmentd.dlq.reason")
        if got != reason and not (reason == "unreadable" and got in recount.UNREADABLE):
            yield Finding("diverged", where, f"{place}: reason {got}, wanted {reason}")
        if (key, value) != (wanted_key, wanted_value) and "segmentd.dlq.truncated" not in headers:
            yield Finding("diverged", where, f"{place}: key or bytes are not the record's")
    for place in world.recount.refused.keys() - seen.keys():
        yield Finding("lost", f"{place}", f"is not among the dead letters: {world.recount.refused[place][0]}")


# ---- sums ----

def recount_sums(world):
    """(partition, cluster): {basis: (customers, [(count, sum, square)])} over the contributions of the dump."""
    totals = {}
    for row in world.dump:
        c = row["contribution"]
        if c is None:
            continue
        buckets = totals.setdefault((row["partition"], number(c["cluster"])), {})
        customers, features = buckets.get(number(c["basis"]), (0, [(0, 0, 0)] * len(c["values"])))
        features = [f if v is None else (f[0] + 1, f[1] + v, f[2] + v * v) for f, v in zip(features, c["values"])]
        buckets[number(c["basis"])] = (customers + 1, features)
    return totals


def check_sums(world):
    """What each partition last said of its sums is the recount, bit for bit."""
    wanted, told, closes = recount_sums(world), {}, {}
    for key, value in world.sums.items():
        parts = key.split("/")
        if parts[0] != "sums" or value is None:
            continue
        if len(parts) == 2:
            closes[int(parts[1])] = wire.read_close(value)
        else:
            told[int(parts[1]), int(parts[2])] = wire.read_piece(value)
    customers = collections.Counter(row["partition"] for row in world.dump)
    for partition, close in closes.items():
        clusters = sorted(cluster for p, cluster in wanted if p == partition)
        if close["clusters"] != clusters:
            yield Finding("diverged", f"sums/{partition}", f"closed with clusters {close['clusters']}, recount: {clusters}")
        if close["customers"] != customers[partition]:
            yield Finding("diverged", f"sums/{partition}",
                          f"closed with {close['customers']} customers, the store has {customers[partition]}")
        for cluster in (c for p, c in told if p == partition):
            if told[partition, cluster][0] > close["sequence"]:
                yield Finding("leaked", f"sums/{partition}/{cluster}", "its sequence was never closed")
    for partition in {p for p, _ in wanted} - closes.keys():
        yield Finding("lost", f"sums/{partition}", "there is no closing record")
    for place in sorted(wanted.keys() | told.keys()):
        got = told.get(place, (0, {}))[1]
        if got != wanted.get(place, {}):
            yield Finding("diverged", f"sums/{place[0]}/{place[1]}", f"{got}, recount: {wanted.get(place, {})}"[:400])


CHECKS = (check_offsets, check_profiles, check_changelog_profiles, check_changes, check_decisions, check_dead_letters,
          check_sums)


def check(world):
    findings = []
    for one in CHECKS:
        try:
            findings += one(world)
        except wire.Corrupt as error:
            findings.append(Finding("diverged", one.__name__, f"a record cannot be read: {error}"))
    return findings
