#!/usr/bin/env python3
"""make bench-quality: how good segments are, as tables; `--write-doc` puts them into docs/quality.md between their marks.

    quality.py [--only PART…] [--write-doc]     parts: ratio, peers, space, static, squares, identity, flapping, erasure
"""
import argparse
import pathlib
import re
import sys
import tempfile
import time

import erasure
import measure
import peers
import shop_year
import shops
import squares
import static

KS = (4, 6, 8)
YEARS_RESAMPLED = (1, 2, 3)
DOC = measure.ROOT / "docs/quality.md"


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def both(work):
    return [shops.cdnow(work), shops.retail()]


def ratio_row(shop, k, output):
    found = shop_year.ratios(shop, output)
    moments = [m for m in measure.checkpoints(output) if m.days_since_first_fit >= measure.YOUNG_DAYS]
    return (shop.name, k, f"{found['early']:.4f}", f"{found['late']:.4f}", f"{max(m.ratio(True) for m in moments):.4f}",
            f"{shop_year.moves(shop, output)['assigned']:.3f}")


RATIO_HEAD = ("stream", "k", "before day 60", "from day 60 on", "there, frozen scaler", "assigned over nearest")


def part_ratio(work):
    return table(RATIO_HEAD, [ratio_row(shop, k, shop_year.run(work, shop, k)[0]) for shop in both(work) for k in KS])


def part_peers(work):
    rows = []
    for shop in both(work):
        for k in KS:
            instants = [shop.first_ms + days * measure.DAY_MS for days in range(60, 360, 30)]
            rows.append((shop.name, k, f"{peers.ratios(shop, k, instants, peers.MiniBatch(k)):.1f}"))
    return table(("stream", "k", "MiniBatchKMeans.partial_fit"), rows)


def part_space(work):
    rows = []
    for shop in both(work):
        for k in KS:
            output, _ = shop_year.run(work, shop, k, pca=3)
            found = shop_year.ratios(shop, output, model_space=True)
            rows.append((shop.name, k, f"{found['early']:.4f}", f"{found['late']:.4f}"))
    return table(("stream, 3 components", "k", "before day 60", "from day 60 on"), rows)


def part_static(work):
    rows = []
    for name in static.SETS:
        for order in static.ORDERS:
            r = static.run(work, name, order)
            rows.append((name, order, f"{r['ari']:.4f}", f"{r['full_ari']:.4f}", f"{r['ratio']:.4f}", r["promotions"], f"{r['seconds']:.0f} s"))
    return table(("set", "arrival", "ARI", "full k-means", "ratio", "promotions", "replay"), rows)


def part_squares(work):
    return table(("day", "ARI", "full refit", "lag, days"),
                 [(f"{day:.0f}", f"{ari:.3f}", f"{full:.3f}", f"{lag:.2f}") for day, ari, full, lag in squares.run(work)])


def identity_row(shop, k, output):
    found, promoted = shop_year.identity(shop, output), shop_year.identity(shop, output)["promoted"]
    return (shop.name, k, found["attempts"], found["held"], f"{found['mean']:.4f}", f"{100 * found['below']:.1f} %",
            f"{found['least']:.3f}", f"{sum(promoted) / len(promoted):.3f}" if promoted else "",
            f"{shop_year.moves(shop, output)['by_model']:.2f}", shop_year.promotions(output), len(shop_year.reused_ids(output)))


IDENTITY_HEAD = ("stream", "k", "attempts", "held", "identity, mean", "below .95", "least", "promoted alone", "moves by model",
                 "promotions in all", "ids reused")


def part_identity(work):
    every = [shops.retail(), *(shops.similar(work, seed) for seed in YEARS_RESAMPLED), shops.cdnow(work)]
    return table(IDENTITY_HEAD, [identity_row(shop, k, shop_year.run(work, shop, k)[0]) for shop in every for k in KS])


def flapping_row(shop, k, output):
    found = shop_year.moves(shop, output)
    return (shop.name, k, f"{100 * found['mean']:.2f} %", f"{100 * found['most']:.2f} %", found["windows"],
            f"{found['assigned']:.3f}")


FLAPPING_HEAD = ("stream", "k", "mean of the weeks", "worst week", "weeks", "assigned over nearest")


def part_flapping(work):
    every = [shops.retail(), shops.similar(work, YEARS_RESAMPLED[0]), shops.cdnow(work)]
    return table(FLAPPING_HEAD, [flapping_row(shop, k, shop_year.run(work, shop, k)[0]) for shop in every for k in KS])


def part_erasure(work):
    return erasure.table()


PARTS = {name[len("part_"):]: part for name, part in list(globals().items()) if name.startswith("part_")}


def write(name, text):
    doc = DOC.read_text()
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    if not pattern.search(doc):
        raise measure.Failed(f"{DOC} has no marks for {name}")
    DOC.write_text(pattern.sub(lambda m: m[1] + text + "\n" + m[2], doc))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), default=list(PARTS))
    parser.add_argument("--write-doc", action="store_true", help="into docs/quality.md")
    args = parser.parse_args()
    if not shops.CDNOW.exists():
        print(f"the data are not at {shops.CDNOW.parent}; SEG_DATA names another folder")
        return 1
    for name in args.only:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="segmentd-quality-") as folder:
            text = PARTS[name](pathlib.Path(folder))
        text += f"\n\n{time.monotonic() - started:.0f} s."
        print(f"== {name}\n{text}\n", flush=True)
        if args.write_doc:
            write(name, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
