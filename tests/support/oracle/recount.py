"""What the inputs say: every record is cleaned, deduplicated and counted anew, in the plainest way there is, and every
customer's features are computed from lists of event times. Shares nothing with the engine but the written definitions."""
import collections
import heapq
import io
import json
import math
import pathlib
import zlib

import fastavro
import fastavro.schema
import xxhash

from wire import SOURCES

SCHEMA_FILES = {"web": "web_event", "email": "email_event", "orders": "order", "profiles": "profile_update"}
DAY_MS = 86400000
HALF_LIVES = (("1d", DAY_MS), ("7d", 7 * DAY_MS), ("30d", 30 * DAY_MS))
MONTH_MS, ORDERS_MS = 30 * DAY_MS, 60 * DAY_MS
BUCKET_MS, BUCKETS, PURCHASE_DAYS, WINDOW = 30 * 60000, 1440, 1024, 64
PLACEHOLDERS = {"null", "none", "undefined", "nan", "anonymous", "unknown", "guest", "0"}
BOTS = ("bot", "crawler", "spider", "slurp", "headless")
DEVICES = ("desktop", "mobile", "tablet", "app")
WEB_NAMES = {"page_views": "page_view", "product_views": "product_view", "searches": "search", "carts": "cart_add",
             "cart_removes": "cart_remove", "checkouts": "checkout", "web_purchases": "purchase", "logins": "login"}
EMAIL_NAMES = {"emails_sent": "sent", "emails_delivered": "delivered", "opens": "open", "clicks": "click",
               "bounces": "bounce", "unsubscribes": "unsubscribe", "complaints": "complaint"}
TIME_MIN_MS, TIME_MAX_MS = 31536000000, 7258118400000  # 1971 to 2200
MAX_BYTES, MAX_ID = 1 << 20, 512
# Reasons that a reader of bytes may tell apart and this one does not.
UNREADABLE = {"truncated", "trailing_bytes", "bad_varint", "bad_boolean", "bad_length", "bad_block", "too_many_items",
              "too_deep", "too_complex", "bad_union_index", "bad_enum_index", "bad_utf8"}


def murmur2(key):
    """Of Kafka's Java client (org.apache.kafka.common.utils.Utils.murmur2)."""
    mask, m = 0xffffffff, 0x5bd1e995
    h = 0x9747b28c ^ len(key)
    whole = len(key) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if len(key) > whole:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key, partitions):
    return (murmur2(key) & 0x7fffffff) % partitions


def llround(x):
    """Half away from zero, as C does; exact for doubles below 2^52."""
    return math.floor(x + .5) if x - math.floor(x) != .5 or x >= 0 else math.ceil(x - .5)


class Reader:
    """Bytes of a source to a dict, or a reason."""

    def __init__(self, schema_dir):
        self.schemas = {}
        for source, name in SCHEMA_FILES.items():
            raw = json.loads((pathlib.Path(schema_dir) / f"{name}.avsc").read_text())
            print_ = fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(raw), "CRC-64-AVRO")
            parsed = fastavro.parse_schema(without_logical_types(raw))
            # fastavro writes the fingerprint's bytes in little endian, as they stand after C3 01.
            self.schemas[source] = (b"\xc3\x01" + bytes.fromhex(print_), parsed)

    def header(self, source):
        return self.schemas[source][0]

    def encode(self, source, fields):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self.schemas[source][1], fields)
        return self.header(source) + out.getvalue()

    def read(self, source, value):
        if value is None:
            return None, "null_value"
        if len(value) > MAX_BYTES:
            return None, "too_large"
        if value[:2] != b"\xc3\x01":
            return None, "not_single_object"
        header, schema = self.schemas[source]
        if value[:10] != header:
            return None, "unknown_schema"
        body = io.BytesIO(value)
        body.seek(10)
        try:
            event = fastavro.schemaless_reader(body, schema)
        except Exception:  # fastavro raises whatever its depth comes upon
            return None, "unreadable"
        return (event, None) if body.tell() == len(value) else (None, "unreadable")


def without_logical_types(node):
    if isinstance(node, dict):
        return {k: without_logical_types(v) for k, v in node.items() if k != "logicalType"}
    return [without_logical_types(v) for v in node] if isinstance(node, list) else node


