#!/usr/bin/env python3
"""`segmentd replay`: the same input gives the same output wherever and however it is read; what it refuses, and how."""
import json
import pathlib
import re
import tempfile
import unittest

import fastavro
import fastavro.schema

from replay_run import DAY_MS, SOURCE, records, replay, segmentd, state_of, without_seconds
import stream

EVENTS = {"events": 4000, "customers": 300, "seed": 11, "days": 40, "bad_share": .02, "erase_share": .002}
CONFIG = "app: same\nfeatures: full\nsegmenter: {k: 4, min_customers: 100}\n"
OUTPUTS = {"segment-changes": "segment_change", "drift-alerts": "drift_alert", "segments": "segment",
           "campaign-triggers": "campaign_trigger", "dead-letters": "dead_letter", "customers": "customer"}
DAY_ONE = 1735689600000  # 2025-01-01


def canonical(schema):
    return fastavro.schema.to_parsing_canonical_form(schema)


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="segmentd-replay-")
        cls.work = pathlib.Path(cls.folder.name)
        cls.config, cls.events = cls.work / "config.yaml", cls.work / "events.jsonl"
        cls.config.write_text(CONFIG)
        stream.generate(cls.events, **EVENTS)
        cls.lines = list(stream.read_lines(cls.events))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_replay(self, name, inputs=None, *words, **how):
        summary = replay(self.config, inputs or [self.events], self.work / name, *words, **how)
        return without_seconds(summary), state_of(self.work / name)


