"""For tests that run the daemon on a real Kafka: its configuration, start, kill, stop, logs, and how far its group is.

    with Job(settings={"features": "full"}) as job:      # a broker and a folder of its own, gone afterwards
        job.run_ok("topics", "--config", job.config, "create", "--inputs", "--partitions", "4")
        job.generate("--events", 1000, "--customers", 50)
        job.start(); job.wait_drained(60); job.stop()

On an exception the tails of the daemon's and the broker's logs are printed. Needs SEG_BUILD_DIR.
"""
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import yaml
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

SUPPORT = pathlib.Path(__file__).resolve().parent
SOURCE_DIR = SUPPORT.parents[1]
sys.path[:0] = [str(SUPPORT / "kafka"), str(SUPPORT / "oracle")]
from kafka import Kafka  # noqa: E402
from collect import GroupReader  # noqa: E402
import oracle  # noqa: E402
import wire  # noqa: E402

INPUTS = ("web-events", "email-events", "orders", "profiles")
PR_SET_PDEATHSIG = 1
# The start of an exit by SIGTERM to its end (docs/definitions.md, Other outputs).
STOP_S = 30


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def die_with_parent():
    """Runs in the child between fork and exec."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def event_fields(text):
    """A log line's event and its key=value pairs."""
    words = text.split(" ", 3)
    pairs = re.findall(r'(\w+)=("[^"]*"|\S+)', words[3]) if len(words) > 3 else []
    return (words[2] if len(words) > 2 else ""), {k: v.strip('"') for k, v in pairs}


