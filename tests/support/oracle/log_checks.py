"""Checks of the changelog: what each transaction logged, decisions against the store and against what was told, profiles
against the inputs as of their commit, and erasures from their positions to their tombstones."""
import bisect
import collections

import recount
import wire
from findings import Finding
from lives import SOURCES, txn_of


def name_of(who):
    return who.decode(errors="replace")


def newest(world, kinds):
    """(partition, customer): (kind, value) of the newest record of these kinds, in changelog order."""
    found = {}
    for partition, records in world.changelog.items():
        for _, kind, who, value in records:
            if kind in kinds:
                found[partition, who] = (kind, value)
    return found


def contribution_of(row):
    c = row["contribution"]
    return c and (int(c["basis"]), int(c["cluster"]), int(c["promotion"]), c["evaluated_at_ms"], c["values"])


def check_decisions(world):
    """The changelog's newest word on a customer is what the store holds."""
    found = newest(world, "pd")
    stored = {(row["partition"], row["customer_id"].encode()) for row in world.dump}
    for row in world.dump:
        kind, value = found.get((row["partition"], row["customer_id"].encode()), (None, None))
        if value is None:
            yield Finding("lost", row["customer_id"], "the changelog knows neither profile nor decision")
            continue
        decision = wire.read_decision(value) if kind == "d" else wire.read_profile(value, "decision")["decision"]
        held = f"s{decision['cluster']}" if decision and decision["cluster"] else None
        if (not decision or not decision["alive"] or held != row["segment_id"] or
                row.get("change_number") not in (None, decision["number"])):
            yield Finding("diverged", row["customer_id"], f"changelog: {decision}, store: {row['segment_id']}, "
                          f"change number {row.get('change_number')}")
    for (partition, who), (kind, value) in found.items():
        decision = None if value is None else wire.read_decision(value) if kind == "d" else wire.read_profile(value, "decision")["decision"]
        if decision and decision["alive"] and (partition, who) not in stored:
            yield Finding("lost", who.decode(errors="replace"), f"lives in changelog/{partition}, not in the store")


def check_stored_contributions(world):
    """After a whole stop the changelog's profiles carry the contributions that the store has."""
    if not world.whole:
        return
    found = newest(world, "p")
    for row in world.dump:
        _, value = found.get((row["partition"], row["customer_id"].encode()), (None, None))
        if value is None:
            continue  # said by check_changelog_profiles
        c = wire.read_profile(value, "contribution")["contribution"]
        logged = c and (c["basis"], c["cluster"], c["promotion"], c["evaluated_at_ms"], c["values"])
        if logged != contribution_of(row):
            yield Finding("diverged", row["customer_id"], f"contributes {contribution_of(row)}, changelog: {logged}"[:400])


def check_transactions(world):
    """Decisions of one life (told by its birth) are numbered without a gap; each number is a change that was told, caused
    by a record of the transaction that logged it; each told change was logged, once."""
    for partition in range(world.partitions):
        yield from check_numbers(world, partition)
        for offset, kind, who, _ in world.history.left_open[partition]:
            yield Finding("leaked", f"changelog/{partition} offset {offset}", f"{kind} {name_of(who)}: no cut closes its transaction")
    told = {change["event_id"] for _, _, _, change in world.changes}
    for place, (txn, decision) in world.history.decisions.items():
        if place not in told:
            yield Finding("lost", f"changelog/{txn.partition} cut {txn.cut['seq']}",
                          f"change {decision['number']} of the life born at {decision['birth']} was logged and never told")
        if world.history.numbered[place] > 1:
            yield Finding("doubled", f"changelog/{txn.partition} cut {txn.cut['seq']}", f"change {place} was logged twice as new")
    for partition, offset, _, change in world.changes:
        where = f"segment-changes/{partition} offset {offset}"
        txn, _ = world.history.decisions.get(change["event_id"], (None, None))
        if txn:
            yield from check_cause_range(world, where, change, txn)
        elif partition in world.history.whole and change["to_segment"] is not None:
            yield Finding("leaked", where, f"{change['customer_id']}: change {change['event_id']} was told and never logged")


