"""Checks of <app>-model-sums: what each partition last said is the recount over the contributions, bit for bit; and at no
time was a sum told that did not hold all of its partition's customers."""
import collections

import wire
from findings import Finding


def recount_sums(world):
    """(partition, cluster): {basis: (customers, [(count, sum, square)])} over the contributions of the dump."""
    totals = {}
    for row in world.dump:
        c = row["contribution"]
        if c is None:
            continue
        buckets = totals.setdefault((row["partition"], int(c["cluster"])), {})
        customers, features = buckets.get(int(c["basis"]), (0, [(0, 0, 0)] * len(c["values"])))
        features = [f if v is None else (f[0] + 1, f[1] + v, f[2] + v * v) for f, v in zip(features, c["values"])]
        buckets[int(c["basis"])] = (customers + 1, features)
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


def check_samples(world):
    """Nobody's profile stays in the sample when the customer is gone."""
    for key, value in world.sums.items():
        who = key.removeprefix("sample/")
        if who != key and value is not None and world.history.knows(who) and who not in world.living:
            yield Finding("leaked", f"{world.app}-model-sums {key}", f"{who} is not there any more, the sample record is")


def checkpointed(world, partition):
    """{sequence of a cut: how many living customers have a contribution in the changelog's profiles up to there}: after a
    crash these stand."""
    found, contributing = {}, set()
    for txn in world.history.txns[partition]:
        for _, kind, who, value in txn.records:
            if kind == "p" and value is not None and wire.read_profile(value, "contribution")["contribution"]:
                contributing.add(who)
            elif kind == "p" or kind == "d" and (value is None or not wire.read_decision(value)["alive"]):
                contributing.discard(who)
        found[txn.cut["seq"]] = len(contributing)
    return found


def check_sums_told(world):
    """At every closing record: its sequence follows the partition's last and is that of a cut; the pieces that stand hold
    no more customers than there are, and all who had a contribution in a checkpoint."""
    pieces, last = collections.defaultdict(dict), {}
    least = {p: checkpointed(world, p) for p in world.history.whole}
    for offset, key, value in world.sums_log:
        parts = key.split("/")
        if parts[0] != "sums" or len(parts) == 2 and value is None:
            continue
        partition = int(parts[1])
        if len(parts) == 3:
            buckets = wire.read_piece(value)[1] if value is not None else {}
            pieces[partition][int(parts[2])] = sum(customers for customers, _ in buckets.values())
            continue
        close, where = wire.read_close(value), f"{world.app}-model-sums offset {offset}"
        if close["sequence"] <= last.get(partition, 0):
            yield Finding("doubled", where, f"sums/{partition}: sequence {close['sequence']} after {last[partition]}")
        last[partition] = close["sequence"]
        if partition in world.history.whole:
            yield from check_close(world, where, partition, close, sum(pieces[partition].values()), least[partition])


def check_close(world, where, partition, close, held, least):
    txns = world.history.txns[partition]
    if not 0 < close["sequence"] <= len(txns):
        yield Finding("leaked", where, f"sums/{partition}: sequence {close['sequence']} is that of no cut")
        return
    customers = txns[close["sequence"] - 1].cut["customers"]
    if customers != close["customers"]:
        yield Finding("diverged", where, f"sums/{partition}: {close['customers']} customers, its cut: {customers}")
    if held > customers:
        yield Finding("doubled", where, f"sums/{partition}: its pieces hold {held} of {customers} customers")
    elif held < least[close["sequence"]]:
        yield Finding("lost", where, f"sums/{partition}: its pieces hold {held} customers, {least[close['sequence']]} of "
                      f"{customers} have a contribution in the changelog")