class Job:
    def __init__(self, app="it", partitions=4, settings=None, build_dir=None, keep=False, kafka_properties=None):
        self.app, self.partitions, self.keep = app, partitions, keep
        self.build_dir = pathlib.Path(build_dir or os.environ["SEG_BUILD_DIR"])
        self.binary = str(self.build_dir / "daemon" / "segmentd")
        self.settings = settings or {}
        self.kafka_properties = kafka_properties
        self.process = self.probe = self.kafka = self.folder = None
        self.starts = 0

    def __enter__(self):
        """Our folder is in the broker's, which goes even if this process is killed."""
        try:
            self.kafka = Kafka(self.kafka_properties, keep=self.keep).__enter__()
            self.folder = pathlib.Path(self.kafka.folder) / "job"
            self.folder.mkdir()
            self.data_dir = self.folder / "data"
            self.config = self.write_config()
            self.group = GroupReader(self.kafka.brokers, self.app)
            self.probe = Consumer({"bootstrap.servers": self.kafka.brokers, "group.id": self.app})
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if kind is not None and kind is not SystemExit and self.folder:
            self.print_logs()
        if self.probe:
            self.probe.close()
            self.group.close()
        if self.keep and self.folder:
            print(f"data and logs are in {self.folder}", file=sys.stderr)
        if self.kafka:
            self.kafka.close()

    def print_logs(self):
        for path in sorted(self.folder.glob("run-*.log"))[-2:]:
            print(f"---- {path.name}, its end:\n" + "".join(path.open(errors="replace").readlines()[-40:]), file=sys.stderr)
        if self.kafka and self.kafka.folder:
            print(f"---- broker.log, its end:\n{self.kafka.log_text(1500)}", file=sys.stderr)

    def write_config(self, name="config.yaml", **changes):
        """changes: top-level keys instead of those of the job."""
        config = {"app": self.app, "instance": "one", "data_dir": str(self.data_dir), "workers": 2,
                  "kafka": {"brokers": self.kafka.brokers}, "http": {"listen": "127.0.0.1:0"},
                  **self.settings, **changes}
        path = self.folder / name
        path.write_text(yaml.safe_dump(config))
        return str(path)

    # ---- commands ----

    def run(self, *args, timeout=90):
        return subprocess.run([self.binary, *map(str, args)], capture_output=True, text=True, timeout=timeout, check=False)

    def run_ok(self, *args):
        done = self.run(*args)
        expect(done.returncode == 0, f"{args} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def create_topics(self):
        """All topics; the inputs keep what is old, as the generator's events are."""
        told = self.run_ok("topics", "--config", self.config, "create", "--inputs", "--partitions", self.partitions)
        admin = AdminClient({"bootstrap.servers": self.kafka.brokers})
        forever = [ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
            ConfigEntry("retention.ms", "-1", incremental_operation=AlterConfigOpType.SET)]) for topic in INPUTS]
        for future in admin.incremental_alter_configs(forever).values():
            future.result(30)
        return told

    def generate(self, *options):
        done = subprocess.run([self.build_dir / "bench" / "seg_generate", "--brokers", self.kafka.brokers, "--partitions",
                               str(self.partitions), *map(str, options)], capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"seg_generate: {done.stderr}")
        return json.loads(done.stdout)

    # ---- the daemon ----

    @property
    def log_path(self):
        return self.folder / f"run-{self.starts:03}.log"

    def start(self, *options):
        self.starts += 1
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen([self.binary, "run", "--config", self.config, *options], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        return self.process

    def alive(self):
        expect(self.process.poll() is None, f"segmentd ended by itself with {self.process.returncode}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; returns the seconds it took."""
        began = time.monotonic()
        self.alive()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"segmentd has not ended {STOP_S} s after SIGTERM") from None
        expect(code == 0, f"segmentd ended with {code} after SIGTERM")
        return time.monotonic() - began

    def events(self, name=None):
        """Events of the log of the running start: (name, fields)."""
        lines = self.log_path.read_text(errors="replace").splitlines()
        found = [event_fields(line) for line in lines]
        return [(event, pairs) for event, pairs in found if name in (None, event)]

    def wait_event(self, name, timeout=30, count=1):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            found = self.events(name)
            if len(found) >= count:
                return found
            self.alive()
            time.sleep(.02)
        raise AssertionError(f"no log event {name} within {timeout} s")

    # ---- HTTP ----

    def get(self, path, port=None):
        """(status, text)"""
        port = port or self.wait_event("http_listens")[0][1]["port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    # ---- how far it is ----

    def places(self):
        return [TopicPartition(topic, p) for topic in INPUTS for p in range(self.partitions)]

    def ends(self):
        return {(t.topic, t.partition): self.probe.get_watermark_offsets(t, timeout=20) for t in self.places()}

    def positions(self):
        """The group's committed offsets; -1: none."""
        found = self.group.read(INPUTS)
        return {(t.topic, t.partition): found.get((t.topic, t.partition), (-1, ""))[0] for t in self.places()}

    def lag(self, ends, positions=None):
        """Records that are not committed; ends as of ends()."""
        positions = positions or self.positions()
        return sum(high - max(low, positions[place]) for place, (low, high) in ends.items())

    def wait_drained(self, timeout, ends=None):
        ends, until = ends or self.ends(), time.monotonic() + timeout
        while True:
            self.alive()
            left = self.lag(ends)
            if left == 0:
                return
            expect(time.monotonic() < until, f"not drained within {timeout} s: {left} records left")
            time.sleep(.05)

    def newest_cuts(self):
        """{partition: cut} by the committed records of the changelog's end."""
        topic, cuts = f"{self.app}-changelog", {}
        reader = Consumer({"bootstrap.servers": self.kafka.brokers, "group.id": "cuts", "isolation.level": "read_committed",
                           "enable.auto.commit": False, "enable.partition.eof": True})
        for partition in range(self.partitions):
            _, high = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
            back = 2000
            while partition not in cuts and high > 0:
                start = max(0, high - back)
                reader.assign([TopicPartition(topic, partition, start)])
                at_end, until = False, time.monotonic() + 20
                while not at_end:
                    expect(time.monotonic() < until, f"{topic}/{partition} cannot be read to its end")
                    for message in reader.consume(1000, timeout=.05):
                        at_end = at_end or message.error() is not None
                        if not message.error() and message.key()[:1] == b"c" and message.value():
                            cuts[partition] = wire.read_cut(message.value())
                if start == 0:
                    break
                back *= 8
        reader.close()
        return cuts

    # ---- the oracle ----

    def judge(self, **cleaning):
        """After a clean stop. Raises with the report if anything is not as it must be."""
        world, findings = oracle.run(self.kafka.brokers, self.app, self.binary, self.data_dir, SOURCE_DIR, settings=self.settings,
                                     **cleaning)
        expect(not findings, f"the oracle has {len(findings)} objections, see above")
        return world
