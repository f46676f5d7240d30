"""Faults 20 to 25 and 33: the disk below the stores, and stores that cannot be right."""
import collections
import json
import pathlib
import shutil
import time

import xxhash
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from lib.cluster import PROPERTIES, Cluster, Kafka, Key
from lib.disk import LOG, MANIFEST, TABLE, Disk, flip_bit
from lib.scenario import FaultMissed, fault
from lib.site import Site, expect
import checks  # noqa: E402
import log_checks  # noqa: E402
import sum_checks  # noqa: E402

# RocksDB's smallest buffers: there are tables, flushes and compactions also with few events.
STORE = {"store": {"rocksdb": {"write_buffer_size": "65536", "max_bytes_for_level_base": "262144"}}}
OF_ROCKSDB = TABLE | LOG | MANIFEST


def make_disk(site, journal=False):
    return Disk(site.build_dir / "tests" / "fault" / "libsegdisk.so", site.folder.resolve(), site.folder.parent / f"{site.app}.disk",
                journal)


def start_on(site, disk, **options):
    return site.start(env=disk.env(), **options)


def until(what, condition, timeout=60, error=FaultMissed):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise error(f"not within {timeout} s: {what}")
        time.sleep(.02)


def why_rebuilt(instance):
    return [pairs["why"] for _, pairs in instance.events("store_rebuilt")]


def wait_running(site, instance, began):
    """Until all its partitions run again; kept as a recovery time, counted from `began`."""
    def runs():
        instance.alive()
        partitions = [p for w in instance.status()["workers"] for p in w["partitions"]]
        return len(partitions) == site.partitions and all(p["state"] == "running" for p in partitions)
    until("all partitions run again", runs, error=AssertionError)
    site.recoveries.append(time.monotonic() - began)


def finish_on(site, disk):
    """The disk is well again, and the run goes on to its end on it."""
    disk.heal()
    site.finish(env=disk.env())


# ---- 20: full ----

@fault(20, "disk full in RocksDB, and space returned", part="a", runs=6, short_runs=1)
def full_while_running(site, dice):
    """It waits for space, still answers, and goes on by itself."""
    disk = make_disk(site)
    site.setup(settings=STORE)
    one = site.warm(env=disk.env())
    disk.fill(dice.randint(0, 150000))
    site.load_rest()
    until("the disk is full", lambda: disk["full_hits"] > 0)
    failed = one.wait_event("store_failed")[0][1]
    expect("make space" in failed["error"], f"the log does not say what to do: {failed}")
    one.wait_event("store_waits")
    expect(one.get("/readyz")[0] == 503, "an instance that waits for space says that it is ready")
    disk.heal()
    began = time.monotonic()
    one.wait_event("store_mended")
    wait_running(site, one, began)
    expect(not why_rebuilt(one), f"a full disk is no reason to rebuild: {why_rebuilt(one)}")
    finish_on(site, disk)


@fault(20, "disk full at start and at stop", part="b", runs=4, short_runs=1)
def full_at_the_ends(site, dice):
    """It ends with 1 and says what to do; with space it goes on from where it was."""
    disk = make_disk(site)
    site.setup(settings=STORE)
    one = site.warm(env=disk.env())
    site.load_rest(wait=True)
    disk.fill(dice.randint(0, 2000))
    until("the disk is full", lambda: disk["full_hits"] > 0)
    one.process.terminate()
    code = one.wait_exit()
    expect(code in (0, 1), f"ended with {code}")
    expect(code == 0 or "make space" in one.log_text(), f"it does not say what to do: {one.last_words()}")
    expect(not site.is_whole(one), "a stop on a full disk was called whole")
    disk.fill(0)
    two = start_on(site, disk)
    expect(two.wait_exit() == 1, "it started on a full disk")
    expect("No space left" in two.last_words(), f"it does not say why: {two.last_words()}")
    disk.heal()
    three = start_on(site, disk)
    site.wait_commit(three)
    expect(not why_rebuilt(three), f"a full disk is no reason to rebuild: {why_rebuilt(three)}")
    finish_on(site, disk)


