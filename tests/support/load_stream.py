"""What bench/seg_generate sends, said a second time: event i as a function of the options (bench/load.h defines it).

    stream = LoadStream(seed=1, events=100000, customers=10000)
    record = stream.event(17)    # .source .key .fields .timestamp_ms .flaw, .flaw "fine repeat bad late erase"
"""
import dataclasses
import datetime

MASK = 2**64 - 1
GOLDEN = 0x9e3779b97f4a7c15
REPEAT, BACK, BAD, BAD_KIND, LATE, LATE_BY, ERASE, CUSTOMER, SOURCE, KIND, FIRST, SECOND, THIRD = range(1, 14)
HOUR_MS = 3600000

SOURCES = ["web", "email", "orders", "profiles"]
TOPICS = {"web": "web-events", "email": "email-events", "orders": "orders", "profiles": "profiles"}
SOURCE_BELOW = [(50, 65, 95), (80, 90, 95), (30, 90, 95), (50, 65, 95)]  # by kind of customer: t % 4
WEB_KINDS = [(40, "page_view"), (65, "product_view"), (75, "search"), (85, "cart_add"), (87, "cart_remove"),
             (92, "checkout"), (96, "purchase"), (99, "login"), (100, "signup")]
EMAIL_KINDS = [(40, "sent"), (78, "delivered"), (92, "open"), (96, "click"), (98, "bounce"), (99, "unsubscribe"),
               (100, "complaint")]
DEVICES = ["desktop", "mobile", "tablet", "app", "other"]
COUNTRIES = ["GB", "DE", "FR", "US", "NL"]
TIERS = ["gold", "silver", "bronze", "none"]
REASONS = ["placeholder_id", "bad_amount", "unknown_kind", "missing_field"]
LAPSED = 3


def mix(z):
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9 & MASK
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb & MASK
    return z ^ (z >> 31)


def below(table, x):
    return next(name for limit, name in table if x < limit)


def ppm(share):
    return int(share * 1e6 + .5)


@dataclasses.dataclass
class Record:
    source: str
    key: str
    fields: dict            # by name, absent ones left out
    timestamp_ms: int
    flaw: str
    reason: str = ""        # of a bad one: why it must be refused


class LoadStream:
    def __init__(self, seed=1, events=100000, customers=10000, start_ms=1735689600000, days=30, duplicate_share=.01,
                 bad_share=.002, late_share=.01, erase_share=0):
        self.seed, self.events, self.customers, self.start_ms, self.days = seed, events, customers, start_ms, days
        self.shares = {REPEAT: ppm(duplicate_share), BAD: ppm(bad_share), LATE: ppm(late_share), ERASE: ppm(erase_share)}

    def draw(self, i, k):
        return mix((mix(self.seed ^ mix(i + 1)) + k * GOLDEN) & MASK)

    def drawn(self, i, k):
        return self.draw(i, k) % 10**6 < self.shares[k]

    def slot_ms(self, i):
        return self.start_ms + i * self.days * 86400000 // self.events

    def repeated(self, i):
        if i == 0 or not self.drawn(i, REPEAT):
            return i
        j = i - 1 - self.draw(i, BACK) % min(i, 1000, self.customers)
        return i if any(self.drawn(j, k) for k in (REPEAT, BAD, LATE, ERASE)) else j

    def customer(self, i):
        u = self.draw(i, CUSTOMER) >> 32
        c = (u * u >> 32) * self.customers >> 32
        for _ in range(64):
            if i < self.events * 2 // 5 or mix(c) % 4 != LAPSED:
                break
            c = (c + 1) % self.customers
        return c

    def event(self, i):
        j = self.repeated(i)
        flaw = next((name for k, name in ((BAD, "bad"), (LATE, "late"), (ERASE, "erase")) if self.drawn(j, k)), "fine")
        c = self.customer(j)
        bad = self.draw(j, BAD_KIND) % 4 if flaw == "bad" else None
        source = self.source(j, c, flaw, bad)
        when = self.slot_ms(j) - (1 + self.draw(j, LATE_BY) % (48 * HOUR_MS) if flaw == "late" else 0)
        fields = {"event_id": f"e{j}", "customer_id": f"c{c}", "event_time": when}
        if flaw == "erase":
            fields["kind"] = "erase"
        else:
            fields.update(getattr(self, source)(j, c, when))
        if bad is not None:
            fields.update([{"customer_id": "null"}, {"amount": -5.}, {"kind": "other"}, {"customer_id": ""}][bad])
        return Record(source, fields["customer_id"], fields, self.slot_ms(i), flaw if i == j else "repeat",
                      REASONS[bad] if bad is not None else "")

    def source(self, i, c, flaw, bad):
        if flaw == "erase":
            return "profiles"
        if bad == 1:
            return "orders"
        x = self.draw(i, SOURCE) % 100
        return next((s for s, limit in zip(SOURCES, SOURCE_BELOW[mix(c) % 4]) if x < limit), "profiles")

    def web(self, i, c, when):
        product = self.draw(i, FIRST) % 400
        fields = {"kind": below(WEB_KINDS, self.draw(i, KIND) % 100), "session_id": f"v{c}-{when // HOUR_MS}",
                  "url": f"https://shop.example/p/{product}", "category": f"cat{product % 10}", "product_id": f"p{product}",
                  "device": DEVICES[(mix(c) >> 8) % 5], "country": COUNTRIES[(mix(c) >> 16) % 5]}
        if fields["kind"] == "purchase":
            fields["amount"] = (100 + self.draw(i, SECOND) % 20000) / 100
        return fields

    def email(self, i, _, when):
        fields = {"kind": below(EMAIL_KINDS, self.draw(i, KIND) % 100), "message_id": f"m{i}",
                  "campaign": f"k{self.draw(i, FIRST) % 50}", "machine_open": False}
        if fields["kind"] in ("open", "click"):
            fields["sent_time"] = when - 1 - self.draw(i, SECOND) % (72 * HOUR_MS)
        if fields["kind"] == "open":
            fields["machine_open"] = self.draw(i, THIRD) % 10 == 0
        return fields

    def orders(self, i, c, _):
        purchase = self.draw(i, KIND) % 100 < 92
        cents = 100 + self.draw(i, FIRST) % (2000 << (mix(c) >> 24 & 3))
        return {"kind": "purchase" if purchase else "refund", "order_id": f"o{i}",
                "amount": (cents if purchase else cents // 2) / 100, "quantity": 1 + self.draw(i, SECOND) % 9,
                "country": COUNTRIES[(mix(c) >> 16) % 5]}

    def profiles(self, i, c, _):
        if self.draw(i, KIND) % 100 >= 80:
            return {"kind": "consent", "consent": {"marketing_email": self.draw(i, FIRST) % 8 != 0}}
        return {"kind": "update", "attributes": {"age": 18 + (mix(c) >> 32) % 60, "score": self.draw(i, FIRST) % 1000 / 8,
                                                 "tier": TIERS[mix(c) % 4]}}


def start_ms(text):
    """--start as milliseconds."""
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
