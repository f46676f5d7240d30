"""The same stream of orders as people cluster it elsewhere: each order updates the model with its customer's features of that
moment. The ratio is that of measure.py, at the same checkpoints."""
import collections

import numpy
from sklearn.cluster import MiniBatchKMeans
from sklearn.preprocessing import StandardScaler

from measure import DAY_MS, best_inertia, nearest
from shops import HALF_LIFE_DAYS

BATCH = 256


def events(shop):
    """(time_ms, features [6] log1p) at each purchase: recency is 0 then, what had decayed is counted up."""
    state = {}
    for who, time_ms, purchase, amount in zip(shop.who, shop.time_ms, shop.purchase, shop.amount):
        first, last, count, money, decayed = state.get(who, (time_ms, time_ms, 0, 0., 0.))
        if purchase:
            decayed = decayed * .5 ** ((time_ms - last) / DAY_MS / HALF_LIFE_DAYS) + 1
            state[who] = first, time_ms, count + 1, money + amount, decayed
            raw = numpy.array([0, count + 1, money + amount, (money + amount) / (count + 1), (time_ms - first) / DAY_MS, decayed])
            yield time_ms, numpy.sign(raw) * numpy.log1p(abs(raw))
        elif count:
            state[who] = first, last, count, money + amount, decayed


def fresh(shop, now_ms):
    rows = shop.rfm(now_ms)
    rows = rows[~numpy.isnan(rows).any(axis=1)]
    return rows, rows.mean(axis=0), rows.std(axis=0)


class MiniBatch:
    """MiniBatchKMeans.partial_fit on batches of 256 orders, scaled by a StandardScaler that learns beside it."""

    def __init__(self, k):
        self.k, self.batch, self.scaler = k, collections.deque(), StandardScaler()
        self.model = MiniBatchKMeans(k, batch_size=BATCH, n_init=3, random_state=0)

    def learn(self, row):
        self.batch.append(row)
        if len(self.batch) == BATCH:
            rows = numpy.array(self.batch)
            self.batch.clear()
            self.model.partial_fit(self.scaler.partial_fit(rows).transform(rows))

    def centroids(self):
        return self.scaler.inverse_transform(self.model.cluster_centers_)


def ratios(shop, k, instants, peer):
    """Worst ratio at the instants."""
    stream, worst = events(shop), []
    pending = next(stream)
    for now_ms in instants:
        while pending and pending[0] < now_ms:
            peer.learn(pending[1])
            pending = next(stream, None)
        rows, mean, deviation = fresh(shop, now_ms)
        scaled = (rows - mean) / deviation
        centroids = (peer.centroids() - mean) / deviation
        worst.append(nearest(scaled, centroids)[1].sum() / best_inertia(scaled, k))
    return max(worst)
