#!/usr/bin/env python3
"""The oracle finds nothing in an honest world, and notices each of these lies.

    test_oracle.py SOURCE_DIR
"""
import copy
import pathlib
import sys
import unittest

SOURCE_DIR = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path[:0] = [str(SOURCE_DIR / "tests/support"), str(SOURCE_DIR / "tests/support/oracle")]
import checks  # noqa: E402
import plain_engine  # noqa: E402
import recount  # noqa: E402
import wire  # noqa: E402
from load_stream import LoadStream  # noqa: E402

SCHEMAS = SOURCE_DIR / "config/schemas"


def long_chain(world):
    """A customer, never erased, with at least three changes of learned segments: their positions in world.changes."""
    places = {}
    for i, (_, _, key, change) in enumerate(world.changes):
        if checks.rule_of(change) is None:
            places.setdefault(key.decode(), []).append(i)
    return next((who, at) for who, at in sorted(places.items())
                if len(at) >= 3 and not world.recount.customers[who].erased)


def edit(world, i, **fields):
    partition, offset, key, change = world.changes[i]
    world.changes[i] = (partition, offset, key, {**change, **fields})


class OracleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stream = LoadStream(seed=3, events=4000, customers=100, duplicate_share=.03, bad_share=.01, late_share=.02,
                            erase_share=.01)
        cls.honest = plain_engine.PlainEngine(SCHEMAS, stream).world()

    def setUp(self):
        self.world = copy.deepcopy(self.honest)

    def finds(self, kind, part, which=checks.CHECKS):
        findings = checks.check(self.world, which)
        self.assertTrue(any(f.kind == kind and part in f"{f.where} {f.text}" for f in findings),
                        f"no \"{kind}\" with \"{part}\" in:\n" + "\n".join(map(str, findings[:30])))

    def row(self, who=None):
        """Of who, or of anyone who was never erased."""
        return next(row for row in self.world.dump if who == row["customer_id"] or
                    who is None and not self.world.recount.customers[row["customer_id"]].erased)

    def test_honest_world(self):
        self.assertEqual(list(map(str, checks.check(self.world))), [])
        counted = self.world.recount
        self.assertTrue(counted.repeats > 20 and len(counted.refused) > 20 and len(self.world.changes) > 100)

    # changes
    def test_change_lost_in_the_middle(self):
        who, at = long_chain(self.world)
        del self.world.changes[at[1]]
        self.finds("lost", who)

    def test_last_change_lost(self):
        who, at = long_chain(self.world)
        del self.world.changes[at[-1]]
        self.finds("lost", who)
        self.finds("diverged", f"{who} is stored in")

    def test_all_changes_of_a_customer_lost(self):
        who, _ = long_chain(self.world)
        self.world.changes = [c for c in self.world.changes if c[2] != who.encode()]
        self.finds("lost", f"{who} is in")

    def test_change_told_twice(self):
        self.world.changes.append(self.world.changes[-1])
        self.finds("doubled", "event id")

    def test_change_made_twice_under_two_ids(self):
        who, at = long_chain(self.world)
        self.world.changes.insert(at[1] + 1, self.world.changes[at[1]])
        edit(self.world, at[1], event_id="0" * 32)
        self.finds("doubled", "cause")
        self.finds("doubled", f"{who} change number")

    def test_other_segment_told(self):
        _, at = long_chain(self.world)
        edit(self.world, at[1], to_segment="s9")
        self.finds("lost", "goes from")

    def test_other_segment_stored(self):
        row = self.row()
        row["segment_id"] = "s9"
        self.finds("diverged", f"{row['customer_id']} is stored in s9")

    def passages(self, name):
        """Positions of a rule's changes, of the first customer who entered and left it."""
        by_who = {}
        for i, (_, _, who, change) in enumerate(self.world.changes):
            if f"rule:{name}" in (change["from_segment"], change["to_segment"]):
                by_who.setdefault(who, []).append(i)
        return next(at for at in by_who.values() if len(at) > 1)

    def test_rule_entered_and_never_told(self):
        at = self.passages("odd")[0]
        del self.world.changes[at]
        self.finds("doubled", "goes from rule:odd, was in None")

    def test_rule_entered_twice(self):
        at = self.passages("odd")
        edit(self.world, at[1], from_segment=None, to_segment="rule:odd")
        self.finds("lost", "goes from None, was in rule:odd")

    def test_rule_stored_and_never_told(self):
        row = next(r for r in self.world.dump if not r["rules"])
        row["rules"] = ["many"]
        self.finds("diverged", f"{row['customer_id']} is stored in rule:many")

    def test_rule_left_at_an_erasure_and_never_told(self):
        at = next(i for i, (_, _, _, c) in enumerate(self.world.changes)
                  if c["reason"] == "erasure" and (c["from_segment"] or "").startswith("rule:"))
        who, rule = (self.world.changes[at][3][field] for field in ("customer_id", "from_segment"))
        del self.world.changes[at]
        findings = [f"{f.where} {f.text}" for f in checks.check(self.world, checks.CHECKS)]
        self.assertTrue(any(who in f and (f"was in {rule}" in f or f"the changes end in {rule}" in f) for f in findings), findings[:30])

    def test_event_id_of_another_birth(self):
        _, at = long_chain(self.world)
        edit(self.world, at[0], event_id="f" * 32)
        self.finds("diverged", "birth")

    def test_change_of_nobody(self):
        partition, offset, _, change = self.world.changes[0]
        self.world.changes.append((partition, offset + 10**6, b"nobody", {**change, "customer_id": "nobody"}))
        self.finds("leaked", "nobody")

    def test_cause_of_another_customer(self):
        _, at = long_chain(self.world)
        other = next(c for _, _, key, c in self.world.changes if key != self.world.changes[at[0]][2])
        edit(self.world, at[1], cause=other["cause"])
        self.finds("leaked", "no record of")
        self.finds("doubled", "is also that of")

    def test_cause_of_another_transaction(self):
        who, at = long_chain(self.world)
        cause = self.world.changes[at[2]][3]["cause"]
        source = next(s for s, t in plain_engine.TOPICS.items() if t == cause["topic"])
        owner = self.world.recount.owner[source, cause["partition"]]
        earlier = next(o for o, name in owner.items() if name == who and o != cause["offset"])
        edit(self.world, at[2], cause={**cause, "offset": earlier})
        self.finds("leaked", "outside its transaction")

    def test_behaviour_without_a_cause(self):
        _, at = long_chain(self.world)
        edit(self.world, at[1], cause=None)
        self.finds("diverged", "without a cause")

    def test_time_with_a_cause(self):
        _, at = long_chain(self.world)
        edit(self.world, at[1], reason="time")
        self.finds("diverged", "with a cause")

    # profiles
    def test_purchase_missing(self):
        row = next(r for r in self.world.dump if r["features"]["frequency"] > 0)
        row["features"]["frequency"] -= 1
        self.finds("lost", "frequency")

    def test_purchase_counted_twice(self):
        self.row()["features"]["frequency"] += 1
        self.finds("doubled", "frequency")

    def test_money_off_by_a_millionth(self):
        self.row()["features"]["monetary"] += 1e-6
        self.finds("diverged", "monetary")

    def test_decayed_counter_off(self):
        row = next(r for r in self.world.dump if r["features"]["page_views_30d"] > .1)
        row["features"]["page_views_30d"] *= 1 + 1e-8
        self.finds("diverged", "page_views_30d")

    def test_recency_off_by_a_millisecond(self):
        row = next(r for r in self.world.dump if r["features"]["recency_days"])
        row["features"]["recency_days"] += 1 / 86400000
        self.finds("diverged", "recency_days")

    def test_feature_missing(self):
        del self.row()["features"]["opens_7d"]
        self.finds("lost", "opens_7d")

    def test_customer_missing(self):
        who = self.world.dump.pop(3)["customer_id"]
        self.finds("lost", f"{who} partition")

    def test_customer_twice(self):
        self.world.dump.append(self.world.dump[0])
        self.finds("doubled", "in the dump twice")

    def test_customer_of_no_event(self):
        self.world.dump.append({**self.row(), "customer_id": "nobody"})
        self.finds("leaked", "nobody")

    # changelog
    def doctor_profile(self, change):
        row = self.row()
        customer = self.world.recount.customers[row["customer_id"]]
        d = {"birth": next(iter(customer.first_offset.items())), "number": row["change_number"],
             "cluster": int(row["segment_id"][1:]), "since": customer.last_ms}
        doctored = copy.deepcopy(customer)
        change(doctored)
        records = self.world.changelog[row["partition"]]
        at = next(i for i, r in enumerate(records) if r[1] == "p" and r[2].decode() == row["customer_id"] and r[3])
        records[at] = (*records[at][:3], plain_engine.profile_bytes(doctored, d, row["contribution"]))

    def test_applied_behind(self):
        self.doctor_profile(lambda c: c.applied.update({next(iter(c.applied)): 0}))
        self.finds("diverged", "applied")

    def test_window_forgets(self):
        self.doctor_profile(lambda c: next(iter(c.seen.values()))[0].pop())
        self.finds("diverged", "dedup windows")

    def test_profile_not_logged(self):
        records = self.world.changelog[0]
        self.world.changelog[0] = [r for i, r in enumerate(records) if i != next(
            j for j, r in enumerate(records) if r[1] == "p" and r[3])]
        self.finds("lost", "has no profile")

    def test_record_damaged(self):
        records = self.world.changelog[1]
        offset, kind, who, value = records[-1]
        records[-1] = (offset, kind, who, value[:20] + bytes([value[20] ^ 1]) + value[21:])
        self.finds("diverged", "cannot be read")

    def test_cut_and_group_differ(self):
        offset, metadata = self.world.group["web", 0]
        self.world.group["web", 0] = (offset - 1, metadata)
        self.finds("diverged", "the newest cut")
        self.finds("lost", "the last record")

    def test_sequence_of_the_group_differs(self):
        self.world.group["orders", 1] = (self.world.group["orders", 1][0], "seq=1")
        self.finds("diverged", "the newest cut")

    def test_cut_lost(self):
        records = self.world.changelog[0]
        cuts = [i for i, r in enumerate(records) if r[1] == "c"]
        del records[cuts[3]]
        self.finds("diverged", "follows cut")

    def test_decision_lost(self):
        who, _ = long_chain(self.world)
        partition = self.world.recount.customers[who].partition
        numbered = [r for r in self.world.changelog[partition] if r[1:3] == ("d", who.encode())]
        second = next(r for r in numbered if wire.read_decision(r[3])["number"] == 2)
        self.world.changelog[partition] = [
            r for r in self.world.changelog[partition]
            if not (r in numbered and wire.read_decision(r[3])["number"] == wire.read_decision(second[3])["number"])]
        self.finds("diverged", "follows 1")

    def test_record_without_a_cut(self):
        offset = self.world.changelog[0][-1][0]
        self.world.changelog[0].append((offset + 1, "d", *self.world.changelog[0][0][2:]))
        self.finds("leaked", "no cut closes")

    def test_profile_ahead_of_its_cut(self):
        row = self.row()
        records = self.world.changelog[row["partition"]]
        last = next(r for r in records if r[1] == "p" and r[2].decode() == row["customer_id"] and r[3])
        cut = next(i for i, r in enumerate(records) if r[1] == "c")
        records.insert(cut, (records[cut][0] - .5, *last[1:]))
        self.finds("leaked", "by the inputs below cut 1")

    def test_contribution_of_the_changelog_differs(self):
        row = self.row()
        row["contribution"]["evaluated_at_ms"] -= 1
        self.finds("diverged", "changelog: (")

    # a store that a crash has left
    def test_store_ahead_of_kafka(self):
        self.assertEqual(checks.check(self.world, checks.CRASH_CHECKS), [])
        row = next(r for r in self.world.dump if r["features"]["frequency"] > 0
                   and not self.world.recount.customers[r["customer_id"]].erased)
        self.world = copy.deepcopy(self.honest)
        row = next(r for r in self.world.dump if r["customer_id"] == row["customer_id"])
        row["features"]["frequency"] += 1
        self.finds("leaked", "in the store", checks.CRASH_CHECKS)
        row["features"]["frequency"] -= 1
        row["change_number"] += 1
        self.finds("leaked", "is in the store", checks.CRASH_CHECKS)

    def test_group_ahead_of_the_newest_cut(self):
        offset, _ = self.world.group["web", 0]
        self.world.group["web", 0] = (offset, "seq=999")
        self.finds("diverged", "the newest cut", checks.CRASH_CHECKS)

    # erasures
    def erasures(self):
        """[(partition, index of the decision, customer)] of those whom an erase record took out."""
        return [(p, i, r[2]) for p, records in self.world.changelog.items() for i, r in enumerate(records)
                if r[1] == "d" and r[3] and not wire.read_decision(r[3])["alive"]]

    def test_erasure_lost(self):
        partition, i, who = self.erasures()[0]
        records = self.world.changelog[partition]
        self.world.changelog[partition] = [r for n, r in enumerate(records) if n != i and (r[2], r[3]) != (who, None)]
        self.finds("lost", "has no erasure of theirs")

    def replace_floor(self, floor):
        partition, i, who = self.erasures()[0]
        records = self.world.changelog[partition]
        records[i] = (*records[i][:3], plain_engine.record((1, plain_engine.decision_bytes(
            {"birth": None, "stay_out": floor(wire.read_decision(records[i][3])["stay_out"])}, 0))))
        return who.decode()

    def test_erasure_keeps_what_was_applied(self):
        who = self.replace_floor(lambda floor: [*floor[:3], floor[3] - 1])
        self.finds("diverged", f"{who} is erased up to profiles offset")

    def test_erasure_with_positions_of_another_commit(self):
        self.replace_floor(lambda floor: [floor[0] + 100, *floor[1:]])
        self.finds("diverged", "the erasure's position in web")

    def test_decision_of_an_erased_customer_goes_too_early(self):
        partition, i, who = self.erasures()[0]
        self.world.changelog[partition].insert(i + 1, (-1, "d", who, None))
        self.finds("lost", "may be read again")

    def test_decision_of_an_erased_customer_stays(self):
        partition, _, who = next(e for e in self.erasures()
                                 if any(r[1:] == ("d", e[2], None) for r in self.world.changelog[e[0]]))
        self.world.changelog[partition] = [r for r in self.world.changelog[partition] if r[1:] != ("d", who, None)]
        self.finds("diverged", "its decision stays")

    def test_profile_of_an_erased_customer_stays(self):
        partition, i, who = self.erasures()[0]
        last = next(r for r in self.world.changelog[partition] if r[1] == "p" and r[3])
        self.world.changelog[partition].insert(i + 1, (-1, "p", who, last[3]))
        self.finds("leaked", "has a profile again")

    def test_events_of_before_an_erasure_count_again(self):
        who = next(row for row in self.world.dump if self.world.recount.customers[row["customer_id"]].erased
                   and self.world.recount.customers[row["customer_id"]].purchases > row["features"]["frequency"])
        who["features"]["frequency"] += 1
        self.finds("doubled", "frequency")

    # the model
    def test_segment_that_the_model_does_not_lead_to(self):
        _, at = long_chain(self.world)
        for i in at:
            change = self.world.changes[i][3]
            for end in ("from_segment", "to_segment"):
                change[end] = {"s1": "s2", "s2": "s1"}.get(change[end], change[end])
        self.finds("diverged", "by the inputs up to its commit")

    def test_distance_of_other_features(self):
        _, at = long_chain(self.world)
        edit(self.world, at[1], distance_to=self.world.changes[at[1]][3]["distance_to"] + 1e-4)
        self.finds("diverged", "distance_to")

    def test_driver_of_other_features(self):
        _, at = long_chain(self.world)
        self.world.changes[at[0]][3]["drivers"][1]["value"] += 1e-6
        self.finds("diverged", "driver page_views_7d")

    def test_version_that_nobody_published(self):
        _, at = long_chain(self.world)
        edit(self.world, at[-1], model_version=plain_engine.VERSION + 1)
        self.finds("leaked", "never published")

    def test_version_published_late(self):
        self.world.models.append((1, "current", self.world.models[0][2].replace(b'"revision": "3"', b'"revision": "2"')))
        self.finds("doubled", "was published after")

    def test_contribution_of_older_features(self):
        self.row()["contribution"]["values"][1] += 1000
        self.finds("diverged", "not evaluated since they came")

    # the catalogue and the alerts
    def edit_record(self, records, i, **fields):
        offset, key, value = records[i]
        records[i] = (offset, key, {**value, **fields})

    def test_segment_of_a_version_that_nobody_published(self):
        self.edit_record(self.world.segments, 1, model_version=plain_engine.VERSION + 1)
        self.finds("leaked", "segments offset 1 s2: model version")

    def test_alert_of_a_version_that_nobody_published(self):
        self.edit_record(self.world.alerts, 2, model_version=plain_engine.VERSION + 1)
        self.finds("leaked", "drift-alerts offset 2 feature:a: model version")

    def test_segment_of_a_change_not_in_the_catalogue(self):
        _, at = long_chain(self.world)
        edit(self.world, at[1], to_segment="s9")
        self.finds("lost", "s9 customers were told it")

    def test_segment_of_the_model_not_in_the_catalogue(self):
        del self.world.segments[2]
        self.finds("lost", "s3 is in the newest model")

    def test_segment_of_the_model_retired(self):
        self.world.segments.append((9, "s2", {**self.world.segments[1][2], "state": "retired"}))
        self.finds("lost", "s2 is in the newest model")

    def test_retired_segment_still_active(self):
        self.edit_record(self.world.segments, 3, state="active")
        self.finds("diverged", "s4 is active in the catalogue")

    def test_segment_under_another_key(self):
        self.edit_record(self.world.segments, 0, segment_id="s2")
        self.finds("diverged", "key s1, segment s2")

    def test_segment_removed_from_the_catalogue(self):
        self.world.segments.append((9, "s4", None))
        self.finds("lost", "s4 is not in the catalogue any more")

    def test_alert_raised_twice(self):
        self.world.alerts.append((9, *self.world.alerts[0][1:]))
        self.finds("doubled", "raised after cleared")

    def test_alert_escalated_twice(self):
        self.world.alerts.insert(3, (9, *self.world.alerts[2][1:]))
        self.finds("doubled", "escalated after escalated")

    def test_alert_escalated_after_it_was_cleared(self):
        self.world.alerts[2], self.world.alerts[3] = self.world.alerts[3], self.world.alerts[2]
        self.finds("diverged", "escalated after cleared")

    def test_alert_never_raised(self):
        del self.world.alerts[1]
        self.finds("lost", "cleared after nothing")
        self.world.alerts_whole = False  # it may have been, before what is left of the log
        self.assertEqual([str(f) for f in checks.check(self.world)], [])

    def test_alert_on_another_subject(self):
        self.edit_record(self.world.alerts, 3, subject="feature:b")
        self.finds("diverged", "key feature:a, subject feature:b")

    # dead letters
    def test_dead_letter_lost(self):
        del self.world.dead_letters[5]
        self.finds("lost", "dead letters")

    def test_dead_letter_twice(self):
        self.world.dead_letters.append(self.world.dead_letters[0])
        self.finds("doubled", "dead-letters")

    def test_dead_letter_of_a_good_record(self):
        self.world.recount.refused.pop(next(iter(self.world.recount.refused)))
        self.finds("leaked", "was not to be refused")

    def test_dead_letter_with_other_bytes(self):
        partition, offset, key, value, headers = self.world.dead_letters[0]
        self.world.dead_letters[0] = (partition, offset, key, value + b"x", headers)
        self.finds("diverged", "bytes")

    def test_dead_letter_with_another_reason(self):
        partition, offset, key, value, headers = self.world.dead_letters[0]
        self.world.dead_letters[0] = (partition, offset, key, value, {**headers, "segmentd.dlq.reason": b"bot"})
        self.finds("diverged", "reason bot")

    # sums
    def test_contribution_differs_from_the_sums(self):
        self.row()["contribution"]["values"][1] += 1
        self.finds("diverged", "recount")

    def test_contribution_in_another_cluster(self):
        self.row()["contribution"]["cluster"] = "9"
        self.finds("diverged", "sums/")

    def test_piece_lost(self):
        del self.world.sums["sums/0/1"]
        self.finds("diverged", "sums/0/1")

    def test_sums_told_without_all_customers(self):
        offset, key, value = next(r for r in self.world.sums_log if r[1].count("/") == 2)
        self.world.sums_log.remove((offset, key, value))
        self.finds("lost", "have a contribution in the changelog")

    def test_sums_told_twice(self):
        self.world.sums_log.append(next(r for r in self.world.sums_log if r[1] == "sums/0"))
        self.finds("doubled", "sequence")

    def test_sample_of_who_is_gone(self):
        self.world.sums["sample/gone"] = b"a profile"
        self.finds("leaked", "the sample record is")

    def test_customers_of_the_close_differ(self):
        self.world.dump.pop()
        self.finds("diverged", "closed with")

    # the recount itself, against what can be said by hand
    def test_llround(self):
        for x, wanted in ((.5, 1), (-.5, -1), (1.5, 2), (2.4999, 2), (-2.5, -3), (12.34 * 1e6, 12340000)):
            self.assertEqual(recount.llround(x), wanted)

    def test_window_keeps_the_largest(self):
        c = recount.Customer("c", 0)
        for n in range(65):
            self.assertFalse(c.repeat("web", 1000 + n, f"e{n}"))
        self.assertFalse(c.repeat("web", 10, "e0"), "e0 was driven out, and is older than all: counts, not kept")
        self.assertTrue(c.repeat("web", 5000, "e1"), "a repeat with another time is a repeat")
        self.assertFalse(c.repeat("orders", 1001, "e1"), "windows are per source")

    def test_java_partitioner(self):
        # org.apache.kafka.common.utils.UtilsTest.testMurmur2
        for key, wanted in ((b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)):
            self.assertEqual(recount.murmur2(key), wanted % 2**32)


if __name__ == "__main__":
    unittest.main()
