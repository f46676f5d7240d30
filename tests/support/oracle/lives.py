"""What the changelog's history says of time and of lives: its transactions, each closed by a cut; who was erased, and from
which positions on the inputs count anew; and what a customer was at any commit."""
import bisect
import collections
import dataclasses

import recount
import wire

SOURCES = wire.SOURCES


@dataclasses.dataclass
class Txn:
    """Records of one commit in one partition of the changelog."""
    partition: int
    records: list       # (offset, kind, customer, value)
    before: dict        # the cut before; None: the first
    cut: dict
    offset: int         # of its cut

    def first(self, source, starts):
        """The least offset of a source that this commit can have taken in."""
        return self.before["next"][source] if self.before else starts.get((source, self.partition), 0)


def transactions(world, partition):
    """(transactions, records after the newest cut)"""
    found, open_, before = [], [], None
    for record in world.changelog.get(partition, ()):
        offset, kind, _, value = record
        if kind != "c":
            open_.append(record)
        elif value is not None:
            cut = wire.read_cut(value)
            found.append(Txn(partition, open_, before, cut, offset))
            open_, before = [], cut
    return found, open_


class History:
    """Of all partitions; made once for a World. whole: partitions of whose changelog nothing has been compacted away."""

    def __init__(self, world):
        self.world, self.txns, self.left_open = world, {}, {}
        for partition in range(world.partitions):
            self.txns[partition], self.left_open[partition] = transactions(world, partition)
        self.whole = {p for p, txns in self.txns.items()
                      if all(t.cut["seq"] == i + 1 for i, t in enumerate(txns))}
        self.erasures = collections.defaultdict(list)   # customer: [(txn, floor)]; floor: the last offset that stays out
        self.decisions = {}                             # event id of a change: (txn, decision)
        self.numbered = collections.Counter()           # event id: how many transactions logged it as new
        self.last = {}                                  # (partition, customer bytes): newest decision, None: tombstoned
        for partition, txns in self.txns.items():
            for txn in txns:
                self.take(partition, txn)
        if world.rules.expire_ms:  # who has expired is as one who was erased
            for who in self.erasures.keys() & world.recount.customers.keys():
                world.recount.customers[who].erased = True

    def take(self, partition, txn):
        for _, kind, who, value in txn.records:
            if kind != "d":
                continue
            decision = wire.read_decision(value) if value is not None else None
            before = self.last.get((partition, who))
            self.last[partition, who] = decision
            if decision is None:
                continue
            floor = decision["stay_out"]
            if floor and not (before and before["stay_out"] == floor):
                self.erasures[who.decode(errors="replace")].append((txn, dict(zip(SOURCES, floor))))
            if not decision["alive"]:
                continue
            same = before and before["alive"] and before["birth"] == decision["birth"]
            source, offset = decision["birth"]
            for number in range((before["number"] if same else 0) + 1, decision["number"] + 1):
                place = wire.event_id(self.world.app, who, self.world.topics[source], partition, offset, number)
                self.decisions[place] = (txn, decision)
                self.numbered[place] += 1

    def floor_at(self, who, txn):
        """What stays out of the life that goes on, or began, in this transaction."""
        floors = [floor for other, floor in self.erasures.get(who, ()) if other.cut["seq"] <= txn.cut["seq"]]
        return floors[-1] if floors else {}

    def life(self, who, floor, upto=None):
        """A recount.Customer of the records above floor and below upto; None if their records were not kept."""
        counted, records = self.world.recount, self.world.recount.history.get(who)
        if records is None:
            return None
        life = recount.Customer(who, counted.customers[who].partition)
        for source, offset, event, rate in records:
            if offset > floor.get(source, -1) and (upto is None or offset < upto[source]):
                life.take(source, offset, event, rate)
        return life

    def now(self, who):
        """The customer as they must be after everything: a Customer; None if nobody can say or nobody is there."""
        customer = self.world.recount.customers.get(who)
        if customer is None or not customer.erased:
            return customer if customer is not None and customer.applied else None
        floors = self.erasures.get(who)
        life = self.life(who, floors[-1][1] if floors else {})
        return life if life is not None and life.applied else None

    def knows(self, who):
        """Whether now() has an answer: an erased customer needs kept records and a changelog with all its history."""
        customer = self.world.recount.customers.get(who)
        return (customer is None or not customer.erased or
                (who in self.world.recount.history and customer.partition in self.whole))

    def lives(self, who):
        """[floor] of each life there can have been."""
        return [{}, *(floor for _, floor in self.erasures.get(who, ()))]


def txn_of(txns, source, offset):
    """The transaction that took in this input record, or None."""
    at = bisect.bisect_right([t.cut["next"][source] for t in txns], offset)
    return txns[at] if at < len(txns) else None
