"""A generated stream of all four sources, and what follows from it: computed in the plainest way, without the engine."""
import collections
import json
import math
import subprocess
import sys

import fastavro

from replay_run import GENERATE, HOUR_MS, SOURCE, Failed

sys.path.insert(0, str(SOURCE / "tests/support/oracle"))

import recount
import wire

ORDER = ("web", "email", "orders", "profiles")
SCHEMAS = SOURCE / "config/schemas"
OPTIONS = {"base": "EUR", "rates": {"EUR": 1.}, "max_amount": 1e7, "max_future_ms": HOUR_MS}


def generate(path, **options):
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    subprocess.run([GENERATE, "--jsonl", path, *words], check=True, stdout=subprocess.DEVNULL)


def read_lines(path):
    """(source, event with all fields of the schema, line), as they are in the file."""
    reader = recount.Reader(SCHEMAS)
    for line in path.read_bytes().splitlines():
        event = json.loads(line)
        source = event.pop("source")
        for field in reader.schemas[source][1]["fields"]:
            event.setdefault(field["name"], field.get("default"))
        yield source, event, line


def write_containers(path, folder, codec="null"):
    """The same records, a container file a source, in the order of the lines."""
    by_source = {}
    for source, event, _ in read_lines(path):
        by_source.setdefault(source, []).append(event)
    files = []
    for source, events in by_source.items():
        schema = json.loads((SCHEMAS / f"{recount.SCHEMA_FILES[source]}.avsc").read_text())
        files.append(folder / f"{source}.avro")
        with open(files[-1], "wb") as out:
            fastavro.writer(out, fastavro.parse_schema(schema), events, codec=codec, sync_interval=4000)
    return files


class Plain:
    """Takes the stream in replay's order: event time, then source, then position."""

    def __init__(self, lines, until_ms=None):
        self.customers, self.births, self.owners, self.refused = {}, {}, {}, []
        self.accepted = self.repeats = self.events = 0
        offsets = dict.fromkeys(ORDER, 0)
        for source, event, line in sorted(lines, key=lambda r: (r[1]["event_time"], ORDER.index(r[0]))):
            if until_ms is not None and event["event_time"] >= until_ms:
                break
            self.events += 1
            self.take(source, offsets[source], event, line)
            offsets[source] += 1

    def take(self, source, offset, event, line):
        who = event["customer_id"]
        reason = recount.clean(source, event, who.encode(), 0, 1, event["event_time"], OPTIONS)
        if reason:
            self.refused.append((source, offset, reason, line))
            return
        self.owners[source, offset] = who
        if source == "profiles" and event["kind"] == "erase":
            self.customers.pop(who, None)
            return
        customer = self.customers.get(who) or recount.Customer(who, 0)
        if customer.take(source, offset, event, 1.):
            self.accepted += 1
            if who not in self.customers:
                self.customers[who] = customer
                self.births.setdefault(who, []).append((source, offset))
        else:
            self.repeats += event["kind"] != "identify"


def check_refused(plain, rows, raw=lambda source, line: line):
    """Every refused record is a dead letter with its bytes, in order, and nothing else is."""
    got = [(row["topic"], row["offset"], row["reason"], row["value"]) for row in rows]
    wanted = [(source, offset, reason, raw(source, line)) for source, offset, reason, line in plain.refused]
    if got != wanted:
        first = next((pair for pair in zip(got, wanted) if pair[0] != pair[1]), (len(got), len(wanted)))
        raise Failed(f"dead letters: {first[0]}, but the input says {first[1]}")


FITTED = {"lifetime_value", "r_score", "f_score", "m_score"}


def check_fitted(who, got):
    """Features that depend on what a promotion has fitted: their ranges."""
    buyer = got["recency_days"] is not None
    for name in FITTED - {"lifetime_value"}:
        if got[name] not in ((1, 2, 3, 4, 5) if buyer else (0,)):
            raise Failed(f"{who}: {name} is {got[name]!r}")
    value = got["lifetime_value"]
    if value is not None and (not buyer or value < got["monetary"]):
        raise Failed(f"{who}: lifetime_value is {value!r}, spent so far {got['monetary']!r}")