def check_numbers(world, partition):
    known, whole = {}, partition in world.history.whole
    for txn in world.history.txns[partition]:
        for offset, kind, who, value in txn.records:
            decision = wire.read_decision(value) if kind == "d" and value is not None else None
            if not decision or not decision["alive"]:
                continue
            birth, number = decision["birth"], decision["number"]
            at, cluster, rules = known[who][1:] if known.get(who, (None,))[0] == birth else (0, 0, set())
            steps = (decision["cluster"] != cluster) + len(rules ^ set(decision["rules"]))
            if whole and number != at + steps:
                yield Finding("diverged", f"changelog/{partition} offset {offset}", f"{name_of(who)}: change number {number} follows {at}")
            known[who] = (birth, number, decision["cluster"], set(decision["rules"]))


def check_cause_range(world, where, change, txn):
    cause = change["cause"]
    source = next((s for s, topic in world.topics.items() if cause and topic == cause["topic"]), None)
    if source is None:
        return
    first, next_ = txn.first(source, world.starts), txn.cut["next"][source]
    if not first <= cause["offset"] < next_:
        yield Finding("leaked", where, f"its cause {cause} is outside its transaction's {first} to {next_}")


# ---- a store after a crash ----

# Each event makes one of them larger.
COUNTED = ("frequency", "purchase_days", "orders_60d", *(f"{name}_30d" for name in (*recount.WEB_NAMES, *recount.EMAIL_NAMES)))


def check_store_not_ahead(world):
    """A store that was left by a crash holds nothing that has not committed."""
    for row in world.dump:
        who, partition = row["customer_id"], row["partition"]
        customer, txns = world.recount.customers.get(who), world.history.txns[partition]
        if not txns or customer is None:
            yield Finding("leaked", who, f"is in the store of partition {partition}, nothing of theirs has committed")
            continue
        decision = world.history.last.get((partition, who.encode()))
        if customer.erased or who not in world.recount.history:
            continue
        life = world.history.life(who, {}, txns[-1].cut["next"])
        values = recount.features(life, row["as_of_ms"])
        for name in COUNTED:
            if name in row["features"] and row["features"][name] > values[name] * (1 + 1e-9):
                yield Finding("leaked", who, f"{name} is {row['features'][name]} in the store, {values[name]} committed")
        if decision and decision["alive"] and row["change_number"] > decision["number"]:
            yield Finding("leaked", who, f"change {row['change_number']} is in the store, {decision['number']} committed")


# ---- profiles as of their commit ----

def check_logged_profiles(world):
    """Each profile in the changelog holds exactly the records below its transaction's cut: its `applied` says so."""
    accepted = collections.defaultdict(lambda: {s: [] for s in SOURCES})
    for (source, _), records in world.recount.owner.items():
        for offset, who in records.items():
            accepted[who.encode()][source].append(offset)
    for partition, txns in world.history.txns.items():
        for txn in txns:
            for offset, kind, who, value in txn.records:
                customer = world.recount.customers.get(who.decode(errors="replace"))
                if kind == "p" and value is not None and customer and not customer.erased:
                    wanted = applied_below(accepted[who], txn.cut["next"])
                    got = wire.read_profile(value, "applied")["applied"]
                    if got != wanted:
                        ahead = any(got.get(s, -1) > wanted.get(s, -1) for s in SOURCES)
                        yield Finding("leaked" if ahead else "lost", f"changelog/{partition} offset {offset}",
                                      f"{name_of(who)}: applied {got}, by the inputs below cut {txn.cut['seq']}: {wanted}")


def applied_below(accepted, next_):
    found = {}
    for source, offsets in accepted.items():
        at = bisect.bisect_left(offsets, next_[source])
        if at:
            found[source] = offsets[at - 1]
    return found


# ---- erasures ----

def check_erasures(world):
    """An erase record of a living customer is followed by a decision that keeps the partition's positions, at its commit;
    the profile goes with it, the decision when replay_from has passed the positions, neither sooner nor later."""
    for who, offsets in world.recount.erase_records.items():
        customer = world.recount.customers[who]
        if customer.partition in world.history.whole:
            yield from check_erase_records(world, who, customer, offsets)
    for who, erasures in world.history.erasures.items():
        for txn, floor in erasures:
            yield from check_floor(world, who, txn, floor)
    for partition in world.history.whole:
        yield from check_tombstones(world, partition)


