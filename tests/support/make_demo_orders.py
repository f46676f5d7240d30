#!/usr/bin/env python3
"""Rolls the UCI Online Retail data up to one order per invoice and writes the demo's Avro file.

    make_demo_orders.py --input online_retail_2010_2011.csv.gz [--output config/demo/online_retail_orders.avro]

Nothing is repaired: invoices without a customer keep an empty customer id, adjustments and free or negative invoices
stay as they are, so that the demo shows what cleaning refuses. Same input, same bytes (the sync marker is fixed) but for the
order of keys in the header's schema, which fastavro does not keep.
"""
import argparse
import csv
import gzip
import hashlib
import json
import pathlib
from datetime import datetime, timezone
from decimal import Decimal

import fastavro

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The data's names for countries; those that name no single country (Channel Islands, European Community,
# Unspecified) become null.
COUNTRIES = {
    "United Kingdom": "GB", "Germany": "DE", "France": "FR", "EIRE": "IE", "Spain": "ES", "Netherlands": "NL",
    "Belgium": "BE", "Switzerland": "CH", "Portugal": "PT", "Australia": "AU", "Norway": "NO", "Italy": "IT",
    "Finland": "FI", "Cyprus": "CY", "Sweden": "SE", "Austria": "AT", "Denmark": "DK", "Japan": "JP",
    "Poland": "PL", "Israel": "IL", "USA": "US", "Hong Kong": "HK", "Singapore": "SG", "Iceland": "IS",
    "Canada": "CA", "Greece": "GR", "Malta": "MT", "United Arab Emirates": "AE", "RSA": "ZA", "Lebanon": "LB",
    "Lithuania": "LT", "Brazil": "BR", "Czech Republic": "CZ", "Bahrain": "BH", "Saudi Arabia": "SA",
}


def to_ms(text):
    when = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    return int(when.timestamp()) * 1000


def roll_up(rows):
    """One dict per invoice, in the order of the invoices' first lines; amounts exact in pence."""
    invoices = {}
    for row in rows:
        number = row["InvoiceNo"]
        order = invoices.get(number)
        if order is None:
            order = invoices[number] = {"customer": row["CustomerID"], "time_ms": to_ms(row["InvoiceDate"]),
                                        "amount": Decimal(0), "quantity": 0, "country": row["Country"]}
        if order["customer"] != row["CustomerID"]:
            raise SystemExit(f"invoice {number} has two customers")
        order["time_ms"] = min(order["time_ms"], to_ms(row["InvoiceDate"]))
        order["amount"] += int(row["Quantity"]) * Decimal(row["UnitPrice"])
        order["quantity"] += int(row["Quantity"])
    return invoices


def to_records(invoices):
    for number, order in invoices.items():
        refund = number.startswith("C")
        sign = -1 if refund else 1
        yield {
            "event_id": number, "customer_id": order["customer"], "event_time": order["time_ms"],
            "kind": "refund" if refund else "purchase", "order_id": number,
            "amount": float(sign * order["amount"]), "currency": "GBP", "quantity": sign * order["quantity"],
            "lines": [], "country": COUNTRIES.get(order["country"]), "campaign": None,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", required=True, help="the data set's lines as CSV, gzip")
    parser.add_argument("--output", default=ROOT / "config/demo/online_retail_orders.avro")
    args = parser.parse_args()
    schema = json.loads((ROOT / "config/schemas/order.avsc").read_text())
    with gzip.open(args.input, "rt", encoding="utf-8", newline="") as lines:
        invoices = roll_up(csv.DictReader(lines))
    records = sorted(to_records(invoices), key=lambda r: (r["event_time"], r["order_id"]))
    marker = hashlib.md5(b"online_retail_orders").digest()
    with open(args.output, "wb") as out:
        fastavro.writer(out, fastavro.parse_schema(schema), records, codec="deflate", sync_marker=marker,
                        sync_interval=64000, codec_compression_level=9)
    print(f"{len(records)} orders, {sum(not r['customer_id'] for r in records)} without a customer, "
          f"{sum(r['kind'] == 'refund' for r in records)} refunds, {sum(r['amount'] <= 0 for r in records)} with an "
          f"amount <= 0, {pathlib.Path(args.output).stat().st_size} bytes")


if __name__ == "__main__":
    main()
