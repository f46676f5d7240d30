"""Streams of orders: CDNOW, Online Retail's year, and shops made of it; and the RFM features of their customers at any
instant, computed in the plainest way."""
import hashlib
import json
import pathlib

import fastavro
import numpy

from measure import DAY_MS, ROOT, Failed, records
import make_cdnow_orders
from replay_run import DATA

RETAIL = ROOT / "config/demo/online_retail_orders.avro"
CDNOW = DATA / "cdnow_master.csv.gz"
HALF_LIFE_DAYS = 60


def orders_of(path):
    """Orders that name a customer, times in ms."""
    return [{**r, "event_time": int(r["event_time"].timestamp() * 1000)} for r in records(path) if r["customer_id"]]


class Shop:
    """Orders in order of time, in a container file. Only what `clean` accepts counts for the features."""

    def __init__(self, name, path, currency):
        self.name, self.path, self.currency = name, path, currency
        orders = sorted(orders_of(path), key=lambda r: r["event_time"])
        self.customers = sorted({r["customer_id"] for r in orders})
        place = {who: i for i, who in enumerate(self.customers)}
        self.who = numpy.array([place[r["customer_id"]] for r in orders])
        self.time_ms = numpy.array([r["event_time"] for r in orders], dtype=numpy.int64)
        self.purchase = numpy.array([r["kind"] == "purchase" for r in orders])
        sign = numpy.where(self.purchase, 1, -1)
        self.amount = sign * numpy.array([abs(r["amount"]) for r in orders])
        self.first_ms = int(self.time_ms[0])

    def config(self, folder, features="rfm", name="", **segmenter):
        options = ", ".join(f"{key}: {value}" for key, value in segmenter.items())
        path = folder / f"{self.name}{name}.yaml"
        path.write_text(f"app: {self.name}\nsources: {{orders: {{topic: orders}}}}\nfeatures: {features}\n"
                        f"currencies: {{base: {self.currency}}}\nsegmenter: {{{options}}}\n")
        return path

    def rfm(self, now_ms):
        """The preset's features, log1p [n, 6], NaN: missing, of all customers with an event before now_ms."""
        seen = self.time_ms < now_ms
        n = len(self.customers)
        who, when, bought, amount = self.who[seen], self.time_ms[seen], self.purchase[seen], self.amount[seen]
        buyers, days = who[bought], (now_ms - when[bought]) / DAY_MS
        recency, tenure = numpy.full(n, numpy.inf), numpy.full(n, -numpy.inf)
        numpy.minimum.at(recency, buyers, days)
        numpy.maximum.at(tenure, buyers, days)
        frequency = numpy.bincount(buyers, minlength=n).astype(float)
        monetary = numpy.bincount(who, weights=amount, minlength=n)
        decayed = numpy.bincount(buyers, weights=.5 ** (days / HALF_LIFE_DAYS), minlength=n)
        none = frequency == 0
        average = numpy.where(none, numpy.nan, monetary / numpy.where(none, 1, frequency))
        recency[none] = tenure[none] = numpy.nan
        rows = numpy.column_stack([recency, frequency, monetary, average, tenure, decayed])
        return (numpy.sign(rows) * numpy.log1p(numpy.abs(rows)))[numpy.bincount(who, minlength=n) > 0]


def check_rfm(shop, moment):
    """The engine's features of a checkpoint are those computed here: else no figure is worth anything."""
    plain = shop.rfm(moment.time_ms)
    if plain.shape != moment.transformed.shape:
        raise Failed(f"{shop.name}: {moment.transformed.shape} customers and features at {moment.folder}, by hand {plain.shape}")
    worst = numpy.nanmax(numpy.abs(plain - moment.transformed))
    if not worst < 1e-5 or (numpy.isnan(plain) != numpy.isnan(moment.transformed)).any():
        raise Failed(f"{shop.name}: features at {moment.folder} differ from those computed by hand by {worst}")


def write(records_, path):
    schema = json.loads((ROOT / "config/schemas/order.avsc").read_text())
    with open(path, "wb") as out:
        fastavro.writer(out, fastavro.parse_schema(schema), records_, codec="deflate",
                        sync_marker=hashlib.md5(path.name.encode()).digest())
    return path


def retail():
    return Shop("retail", RETAIL, "GBP")


def cdnow(work):
    path = work / "cdnow-orders.avro"
    if not path.exists():
        make_cdnow_orders.make(CDNOW, path)
    return Shop("cdnow", path, "USD")


def similar(work, seed):
    """Another year of a similar shop: Online Retail's customers drawn anew (with replacement), each moved by up to three weeks
    and at a price level of their own, the shop as a whole 30 % dearer."""
    path = work / f"similar-{seed}.avro"
    if not path.exists():
        write(similar_orders(numpy.random.default_rng(seed)), path)
    return Shop(f"similar-{seed}", path, "GBP")


def similar_orders(rng):
    by_customer = {}
    for r in orders_of(RETAIL):
        by_customer.setdefault(r["customer_id"], []).append(r)
    everybody = sorted(by_customer)
    start = min(r["event_time"] for all_ in by_customer.values() for r in all_)
    end = max(r["event_time"] for all_ in by_customer.values() for r in all_)
    made = []
    for number, at in enumerate(rng.integers(0, len(everybody), len(everybody))):
        level, shift = 1.3 * numpy.exp(rng.normal(0, .3)), int(rng.uniform(-21, 21) * DAY_MS)
        for r in by_customer[everybody[at]]:
            time_ms = r["event_time"] + shift
            if start <= time_ms <= end:
                made.append({**r, "customer_id": f"x{number}", "event_time": time_ms, "amount": round(r["amount"] * level, 2),
                             "event_id": f"x{number}-{r['event_id']}", "order_id": f"x{number}-{r['order_id']}"})
    return sorted(made, key=lambda r: (r["event_time"], r["event_id"]))