def check_erase_records(world, who, customer, offsets):
    txns, floors = world.history.txns[customer.partition], world.history.erasures.get(who, [])
    for offset in offsets:
        txn = txn_of(txns, "profiles", offset)
        if txn is None or any(t.cut["seq"] == txn.cut["seq"] for t, _ in floors):
            continue  # of two in one commit the second may have found nobody
        before = [f for t, f in floors if t.cut["seq"] < txn.cut["seq"]]
        life = world.history.life(who, before[-1] if before else {}, txn.before["next"]) if txn.before else None
        if life is not None and life.applied:
            yield Finding("lost", f"{world.topics['profiles']}/{customer.partition} offset {offset}",
                          f"{who} lived, and cut {txn.cut['seq']} has no erasure of theirs")


def check_floor(world, who, txn, floor):
    where = f"changelog/{txn.partition} cut {txn.cut['seq']}"
    offset = floor["profiles"]
    if offset not in world.recount.erase_records.get(who, ()):
        if not world.rules.expire_ms:
            yield Finding("diverged", where, f"{who} is erased up to profiles offset {offset}, no erase record of theirs")
        else:
            yield from check_expiry(world, where, who, txn, floor)
    for source in SOURCES:
        if source in world.topics and not txn.first(source, world.starts) - 1 <= floor[source] < txn.cut["next"][source]:
            yield Finding("diverged", where, f"{who}: the erasure's position in {source} is {floor[source]}, its transaction "
                          f"went from {txn.first(source, world.starts)} to {txn.cut['next'][source]}")


def check_expiry(world, where, who, txn, floor):
    """Who expired had been silent for long enough at that commit. (A repeat of an event is no sign of life.)"""
    before = [f for t, f in world.history.erasures[who] if t.cut["seq"] < txn.cut["seq"]]
    life = world.history.life(who, before[-1] if before else {}, {source: last + 1 for source, last in floor.items()})
    if life is None:
        return
    if not life.applied:
        yield Finding("leaked", where, f"{who} has expired, and no event of that life counted")
    elif txn.cut["stream_time_ms"] - life.last_ms < world.rules.expire_ms:
        yield Finding("lost", where, f"{who} has expired {txn.cut['stream_time_ms'] - life.last_ms} ms after the last event")


def check_tombstones(world, partition):
    dead = {}   # customer: floor of their decision
    for txn in world.history.txns[partition]:
        where, replay_from, gone = f"changelog/{partition} cut {txn.cut['seq']}", txn.cut["replay_from"], set()
        for _, kind, who, value in txn.records:
            if kind == "d" and value is None:
                gone.add(who)
                if who not in dead:
                    yield Finding("lost", where, f"{name_of(who)}: the decision goes, and there is no erasure")
            elif kind == "d":
                decision = wire.read_decision(value)
                dead.pop(who, None)
                if not decision["alive"]:
                    dead[who] = dict(zip(SOURCES, decision["stay_out"]))
        for _, kind, who, value in txn.records:
            if kind == "p" and value is not None and who in dead:
                yield Finding("leaked", where, f"{name_of(who)} is erased, and has a profile again")
        for who, floor in list(dead.items()):
            passed = all(floor[s] < 0 or floor[s] < replay_from[s] for s in SOURCES)
            if who in gone and not passed:
                yield Finding("lost", where, f"{name_of(who)}: the erasure's decision goes while inputs from {replay_from} may be read again")
            # Who expires while the inputs are idle lies below replay_from at once, and goes with the cycle's end.
            ends = bool(txn.before) and any(txn.cut[k] != txn.before[k] for k in ("changelog_position", "replay_from"))
            if who not in gone and passed and ends:
                yield Finding("diverged", where, f"{name_of(who)}: replay_from has passed the erasure's {floor}, its decision stays")
            if who in gone or (passed and ends):
                del dead[who]
    if not world.whole:
        return
    profiles = newest(world, "p")
    for (p, who), decision in world.history.last.items():
        if p == partition and not (decision and decision["alive"]) and profiles.get((p, who), (0, None))[1] is not None:
            yield Finding("leaked", f"changelog/{partition}", f"{name_of(who)} is erased, and the profile is still there")
