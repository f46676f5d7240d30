#!/usr/bin/env python3
"""Thresholds of docs/quality.md, with fixed seeds: Online Retail's year at k = 4, 6, 8, and small sets with known labels."""
import os
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(os.environ.get("SEG_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(ROOT / "bench/quality"))

import measure
import shop_year
import shops
import static

LATE, EARLY = 1.02, 1.05
IDENTITY_MEAN, IDENTITY_BELOW, BY_MODEL = .97, .15, 1
IDENTITY_LEAST = .75
FLAP_MEAN, FLAP_MOST, ASSIGNED = .01, .03, 1.06


class RetailYear(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="segmentd-quality-")
        cls.work, cls.shop = pathlib.Path(cls.folder.name), shops.retail()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check(self, k):
        output, _ = shop_year.run(self.work, self.shop, k)
        ratio, identity, moves = (measured(self.shop, output) for measured in
                                  (shop_year.ratios, shop_year.identity, shop_year.moves))
        print(f"k={k}: ratio {ratio['early']:.4f} {ratio['late']:.4f}  identity {identity}  moves {moves}", flush=True)
        self.assertEqual(len(ratio["all"]), 12)
        self.assertLessEqual(ratio["late"], LATE)
        self.assertLessEqual(ratio["early"], EARLY)
        self.assertGreater(identity["attempts"], 35)
        self.assertGreaterEqual(shop_year.promotions(output), 4)
        self.assertGreaterEqual(identity["mean"], IDENTITY_MEAN)
        self.assertLessEqual(identity["below"], IDENTITY_BELOW)
        self.assertGreaterEqual(identity["least"], IDENTITY_LEAST)
        self.assertEqual(shop_year.reused_ids(output), set())
        self.assertLessEqual(moves["by_model"], BY_MODEL)
        self.assertGreater(moves["windows"], 35)
        self.assertLess(moves["mean"], FLAP_MEAN)
        self.assertLess(moves["most"], FLAP_MOST)
        self.assertLessEqual(moves["assigned"], ASSIGNED)

    def test_four_segments(self):
        self.check(4)

    def test_six_segments(self):
        self.check(6)

    def test_eight_segments(self):
        self.check(8)


@unittest.skipUnless((static.DATA / "clustering").exists(), f"the sets are not at {static.DATA}; SEG_DATA names another folder")
class KnownLabels(unittest.TestCase):
    def check(self, name):
        for order in static.ORDERS:
            with tempfile.TemporaryDirectory(prefix="segmentd-quality-") as folder:
                found = static.run(pathlib.Path(folder), name, order)
            print(name, order, found, flush=True)
            self.assertEqual(found["clusters"], static.SETS[name][1])
            self.assertGreaterEqual(found["ari"], found["full_ari"] - .01, order)
            self.assertLessEqual(found["ratio"], LATE, order)

    def test_hepta(self):
        self.check("Hepta")

    def test_s1(self):
        self.check("S1")

    def test_s3(self):
        self.check("S3")

    def test_a1(self):
        self.check("A1")


class Figures(unittest.TestCase):
    """The measures themselves, on cases worked out by hand."""

    def test_a_flap_is_a_way_back_within_seven_days(self):
        day = measure.DAY_MS
        def change(when, from_, to):
            return {"decided_at": when * day, "from_segment": from_, "to_segment": to}
        changes = object.__new__(measure.Changes)
        changes.chains = {"back": [change(0, None, "a"), change(10, "a", "b"), change(16, "b", "a")],
                          "late": [change(0, None, "a"), change(10, "a", "b"), change(18, "b", "a")],
                          "on": [change(0, None, "a"), change(10, "a", "b"), change(12, "b", "c")],
                          "new": [change(15, None, "b"), change(16, "b", "a")]}
        self.assertEqual(list(changes.flapping(0, 28 * day)), [0, 0, .25, 0])

    def test_identity_is_the_share_that_stays(self):
        def model(*at):
            return {"features": [{"mean": 0, "scale": 1, "weight": 1, "imputed": 0}], "pca": None,
                    "centroids": [{"segment_id": f"s{i}", "vector": [x]} for i, x in enumerate(at)]}
        refit = object.__new__(measure.Refit)
        refit.promoted, refit.before, refit.model = True, model(0, 10), model(0, 6)
        self.assertEqual(refit.identity(measure.numpy.array([[0.], [2.], [4.], [9.]])), .75)


if __name__ == "__main__":
    unittest.main()