def check_customers(plain, rows, now_ms):
    """Everyone who lives, sorted by the bytes of their id, with the features that follow from their events."""
    ids = [row["customer_id"] for row in rows]
    if ids != sorted(plain.customers, key=str.encode):
        raise Failed(f"customers.avro has {len(ids)} customers, not the {len(plain.customers)} of the input in order of ids")
    compared = 0
    for row in rows:
        wanted = recount.features(plain.customers[row["customer_id"]], now_ms)
        got = row["features"]
        check_fitted(row["customer_id"], got)
        got = {name: value for name, value in got.items() if name not in FITTED}
        missing = {name for name in wanted if not name.startswith("attr:")} ^ {n for n in got if not n.startswith("attr:")}
        if missing:
            raise Failed(f"features that only one side knows: {sorted(missing)}")
        for name, value in got.items():
            other = wanted.get(name)
            if (value is None) != (other is None) or (value is not None and
                                                      abs(value - other) > 1e-9 * max(1, abs(value), abs(other))):
                raise Failed(f"{row['customer_id']}: {name} is {value!r}, the input says {other!r}")
            compared += value is not None
    return compared


def id_of(app, who, birth, number):
    return wire.event_id(app, who.encode(), birth[0], 0, birth[1], number)


def check_changes(plain, changes, rows, app):
    """A chain from null for each, that ends in the held segment; ids as they are defined; causes name the customer's record."""
    chains = {}
    for c in changes:
        chains.setdefault(c["customer_id"], []).append(c)
    for who, chain in chains.items():
        births, life, number, before = plain.births[who], 0, 0, None
        for c in chain:
            number += 1
            if c["from_segment"] != before:
                raise Failed(f"{who}: change {c['event_id']} is from {c['from_segment']}, but {before} was held")
            if number == 1:  # a life that ended before the first fit had no change
                life = next((i for i in range(life, len(births)) if c["event_id"] == id_of(app, who, births[i], 1)), life)
            if c["event_id"] != id_of(app, who, births[life], number):
                raise Failed(f"{who}: change {number} of life {life} has the id {c['event_id']}")
            cause = c["cause"]
            if cause and plain.owners[cause["topic"], cause["offset"]] != who:
                raise Failed(f"{who}: change {c['event_id']} names a record of someone else")
            if (cause is None) != (c["reason"] in ("time", "model", "expiry")) and not (c["reason"] == "first" and not cause):
                raise Failed(f"{who}: reason {c['reason']} and cause {cause} do not go together")
            before = c["to_segment"]
            if before is None:
                life, number = life + 1, 0
    for row in rows:
        chain = chains.get(row["customer_id"])
        if row["segment_id"] != (chain[-1]["to_segment"] if chain else None):
            raise Failed(f"{row['customer_id']}: is in {row['segment_id']}, the changes say otherwise")
    if len({c["event_id"] for c in changes}) != len(changes):
        raise Failed("event ids are not unique")


def check_geometry(model, rows):
    """vector is `transformed`, imputed and scaled; cluster, distance and margin follow from it and the centroids."""
    centroids = {c["cluster"]: scaled(model, c["transformed"]) for c in model["centroids"]}
    for c in model["centroids"]:
        near("centroid " + c["cluster"], c["vector"], centroids[c["cluster"]])
    for row in rows:
        who, vector = row["customer_id"], scaled(model, row["transformed"])
        near(who, row["vector"], vector)
        distances = sorted((math.dist(vector, centroid), cluster) for cluster, centroid in centroids.items())
        (first, cluster), (second, _) = distances[:2]
        near(who, [row["distance"], row["margin"]], [first, (second - first) / second])
        if row["cluster"] != cluster and second - first > 1e-9:
            raise Failed(f"{who}: cluster is {row['cluster']}, the nearest is {cluster}")
    held = collections.Counter(row["segment_id"] for row in rows)
    if not set(held) <= {c["segment_id"] for c in model["centroids"]}:
        raise Failed(f"held segments {sorted(held)} are not all among the model's centroids")


def scaled(model, transformed):
    return [((f["imputed"] if x is None else x) - f["mean"]) / f["scale"] * f["weight"]
            for f, x in zip(model["features"], transformed, strict=True)]


def near(what, got, wanted):
    if len(got) != len(wanted) or any(not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in zip(got, wanted)):
        raise Failed(f"{what}: {got}, but {wanted} is to be expected")