def bad_id(text):
    return len(text.encode()) > MAX_ID or any(ord(c) < 32 or ord(c) == 127 for c in text)


def clean(source, event, key, partition, partitions, timestamp_ms, options):
    """The reason to refuse it, or None; the record alone decides."""
    who, when = event["customer_id"], event["event_time"]
    if not event["event_id"] or not who:
        return "missing_field"
    if bad_id(who) or bad_id(event["event_id"]):
        return "bad_id"
    if who.lower() in PLACEHOLDERS or not who.strip("0"):
        return "placeholder_id"
    if not TIME_MIN_MS <= when <= TIME_MAX_MS:
        return "bad_time"
    if timestamp_ms is not None and timestamp_ms >= 0 and when > timestamp_ms + options["max_future_ms"]:
        return "too_far_ahead"
    if event["kind"] == "other":
        return "unknown_kind"
    amount = event.get("amount")
    if amount is not None:
        rate = options["rates"].get(event.get("currency") or options["base"])
        if rate is None:
            return "unknown_currency"
        if not math.isfinite(amount) or amount < 0 or amount * rate > options["max_amount"]:
            return "bad_amount"
    agent = (event.get("user_agent") or "").lower()
    if source == "web" and any(bot in agent for bot in BOTS):
        return "bot"
    if key is None or key != who.encode():
        return "key_mismatch"
    return "wrong_partition" if partition_of(key, partitions) != partition else None


