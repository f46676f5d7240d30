"""Why each change was made: the customer's features as of the commit that told it, recomputed from the inputs, and the
version of the model that it names (read from <app>-model) must lead to the segment, the distances and the drivers that were
told; and what a customer contributes to the sums must be what their features were when they were evaluated."""
import collections
import json
import math

import recount
from findings import Finding

INT32_MAX = 2**31 - 1
STEPS = 2           # of a fixed-point value: the last bits of two implementations of log1p and of sums of decays
NEAR = 1e-6         # relative, of distances in model space
BUDGET = 4000       # changes looked at one by one; of more, every n-th


def transformed(kind, x):
    if x is None:
        return None
    if kind == "log1p":
        return math.copysign(math.log1p(abs(x)), x)
    if kind == "sqrt":
        return math.copysign(math.sqrt(abs(x)), x)
    return x


class Model:
    """A published version."""

    def __init__(self, data):
        raw = json.loads(data)
        self.promotion, self.version = int(raw["promotion"]), int(raw["promotion"]) << 32 | int(raw["revision"])
        self.basis, self.features = raw["basis"], raw["features"]
        self.names = [f["name"] for f in self.features]
        self.clusters = [int(c) for c in raw["clusters"]]
        self.vectors = {c: [self.to_space(f, f["imputed"] if x is None else x) for f, x in zip(self.features, row)]
                        for c, row in zip(self.clusters, raw["centroids"])}

    @staticmethod
    def to_space(f, x):
        return (x - f["mean"]) / f["scale"] * f["weight"]

    def fixed(self, values):
        """Features to the fixed-point numbers that are added up."""
        steps = []
        for f in self.features:
            x = transformed(f["transform"], values.get(f["name"]))
            steps.append(None if x is None else max(-INT32_MAX, min(INT32_MAX, round(x / f["quantum"]))))
        return steps

    def vector(self, values):
        return [self.to_space(f, f["imputed"] if s is None else s * f["quantum"])
                for f, s in zip(self.features, self.fixed(values))]

    def distances(self, vector):
        """[(distance, cluster)], nearest first."""
        return sorted((math.dist(vector, centroid), cluster) for cluster, centroid in self.vectors.items())


def read_models(world):
    """{version: Model} of all that were ever anybody's model, and findings on their order. Candidates are not, and where
    instances can be asked (at/<partition>) is no version."""
    models, findings, newest = {}, [], -1
    for offset, key, value in world.models:
        if value is None or key.startswith("at/") or json.loads(value).get("state") == "candidate":
            continue
        model = Model(value)
        models.setdefault(model.version, model)
        if key == "current":
            if model.version < newest:
                findings.append(Finding("doubled", f"{world.app}-model offset {offset}",
                                        f"version {model.version} was published after {newest}"))
            newest = max(newest, model.version)
    return models, findings


def close(a, b):
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=NEAR, abs_tol=NEAR)


def cluster_of(segment):
    return int(segment[1:]) if segment else None


def may_be(model, ranked, vector, held, since_ms, now_ms, rules):
    """Clusters that the customer may be told, by the rules; more than one where numbers are too close to call."""
    best = ranked[0][0]
    nearest = {c for d, c in ranked if d <= best * (1 + NEAR) + NEAR}
    if held is None or held not in model.vectors:
        return nearest
    if since_ms is not None and now_ms - since_ms < rules.dwell_ms:
        return {held}
    limit = (1 - rules.hysteresis) * math.dist(vector, model.vectors[held])
    if best > limit * (1 + NEAR) + NEAR:
        return {held}
    return nearest if best < limit * (1 - NEAR) - NEAR else nearest | {held}


