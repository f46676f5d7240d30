#!/usr/bin/env python3
"""The demo's stream as an independent reader sees it: every event is one of the shipped schemas, the orders are all there,
what is made up says so, and how customers browse and open mail follows from how they buy.

    check_demo_events.py WRITE_DEMO_EVENTS SCHEMAS
"""
import collections
import io
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

SCHEMAS = ["web_event", "email_event", "order", "profile_update"]
WEB, EMAIL, ORDERS, PROFILES = range(4)


def without_logical_types(node):
    if isinstance(node, dict):
        return {k: without_logical_types(v) for k, v in node.items() if k != "logicalType"}
    if isinstance(node, list):
        return [without_logical_types(v) for v in node]
    return node


def expect(condition, what):
    if not condition:
        raise SystemExit(what)


def load_schemas(folder):
    readers = []
    for name in SCHEMAS:
        plain = json.loads((folder / f"{name}.avsc").read_text())
        mark = b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(plain), "CRC-64-AVRO"))
        readers.append((mark, fastavro.parse_schema(without_logical_types(plain))))
    return readers


def events(data, readers):
    at = 0
    while at < len(data):
        source, key_len, value_len, time_ms = struct.unpack_from("<3Iq", data, at)
        at += 20
        key, value = data[at:at + key_len], data[at + key_len:at + key_len + value_len]
        at += key_len + value_len
        mark, schema = readers[source]
        expect(value[:10] == mark, f"event before byte {at} has not its schema's fingerprint")
        body = io.BytesIO(value[10:])
        record = fastavro.schemaless_reader(body, schema)
        expect(not body.read(), f"{record['event_id']}: bytes left")
        expect(record["customer_id"].encode() == key, f"{record['event_id']}: key {key}")
        expect(record["event_time"] == time_ms, f"{record['event_id']}: time {time_ms}")
        yield source, record


def check_orders(seen):
    orders = [r for source, r in seen if source == ORDERS]
    expect(len(orders) == 25900, f"{len(orders)} orders")
    expect(sum(not r["customer_id"] for r in orders) == 3710, "orders without a customer")
    expect(sum(r["kind"] == "refund" for r in orders) == 3836, "refunds")
    expect(len({r["order_id"] for r in orders}) == 25900, "an order comes twice")
    expect(sum(r["amount"] <= 0 for r in orders) > 1000, "bad rows are missing")
    expect(not any(r["event_id"].startswith("syn-") for r in orders), "a real order is called synthetic")


def check_synthetic(seen):
    made_up = [(source, r) for source, r in seen if source != ORDERS]
    expect(all(r["event_id"].startswith("syn-") for _, r in made_up), "a synthetic event does not say so")
    expect(len({(source, r["event_id"]) for source, r in made_up}) == len(made_up), "an event id comes twice")
    expect(all(r["customer_id"] for _, r in made_up), "a synthetic event without a customer")
    kinds = collections.Counter((source, r["kind"]) for source, r in made_up)
    for source, names in ((WEB, "page_view product_view search cart_add cart_remove checkout purchase login"),
                          (EMAIL, "sent delivered open click bounce unsubscribe complaint"), (PROFILES, "update consent")):
        for name in names.split():
            expect(kinds[source, name] >= 10, f"{kinds[source, name]} events of kind {name}")
    expect(any(r["machine_open"] for source, r in made_up if source == EMAIL), "no mailbox opens by machine")
    for source, r in made_up:
        if source == EMAIL and r["kind"] in ("open", "click"):
            expect(r["sent_time"] is not None and r["sent_time"] <= r["event_time"], f"{r['event_id']}: sent_time")


def check_behaviour(seen):
    """Buyers in three groups: who buys more visits more, opens more of their mail, and fewer of their carts stay behind."""
    counts = collections.defaultdict(collections.Counter)
    for source, r in seen:
        if r["customer_id"] and not r.get("machine_open"):
            counts[r["customer_id"]][source, r["kind"]] += 1
    groups = [collections.Counter() for _ in range(3)]
    for c in counts.values():
        n = c[ORDERS, "purchase"]
        if n:
            group = groups[0 if n == 1 else 1 if n <= 8 else 2]
            group.update(c)
            group["customers"] += 1
    views = [g[WEB, "product_view"] / g["customers"] for g in groups]
    opens = [g[EMAIL, "open"] / g[EMAIL, "delivered"] for g in groups]
    carts = [g[WEB, "cart_add"] / g[WEB, "purchase"] for g in groups]
    expect(views[0] * 2 < views[1] and views[1] * 2 < views[2], f"product views a customer: {views}")
    expect(opens[0] * 1.3 < opens[1] and opens[1] * 1.3 < opens[2] and opens[2] < .8, f"opens of delivered: {opens}")
    expect(carts[0] > carts[2], f"carts a purchase: {carts}")


def main():
    readers = load_schemas(pathlib.Path(sys.argv[2]))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "events"
        subprocess.run([sys.argv[1], "1", path], check=True)
        seen = list(events(path.read_bytes(), readers))
    times = [r["event_time"] for _, r in seen]
    expect(len(seen) >= 210000, f"{len(seen)} events")
    expect(all(a <= b for a, b in zip(times, times[1:])), "time falls")
    check_orders(seen)
    check_synthetic(seen)
    check_behaviour(seen)
    print(f"{len(seen)} events are right")


if __name__ == "__main__":
    main()
