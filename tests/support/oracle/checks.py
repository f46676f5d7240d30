"""What an oracle may demand of the outputs (docs/design.md, section 2), as checks over a World: plain data, wherever it is
from. Each deviation is a Finding: lost, doubled, leaked (an effect without a cause) or diverged (two places that differ)."""
import collections
import dataclasses
import functools
import math

import catalogue_checks
import explain
import log_checks
import recount
import sum_checks
import wire
from findings import Finding
from lives import History
from log_checks import newest
from sum_checks import recount_sums  # noqa: F401

SOURCES = wire.SOURCES


@dataclasses.dataclass
class Rules:
    """Of the configuration: when a customer moves, and when a silent one expires."""
    hysteresis: float = .1
    dwell_ms: int = 86400000
    expire_ms: int = 0


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
    models: list = dataclasses.field(default_factory=list)      # (offset, key, value) of the model topic, in order
    models_whole: bool = False                                  # nothing of it can have been compacted away
    sums_log: list = dataclasses.field(default_factory=list)    # (offset, key, value) of the sums, in order
    segments: list = dataclasses.field(default_factory=list)    # (offset, key, value as dict or None), in order
    alerts: list = dataclasses.field(default_factory=list)      # likewise
    alerts_whole: bool = True                                   # nothing of them has been deleted by age
    rules: Rules = dataclasses.field(default_factory=Rules)
    explained: int = 0                                          # changes that were looked at by the model they name

    @functools.cached_property
    def history(self):
        return History(self)

    @functools.cached_property
    def published(self):
        """({version: Model}, findings on their order)"""
        return explain.read_models(self)

    @functools.cached_property
    def living(self):
        """Customers who must have a profile; of those who were erased without our knowing when, who may have one."""
        found = {}
        for who, customer in self.recount.customers.items():
            now = self.history.now(who) if self.history.knows(who) else customer
            if now is not None and now.applied:
                found[who] = now
        return found


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


def check_cuts_alone(world):
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
    living, seen = world.living, set()
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
        elif world.history.knows(who):
            yield from check_features(row, customer)
    for who in living.keys() - seen:
        if world.history.knows(who):
            yield Finding("lost", who, f"partition {living[who].partition}: has no profile")


# What a promotion has fitted; a dump knows no model, so there only who never bought has a score.
SCORES = {"r_score", "f_score", "m_score"}


def check_features(row, customer):
    wanted = {**recount.features(customer, row["as_of_ms"]), "lifetime_value": None}
    wanted.update(dict.fromkeys(SCORES, None if wanted["frequency"] else 0))
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


def check_changelog_profiles(world):
    """After a whole stop every profile stands in the changelog as it is: exact numbers, positions and windows."""
    if not world.whole:
        return
    found = newest(world, "p")
    for who, customer in world.living.items():
        if not world.history.knows(who):
            continue
        _, value = found.get((customer.partition, who.encode()), (None, None))
        if value is None:
            yield Finding("lost", who, f"changelog/{customer.partition} has no profile")
            continue
        profile, floor = wire.read_profile(value), world.history.lives(who)[-1]
        # Of sources without a record in this life: the erasure's position, or nothing once that was forgotten.
        applied = {s: at for s, at in profile["applied"].items() if s in customer.applied or at != floor.get(s)}
        wanted = (customer.applied, customer.first_ms, customer.last_ms, customer.consents,
                  {s: sorted(heap) for s, (heap, _) in customer.seen.items() if heap}, orders_of(customer))
        got = (applied, profile["first_ms"], profile["last_ms"], profile["consents"], profile["windows"],
               without_unknown(profile["orders"], customer))
        for name, a, b in zip(("applied", "first_ms", "last_ms", "consents", "dedup windows", "orders"), got, wanted):
            if a != b:
                yield Finding("diverged", who, f"changelog: {name} {a}, the inputs say {b}")


def without_unknown(orders, customer):
    """A profile stored before the first day's spend was kept does not know it."""
    if orders and orders["first_day"] is None:
        return {**orders, "first_day": customer.first_day()}
    return orders


def orders_of(customer):
    if not customer.purchases and not customer.refunds:
        return None
    return {"first_day": customer.first_day(), "purchases": customer.purchases, "refunds": customer.refunds, "purchased": customer.purchased,
            "refunded": customer.refunded, "first_ms": min(customer.order_times, default=None),
            "last_ms": max(customer.order_times, default=None)}


# ---- changes ----

def rule_of(change):
    """rule:NAME of a change of a rule segment; None: of the learned segments."""
    end = change["from_segment"] or change["to_segment"]
    return end if end and end.startswith("rule:") else None


def ends_life(chain, i):
    """The last change of a life: an erasure or expiry leaves the learned segment and all rule segments, one after another."""
    def leaves(change):
        return change["to_segment"] is None and (rule_of(change) is None or change["reason"] in ("erasure", "expiry"))
    return leaves(chain[i][1]) and not (i + 1 < len(chain) and leaves(chain[i + 1][1]))


