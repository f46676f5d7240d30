"""Four squares that move at constant speed (drift/moving_squares): each point a customer who stays for a week; are they tracked?"""
import csv
import gzip
import json

import numpy
from sklearn.metrics import adjusted_rand_score

from measure import DAY_MS, best_fit, checkpoints
from replay_run import DATA, replay
from static import START_MS, config, update

K, ROWS, DAYS, STEP_DAYS, KEEP_DAYS = 4, 24000, 120, 5, 3


def run(work):
    """[(days, ARI of segmentd, ARI of a full refit, lag in days)] at each step, over the customers of the last 3 days."""
    with gzip.open(DATA / "drift/moving_squares.csv.gz", "rt") as file:
        rows = list(csv.reader(file))[1:ROWS + 1]
    points, labels = numpy.array([r[:-1] for r in rows], dtype=float), numpy.array([r[-1] for r in rows])
    times = START_MS + numpy.arange(len(rows)) * (DAYS * DAY_MS) // len(rows)
    events = work / "squares.jsonl"
    events.write_text("".join(update(i, t, p) for i, (t, p) in enumerate(zip(times, points))))
    conf = config(work / "squares.yaml", K, points.shape[1], ", refit: {interval: 1d}")
    conf.write_text(conf.read_text() + f"profile: {{expire: {KEEP_DAYS}d}}\n")
    output = work / "squares"
    replay(conf, [events], output, "--checkpoint-days", STEP_DAYS)
    steps = []
    for moment in checkpoints(output):
        at = [int(who[1:]) for who in moment.ids]
        scaled, centroids = moment.fresh()
        _, full = best_fit(scaled, K)
        steps.append(((moment.time_ms - START_MS) / DAY_MS, adjusted_rand_score(labels[at], moment.clusters),
                      adjusted_rand_score(labels[at], full), lag(points, labels, times, moment)))
    return steps


def lag(points, labels, times, moment):
    """How many days ago the squares' middles were nearest to the centroids."""
    centroids = numpy.array([c["transformed"] for c in moment.model["centroids"]])
    best = (numpy.inf, 0)
    for days in numpy.arange(0, 10, .25):
        near = numpy.abs(times - (moment.time_ms - days * DAY_MS)) <= .5 * DAY_MS
        middles = numpy.array([points[near & (labels == label)].mean(axis=0) for label in sorted(set(labels))])
        apart = numpy.sqrt(((centroids[:, None] - middles[None]) ** 2).sum(axis=2)).min(axis=1).mean()
        best = min(best, (apart, days))
    return best[1]