def resident_kib(instance):
    status = pathlib.Path(f"/proc/{instance.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


@fault(20, "a disk so slow that everything waits for it", part="c", runs=2)
def slow(site, dice):
    """Reading slows down; memory does not grow."""
    disk = make_disk(site)
    site.setup(settings=STORE)
    one = site.warm(events=12000, env=disk.env())
    before = resident_kib(one)
    disk["write_delay_us"], disk["sync_delay_us"] = dice.randint(5000, 20000), dice.randint(50000, 300000)
    syncs = disk["syncs"]
    site.load_rest(rate=0, wait=True)
    most = 0
    for _ in range(100):
        most = max(most, resident_kib(one))
        time.sleep(.05)
    if disk["syncs"] - syncs < 2:
        raise FaultMissed("nothing was synced meanwhile")
    expect(most - before < 48 * 1024, f"memory grew by {most - before} KiB while the disk was slow")
    finish_on(site, disk)


# ---- 21: errors ----

@fault(21, "I/O error on read", part="a", runs=10, short_runs=1)
def error_on_read(site, dice):
    """While the store is opened, completed, or counted: what cannot be read is rebuilt."""
    disk = make_disk(site)
    site.setup(settings=STORE)
    one = site.warm(env=disk.env())
    site.load_rest(wait=True)
    if dice.random() < .5:
        one.stop()
    else:
        one.kill()
    disk.fail("read", at=dice.randint(1, 40), kinds=OF_ROCKSDB)
    two = start_on(site, disk)
    until("a read has failed", lambda: disk["read_hits"] > 0 or not two.is_running(), timeout=20)
    if disk["read_hits"] == 0:
        raise FaultMissed(f"it ended first: {two.last_words()}")
    site.wait_commit(two)
    until("the failed read is told", lambda: two.events("store_rebuilt") or two.events("store_failed"), timeout=20,
          error=AssertionError)
    finish_on(site, disk)


@fault(21, "I/O error on write and on sync", part="b", runs=10, short_runs=1)
def error_on_write(site, dice):
    """Opened again, and on it goes; memory and RocksDB are never ahead of Kafka."""
    disk = make_disk(site)
    site.setup(settings=STORE)
    one = site.warm(env=disk.env())
    what = dice.choice(("write", "write", "sync"))
    disk.fail(what, at=dice.randint(1, 30 if what == "write" else 6), times=dice.choice((1, 1, 3)), kinds=OF_ROCKSDB)
    site.load_rest()
    until(f"a {what} has failed", lambda: disk[what + "_hits"] > 0)
    one.wait_event("store_failed")
    began = time.monotonic()
    one.wait_event("store_mended")
    wait_running(site, one, began)
    finish_on(site, disk)


# ---- 22: power ----

@fault(22, "power loss: what was not synced is gone", runs=20, short_runs=2)
def power_loss(site, dice):
    """Killed, and then files and names are as a disk may have them that was told nothing but to sync what was synced."""
    disk = make_disk(site, journal=True)
    site.setup(settings=STORE)
    one = site.warm(env=disk.env())
    site.load_rest()
    lost = collections.Counter()
    for _ in range(2):
        time.sleep(dice.uniform(.05, .8))
        one.kill()
        lost.update(disk.lose_power(dice))
        one = start_on(site, disk)
        site.wait_commit(one)
    if not lost["bytes"] and not lost["names"]:
        raise FaultMissed("nothing was unsynced")
    site.finish(env=disk.env())


# ---- 23: bits ----

def stores(site):
    return sorted(pathlib.Path(site.data_dir()).glob("*/p[0-9]"))


def flip(site, dice, pattern):
    files = [f for store in stores(site) for f in store.glob(pattern) if f.stat().st_size > 0]
    if not files:
        raise FaultMissed(f"no store has a file {pattern}")
    path = dice.choice(files)
    at, bit = flip_bit(path, dice)
    return f"{path.parent.name}/{path.name}, bit {bit} of byte {at}"


def flip_and_go_on(site, dice, pattern):
    site.setup(settings=STORE)
    one = site.warm()
    site.load_rest(wait=True)
    site.wait_drained()
    if dice.random() < .7:
        one.stop()
    else:
        one.kill()
    where = flip(site, dice, pattern)
    config = site.config()
    verified = site.segmentd("state", "--data", site.data_dir(), "verify", "--config", config)
    expect(verified.returncode in (0, 1), f"state verify after {where} ended with {verified.returncode}")
    expect(verified.returncode == 0 or "FAILED" in verified.stdout, f"state verify says nothing of {where}: {verified}")
    for what in ("dump", "stats"):
        done = site.segmentd("state", "--data", site.data_dir(), what)
        expect(done.returncode in (0, 1), f"state {what} after {where} ended with {done.returncode}: {done.stderr}")
        expect(done.returncode == 0 or "partition" in done.stderr or "store" in done.stderr,
               f"state {what} does not say which store: {done.stderr}")
    two = site.start()
    site.wait_commit(two)
    verdict = site.finish()
    if not verdict.clean:
        verdict.findings.insert(0, f"after the flip in {where}")


@fault(23, "a flipped bit in a table", part="a", runs=12, short_runs=1)
def flip_in_table(site, dice):
    flip_and_go_on(site, dice, "*.sst")


@fault(23, "a flipped bit in the write-ahead log", part="b", runs=12, short_runs=1)
def flip_in_log(site, dice):
    flip_and_go_on(site, dice, "*.log")


@fault(23, "a flipped bit in the MANIFEST", part="c", runs=12, short_runs=1)
def flip_in_manifest(site, dice):
    flip_and_go_on(site, dice, "MANIFEST-*")


@fault(23, "files of a store missing", part="d", runs=6)
def file_missing(site, dice):
    site.setup(settings=STORE)
    one = site.warm()
    site.load_rest(wait=True)
    site.wait_drained()
    one.stop()
    found = [f for store in stores(site) for pattern in ("*.sst", "*.log", "MANIFEST-*", "CURRENT") for f in store.glob(pattern)]
    kinds = sorted({f.suffix or f.name[:8] for f in found})
    kind = kinds[site.run % len(kinds)]
    dice.choice([f for f in found if (f.suffix or f.name[:8]) == kind]).unlink()
    two = site.start()
    if kind in ("CURRENT", "MANIFEST"):
        two.wait_event("store_rebuilt")
    site.wait_commit(two)


# ---- 24: another one's ----

def another(site, cluster, name, settings, **stream):
    """Stores of an app of its own on that cluster, stopped whole; its data folder."""
    other = Site(cluster, f"{site.app}{name}", site.build_dir, site.folder / name, seed=site.seed + 1, run=site.run)
    try:
        other.setup(settings=settings)
        one = other.warm(**stream)
        one.stop()
    finally:
        other.close(keep=True)
    return other


def take_stores(site, other):
    for store in stores(other):
        mine = pathlib.Path(site.data_dir()) / site.app / store.name
        shutil.rmtree(mine, ignore_errors=True)
        shutil.copytree(store, mine)


def start_on_other_stores(site, reason):
    began = time.monotonic()
    one = site.start()
    for p in range(site.partitions):
        told = one.wait_event("store_rebuilt", partition=p)[0][1]["why"]
        expect(reason in told, f"another reason than '{reason}': {told}")
        expect("kept as p" in told, f"it does not say where the old one is: {told}")
    kept = list((pathlib.Path(site.data_dir()) / site.app).glob("p*.damaged-*"))
    expect(len(kept) == site.partitions, f"stores kept aside: {kept}")
    wait_running(site, one, began)


def newest_cuts(site):
    """{partition: number of the store's newest commit}"""
    told = site.segmentd_ok("state", "--data", site.data_dir(), "stats").splitlines()
    return {store["partition"]: store["cut"]["seq"] for store in map(json.loads, told)}


@fault(24, "a store of another cluster", part="a", runs=2)
def other_cluster(site, dice):
    kafka = Kafka(PROPERTIES, heap_mb=320)
    kafka.cluster_id = "AQAAAAAAAAAAAAAAAAAAAA"
    with kafka:
        cluster = Cluster(Key("3.9", 1, False, ()), brokers=kafka.brokers)
        other = another(site, cluster, "other", STORE)
    site.setup(settings=STORE)
    site.warm().stop()
    site.load_rest(wait=True)
    take_stores(site, other)
    start_on_other_stores(site, "belongs to the Kafka cluster")


@fault(24, "a store of a newer log than the broker's", part="b", runs=3)
def newer_log(site, dice):
    other = another(site, site.cluster, "other", STORE, events=9000, upto=9000)
    site.setup(settings={**STORE, "commit": {"interval_ms": 500, "max_events": 20000}})
    site.warm(events=3000, upto=600).stop()
    take_stores(site, other)
    site.load_rest(wait=True)
    start_on_other_stores(site, "beyond the changelog's end")


@fault(24, "a store with a cut ahead of Kafka", part="c", runs=3)
def cut_ahead(site, dice):
    """Many small commits of few customers there, few large ones of many here."""
    few = {"customers": 60, "erase_share": 0}
    other = another(site, site.cluster, "other", {**STORE, "commit": {"interval_ms": 5, "max_events": 3},
                                                  "checkpoint": {"max_interval": "1m"}, "recovery": {"target": "10s"},
                                                  "segmenter": {"k": 4, "min_customers": 30, "refit": {"sample": 256}}},
                    events=4000, upto=4000, stream={**few, "rate": 400})
    site.setup(settings={**STORE, "commit": {"interval_ms": 3000, "max_events": 20000}})
    site.warm(events=30000, upto=20000, stream={"customers": 6000}).stop()
    theirs, ours = newest_cuts(other), newest_cuts(site)
    if any(theirs[p] <= ours[p] for p in ours):
        raise FaultMissed(f"cuts there {theirs}, here {ours}")
    take_stores(site, other)
    site.load_rest(wait=True, rate=0)
    start_on_other_stores(site, "is ahead of the changelog's newest")


# ---- 25: old ----

CLEANING = {"log.cleaner.backoff.ms": 200, "log.initial.task.delay.ms": 100}
RETENTION_MS = 4000


def changelog_records(site):
    """(partition, key, value) of the changelog, tombstones included, as the broker has it now."""
    consumer = Consumer({"bootstrap.servers": site.brokers, "group.id": f"{site.app}-keys", "enable.partition.eof": True})
    topic = f"{site.app}-changelog"
    consumer.assign([TopicPartition(topic, p, 0) for p in range(site.partitions)])
    ends = 0
    while ends < site.partitions:
        message = consumer.poll(10)
        if message is None:
            break
        if message.error():
            ends += 1
        else:
            yield message.partition(), message.key(), message.value()
    consumer.close()


def changelog_keys(site):
    """Customers of whom there is a profile or a decision, or a tombstone of one."""
    return {key[1:].decode() for _, key, _ in changelog_records(site) if key[:1] in b"pd"}


def dumped(site):
    text = site.segmentd_ok("state", "--data", site.data_dir(), "dump")
    return {json.loads(line)["customer_id"] for line in text.splitlines()}


def clean_often(site):
    """Tombstones of the changelog go after seconds."""
    resource = ConfigResource(ResourceType.TOPIC, f"{site.app}-changelog")
    for name, value in {"delete.retention.ms": RETENTION_MS, "segment.ms": 500, "min.cleanable.dirty.ratio": 0.01,
                        "max.compaction.lag.ms": 1000}.items():
        resource.add_incremental_config(ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET))
    for future in site.admin.incremental_alter_configs([resource]).values():
        future.result(30)


