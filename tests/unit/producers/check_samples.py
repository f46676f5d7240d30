#!/usr/bin/env python3
"""Outputs read by an independent reader: single objects and container files by fastavro, JSON by json; all say the same.

    check_samples.py WRITE_SAMPLES SCHEMAS
"""
import base64
import io
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

OUTPUTS = ["segment_change", "segment", "drift_alert", "customer", "dead_letter"]

# What the records must say, written down here by hand (samples.c has them as structs).
CHANGE = {
    "event_id": "0123456789abcdef0123456789abcdef", "customer_id": 'customer "12838"\n\u00e9', "from_segment": "s3",
    "from_name": "new", "to_segment": "s18446744073709551615", "to_name": "loyal, high-value", "reason": "behaviour",
    "model_version": 7 * 2**32 + 123, "distance_from": 3.1, "distance_to": 1e-300, "margin": .25,
    "drivers": [{"feature": "frequency", "value": 5., "zscore": 1.5, "contribution": .7},
                {"feature": "recency_days", "value": None, "zscore": -2., "contribution": .2}],
    "event_time": 1323435000000, "decided_at": 1323435000123, "cause": {"topic": "orders", "partition": 3, "offset": 2**40}}
SEGMENT = {
    "segment_id": "s17", "name": "lapsing high-value", "alias": "wake them", "state": "retired", "origin": "merged",
    "parents": ["s1", "s12"], "customers": 4096, "share": 1 / 3,
    "centroid": [{"feature": "frequency", "value": 4.25, "zscore": 1.1}, {"feature": "monetary", "value": -12., "zscore": -.5}],
    "model_version": 9, "updated_at": 1323435000000}
ALERT = {
    "alert_id": "a1", "subject": "segment:s3/feature:monetary", "segment_id": "s3", "metric": "silhouette", "value": .31,
    "threshold": .25, "critical_value": .02, "n_reference": 4000, "n_current": 5000, "window_start": 1, "window_end": 2,
    "severity": "critical", "state": "cleared", "model_version": 5, "action": "refit_recommended", "event_time": 3}
CUSTOMER = {
    "customer_id": "c1", "segment_id": "s2", "cluster": "1234567890123456789", "distance": .5, "margin": .1,
    "features": {"recency_days": 12.5, "avg_order_value": None, "attr:\u00e4ge": 44.}, "transformed": [2.6, None],
    "vector": [-.1, 0., 1e9]}
LETTER = {
    "key": b"k", "value": b"\x00\x01\xfe", "headers": {"traceparent": b"00-abc-01", "bin\ufffd": b"\x00\xff", "empty": b""},
    "topic": "orders", "partition": 2, "offset": 77, "timestamp": 1323435000000, "reason": "bad_amount",
    "text": "cut in the middle: \ufffd"}
FULL = dict(zip(OUTPUTS, [CHANGE, SEGMENT, ALERT, CUSTOMER, LETTER]))
EMPTY = {
    "segment_change": {
        "event_id": "f" * 32, "customer_id": "", "from_segment": None, "from_name": None, "to_segment": None, "to_name": None,
        "reason": "expiry", "model_version": 0, "distance_from": None, "distance_to": None, "margin": None, "drivers": [],
        "event_time": -1, "decided_at": 0, "cause": None},
    "segment": {
        "segment_id": "s1", "name": "", "alias": None, "state": "active", "origin": "created", "parents": [], "customers": 0,
        "share": 0., "centroid": [], "model_version": 0, "updated_at": 0},
    "drift_alert": {
        "alert_id": "a2", "subject": "shares", "segment_id": None, "metric": "other", "value": 0., "threshold": 0.,
        "critical_value": None, "n_reference": 0, "n_current": 0, "window_start": 0, "window_end": 0, "severity": "warning",
        "state": "raised", "model_version": 0, "action": "none", "event_time": 0},
    "customer": {
        "customer_id": "c2", "segment_id": None, "cluster": None, "distance": None, "margin": None, "features": {},
        "transformed": [], "vector": []},
    "dead_letter": {
        "key": None, "value": None, "headers": {}, "topic": "web", "partition": 0, "offset": 0, "timestamp": None,
        "reason": "null_value", "text": "no value"},
}


def without_logical_types(node):
    """fastavro turns timestamps into datetimes; the numbers are what is compared."""
    if isinstance(node, dict):
        return {k: without_logical_types(v) for k, v in node.items() if k != "logicalType"}
    if isinstance(node, list):
        return [without_logical_types(v) for v in node]
    return node


def as_json(value):
    """The Avro value as the JSON output must have it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {k: as_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_json(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def expect(what, got, wanted):
    if got != wanted:
        raise SystemExit(f"{what}:\n got    {got}\n wanted {wanted}")


def check(folder, schemas, name):
    text = (schemas / f"{name}.avsc").read_text()
    schema = fastavro.parse_schema(without_logical_types(json.loads(text)))
    mark = b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(json.loads(text)), "CRC-64-AVRO"))
    for i, wanted in enumerate([FULL[name], EMPTY[name]]):
        raw = (folder / f"{name}.{i}.bin").read_bytes()
        expect(f"{name} {i}: header", raw[:10], mark)
        body = io.BytesIO(raw[10:])
        expect(f"{name} {i}", fastavro.schemaless_reader(body, schema), wanted)
        expect(f"{name} {i}: bytes left", body.read(), b"")
        line = (folder / f"{name}.{i}.json").read_text(encoding="utf-8")
        expect(f"{name} {i}: lines", line.count("\n"), 0)
        expect(f"{name} {i}: JSON", json.loads(line), as_json(wanted))
        expect(f"{name} {i}: order of fields", list(json.loads(line)), [f["name"] for f in schema["fields"]])
    with open(folder / f"{name}.avro", "rb") as file:
        reader = fastavro.reader(file, reader_schema=schema)
        expect(f"{name}.avro: codec", reader.codec, "null")
        expect(f"{name}.avro", list(reader), [FULL[name], EMPTY[name]])


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        for name in OUTPUTS:
            check(pathlib.Path(folder), pathlib.Path(sys.argv[2]), name)
    print(f"{len(OUTPUTS)} outputs read back")


if __name__ == "__main__":
    main()
