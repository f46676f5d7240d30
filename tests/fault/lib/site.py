"""A Site is one run: an app with topics and a data folder of its own on a shared broker, instances of segmentd that are
started, killed and stopped, and at the end the oracle's word on all of it. See ../README.md."""
import collections
import copy
import ctypes
import dataclasses
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import yaml
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(SOURCE_DIR / "tests" / "support" / "oracle")]
import oracle  # noqa: E402
from collect import GroupReader  # noqa: E402
from lib.cluster import SESSION_S, TRANSACTION_S  # noqa: E402
from lib.scenario import FaultMissed  # noqa: E402

SOURCES = {"web": "web-events", "email": "email-events", "orders": "orders", "profiles": "profiles"}
OUTPUTS = {"segment_changes": "segment-changes", "segments": "segments", "drift_alerts": "drift-alerts",
           "campaign_triggers": "campaign-triggers", "dead_letters": "dead-letters"}
PR_SET_PDEATHSIG = 1
# The machine may be busy: these only end what hangs. The start of an exit by SIGTERM to its end is 30 s by contract.
STOP_S, DRAIN_S, EVENT_S, EXIT_S = 60, 120, 60, 60

# Small commits and short cycles, so that little time sees many of them; customers leave by silence, too.
SETTINGS = {
    "workers": 2, "features": "rfm", "commit": {"interval_ms": 50, "max_events": 100}, "recovery": {"target": "1s"},
    "checkpoint": {"max_interval": "1s"}, "segmenter": {"k": 4, "min_customers": 100, "refit": {"sample": 256}},
    "kafka": {"session_timeout": f"{SESSION_S}s", "transaction_timeout": f"{TRANSACTION_S}s", "max_poll_interval": "30s"},
    "http": {"listen": "127.0.0.1:0"},
}


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def wait_for(what, condition, timeout=60, alive=()):
    """Until condition() is true; what it returned."""
    until = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        for one in alive:
            one.alive()
        expect(time.monotonic() < until, f"{what}: not within {timeout} s")
        time.sleep(.02)


def merged(base, changes):
    """base with changes, maps within maps merged."""
    out = copy.deepcopy(base)
    for key, value in changes.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def event_fields(text):
    """A log line's event and its key=value pairs."""
    words = text.split(" ", 3)
    pairs = re.findall(r'(\w+)=("[^"]*"|\S+)', words[3]) if len(words) > 3 else []
    return (words[2] if len(words) > 2 else ""), {k: v.strip('"') for k, v in pairs}