@fault(25, "a store older than the changelog's tombstones", runs=2, private=True, properties=CLEANING)
def older_than_tombstones(site, dice):
    """Who was erased since, and of whom compaction has left nothing, does not come back with the old store."""
    site.setup(settings=STORE)
    clean_often(site)
    # Transactions cannot be told apart in what compaction leaves of their cuts.
    site.oracle_options = {"which": (checks.check_offsets, checks.check_profiles, checks.check_changelog_profiles,
                                     checks.check_changes, log_checks.check_stored_contributions,
                                     checks.check_dead_letters, sum_checks.check_sums, sum_checks.check_sums_told)}
    one = site.warm(events=9000, upto=3000, stream={"erase_share": .05, "customers": 200})
    one.stop()
    old, were_there = site.folder / "old", dumped(site)
    saved = time.monotonic()
    shutil.copytree(site.data_dir(), old)
    one = site.start()
    site.load_rest(upto=6500, rate=0, wait=True)
    site.wait_drained()
    one.stop()
    erased = were_there - dumped(site)
    if not erased:
        raise FaultMissed("nobody was erased")
    one = site.start()

    def gone():
        site.load_rest(upto=min(site.stream[1] + 40, 8500), rate=0, wait=True)  # segments roll when they are written to
        time.sleep(.5)
        one.alive()
        return any(c not in changelog_keys(site) for c in erased) and time.monotonic() - saved > RETENTION_MS / 1000
    until("compaction has removed a tombstone", gone, timeout=90)
    one.kill()
    forgotten = erased - changelog_keys(site)
    shutil.rmtree(site.data_dir())
    shutil.copytree(old, site.data_dir())
    start_on_other_stores(site, "older than the tombstones")
    if not forgotten:
        raise FaultMissed("the changelog still knows of all who were erased")
    # Some of them come back with the rest, as new ones: the oracle knows, and would see it if anything old were in them.
    site.load_rest(rate=0, wait=True)


