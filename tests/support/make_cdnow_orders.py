#!/usr/bin/env python3
"""Turns CDNOW's master file (Fader & Hardie: 69,659 orders of 23,570 customers, 1997-01 to 1998-06) into an Avro file of
orders.

    make_cdnow_orders.py cdnow_master.csv.gz OUTPUT.avro

One order a row, at 00:00 UTC of its day. 255 rows are exact repeats of another: they are orders of their own, so event
ids come from the row's number. Orders of 0 dollars are purchases. Same input, same bytes (the sync marker is fixed).
"""
import argparse
import csv
import gzip
import hashlib
import json
import pathlib
from datetime import datetime, timezone

import fastavro

ROOT = pathlib.Path(__file__).resolve().parents[2]


def to_ms(day):
    return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp()) * 1000


def to_records(rows):
    for number, row in enumerate(rows, 1):
        yield {"event_id": f"cdnow-{number}", "customer_id": row["customer_id"], "event_time": to_ms(row["date"]),
               "kind": "purchase", "order_id": str(number), "amount": float(row["dollars"]), "currency": "USD",
               "quantity": int(row["cds"]), "lines": [], "country": None, "campaign": None}


def make(source, target):
    """Writes the file; returns the records in their order: by time, then as in the source."""
    schema = json.loads((ROOT / "config/schemas/order.avsc").read_text())
    with gzip.open(source, "rt", encoding="utf-8", newline="") as rows:
        records = sorted(to_records(csv.DictReader(rows)), key=lambda r: r["event_time"])
    with open(target, "wb") as out:
        fastavro.writer(out, fastavro.parse_schema(schema), records, codec="deflate",
                        sync_marker=hashlib.md5(b"cdnow_orders").digest())
    return records


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", help="cdnow_master.csv.gz")
    parser.add_argument("output", help="Avro container file")
    args = parser.parse_args()
    records = make(args.input, args.output)
    print(f"{len(records)} orders of {len({r['customer_id'] for r in records})} customers, "
          f"{sum(r['amount'] == 0 for r in records)} of 0 dollars, {pathlib.Path(args.output).stat().st_size} bytes")


if __name__ == "__main__":
    main()