class Customer:
    __slots__ = ("id", "partition", "purchases", "refunds", "purchased", "refunded", "order_times", "days", "day_spend", "web",
                 "devices", "day_parts", "buckets", "web_last", "email", "machine_opens", "latency", "attributes",
                 "consents", "seen", "applied", "first_offset", "first_ms", "last_ms", "erased")

    def __init__(self, name, partition):
        self.id, self.partition = name, partition
        self.purchases = self.refunds = self.purchased = self.refunded = self.machine_opens = 0
        self.order_times, self.days, self.buckets, self.latency = [], set(), set(), []
        self.web, self.email, self.devices, self.day_parts, self.day_spend = {}, {}, {}, {}, {}
        self.attributes, self.consents = {}, {}
        self.seen, self.applied, self.first_offset = {}, {}, {}
        self.web_last = self.first_ms = self.last_ms = None
        self.erased = False  # an erase record of theirs was accepted

    def repeat(self, source, when, name):
        """Counts the id among the largest WINDOW by (event time, hash); True if it is there already."""
        ids = xxhash.xxh3_64_intdigest(name.encode())
        heap, known = self.seen.setdefault(source, ([], set()))
        if ids in known:
            return True
        if len(heap) < WINDOW:
            heapq.heappush(heap, (when, ids))
            known.add(ids)
        elif (when, ids) > heap[0]:
            known.discard(heapq.heappushpop(heap, (when, ids))[1])
            known.add(ids)
        return False

    def take(self, source, offset, event, rate):
        when = event["event_time"]
        if source == "profiles" and event["kind"] in ("identify", "erase"):
            self.erased |= event["kind"] == "erase"
            return False
        if self.repeat(source, when, event["event_id"]):
            return False
        getattr(self, "take_" + source)(event, when, rate)
        self.applied[source] = offset
        self.first_offset.setdefault(source, offset)
        self.first_ms = when if self.first_ms is None else min(self.first_ms, when)
        self.last_ms = when if self.last_ms is None else max(self.last_ms, when)
        return True

    def take_orders(self, event, when, rate):
        micro = llround(event["amount"] * rate * 1e6)
        if event["kind"] == "refund":
            self.refunds += 1
            self.refunded += micro
            return
        self.purchases += 1
        self.purchased += micro
        self.order_times.append(when)
        self.days.add(when // DAY_MS)
        self.day_spend[when // DAY_MS] = self.day_spend.get(when // DAY_MS, 0) + micro

    def first_day(self):
        return self.day_spend[min(self.day_spend)] if self.day_spend else self.purchased

    def take_web(self, event, when, _):
        self.web.setdefault(event["kind"], []).append(when)
        self.buckets.add(when // BUCKET_MS)
        self.web_last = when if self.web_last is None else max(self.web_last, when)
        if event["device"]:
            device = event["device"].lower()
            self.devices.setdefault(device if device in DEVICES else "other", []).append(when)
        self.day_parts.setdefault(when % DAY_MS // (DAY_MS // 4), []).append(when)

    def take_email(self, event, when, _):
        if event["kind"] == "open" and event["machine_open"]:
            self.machine_opens += 1
            return
        self.email.setdefault(event["kind"], []).append(when)
        if event["kind"] == "open" and event["sent_time"] is not None:
            self.latency.append((when, math.log1p(max(0., (when - event["sent_time"]) / 3600000))))

    def take_profiles(self, event, when, _):
        order = (when, xxhash.xxh3_64_intdigest(event["event_id"].encode()))
        for name, value in event["attributes"].items():
            if name not in self.attributes or order >= self.attributes[name][0]:
                self.attributes[name] = (order, value)
        for purpose, granted in event["consent"].items():
            before = self.consents.get(purpose)
            if before is None or when > before[0]:
                self.consents[purpose] = (when, granted)
            elif when == before[0]:
                self.consents[purpose] = (when, granted and before[1])


def decayed(times, half_life_ms, now_ms):
    return math.fsum(2. ** ((when - now_ms) / half_life_ms) for when in times)


def since(then_ms, now_ms):
    return None if then_ms is None else max(0., (now_ms - then_ms) / DAY_MS)


def share(groups, which, now_ms):
    total = math.fsum(decayed(times, MONTH_MS, now_ms) for times in groups.values())
    return decayed(groups.get(which, ()), MONTH_MS, now_ms) / total if total > 0 else None


def sessions(c, now_ms):
    """(sessions, 30-minute buckets) of the last 30 days."""
    if not c.buckets:
        return 0, 0
    newest = max(max(c.buckets), now_ms // BUCKET_MS)
    there = {b for b in c.buckets if newest - b < BUCKETS}
    return sum(b - 1 not in there for b in there), len(there)


def rfm(c, now_ms):
    last, first = max(c.order_times, default=None), min(c.order_times, default=None)
    days = len(sorted(c.days)[-PURCHASE_DAYS:])
    monetary = (c.purchased - c.refunded) / 1e6
    return {"recency_days": since(last, now_ms), "tenure_days": since(first, now_ms), "frequency": c.purchases,
            "monetary": monetary, "avg_order_value": monetary / c.purchases if c.purchases else None,
            "interpurchase_days": (last - first) / DAY_MS / (days - 1) if days > 1 else None,
            "orders_60d": decayed(c.order_times, ORDERS_MS, now_ms), "purchase_days": days}


def behaviour(c, now_ms):
    values = {f"{name}_{label}": decayed(c.web.get(kind, ()), ms, now_ms)
              for name, kind in WEB_NAMES.items() for label, ms in HALF_LIVES}
    runs, buckets = sessions(c, now_ms)
    rates = [math.fsum(decayed(times, ms, now_ms) for times in c.web.values()) * math.log(2) * DAY_MS / ms
             for _, ms in HALF_LIVES]
    values.update({
        "web_recency_days": since(c.web_last, now_ms), "sessions_30d": runs,
        "session_minutes": buckets * 30 / runs if runs else None,
        "cart_abandonment_rate": 1 - min(1, (values["web_purchases_30d"] + .6) / (values["carts_30d"] + 2)),
        "engagement_trend": math.log((rates[1] + 1) / (rates[2] + 1))})
    for device in (*DEVICES, "other"):
        values[f"device_{device}_share"] = share(c.devices, device, c.web_last)
    for part, hours in enumerate(("00_06", "06_12", "12_18", "18_24")):
        values[f"hours_{hours}_share"] = share(c.day_parts, part, c.web_last)
    return values


def email(c, now_ms):
    values = {f"{name}_{label}": decayed(c.email.get(kind, ()), ms, now_ms)
              for name, kind in EMAIL_NAMES.items() for label, ms in HALF_LIVES}
    clicks, opens = c.email.get("click", []), c.email.get("open", [])
    sent, opened, clicked = values["emails_delivered_30d"], values["opens_30d"], values["clicks_30d"]
    engaged = opened + 2 * clicked
    newest = max((when for when, _ in c.latency), default=None)
    weight = decayed([when for when, _ in c.latency], MONTH_MS, newest) if c.latency else 0
    latency = math.fsum(2. ** ((when - newest) / MONTH_MS) * x for when, x in c.latency)
    values.update({
        "email_recency_days": since(max(opens + clicks, default=None), now_ms),
        "click_recency_days": since(max(clicks, default=None), now_ms),
        "open_rate": min(1, (opened + 4) / (sent + 20)), "click_rate": min(1, (clicked + .4) / (sent + 20)),
        "click_to_open_rate": min(1, (clicked + 2) / (opened + 20)),
        "open_latency_hours": math.expm1(latency / weight) if weight > 0 else None,
        "email_engagement": engaged / (engaged + 4)})
    return values


GROUPS = (rfm, behaviour, email)
# Which of them has a feature.
GROUP_OF = {name: group for group in GROUPS for name in group(Customer("", 0), 0)}


def features(c, now_ms, names=None):
    """Of the catalogue, by name; None: missing. Numeric attributes as attr:NAME. names: those that are needed."""
    groups = GROUPS if names is None else {GROUP_OF[name] for name in names if name in GROUP_OF}
    values = {}
    for group in groups:
        values.update(group(c, now_ms))
    for name, (_, value) in c.attributes.items():
        if isinstance(value, (bool, int, float)):
            values[f"attr:{name}"] = float(value)
    for wanted in names or ():
        if wanted.startswith("attr:") and "=" in wanted:
            values[wanted] = one_hot(c, *wanted[5:].split("=", 1))
    return values


def one_hot(c, name, wanted):
    value = c.attributes.get(name, (None, None))[1]
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(float(wanted) == value)
        except ValueError:
            return 0.
    return float(("true" if value else "false") == wanted) if isinstance(value, bool) else float(value == wanted)


class Recount:
    """Takes all input records, each partition of a source in order."""

    def __init__(self, schema_dir, partitions, max_future_ms=3600000, base="EUR", rates=None, max_amount=1e7, keep_one_in=1):
        """keep_one_in: whose records are kept, so that one may ask what a customer was at an earlier moment."""
        self.reader, self.partitions, self.keep_one_in = Reader(schema_dir), partitions, keep_one_in
        self.options = {"max_future_ms": max_future_ms, "base": base, "rates": {base: 1., **(rates or {})},
                        "max_amount": max_amount}
        self.customers = {}
        self.refused = {}                               # (source, partition, offset): (reason, key, value)
        self.owner = collections.defaultdict(dict)      # (source, partition): offset: customer, of those that changed one
        self.repeated = collections.defaultdict(dict)   # the same of those that were told before
        self.history = {}                               # customer: [(source, offset, event, rate)], those that are kept
        self.erase_records = collections.defaultdict(list)  # customer: offsets in profiles
        self.records = self.repeats = 0
        self.last = {}                                  # (source, partition): greatest offset

    def take(self, source, partition, offset, key, value, timestamp_ms):
        self.records += 1
        self.last[source, partition] = offset
        event, reason = self.reader.read(source, value)
        if not reason:
            reason = clean(source, event, key, partition, self.partitions, timestamp_ms, self.options)
        if reason:
            self.refused[source, partition, offset] = (reason, key, value)
            return
        who = event["customer_id"]
        customer = self.customers.get(who)
        if customer is None:
            customer = self.customers[who] = Customer(who, partition)
            if zlib.crc32(who.encode()) % self.keep_one_in == 0:
                self.history[who] = []
        rate = self.options["rates"][event.get("currency") or self.options["base"]]
        if source == "profiles" and event["kind"] == "erase":
            self.erase_records[who].append(offset)
        elif who in self.history:
            self.history[who].append((source, offset, event, rate))
        if customer.take(source, offset, event, rate):
            self.owner[source, partition][offset] = customer.id
        elif source != "profiles" or event["kind"] not in ("identify", "erase"):
            self.repeated[source, partition][offset] = customer.id
            self.repeats += 1

    def living(self):
        """Customers of whom an event counted."""
        return {c.id: c for c in self.customers.values() if c.applied}


assert set(SCHEMA_FILES) == set(SOURCES)