# ---- 33: an upgrade ----

OLD = {"SEGMENTD_PROFILE_VERSION": "1"}


def profile_versions(site):
    """{format version: profile records of the changelog}"""
    return collections.Counter(value[0] for _, key, value in changelog_records(site) if key[:1] == b"p" and value)


def put_record_of_tomorrow(site):
    """A profile record as a later version might write it."""
    partition, key, value = next(r for r in changelog_records(site) if r[1][:1] == b"p" and r[2])
    content = bytes([99]) + value[1:-4]
    value = content + (xxhash.xxh3_64_intdigest(content) & 0xffffffff).to_bytes(4, "big")
    producer = Producer({"bootstrap.servers": site.brokers})
    producer.produce(f"{site.app}-changelog", key=key, value=value, partition=partition)
    expect(producer.flush(30) == 0, "the record was not sent")


@fault(33, "rolling upgrade from profile records of version 1", runs=6, short_runs=1)
def upgrade(site, dice):
    """Stores and changelog of version 1, stopped or killed; or the new version takes over beside the old one."""
    site.setup(partitions=4, settings={**STORE, "workers": 1})
    one = site.warm(env=OLD)
    site.load_rest(rate=2000, upto=4000, wait=True)
    versions = profile_versions(site)
    if set(versions) != {1}:
        raise FaultMissed(f"the changelog has records of versions {dict(versions)}")
    way = ("stop", "kill", "beside")[site.run % 3]
    site.load_rest(rate=2000)
    if way == "beside":
        two = site.start("two")
        two.wait_event("assigned")
        one.stop()
        name = "two"
    else:
        getattr(one, way)()
        two, name = site.start(), "one"
    site.wait_commit(two)
    site.finish(name)
    versions = profile_versions(site)
    expect(versions[3] > 0, f"the new version has written none of its records: {dict(versions)}")
    put_record_of_tomorrow(site)
    shutil.rmtree(site.data_dir(name))
    three = site.start(name)
    expect(three.wait_exit() == 1, "records of a newer version were taken in")
    expect("upgrade segmentd" in three.last_words(), f"it does not say what to do: {three.last_words()}")
