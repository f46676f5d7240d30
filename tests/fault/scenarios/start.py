"""Faults 31c to 31f: what a start must refuse, and what its refusal must leave as it is."""
import collections
import re
import time

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from lib.cluster import TRANSACTION_S
from lib.scenario import FaultMissed, fault
from lib.site import SOURCE_DIR, Verdict, expect, merged, wait_for
import checks
import oracle

from scenarios.group import delete_offsets, delete_records, everything, wait_refused

# Cycles so long that all inputs since the last clean stop, or since the beginning, are read again after a crash.
LONG_CYCLES = {"checkpoint": {"max_interval": "10m"}, "recovery": {"target": "10m"}}
# Shapes profiles, though none of these: the default and one more.
OTHER_CONFIG = {"cleaning": {"placeholder_ids": ["null", "none", "undefined", "nan", "anonymous", "unknown", "guest", "0",
                                                 "nobody-has-this"]}}


def killed(site, after_stop):
    """Its inputs must be read again: from the beginning, or from a clean stop on. Returns where that is."""
    site.setup(settings=LONG_CYCLES)
    one = site.warm(events=9000, upto=3000)
    begin = {place: low for place, (low, _) in site.ends().items()}
    if after_stop:
        one.stop()
        if not site.is_whole(one):
            raise FaultMissed("the clean stop was not whole")
        begin = site.positions()
        one = site.start()
    site.load_rest(rate=0, upto=6000, wait=True)
    site.wait_drained(instances=[one])
    one.kill()
    return begin


def judge_killed(site):
    """The oracle's word on what the killed one has left, once the broker has ended its last transaction."""
    until, data_dir = time.monotonic() + 2 * TRANSACTION_S + 20, site.instances[-1].data_dir
    while True:
        _, findings = oracle.run(site.brokers, site.app, site.binary, data_dir, SOURCE_DIR, which=checks.CRASH_CHECKS,
                                 topics=site.topics, settings=site.settings, outputs=site.outputs)
        if not findings or time.monotonic() > until:
            break
        time.sleep(.5)
    kinds = collections.Counter(finding.kind for finding in findings)
    return Verdict(site.events, kinds["lost"], kinds["doubled"], kinds["leaked"], kinds["diverged"], list(map(str, findings)))


def trim(site, begin):
    """One source's log begins after `begin` and not after what the group has read. {partition: new begin}"""
    topic, positions = site.topics["web"], site.positions()
    lows = {p: (begin[topic, p] + positions[topic, p]) // 2 for p in range(site.partitions)}
    if not all(begin[topic, p] < low for p, low in lows.items()):
        raise FaultMissed(f"too little is read again to be trimmed: {begin}, {positions}")
    delete_records(site, topic, lows)
    found = {p: site.probe.get_watermark_offsets(TopicPartition(topic, p), timeout=30)[0] for p in lows}
    if found != lows:
        raise FaultMissed(f"the log begins at {found}, not at {lows}")
    return lows


def refused_whole(site, *words, first=None):
    """Refused, and refused again, with these words; the second time with a look at what it must leave as it is: the first may
    have to end the transaction of the one that was killed. Returns the last line."""
    group = site.positions()
    wait_refused(first or site.start(), *words)
    before = everything(site)
    expect(before["group"] == group, "a refused start has moved the group's offsets")
    again = site.start()
    wait_refused(again, *words)
    expect(everything(site) == before, "a refused start has changed something")
    return again.log_text().splitlines()[-1]


@fault(31, "kill -9, and inputs deleted that must be read again: it stops and says what to do", part="c", runs=2)
def trimmed(site, dice):
    del dice
    begin = killed(site, after_stop=site.run % 2 == 1)
    verdict = judge_killed(site)
    lows = trim(site, begin)
    told = refused_whole(site, "inputs of source web must be read again from offset", "its log begins at",
                         "Restore it, or reset the group's offsets and the changelog to begin anew")
    part, at, low = map(int, re.search(r"partition (\d+): .*from offset (\d+), .*begins at (\d+)", told).groups())
    expect((at, low) == (begin[site.topics["web"], part], lows[part]), f"wrong offsets, not {begin} and {lows}: {told}")
    site.verdict = verdict  # nothing has changed since, and without the inputs nothing can go on


@fault(31, "kill -9, and inputs deleted while they are read again: it stops and says what to do", part="f", runs=2)
def trimmed_in_recovery(site, dice):
    del dice
    begin = killed(site, after_stop=site.run % 2 == 1)
    verdict = judge_killed(site)
    one = site.start(stall="recovery_taken:1:8000")
    wait_for("it stalls", lambda: "stall name=" in one.log_text(), alive=[one])
    trim(site, begin)
    if len(one.events("recovery_rereads")) == site.partitions:
        raise FaultMissed("the inputs were read again before they were deleted")
    topic = site.topics["web"]
    wait_refused(one, topic, "no longer reaches back to offset", "keep inputs longer than recovery needs")
    refused_whole(site, "inputs of source web must be read again from offset", "its log begins at")
    site.verdict = verdict  # nothing has changed since, and without the inputs nothing can go on


@fault(31, "the group's offsets were reset: refused with what to do, which then helps", part="d", runs=2)
def offsets_reset(site, dice):
    site.setup()
    one = site.warm(events=9000, upto=5000)
    if site.run % 2 == 0:
        one.stop()
    else:
        one.kill()
    wait_for("the group is empty", lambda: not site.admin.describe_consumer_groups([site.app])[site.app].result(30).members)
    was = site.positions()
    # All of it to the beginning, or one topic somewhere else, as kafka-consumer-groups.sh does it: without metadata.
    places = site.places() if site.run % 2 == 0 else [(site.topics["orders"], p) for p in range(site.partitions)]
    other = [TopicPartition(t, p, 0 if site.run % 2 == 0 else was[t, p] - dice.randint(1, 20)) for t, p in places]
    asked = ConsumerGroupTopicPartitions(site.app, other)
    for future in site.admin.alter_consumer_group_offsets([asked], request_timeout=30).values():
        future.result(30)
    if site.positions() == was:
        raise FaultMissed("the offsets are what they were")
    refused_whole(site, "the group's offsets (seq=", "are not those of the newest cut", "delete the group")
    delete_offsets(site)
    site.load_rest(rate=0, wait=True)
    again = site.start()
    again.wait_event("group_offsets_gone", count=site.partitions)
    site.wait_commit(again)
    site.wait_drained(instances=[again])


@fault(31, "kill -9, then a configuration that shapes profiles otherwise: refused with what to do, both ways of which help",
       part="e", runs=2, short_runs=1)
def config_changed(site, dice):
    killed(site, after_stop=dice.random() < .5)
    old, new = site.settings, merged(site.settings, OTHER_CONFIG)
    site.settings = new
    refused_whole(site, "the configuration that shapes profiles has changed", "start once with the old configuration and stop "
                  "cleanly", "--accept-config-change")
    if site.run % 2 == 0:
        again = site.start("one", "--accept-config-change")
        site.wait_all(again)
    else:
        site.settings = old
        again = site.start()
        site.wait_all(again)
        again.stop()
        expect(site.is_whole(again), "the clean stop was not whole")
        site.settings = new
        again = site.start()  # nothing is to be read again: accepted as it is
        site.wait_all(again)
    if not again.events("recovered"):
        raise FaultMissed("nothing was recovered")
    site.load_rest(rate=0, wait=True)
    site.wait_commit(again)
    site.wait_drained(instances=[again])
