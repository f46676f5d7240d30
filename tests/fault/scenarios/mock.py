"""Fault 19: librdkafka's mock cluster answers with errors, on every request that a worker makes.

What is checked: nobody crashes, hangs or stops in silence; after the errors the records that come in are committed, or the
program ends with 1 and a line that says why. Nothing is said about exactly-once: the mock shows aborted records to everybody
and keeps no offsets that were sent in a transaction (docs/pitfalls.md), so neither the oracle nor a restart over the same
mock would mean anything. LeaveGroup is asked at the end of a program only, and a program that ends does not look at the answer.
"""
import concurrent.futures
import subprocess
import time
import urllib.error

from confluent_kafka import Producer

from lib.scenario import FaultMissed, fault
from lib.site import OUTPUTS, SOURCE_DIR, SOURCES, Verdict, expect
import recount  # of the oracle; lib.site knows where it is
from scenarios.library import says_why

APIS = {"Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetFetch": 9, "FindCoordinator": 10, "JoinGroup": 11,
        "Heartbeat": 12, "SyncGroup": 14, "ApiVersions": 18, "InitProducerId": 22, "AddPartitionsToTxn": 24,
        "AddOffsetsToTxn": 25, "EndTxn": 26, "TxnOffsetCommit": 28}
# Asked by a worker that is at work, again and again; the others at a start.
AT_WORK = ("Produce", "Fetch", "Heartbeat", "AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "TxnOffsetCommit")
# Kafka's codes: those that ask for another try, and those that take something away: a generation, an epoch, a right. -195
# closes the connection.
GROUP = ((14, 15, 16), (25, 22, 27, 30, 82, -1))
TRANSACTION = ((14, 15, 16, 51), (47, 48, 49, 90, 53, -1))
LOG = ((6, 5, 7, 3), (29, 56, 2, -1))
CODES = {"Produce": ((6, 7, 19, 20), (29, 10, 45, 47, 2, -1)), "Fetch": ((6, 5, 3, 9), (29, 1, 2, -1)), "ListOffsets": LOG,
         "Metadata": ((5, 7), (29, -1)), "ApiVersions": ((7,), (35, -1)), "OffsetFetch": GROUP, "FindCoordinator": GROUP,
         "JoinGroup": GROUP, "Heartbeat": GROUP, "SyncGroup": GROUP, "InitProducerId": TRANSACTION,
         "AddPartitionsToTxn": TRANSACTION, "AddOffsetsToTxn": TRANSACTION, "EndTxn": TRANSACTION,
         "TxnOffsetCommit": (TRANSACTION[0], (*TRANSACTION[1], 22, 25, 82))}
CLOSED = -195
EVENTS = 60
BESIDE = 4  # programs beside each other


class Mock:
    """The program of ../mock, with the topics of an app."""

    def __init__(self, site, app):
        self.topics = {source: f"{app}.{topic}" for source, topic in SOURCES.items()}
        self.outputs = {output: f"{app}.{topic}" for output, topic in OUTPUTS.items()}
        wide = [*self.topics.values(), f"{app}-changelog", self.outputs["segment_changes"]]
        narrow = [f"{app}-model-sums", f"{app}-model", *(t for t in self.outputs.values() if t not in wide)]
        program = str(site.build_dir / "tests" / "fault" / "mock_broker")
        command = [program, *(f"{t}:2" for t in wide), *(f"{t}:1" for t in narrow)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.brokers = self.process.stdout.readline().split()[1]
        self.producer = Producer({"bootstrap.servers": self.brokers, "linger.ms": 1})
        self.sent = 0

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def fail(self, api, codes):
        answer = self.ask(f"fail {APIS[api]} {' '.join(map(str, codes))}")
        expect(answer == "ok", f"mock_broker: {answer}")

    def count(self, api):
        return int(self.ask(f"count {APIS[api]}").split()[1])

    def send(self, dice, reader):
        for i in range(EVENTS):
            customer = f"c{dice.randint(1, 50)}"
            fields = {"event_id": f"e{dice.getrandbits(60)}", "customer_id": customer, "kind": "page_view",
                      "event_time": 1700000000000 + i}
            self.producer.produce(self.topics["web"], reader.encode("web", fields), customer.encode(),
                                  recount.partition_of(customer.encode(), 2))
        expect(self.producer.flush(60) == 0, "the mock takes no events")
        self.sent += EVENTS

    def close(self):
        self.producer = None
        self.process.stdin.close()
        self.process.wait(30)


def committed(instance):
    """Input records that it has committed, by its metrics; 0 when it does not answer (yet, or any more)."""
    try:
        text = instance.get("/metrics")[1]
    except (AssertionError, OSError, urllib.error.URLError):
        return 0
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("segmentd_events_total"))


class Trial:
    """One program on one mock at a time, and a new pair when it has ended. Several may go beside each other."""

    def __init__(self, site, dice, api, name=""):
        self.site, self.dice, self.api, self.name = site, dice, api, name
        self.reader = recount.Reader(SOURCE_DIR / "config" / "schemas")
        self.mock = self.one = None
        self.starts = self.ended = self.tried = 0

    def start(self, codes=()):
        self.drop()
        self.starts += 1
        app = f"{self.site.app}-{self.name}{self.starts}"
        self.mock = Mock(self.site, app)
        self.mock.fail(self.api, codes)
        settings = {"sources": {s: {"topic": t} for s, t in self.mock.topics.items()},
                    "outputs": {o: {"topic": t} for o, t in self.mock.outputs.items()}, "workers": 1, "app": app}
        self.one = self.site.start(f"m{self.name}{self.starts}", brokers=self.mock.brokers, **settings)

    def survives(self, codes, asked, timeout=120):
        """All that was sent is committed after these errors, or it has ended with a reason."""
        until, reached, sent_more, wanted = time.monotonic() + timeout, False, False, self.mock.sent
        self.tried += len(codes)
        while self.one.is_running():
            reached = reached or self.mock.count(self.api) >= asked + len(codes)
            if reached and committed(self.one) >= wanted:
                return
            if reached and not sent_more and time.monotonic() > until - timeout + 15:
                # What a transaction without an end had taken in counts as read, on the mock: it goes on if new ones are.
                sent_more, wanted = True, committed(self.one) + EVENTS
                self.mock.send(self.dice, self.reader)
            if time.monotonic() > until and not reached:
                raise FaultMissed(f"{self.api} {codes}: not asked {len(codes)} times: {self.one.last_words()}")
            expect(time.monotonic() < until, f"{self.api} {codes}: neither goes on nor ends within {timeout} s: "
                   f"{self.one.last_words()}")
            time.sleep(.05)
        says_why(self.one)
        self.ended += 1

    def at_start(self, codes):
        self.start(codes)
        if self.api not in ("Produce", "Metadata", "ApiVersions", "ListOffsets"):
            self.mock.send(self.dice, self.reader)  # else our own requests would take the errors
        self.survives(codes, 0)

    def at_work(self, codes):
        if not self.one or not self.one.is_running():
            self.start()
            self.mock.send(self.dice, self.reader)
            self.survives((), 0)
        self.mock.sent = committed(self.one)
        asked = self.mock.count(self.api)
        if self.api == "Produce":
            self.mock.send(self.dice, self.reader)
            asked = self.mock.count(self.api)
            self.mock.fail(self.api, codes)
        else:
            self.mock.fail(self.api, codes)
            self.mock.send(self.dice, self.reader)
        self.survives(codes, asked)

    def drop(self):
        if self.one and self.one.is_running():
            self.one.kill()
        if self.mock:
            self.mock.close()
        self.mock = None


def go_through(site, dice, api, number, tries):
    """Number of errors."""
    trial = Trial(site, dice, api, name=f"{number}-")
    try:
        for codes in tries:
            if api in AT_WORK:
                trial.at_work(codes)
            else:
                trial.at_start(codes)
    finally:
        trial.drop()
    return trial.tried


@fault(19, "the mock cluster's errors on every request type (nothing lost is not shown there)", runs=len(APIS), short_runs=1)
def errors(site, dice):
    api = list(APIS)[site.run % len(APIS)]
    again, harsh = CODES[api]
    tries = [again, *((code,) for code in harsh), (CLOSED, CLOSED)]
    if api in AT_WORK:
        lists = [tries]
    else:  # a start takes its time, whoever waits for it
        lists = [[codes] for codes in tries]
    with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
        tried = sum(pool.map(lambda numbered: go_through(site, dice, api, *numbered), enumerate(lists)))
    site.events, site.verdict = tried, Verdict(events=tried)
    return site.verdict