def explain_one(world, where, change, model, life, since_ms):
    """Findings on one change; life: the customer as of its commit."""
    now_ms = change["event_time"]
    values = recount.features(life, now_ms, model.names)
    vector = model.vector(values)
    ranked = model.distances(vector)
    held, to = cluster_of(change["from_segment"]), cluster_of(change["to_segment"])
    if to not in model.vectors:
        yield Finding("diverged", where, f"{change['to_segment']} is not in model version {model.version}")
        return
    allowed = may_be(model, ranked, vector, held, since_ms, now_ms, world.rules)
    if to not in allowed:
        yield Finding("diverged", where, f"{change['customer_id']}: goes from {change['from_segment']} to s{to}; by the inputs "
                      f"up to its commit and model version {model.version}: {sorted(f's{c}' for c in allowed)}")
    margin = (ranked[1][0] - ranked[0][0]) / ranked[1][0] if len(ranked) > 1 and ranked[1][0] > 0 else 0
    wanted = {"distance_to": math.dist(vector, model.vectors[to]), "margin": margin,
              "distance_from": math.dist(vector, model.vectors[held]) if held in model.vectors else None}
    for name, value in wanted.items():
        if not close(change[name], value):
            yield Finding("diverged", where, f"{name} is {change[name]}, the inputs and version {model.version} say {value}")
    for driver in change["drivers"]:
        value = values.get(driver["feature"])
        got = driver["value"]
        if (got is None) != (value is None) or got is not None and not math.isclose(got, value, rel_tol=1e-9, abs_tol=1e-9):
            yield Finding("diverged", where, f"driver {driver['feature']} is {got}, the inputs say {value}")


def is_of_rule(change):
    """A rule segment's condition is not known here."""
    return any((change[end] or "").startswith("rule:") for end in ("from_segment", "to_segment"))


def check_explained(world):
    """Every change by an event, by time or by the model; erasure and expiry need no model."""
    models, findings = world.published
    yield from findings
    since, newest = {}, collections.defaultdict(int)
    every = 1 + sum(1 for _ in world.changes) // BUDGET
    for number, (partition, offset, _, change) in enumerate(world.changes):
        where, who = f"segment-changes/{partition} offset {offset}", change["customer_id"]
        if is_of_rule(change):
            continue
        before, since[who] = since.get(who), change["event_time"]
        if change["reason"] in ("erasure", "expiry"):
            since.pop(who)
            continue
        if change["model_version"] < newest[partition]:
            yield Finding("diverged", where, f"model version {change['model_version']} after {newest[partition]}")
        newest[partition] = max(newest[partition], change["model_version"])
        model = models.get(change["model_version"])
        if model is None:
            if world.models_whole:
                yield Finding("leaked", where, f"model version {change['model_version']} was never published")
            continue
        txn, _ = world.history.decisions.get(change["event_id"], (None, None))
        if txn is None or number % every:
            continue
        if change["model_version"] > txn.cut["model_version"]:
            yield Finding("diverged", where, f"model version {change['model_version']} is newer than its cut's")
        life = world.history.life(who, world.history.floor_at(who, txn), txn.cut["next"])
        if life is None or not life.applied:
            continue
        world.explained += 1
        yield from explain_one(world, where, change, model, life, before)


def check_contributions(world):
    """What the dump says each customer adds to the sums: their features when they were evaluated, of all that counted."""
    models, _ = world.published
    by_basis = {model.basis: model for model in models.values() if model.features}
    for row in world.dump:
        who, c = row["customer_id"], row["contribution"]
        if c is None:
            continue  # not evaluated yet, or not since a crash that lost what the last checkpoint did not have
        model, life = by_basis.get(c["basis"]), world.history.now(who)
        if model is None or life is None:
            continue
        values = recount.features(life, c["evaluated_at_ms"], model.names)
        wanted = model.fixed(values)
        for name, got, want in zip(model.names, c["values"], wanted):
            if (got is None) != (want is None) or got is not None and abs(got - want) > STEPS:
                yield Finding("diverged", who, f"contributes {name} {got}, by the inputs {want}: not evaluated since they came")
                break
