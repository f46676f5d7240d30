"""What the tables of docs/quality.md measure, computed from what `segmentd replay` wrote and from nothing else."""
import collections
import datetime
import functools
import hashlib
import json
import os
import pathlib
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import fastavro
import numpy
from sklearn.cluster import KMeans

ROOT = pathlib.Path(os.environ.get("SEG_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
sys.path[:0] = [str(ROOT / "tests/integration/replay"), str(ROOT / "tests/support")]

from replay_run import DAY_MS, Failed, records

WINDOW_DAYS, SETTLED_DAYS, YOUNG_DAYS = 7, 90, 60


@functools.cache
def without_features():
    schema = json.loads((ROOT / "config/schemas/customer.avsc").read_text())
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "features"]
    return fastavro.parse_schema(schema)


class Moment:
    """customers.avro and model.json of an instant. `transformed` [n, d] has NaN where a value is missing; `vectors` [n, dims]
    are in the version's model space (scaled, weighted, rotated if there is a PCA)."""

    def __init__(self, folder):
        self.folder = folder
        self.model = json.loads((folder / "model.json").read_text())
        rows = list(records(folder / "customers.avro", without_features()))
        self.time_ms = self.model["time_ms"]
        self.ids = [row["customer_id"] for row in rows]
        self.segments = [row["segment_id"] for row in rows]
        self.clusters = [row["cluster"] for row in rows]
        self.transformed = numpy.array([row["transformed"] for row in rows], dtype=float)
        self.vectors = numpy.array([row["vector"] for row in rows], dtype=float)

    @property
    def days_since_first_fit(self):
        return (self.time_ms - self.model["first_fit_ms"]) / DAY_MS if self.model["first_fit_ms"] else -1

    @functools.cached_property
    def imputed(self):
        return numpy.array([f["imputed"] for f in self.model["features"]])

    def fresh(self, scale=None):
        """(rows, centroids) imputed and z-scored with the rows' own mean and deviation (ddof 0), or with (mean, deviation)."""
        rows = numpy.where(numpy.isnan(self.transformed), self.imputed, self.transformed)
        centroids = numpy.array([c["transformed"] for c in self.model["centroids"]], dtype=float)
        centroids = numpy.where(numpy.isnan(centroids), self.imputed, centroids)
        mean, deviation = scale or (rows.mean(axis=0), rows.std(axis=0))
        deviation = numpy.where(deviation > 0, deviation, 1)
        return (rows - mean) / deviation, (centroids - mean) / deviation

    def in_model_space(self):
        return self.vectors, numpy.array([c["vector"] for c in self.model["centroids"]], dtype=float)

    def ratio(self, model_space=False):
        """Inertia under the nearest current centroid over that of full k-means on the same rows: with a fresh scaler, or both in
        the space of the version (its frozen scaler, its PCA)."""
        rows, centroids = self.in_model_space() if model_space else self.fresh()
        return nearest(rows, centroids)[1].sum() / best_inertia(rows, len(centroids))

    def assigned_over_nearest(self):
        """Inertia under the segment that each customer is told to be in over that under the nearest, both in model space."""
        rows, centroids = self.in_model_space()
        place = {c["segment_id"]: i for i, c in enumerate(self.model["centroids"])}
        held = numpy.array([place.get(s, -1) for s in self.segments])
        rows, held = rows[held >= 0], held[held >= 0]
        return ((rows - centroids[held]) ** 2).sum() / nearest(rows, centroids)[1].sum()


def nearest(rows, centroids):
    """(index of the nearest centroid, squared distance to it) of every row."""
    label, best = numpy.zeros(len(rows), dtype=int), numpy.full(len(rows), numpy.inf)
    for i, centroid in enumerate(centroids):
        distance = ((rows - centroid) ** 2).sum(axis=1)
        label[distance < best] = i
        numpy.minimum(best, distance, out=best)
    return label, best


BEST = {}


def best_fit(rows, k):
    """scikit-learn's full-batch k-means: (inertia, labels). The same rows are fitted once."""
    key = hashlib.sha256(rows.tobytes()).digest(), k
    if key not in BEST:
        fit = KMeans(k, n_init=10, random_state=0).fit(rows)
        BEST[key] = fit.inertia_, fit.labels_
    return BEST[key]


def best_inertia(rows, k):
    return best_fit(rows, k)[0]


def checkpoints(output):
    """Moments from the first fit on, in order of time."""
    for folder in sorted((output / "checkpoints").iterdir()):
        moment = Moment(folder)
        if moment.days_since_first_fit >= 0:
            yield moment


class Refit:
    """A line of refits.jsonl."""

    def __init__(self, line):
        self.__dict__.update(json.loads(line))

    def identity(self, rows):
        """Share of the rows [n, d] (transformed, NaN: missing) whose nearest segment id is the same before and after."""
        if not self.promoted:
            return 1.
        before, after = (segment_ids(model, rows) for model in (self.before, self.model))
        return float((before == after).mean())


def segment_ids(model, rows):
    ids = numpy.array([c["segment_id"] for c in model["centroids"]])
    return ids[nearest(to_model_space(model, rows), numpy.array([c["vector"] for c in model["centroids"]]))[0]]


def to_model_space(model, rows):
    column = {name: numpy.array([f[name] for f in model["features"]]) for name in ("mean", "scale", "weight", "imputed")}
    scaled = (numpy.where(numpy.isnan(rows), column["imputed"], rows) - column["mean"]) / column["scale"] * column["weight"]
    pca = model["pca"]
    return scaled if pca is None else (scaled - numpy.array(pca["mean"])) @ numpy.array(pca["components"]).T


def refits(output):
    return [Refit(line) for line in (output / "refits.jsonl").read_text().splitlines()]


class Changes:
    """segment-changes.avro: of every customer the chain from null."""

    def __init__(self, output):
        self.chains = collections.defaultdict(list)
        for c in records(output / "segment-changes.avro"):
            chain = self.chains[c["customer_id"]]
            if (chain[-1]["to_segment"] if chain else None) != c["from_segment"]:
                raise Failed(f"{c['customer_id']}: the chain of changes is broken at {c['event_id']}")
            chain.append(c)

    def flapping(self, from_ms, to_ms):
        """Of each whole window of 7 days from from_ms on: share of all customers (known by its end) who went A, B, A in it."""
        window = WINDOW_DAYS * DAY_MS
        count = int((to_ms - from_ms) // window)
        flaps, known = numpy.zeros(count), numpy.zeros(count)
        for chain in self.chains.values():
            first = (chain[0]["decided_at"] - from_ms) // window
            known[max(0, first):] += 1
            flaps[list(flap_windows(chain, from_ms, window, count))] += 1
        return flaps / numpy.maximum(known, 1)

    def by_model_a_year(self, from_ms, to_ms):
        moves = sum(c["reason"] == "model" and from_ms <= c["decided_at"] < to_ms for chain in self.chains.values() for c in chain)
        return moves / len(self.chains) / ((to_ms - from_ms) / (365 * DAY_MS))


def flap_windows(chain, from_ms, window, count):
    """A customer flaps in the window in which they came back to where they had been at most 7 days ago."""
    return {at for a, b in zip(chain, chain[1:])
            if a["from_segment"] is not None and a["from_segment"] == b["to_segment"]
            and b["decided_at"] - a["decided_at"] <= window
            and 0 <= (at := int((b["decided_at"] - from_ms) // window)) < count}


def day_of(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%d")
