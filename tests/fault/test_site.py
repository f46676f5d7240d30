#!/usr/bin/env python3
"""What a run's judgement makes of the words of `segmentd state verify`."""
import pathlib
import sys
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib.site import Site  # noqa: E402

EQUAL = [f"partition {p}: sums equal the recount (buckets: 4, told at commit 9)" for p in range(2)]
FLEET = "fleet: sums equal the recount over all 2 partitions (buckets: 5)"


def unsaid(*lines):
    return Site.unsaid(types.SimpleNamespace(partitions=2), "\n".join(lines))


class UnsaidTest(unittest.TestCase):
    def test_all_is_said(self):
        self.assertEqual(unsaid("partition 0: 7 profiles, all checksums right", *EQUAL, FLEET), [])

    def test_not_compared_is_not_enough(self):
        self.assertIn("partition 1", str(unsaid(
            EQUAL[0], "partition 1: sums not compared: the store is not whole as of the newest commit", FLEET)))

    def test_nothing_to_compare_is_not_enough(self):
        self.assertIn("partition 1", str(unsaid(
            EQUAL[0], "partition 1: no closing record on app-model-sums: there are no sums to compare with the recount", FLEET)))

    def test_a_partition_said_twice(self):
        self.assertIn("partition 0", str(unsaid(EQUAL[0], *EQUAL, FLEET)))

    def test_fleet_of_fewer_partitions(self):
        self.assertIn("fleet", str(unsaid(*EQUAL, FLEET.replace("all 2", "all 1"))))

    def test_fleet_not_compared(self):
        self.assertIn("fleet", str(unsaid(*EQUAL, "fleet: sums not compared: equal to the recount in 1 of 2 partitions")))


if __name__ == "__main__":
    unittest.main()