def check_changes(world):
    """Chains from null to the stored segments, one of the learned ones and one of each rule segment, ids unique and right,
    causes real and used once a chain."""
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
    stored = {row["customer_id"]: row for row in world.dump}
    for who, chain in chains.items():
        yield from check_chain(who, chain, stored.get(who))
        yield from check_ids(world, who, chain)
    for who, row in stored.items():
        if who not in chains and (row["segment_id"] is not None or row.get("rules")):
            yield Finding("lost", who, f"is in {row['segment_id']} {row.get('rules', '')}, no change says so")


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
    if (place, rule_of(change)) in causes:
        yield Finding("doubled", where, f"its cause {cause} is also that of {causes[place, rule_of(change)]}")
    causes[place, rule_of(change)] = where
    owner = world.recount.owner.get(place[:2], {}).get(cause["offset"])
    customer = world.recount.customers.get(change["customer_id"])
    if reason == "erasure":
        if cause["partition"] != partition or cause["offset"] not in world.recount.erase_records.get(change["customer_id"], ()):
            yield Finding("leaked", where, f"its cause {cause} is no erase record of {change['customer_id']}")
        return
    if customer is not None and customer.erased:
        # What was told before the erasure counts again after it.
        owner = owner or world.recount.repeated.get(place[:2], {}).get(cause["offset"])
    if cause["partition"] != partition or owner != change["customer_id"]:
        yield Finding("leaked", where, f"its cause {cause} is no record of {change['customer_id']} that counted: {owner}")


def check_chain(who, chain, row):
    by_rule = collections.defaultdict(list)
    for link in chain:
        by_rule[rule_of(link[1])].append(link)
    stored = {f"rule:{name}" for name in row.get("rules", ())} if row else set()
    yield from check_links(who, by_rule.pop(None, []), row["segment_id"] if row else None)
    for rule in sorted(by_rule.keys() | stored):
        yield from check_links(who, by_rule.get(rule, []), rule if rule in stored else None)
    ends = [i for i in range(len(chain)) if ends_life(chain, i)]
    life = chain[ends[-1] + 1:] if ends else chain
    if row and row.get("change_number") is not None and row["change_number"] != len(life):
        kind = "lost" if row["change_number"] > len(life) else "doubled"
        yield Finding(kind, who, f"change number {row['change_number']}, {len(life)} changes")
    if row and life and row.get("change_id") is not None and row["change_id"] != life[-1][1]["event_id"]:
        yield Finding("diverged", who, f"change id {row['change_id']}, the newest change has {life[-1][1]['event_id']}")


def check_links(who, chain, stored):
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
    if stored != held:
        yield Finding("diverged", who, f"is stored in {stored}, the changes end in {held}")


def births(world, who):
    """[{source: offset}]: of each life, the first record that counts in each source. One of them is the birth: topics may
    be read in any order. None: nobody can say."""
    if not world.recount.customers[who].erased:
        return [world.recount.customers[who].first_offset]
    if not world.history.knows(who):
        return None
    return [world.history.life(who, floor).first_offset for floor in world.history.lives(who)]


def check_ids(world, who, chain):
    customer = world.recount.customers.get(who)
    if customer is None or not customer.applied:
        yield Finding("leaked", chain[0][0], f"a change of {who}, of whom no event counted")
        return
    known, at, end = births(world, who), 0, len(chain)
    while at < end and known is not None:
        stop = next((i + 1 for i in range(at, end) if ends_life(chain, i)), end)
        life = [change["event_id"] for _, change in chain[at:stop]]
        if not any(life == ids_of(world, customer, source, offset, len(life)) for b in known for source, offset in b.items()):
            yield Finding("diverged", chain[at][0], f"{who}: event ids {life} do not follow from any possible birth")
        at = stop


def ids_of(world, customer, source, offset, count):
    return [wire.event_id(world.app, customer.id.encode(), world.topics[source], customer.partition, offset, n + 1)
            for n in range(count)]


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


CHECKS = (check_offsets, check_profiles, check_changelog_profiles, check_changes, log_checks.check_decisions,
          log_checks.check_stored_contributions, log_checks.check_transactions, log_checks.check_logged_profiles,
          log_checks.check_erasures, explain.check_explained, explain.check_contributions, check_dead_letters,
          sum_checks.check_sums, sum_checks.check_sums_told, sum_checks.check_samples,
          catalogue_checks.check_versions_told, catalogue_checks.check_catalogue, catalogue_checks.check_alerts)
# What can be asked in the middle of things, after a kill: Kafka as it stands, and a store that may lag but not be ahead.
CRASH_CHECKS = (check_cuts_alone, log_checks.check_transactions, log_checks.check_logged_profiles, explain.check_explained,
                log_checks.check_store_not_ahead)


def know_history(world):
    """First: it also says who has expired."""
    assert world.history
    return ()


def check(world, which=CHECKS):
    findings = []
    for one in (know_history, *which):
        try:
            findings += [dataclasses.replace(finding, check=one.__name__) for finding in one(world)]
        except wire.Corrupt as error:
            findings.append(Finding("diverged", one.__name__, f"a record cannot be read: {error}", one.__name__))
    return findings
