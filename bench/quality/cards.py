#!/usr/bin/env python3
"""Can someone who reads only the segments' names and sentences place customers? Writes, for a year of Online Retail with the rfm
preset, catalogue.md (names and sentences), cards.md (20 customers in words, drawn with a seed) and key.json (their segments):

    cards.py --output DIR [--k 4 6 8] [--seed N]           into DIR/cards-k4, …
    cards.py --score DIR/cards-k4/key.json ANSWERS.json    {"1": "A", …}: how many are right

Needs the target seg_describe (SEG_BUILD_DIR names the build)."""
import argparse
import json
import pathlib
import random
import subprocess
import tempfile

import fastavro

import shops
from replay_run import BUILD, replay

CARDS = 20


def days(x):
    return "today" if x < .5 else "1 day ago" if x < 1.5 else f"{x:.0f} days ago" + (f" ({x / 30.44:.0f} months)" if x >= 60 else "")


def card(features):
    """The features of the preset in words."""
    f = {name: value for name, value in features.items() if value is not None}
    parts = []
    if "recency_days" in f:
        parts.append(f"last bought {days(f['recency_days'])}")
    times = round(f["frequency"])
    parts.append("never bought" if times == 0 else "bought once" if times == 1 else f"bought {times} times")
    parts.append(f"spent {f['monetary']:,.0f} in all")
    if "avg_order_value" in f:
        parts.append(f"spent {f['avg_order_value']:,.0f} a purchase")
    if "tenure_days" in f:
        parts.append(f"first bought {days(f['tenure_days'])}")
    parts.append(f"{f['orders_60d']:.1f} purchases lately")
    return "; ".join(parts) + "."


def described(checkpoint):
    with open(checkpoint / "model.json", encoding="utf-8") as model:
        done = subprocess.run([BUILD / "bench/seg_describe"], stdin=model, capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def write(output, segments, rows, seed):
    output.mkdir(parents=True, exist_ok=True)
    letters = {s["segment_id"]: chr(ord("A") + i) for i, s in enumerate(segments)}
    lines = ["# Segments", "", "What is told is typical; \"most\" are the other customers of the shop. Amounts are pounds. Purchases "
             "lately: older ones count less, half after 60 days.", ""]
    lines += [f"**{letters[s['segment_id']]}: {s['name']}** ({s['customers']} customers). {s['description']}\n" for s in segments]
    (output / "catalogue.md").write_text("\n".join(lines))
    drawn = random.Random(seed).sample([r for r in rows if r["segment_id"] in letters], CARDS)
    (output / "cards.md").write_text("# Customers\n\n" + "".join(f"{i}. {card(r['features'])}\n" for i, r in enumerate(drawn, 1)))
    key = {str(i): letters[r["segment_id"]] for i, r in enumerate(drawn, 1)}
    (output / "key.json").write_text(json.dumps(key, indent=1) + "\n")


def features_of(row):
    f = row["features"]
    return f if isinstance(f, dict) else {x["name"]: x["value"] for x in f}


def make(output, k, seed):
    shop = shops.retail()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        replay(shop.config(work, k=k), [shop.path], work / "out", "--checkpoint-days", 30)
        checkpoint = max(p.parent for p in (work / "out").rglob("customers.avro"))
        with open(checkpoint / "customers.avro", "rb") as file:
            rows = [{**r, "features": features_of(r)} for r in fastavro.reader(file)]
        write(output / f"cards-k{k}", described(checkpoint), rows, seed)


def score(key, answers):
    key, answers = (json.loads(pathlib.Path(path).read_text()) for path in (key, answers))
    right = sum(answers.get(i) == segment for i, segment in key.items())
    print(f"{right} of {len(key)}; wrong: {', '.join(f'{i}: {answers.get(i)} for {s}' for i, s in key.items() if answers.get(i) != s)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--k", type=int, nargs="+", default=[4, 6, 8])
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--score", nargs=2, metavar=("KEY", "ANSWERS"))
    arguments = parser.parse_args()
    if arguments.score:
        score(*arguments.score)
    elif arguments.output:
        for k in arguments.k:
            make(arguments.output, k, arguments.seed)
    else:
        parser.error("--output or --score")


if __name__ == "__main__":
    main()
