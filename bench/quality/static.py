"""Static sets with known labels: each point a customer who arrives by one profile update within 30 days, shuffled or sorted by
the true cluster; measured 8 days after the last arrival."""
import csv
import gzip
import json

import numpy
from sklearn.metrics import adjusted_rand_score

from measure import DAY_MS, Moment, best_fit
from replay_run import DATA, replay

SETS = {"S1": ("sipu_s1", 15), "S3": ("sipu_s3", 15), "A1": ("sipu_a1", 20), "Hepta": ("fcps_hepta", 7), "Birch1": ("sipu_birch1", 100)}
ORDERS = ("shuffled", "sorted")
START_MS, ARRIVAL_DAYS, AFTER_DAYS = 1735689600000, 30, 8
LEAST = {"Hepta": 50}


def read(name):
    """(points [n, d], labels [n])."""
    with gzip.open(DATA / "clustering" / f"{SETS[name][0]}.csv.gz", "rt") as file:
        rows = list(csv.reader(file))[1:]
    return numpy.array([row[:-1] for row in rows], dtype=float), numpy.array([row[-1] for row in rows])


def update(number, time_ms, point):
    attributes = {f"x{j + 1}": float(x) for j, x in enumerate(point)}
    return json.dumps({"source": "profiles", "event_id": f"e{number}", "customer_id": f"c{number}", "event_time": int(time_ms),
                       "kind": "update", "attributes": attributes}) + "\n"


def config(path, k, dimensions, more=""):
    features = ", ".join(f"{{name: 'attr:x{j + 1}', transform: linear}}" for j in range(dimensions))
    path.write_text(f"app: static\nsources: {{profiles: {{topic: profiles}}}}\nfeatures: [{features}]\n"
                    f"segmenter: {{k: {k}{more}}}\n")
    return path


def run(work, name, order):
    """{ari, full_ari, ratio, seconds, promotions} of a set in an order."""
    points, labels = read(name)
    rng, n = numpy.random.default_rng(0), len(points)
    sequence = rng.permutation(n)
    if order == "sorted":
        sequence = sequence[numpy.argsort([int(label) for label in labels[sequence]], kind="stable")]
    times = START_MS + numpy.arange(n) * (ARRIVAL_DAYS * DAY_MS) // n
    events = work / f"{name}-{order}.jsonl"
    events.write_text("".join(update(i, t, points[i]) for i, t in zip(sequence, times)))
    conf = config(work / f"{name}.yaml", SETS[name][1], points.shape[1],
                  f", min_customers: {LEAST[name]}" if name in LEAST else "")
    output = work / f"{name}-{order}"
    until = numpy.datetime_as_string(numpy.datetime64(int(times[-1]) + AFTER_DAYS * DAY_MS, "ms")) + "Z"
    summary = replay(conf, [events], output, "--until", until)
    moment = Moment(output)
    truth = labels[[int(who[1:]) for who in moment.ids]]
    rows, _ = moment.fresh()
    return {"ari": adjusted_rand_score(truth, moment.clusters),
            "full_ari": adjusted_rand_score(truth, best_fit(rows, SETS[name][1])[1]), "ratio": moment.ratio(),
            "clusters": len(moment.model["centroids"]), "promotions": summary["promotions"], "seconds": summary["seconds"]}