def die_with_parent():
    """Runs in the child between fork and exec."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclasses.dataclass
class Verdict:
    """What one run came to. findings: one line each; recoveries: seconds from a start after the fault to the first commit."""
    events: int = 0
    lost: int = 0
    doubled: int = 0
    leaked: int = 0
    diverged: int = 0
    findings: list = dataclasses.field(default_factory=list)
    recoveries: list = dataclasses.field(default_factory=list)

    @property
    def clean(self):
        return not (self.lost or self.doubled or self.leaked or self.diverged)


class Instance:
    """One start of segmentd run, and its log."""

    def __init__(self, site, name, command, env, log_path, data_dir, config):
        self.site, self.name, self.log_path, self.data_dir, self.config = site, name, log_path, data_dir, config
        self.began, self.began_wall_s = time.monotonic(), time.time()
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env,
                                            preexec_fn=die_with_parent)

    # ---- its end ----

    def is_running(self):
        return self.process.poll() is None

    def alive(self):
        expect(self.is_running(), f"segmentd {self.name} ended by itself with {self.process.returncode}: {self.last_words()}")

    def signal(self, number):
        """To segmentd itself, also when a wrapper started it in the same process (exec)."""
        self.process.send_signal(number)

    def arm(self):
        """Passings of its crash or stall point count from now on (start(armed=False))."""
        self.process.send_signal(signal.SIGUSR2)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait_exit(self, timeout=EXIT_S):
        """Its exit code (below 0: the signal)."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"segmentd {self.name} has not ended within {timeout} s") from None

    def wait_crash(self, timeout=EXIT_S, missed=None):
        """Waits until the crash point of start(crash=...) has killed it. Else: FaultMissed. missed(): looked at all the
        while; true says that the point will not come any more."""
        until = time.monotonic() + timeout
        while self.is_running():
            if time.monotonic() > until or (missed and missed()):
                raise FaultMissed(f"segmentd {self.name} did not come to its crash point")
            time.sleep(.01)
        text = self.log_text()
        if self.process.returncode != -signal.SIGKILL or "crash_point name=" not in text:
            raise FaultMissed(f"segmentd {self.name} ended with {self.process.returncode} and without its crash point: "
                              f"{self.last_words()}")

    def stop(self, timeout=STOP_S):
        """SIGTERM; it must end with 0. Returns the seconds it took."""
        self.wait_event("http_listens")  # before that nobody handles the signal
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.wait_exit(timeout)
        expect(code == 0, f"segmentd {self.name} ended with {code} after SIGTERM: {self.last_words()}")
        return time.monotonic() - began

    # ---- its log ----

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def last_words(self):
        lines = self.log_text().splitlines()
        return lines[-1][:300] if lines else "(no log)"

    def events(self, name=None):
        """[(event, fields)] of the log."""
        found = [event_fields(line) for line in self.log_text().splitlines()]
        return [(event, pairs) for event, pairs in found if name in (None, event)]

    def first_commit_s(self):
        """Seconds from its start to the first commit of any partition, by its log; None: not yet."""
        line = next((line for line in self.log_text().splitlines() if " info first_commit " in line), None)
        if line is None:
            return None
        at = datetime.datetime.fromisoformat(line.split(" ", 1)[0].replace("Z", "+00:00")).timestamp()
        # Its clock may be a false one; it cannot have been later than now.
        return min(max(at - self.began_wall_s, 0), time.monotonic() - self.began)

    def wait_event(self, name, timeout=EVENT_S, count=1, **fields):
        """The first `count` events of that name with these fields; it must live until then."""
        until = time.monotonic() + timeout
        while True:
            found = [(event, pairs) for event, pairs in self.events(name)
                     if all(pairs.get(k) == str(v) for k, v in fields.items())]
            if len(found) >= count:
                return found
            self.alive()
            expect(time.monotonic() < until, f"no log event {name} {fields or ''} of {self.name} within {timeout} s")
            time.sleep(.02)

    # ---- HTTP ----

    def get(self, path, timeout=10):
        """(status, text)"""
        port = self.wait_event("http_listens")[0][1]["port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait_ready(self, timeout=EVENT_S):
        """Until all partitions that it has run: recovery is over."""
        until = time.monotonic() + timeout
        while self.get("/readyz")[0] != 200:
            self.alive()
            expect(time.monotonic() < until, f"segmentd {self.name} is not ready within {timeout} s")
            time.sleep(.03)

    def status(self):
        return json.loads(self.get("/api/v1/status")[1])


class Site:
    """cluster: lib.cluster.Cluster. Give settings to setup(), or change `settings` before it."""

    def __init__(self, cluster, app, build_dir, folder, seed=1, run=0, short=False):
        self.cluster, self.app, self.seed, self.run, self.short = cluster, app, seed, run, short
        self.build_dir, self.folder = pathlib.Path(build_dir), pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        twin = self.build_dir / "daemon" / "segmentd_fault"
        self.binary = str(twin if twin.exists() else self.build_dir / "daemon" / "segmentd")
        self.partitions = 2
        self.settings = copy.deepcopy(SETTINGS)
        self.topics = {source: f"{app}.{topic}" for source, topic in SOURCES.items()}
        self.outputs = {output: f"{app}.{topic}" for output, topic in OUTPUTS.items()}
        self.events, self.recoveries, self.instances, self.loads = 0, [], [], []
        self.verdict, self.oracle_options, self.stream = None, {}, None
        self.sums_compared = True  # False: judge() need not find that the sums equal their recount; say why where it is set
        self.starts = collections.Counter()
        self._admin = self._probe = self._group = None

    # ---- Kafka ----

    @property
    def brokers(self):
        return self.cluster.brokers

    @property
    def admin(self):
        if not self._admin:
            self._admin = AdminClient({"bootstrap.servers": self.brokers})
        return self._admin

    @property
    def probe(self):
        """A consumer that is in no group, for watermarks and such."""
        if not self._probe:
            self._probe = Consumer({"bootstrap.servers": self.brokers, "group.id": f"{self.app}-probe",
                                    "isolation.level": "read_uncommitted"})
        return self._probe

    def places(self):
        return [(topic, p) for topic in self.topics.values() for p in range(self.partitions)]

    def ends(self):
        """{(topic, partition): (low, high)} of the inputs."""
        return {place: self._end(place) for place in self.places()}

    def _end(self, place, timeout=60):
        """A leader may have moved, or be gone for a moment."""
        until = time.monotonic() + timeout
        while True:
            try:
                return self.probe.get_watermark_offsets(TopicPartition(*place), timeout=30)
            except KafkaException:
                if time.monotonic() > until:
                    raise
                self.probe.list_topics(place[0], timeout=30)
                time.sleep(.2)

    def positions(self):
        """{(topic, partition): offset} that the group has committed; -1: none."""
        if not self._group:
            self._group = GroupReader(self.brokers, self.app)
        found = self._group.read(set(self.topics.values()))
        return {place: found.get(place, (-1, ""))[0] for place in self.places()}

    def lag(self, ends=None):
        """Input records that are not committed."""
        ends, positions = ends or self.ends(), self.positions()
        return sum(max(0, high - max(low, positions[place])) for place, (low, high) in ends.items())

    # ---- what a run is made of ----

    def setup(self, partitions=None, settings=None, instance="one"):
        """Topics and configuration. settings are merged over SETTINGS; partitions of each input (2)."""
        self.partitions = partitions or self.partitions
        self.settings = merged(self.settings, settings or {})
        config = self.config(instance)
        # The generator's events are old: the inputs keep what is old.
        wanted = [NewTopic(topic, self.partitions, config={"retention.ms": "-1"},
                           replication_factor=3 if self.cluster.nodes >= 3 else 1) for topic in self.topics.values()]
        for future in self.admin.create_topics(wanted, request_timeout=60).values():
            future.result(60)
        self.wait_topics(self.topics.values())
        self.create_ours(config)

    def create_ours(self, config, timeout=30):
        """Outputs and internals. Brokers learn of the inputs a moment after they are made."""
        until = time.monotonic() + timeout
        while True:
            done = self.segmentd("topics", "--config", config, "create")
            if done.returncode == 0:
                return
            expect("input topics are missing" in done.stderr and time.monotonic() < until,
                   f"segmentd topics ended with {done.returncode}: {done.stdout}{done.stderr}")
            time.sleep(.1)

    def wait_topics(self, names, timeout=30):
        """The controller has made them: until each broker knows all their leaders, too."""
        for server in self.brokers.split(","):
            admin, until = AdminClient({"bootstrap.servers": server}), time.monotonic() + timeout
            while True:
                known = admin.list_topics(timeout=20).topics
                if all(name in known and len(known[name].partitions) >= self.partitions and
                       all(p.leader >= 0 for p in known[name].partitions.values()) for name in names):
                    break
                expect(time.monotonic() < until, f"{server} does not know the inputs within {timeout} s")
                time.sleep(.05)

    def config(self, instance="one", data_dir=None, brokers=None, **changes):
        """Writes the instance's configuration file and returns its path. changes: settings, merged."""
        config = merged({"app": self.app, "instance": instance, "data_dir": str(data_dir or self.data_dir(instance)),
                         "sources": {s: {"topic": t} for s, t in self.topics.items()},
                         "outputs": {o: {"topic": t} for o, t in self.outputs.items()}}, self.settings)
        config = merged(config, {"kafka": {"brokers": brokers or self.brokers}})
        path = self.folder / f"{instance}.yaml"
        path.write_text(yaml.safe_dump(merged(config, changes)))
        return str(path)

    def data_dir(self, instance="one"):
        return self.folder / f"data-{instance}"

    def segmentd(self, *args, timeout=120, env=None):
        return subprocess.run([self.binary, *map(str, args)], capture_output=True, text=True, timeout=timeout, check=False,
                              env={**os.environ, **(env or {})})

    def segmentd_ok(self, *args, **options):
        done = self.segmentd(*args, **options)
        expect(done.returncode == 0, f"segmentd {args[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def load(self, events, *options, wait=True, start=0, upto=None, rate=0, **stream):
        """Sends events start <= i < upto of a stream of `events` to the inputs (bench/seg_generate). stream: customers,
        days, erase_share, …: its options; else those of a small busy shop. wait=False: returns the process, which goes on
        sending (give a rate)."""
        wanted = {"customers": max(60, events // 20), "days": 60, "seed": self.seed, "late_share": .02, "erase_share": .004,
                  **stream}
        upto = events if upto is None else upto
        command = [str(self.build_dir / "bench" / "seg_generate"), "--brokers", self.brokers, "--partitions",
                   str(self.partitions), "--prefix", f"{self.app}.", "--events", str(events), "--from", str(start), "--to",
                   str(upto), "--rate", str(rate), *map(str, options)]
        for name, value in wanted.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=die_with_parent)
        self.events += upto - start
        self.loads.append(process)
        if wait:
            self.wait_loaded()
        return process

    def wait_loaded(self, timeout=120):
        """Until all that load() started has been sent."""
        for process in self.loads:
            _, told = process.communicate(timeout=timeout)
            expect(process.returncode == 0, f"seg_generate: {told}")
        self.loads = []

    def warm(self, events=6000, upto=None, stream=None, **start):
        """Starts an instance, lets it drain the first third (or upto) of a stream, and waits until there are segments, so that
        the fault falls among changes. start: as of start()."""
        upto = upto or events // 3
        self.stream = (events, upto, stream or {})
        one = self.start(**start)
        self.load(events, upto=upto, **self.stream[2])
        self.wait_drained(instances=[one])
        self.wait_fitted(one)
        return one

    def load_rest(self, rate=3000, upto=None, wait=False):
        """Sends what warm() has left of the stream (up to upto, if given), in the background unless wait."""
        events, start, stream = self.stream
        upto = events if upto is None else upto
        self.stream = (events, upto, stream)
        return self.load(events, start=start, upto=upto, rate=rate, wait=wait, **stream)

    def start(self, name="one", *options, crash=None, stall=None, armed=True, mutant=None, preload=None, env=None,
              wrapper=(), config=None, brokers=None, **changes):
        """Starts an instance. crash: "point:n" or "point:n:delay_us" (base/fault.h); stall: "point:n:ms";
        armed=False: passings count from instance.arm() on; mutant: a seeded bug; preload: a library; wrapper: a
        command that it is started with (it must exec); config: a file instead of the one made of changes (settings);
        brokers: others than the cluster's, e.g. a proxy's."""
        config = config or self.config(name, brokers=brokers, **changes)
        data_dir = yaml.safe_load(pathlib.Path(config).read_text())["data_dir"]
        wanted = {**os.environ, **(env or {})}
        for key, value in (("SEGMENTD_CRASH", crash), ("SEGMENTD_STALL", stall),
                           ("SEGMENTD_ARMED_BY", None if armed else "signal"), ("SEGMENTD_MUTANT", mutant),
                           ("LD_PRELOAD", preload)):
            if value:
                wanted[key] = str(value)
        self.starts[name] += 1
        log = self.folder / f"{name}-{self.starts[name]:03}.log"
        instance = Instance(self, name, [*wrapper, self.binary, "run", "--config", config, *options], wanted, log, data_dir,
                            config)
        self.instances.append(instance)
        return instance

    def running(self):
        return [one for one in self.instances if one.is_running()]

    def wait_commit(self, instance, timeout=60):
        """Seconds from the instance's start to its first commit, kept as a recovery time; None if there is nothing to commit
        for it."""
        until, ends = instance.began + timeout, self.ends()
        while True:
            instance.alive()
            took = instance.first_commit_s()
            if took is not None:
                self.recoveries.append(took)
                return took
            if instance.events("first_commit") == [] and self.lag(ends) == 0 and instance.get("/readyz")[0] == 200:
                return None
            expect(time.monotonic() < until, f"segmentd {instance.name} has not committed {timeout} s after its start")
            time.sleep(.02)

    def wait_drained(self, timeout=DRAIN_S, instances=None):
        """Until everything that is in the inputs now is committed; those who run must live."""
        ends, until = self.ends(), time.monotonic() + timeout
        while True:
            left = self.lag(ends)
            if left == 0:
                return
            for one in instances or self.instances[-1:]:
                one.alive()
            expect(time.monotonic() < until, f"not drained within {timeout} s: {left} records left")
            time.sleep(.03)

    def wait_fitted(self, instance, timeout=60):
        """Until there is a model with segments."""
        until = time.monotonic() + timeout
        while not instance.status()["segments"]:
            instance.alive()
            expect(time.monotonic() < until, f"no segments within {timeout} s")
            time.sleep(.05)

    def wait_all(self, instance, timeout=EVENT_S):
        """Until it has every partition, running, and still has them a moment later: its status is some 250 ms old, and a static
        member that has gone keeps its partitions until its session ends."""
        until, since = time.monotonic() + timeout, None
        while since is None or time.monotonic() < since + .6:
            instance.alive()
            expect(time.monotonic() < until, f"segmentd {instance.name} has not all partitions within {timeout} s")
            partitions = [p for worker in instance.status()["workers"] for p in worker["partitions"]]
            whole = len(partitions) == self.partitions and all(p["state"] == "running" for p in partitions)
            since = (since or time.monotonic()) if whole else None
            time.sleep(.05)

    # ---- the end ----

    def finish(self, instance="one", **start):
        """Everything is sent, everybody but `instance` is stopped, it drains and is stopped whole; then the oracle judges, and
        `segmentd state verify` compares the sums bit for bit. Returns (and keeps) the Verdict."""
        if self.verdict:
            return self.verdict
        self.wait_loaded()
        last = next((one for one in self.running() if one.name == instance), None)
        for one in self.running():
            if one is not last:
                one.stop()
        if last is None:
            last = self.start(instance, **start)
            self.wait_commit(last)
        self.wait_drained(instances=[last])
        self.wait_all(last)
        last.stop()
        if not self.is_whole(last):  # as much as fits 20 s; what is left fits the next ones
            last = self.start(instance, **start)
            self.wait_all(last)
            last.stop()
            expect(self.is_whole(last), "two clean stops in turn were not whole")
        return self.judge(last)

    @staticmethod
    def is_whole(instance):
        told = instance.events("checkpoint_at_stop")
        return bool(told) and all(pairs["whole"] == "yes" for _, pairs in told)

    def judge(self, last):
        """After a whole stop of `last`, which held all partitions."""
        world, findings = oracle.run(self.brokers, self.app, self.binary, last.data_dir, SOURCE_DIR, topics=self.topics,
                                     outputs=self.outputs, settings=self.settings, **self.oracle_options)
        expect(world.whole, "the log says that the stop was whole, and the stores are not")
        kinds = collections.Counter(finding.kind for finding in findings)
        lines = [str(finding) for finding in findings]
        verified = self.segmentd("state", "--data", last.data_dir, "verify", "--config", last.config)
        fitted = any(model.clusters for model in world.published[0].values())
        unsaid = self.unsaid(verified.stdout) if fitted and self.sums_compared else []
        if verified.returncode or unsaid:
            kinds["diverged"] += 1
            lines.append(f"diverged: state verify ended with {verified.returncode}, does not say {unsaid}: "
                         f"{verified.stdout}{verified.stderr}")
        self.verdict = Verdict(self.events, kinds["lost"], kinds["doubled"], kinds["leaked"], kinds["diverged"], lines,
                               list(self.recoveries))
        return self.verdict

    def unsaid(self, text):
        """What `state verify` must say of the sums, once each, and does not. It ends with 0, too, when it had nothing to
        compare: then nothing was proved."""
        lines = text.splitlines()
        wanted = [f"partition {p}: sums equal the recount (" for p in range(self.partitions)]
        wanted.append(f"fleet: sums equal the recount over all {self.partitions} partitions (")
        return [start for start in wanted if sum(line.startswith(start) for line in lines) != 1]

    def logs_tail(self, lines=25):
        """The ends of the newest logs, for who looks for the reason."""
        return "\n".join(f"---- {one.log_path.name}\n" + "\n".join(one.log_text().splitlines()[-lines:])
                         for one in self.instances[-3:])

    def close(self, keep=False):
        """Ends what still runs, and deletes topics and folder."""
        for one in self.running():
            one.kill()
        for process in self.loads:
            process.kill()
            process.communicate()
        if self._probe:
            self._probe.close()
        if self._group:
            self._group.close()
        if not self.cluster.kafka:
            self.delete_topics()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def delete_topics(self):
        mine = [t for t in self.admin.list_topics(timeout=30).topics if t.startswith((f"{self.app}.", f"{self.app}-"))]
        if mine:
            for future in self.admin.delete_topics(mine, request_timeout=30).values():
                try:
                    future.result(30)
                except Exception as error:  # it is only tidiness
                    print(f"a topic is left behind: {error}", file=sys.stderr)