class SameTest(Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.summary = without_seconds(replay(cls.config, [cls.events], cls.work / "first", "--checkpoint-days", 10))
        cls.state = state_of(cls.work / "first")

    def assert_same(self, result, skip=()):
        summary, state = result
        self.assertEqual(summary, self.summary)
        self.assertEqual({k: v for k, v in state.items() if k not in skip},
                         {k: v for k, v in self.state.items() if k not in skip})

    def test_the_stream_is_worth_comparing(self):
        self.assertGreater(self.summary["promotions"], 1)
        for reason in ("first", "behaviour", "time", "model", "erasure"):
            self.assertGreater(self.summary["changes_by_reason"].get(reason, 0), 0, reason)
        self.assertEqual(len(self.summary["dead_letters"]), 4)

    def test_twice_is_the_same_also_on_standard_output(self):
        words = ("replay", "--config", self.config, "--input", self.events, "--checkpoint-days", 10, "--output")
        _, again, _ = segmentd(*words, self.work / "again")
        self.assertEqual(state_of(self.work / "again"), self.state)
        _, third, _ = segmentd(*words, self.work / "third")
        self.assertEqual(re.sub(rb'"seconds":[0-9.]+', b"", again), re.sub(rb'"seconds":[0-9.]+', b"", third))
        self.assertEqual(again.count(b"\n"), 1)

    def test_checkpoints_change_nothing(self):
        summary, state = self.run_replay("without")
        self.assertEqual(summary, self.summary)
        self.assertEqual(state, {k: v for k, v in self.state.items() if not k.startswith("checkpoints/")})

    def test_time_zone_locale_and_folder_change_nothing(self):
        for i, (zone, locale) in enumerate((("Pacific/Kiritimati", "de_DE.UTF-8"), ("America/St_Johns", "tr_TR.UTF-8"))):
            elsewhere = self.work / f"elsewhere{i}"
            elsewhere.mkdir()
            summary = replay("../config.yaml", ["../events.jsonl"], "../zone%d" % i, "--checkpoint-days", 10, cwd=elsewhere,
                             env={"TZ": zone, "LC_ALL": locale, "LANG": locale})
            self.assert_same((without_seconds(summary), state_of(self.work / f"zone{i}")))

    def test_container_files_are_as_json_lines(self):
        reader = stream.recount.Reader(stream.SCHEMAS)
        plain = stream.Plain(self.lines)
        events = {line: event for _, event, line in self.lines}
        for codec in ("null", "deflate"):
            folder = self.work / f"containers-{codec}"
            folder.mkdir()
            files = stream.write_containers(self.events, folder, codec)
            self.assertEqual(len(files), 4)
            self.assert_same(self.run_replay(f"from-{codec}", files[::-1], "--checkpoint-days", 10), ["dead-letters.avro"])
            letters = list(records(self.work / f"from-{codec}" / "dead-letters.avro"))
            stream.check_refused(plain, letters, lambda source, line: reader.encode(source, events[line]))

    def test_a_file_cut_in_two_and_shuffled_is_the_same(self):
        lines = self.events.read_bytes().splitlines(keepends=True)
        halves = [self.work / "one.jsonl", self.work / "two.jsonl"]
        halves[0].write_bytes(b"".join(lines[:1700]))
        halves[1].write_bytes(b"".join(lines[1700:]))
        self.assert_same(self.run_replay("halves", halves, "--checkpoint-days", 10))

    def test_commits_of_few_events_end_in_the_same_profiles(self):
        config = self.work / "few.yaml"
        config.write_text(CONFIG + "commit: {max_events: 100}\n")
        replay(config, [self.events], self.work / "few")
        features = [[(r["customer_id"], r["features"]) for r in records(self.work / name / "customers.avro")]
                    for name in ("first", "few")]
        self.assertEqual(*features)

    def test_checkpoints_hold_the_events_before_their_instant(self):
        folders = sorted((self.work / "first/checkpoints").iterdir())
        self.assertEqual([f.name for f in folders], ["2025-01-11", "2025-01-21", "2025-01-31", "2025-02-10"])
        for i, folder in enumerate(folders, 1):
            instant = DAY_ONE + 10 * i * DAY_MS
            self.assertEqual(json.loads((folder / "model.json").read_text())["time_ms"], instant)
            stream.check_customers(stream.Plain(self.lines, instant), list(records(folder / "customers.avro")), instant)

    def test_refits_are_told_line_by_line(self):
        lines = [json.loads(line) for line in (self.work / "first/refits.jsonl").read_text().splitlines()]
        promoted = [line for line in lines if line["promoted"]]
        self.assertEqual([line["number"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertEqual([line["model"]["promotion"] for line in promoted], list(range(1, self.summary["promotions"] + 1)))
        self.assertEqual((lines[0]["reason"], lines[0]["before"], lines[0]["gain"]), ("first", None, None))
        for line in promoted[1:]:
            self.assertEqual(line["before"]["promotion"], line["model"]["promotion"] - 1)
            self.assertLess(line["before"]["time_ms"] - 1, line["model"]["time_ms"])
        for line in lines:
            if not line["promoted"]:
                self.assertEqual((line["before"], line["model"]), (None, None))
                self.assertGreater(line["customers"], 0)

    def test_every_output_has_its_shipped_schema(self):
        for name, schema in OUTPUTS.items():
            with open(self.work / "first" / f"{name}.avro", "rb") as file:
                written = fastavro.reader(file).writer_schema
            shipped = json.loads((SOURCE / f"config/schemas/{schema}.avsc").read_text())
            self.assertEqual(canonical(written), canonical(shipped), name)

    def test_dead_letters_are_the_lines_themselves(self):
        stream.check_refused(stream.Plain(self.lines), list(records(self.work / "first/dead-letters.avro")))

    def test_model_names_64_bit_numbers_as_strings(self):
        model = json.loads((self.work / "first/model.json").read_text())
        self.assertEqual(model["version"], str(self.summary["model_version"]))
        self.assertEqual(int(model["version"]) >> 32, self.summary["promotions"])
        self.assertEqual(list(model), ["version", "promotion", "time_ms", "first_fit_ms", "features", "pca", "centroids"])
        for centroid in model["centroids"]:
            self.assertEqual(list(centroid), ["cluster", "segment_id", "name", "customers", "transformed", "vector"])
            self.assertEqual(centroid["segment_id"], "s" + centroid["cluster"])
            self.assertIsInstance(centroid["cluster"], str)


class UntilTest(Base):
    def test_until_leaves_later_events_out(self):
        until = 1737331200000 + 45 * 60000  # 2025-01-20T00:45Z
        early = self.work / "early.jsonl"
        early.write_bytes(b"".join(line + b"\n" for _, event, line in self.lines if event["event_time"] < until))
        result = self.run_replay("until", None, "--until", "2025-01-20T02:45:00+02:00")
        self.assertEqual(result[0]["events"], sum(e["event_time"] < until for _, e, _ in self.lines))
        self.assertEqual(result, self.run_replay("early", [early], "--until", "2025-01-20T00:45:00Z"))
        self.assertEqual(json.loads((self.work / "until/model.json").read_text())["time_ms"], until)
        stream.check_customers(stream.Plain(self.lines, until), list(records(self.work / "until/customers.avro")), until)

    def test_until_lets_time_run_on_through_silence(self):
        short, _ = self.run_replay("short")
        long, _ = self.run_replay("long", None, "--until", "2025-04-01", "--checkpoint-days", 30)
        self.assertEqual(json.loads((self.work / "long/model.json").read_text())["time_ms"], 1743465600000)
        self.assertEqual([f.name for f in sorted((self.work / "long/checkpoints").iterdir())],
                         ["2025-01-31", "2025-03-02", "2025-04-01"])
        self.assertGreater(long["changes_by_reason"]["time"], short["changes_by_reason"]["time"] + 20)
        changes = [[c["event_id"] for c in records(self.work / name / "segment-changes.avro")] for name in ("short", "long")]
        self.assertEqual(changes[0], changes[1][:len(changes[0])])

    def test_until_before_all_events_reads_none(self):
        summary, _ = self.run_replay("none", None, "--until", "2020-01-01")
        self.assertEqual((summary["events"], summary["customers"]), (0, 0))
        self.assertEqual(list(records(self.work / "none/customers.avro")), [])


class RefusedTest(Base):
    def refused(self, code, says, *words):
        got, out, err = segmentd("replay", *words)
        self.assertEqual((got, out), (code, b""), err)
        self.assertRegex(err, says)

    def failed(self, says, *inputs, config=None, output="refused"):
        self.refused(1, says, "--config", config or self.config, "--input", *inputs, "--output", self.work / output)

    def test_usage(self):
        whole = ["--config", self.config, "--input", self.events, "--output", self.work / "usage"]
        self.refused(2, "--input needs", "--config", self.config, "--output", "x")
        self.refused(2, "--output DIR is needed", "--config", self.config, "--input", self.events)
        self.refused(2, "--config FILE is needed", "--input", self.events, "--output", "x")
        self.refused(2, "did you mean --output", *whole[:-2], "--ouput", "x")
        self.refused(2, "a date .* or an RFC 3339 time", *whole, "--until", "tomorrow")
        for days in ("0", "-1", "1.5", "x", ""):
            self.refused(2, "whole number from 1", *whole, "--checkpoint-days", days)
        self.assertFalse((self.work / "usage").exists())

    def test_an_output_folder_that_is_not_empty(self):
        full = self.work / "full"
        full.mkdir()
        (full / "mine").write_text("mine")
        self.failed("full is not empty .*mine", self.events, output="full")
        self.assertEqual([f.name for f in full.iterdir()], ["mine"])
        (self.work / "empty").mkdir()
        self.run_replay("empty")

    def test_an_output_folder_that_cannot_be(self):
        self.failed("cannot be made: No such file", self.events, output="no/such/folder")
        self.failed("config.yaml", self.events, output="config.yaml")

    def test_inputs_that_are_not_what_they_should_be(self):
        folder = self.work / "broken"
        folder.mkdir()
        files = stream.write_containers(self.events, folder)
        whole = files[0].read_bytes()
        bad = folder / "bad.avro"
        self.failed("nosuch.avro: No such file", folder / "nosuch.avro")
        for content, says in ((whole[:len(whole) // 2], "bad.avro: near byte .*cut short"),
                              (b"", "bad.avro: .*Avro container"), (b"Obj\x01", "bad.avro"),
                              (whole[:200], "bad.avro"), (b"{}", "bad.avro: .*Avro container")):
            bad.write_bytes(content)
            self.failed(says, files[1], bad)
        self.assertFalse((self.work / "refused").exists())

    def test_a_source_that_is_not_listed(self):
        config = self.work / "orders.yaml"
        config.write_text("sources: {orders: {topic: orders}}\n")
        self.failed("has .* events, but the configuration's sources do not list", self.events, config=config)

    def test_a_configuration_that_is_wrong(self):
        config = self.work / "wrong.yaml"
        config.write_text("segmenter: {kk: 4}\n")
        self.failed("wrong.yaml:1:13.*kk", self.events, config=config)

    def test_lines_that_cannot_be_read_are_dead_letters(self):
        good = ('{"source": "orders", "event_id": "%s", "customer_id": "c", "event_time": %d, "kind": "purchase", '
                '"order_id": "1", "amount": 5}')
        lines = [b"not json", (good % ("a", 0)).encode(), b'{"source": "nope"}', (good % ("b", 1735689600000)).encode(),
                 b"[1, 2]", (good % ("c", 253402300800000)).encode(), b'\xff\xfe{}', (good % ("d", 1735776000000)).encode()]
        (self.work / "odd.jsonl").write_bytes(b"\n".join(lines))
        summary, _ = self.run_replay("odd", [self.work / "odd.jsonl"], "--checkpoint-days", 1)
        self.assertEqual((summary["events"], summary["accepted"], summary["dead_letters"]),
                         (8, 2, {"bad_json": 4, "bad_time": 2}))
        letters = list(records(self.work / "odd/dead-letters.avro"))
        self.assertEqual(sorted(r["value"] for r in letters), sorted(lines[i] for i in (0, 1, 2, 4, 5, 6)))
        # An absurd time moves no clock.
        self.assertEqual([f.name for f in (self.work / "odd/checkpoints").iterdir()], ["2025-01-02"])
        row = next(records(self.work / "odd/customers.avro"))
        self.assertEqual((row["segment_id"], row["vector"], row["features"]["frequency"]), (None, [], 2.))


if __name__ == "__main__":
    unittest.main()
