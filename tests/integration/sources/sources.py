#!/usr/bin/env python3
"""Wrong keys stop one source: log, status, metrics and readiness tell it, the others go on. And a spare instance."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["SEG_SOURCE_DIR"], "tests", "support"))
from confluent_kafka import Producer  # noqa: E402
from daemon_run import SOURCE_DIR, Job, die_with_parent, event_fields, expect  # noqa: E402
import recount  # noqa: E402

AT_MS, GOOD, MOST_WRONG, WAIT_S = 1740000000000, 600, 10, 30
DAY_MS = 24 * 3600 * 1000


def step(text):
    print(f"== {text}", flush=True)


def until(what, look, seconds=WAIT_S):
    """Waits until look() is true; what: a text, or a function that makes one."""
    end = time.monotonic() + seconds
    while not look():
        expect(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(.05)


class Feed:
    def __init__(self, job):
        self.job, self.reader = job, recount.Reader(SOURCE_DIR / "config" / "schemas")
        self.producer = Producer({"bootstrap.servers": job.kafka.brokers})
        self.made = 0

    def send(self, source, topic, right, at_ms, **fields):
        """One record; a wrong one has another customer's id as key."""
        self.made += 1
        customer = f"c{self.made % 97}"
        value = self.reader.encode(source, {"event_id": f"e{self.made}", "customer_id": customer, "event_time": at_ms,
                                            **fields})
        key = (customer if right else "somebody-else").encode()
        self.producer.produce(topic, key=key, value=value, partition=recount.partition_of(key, self.job.partitions),
                              timestamp=at_ms)

    def web(self, right, at_ms=AT_MS):
        self.send("web", "web-events", right, at_ms, kind="page_view")

    def order(self, at_ms=AT_MS):
        self.send("orders", "orders", True, at_ms, kind="purchase", order_id=f"o{self.made}", amount=5., currency="EUR")

    def flush(self):
        expect(self.producer.flush(30) == 0, "records were not taken")


def metric(job, series):
    code, text = job.get("/metrics")
    expect(code == 200, f"/metrics: {code}")
    found = [line.split()[-1] for line in text.splitlines() if line.startswith(series + " ")]
    return float(found[0]) if found else None


def states(job):
    status = json.loads(job.get("/api/v1/status")[1])
    return {s["topic"]: s["state"] for s in status["sources"]}, status


def lane_states(job):
    return [lane["state"] for worker in states(job)[1]["workers"] for lane in worker["partitions"]]


def ten_pass(job, feed):
    step(f"{MOST_WRONG} wrong keys among {2 * GOOD} records: the source goes on")
    for i in range(2 * GOOD):
        feed.web(not (GOOD - MOST_WRONG / 2 <= i < GOOD + MOST_WRONG / 2))
    feed.order()
    feed.flush()
    job.wait_drained(WAIT_S)
    until("ready", lambda: job.get("/readyz")[0] == 200)
    expect(set(states(job)[0].values()) == {"running"} and len(states(job)[0]) == 4, f"sources: {states(job)[0]}")
    expect(metric(job, 'segmentd_source_stopped{topic="web-events"}') == 0, "the gauge of a running source is not 0")
    expect(not job.events("source_stopped"), "a source stopped at 10 wrong keys")


def eleven_stop(job, feed):
    step(f"{MOST_WRONG} more and one: the source stops, is seen, and the others go on")
    for i in range(GOOD):
        feed.web(i % 30 != 0)
    feed.flush()
    told = job.wait_event("source_stopped", WAIT_S)
    text = told[0][1]["text"]
    expect(told[0][1]["topic"] == "web-events" and "customer id" in text and "murmur2_random" in text, f"it is told: {told}")
    wanted = {"web-events": "stopped", "email-events": "running", "orders": "running", "profiles": "running"}
    until(f"sources are {wanted}", lambda: states(job)[0] == wanted)
    until("all partitions run", lambda: lane_states(job) == ["running", "running"])
    expect(job.get("/readyz")[0] == 503, "ready with a stopped source")
    expect(metric(job, 'segmentd_source_stopped{topic="web-events"}') == 1, "the gauge of the stopped source is not 1")
    expect(metric(job, 'segmentd_source_stopped{topic="orders"}') == 0, "the gauge of another source is not 0")
    expect(job.get("/healthz")[0] == 200, "a stopped source is no reason to restart the process")


def others_go_on(job, feed):
    """Far beyond sync.max_skew of what the stopped source has come to."""
    for i in range(GOOD):
        feed.order(AT_MS + (1 + i // 20) * DAY_MS)
    feed.flush()
    ends = job.ends()
    orders = {place: end for place, end in ends.items() if place[0] == "orders"}
    until("the orders are committed", lambda: job.lag(orders) == 0)
    left = job.lag({place: end for place, end in ends.items() if place[0] == "web-events"})
    expect(left > 0, "the stopped source was read to its end")
    until("stream time follows the others", lambda: states(job)[1]["stream_time_ms"] > AT_MS + 20 * DAY_MS)


def spare(job):
    """The two workers have the two partitions, by the order of their ids; the second instance's has nothing to do."""
    step("an instance without partitions is ready once the group has answered")
    config = job.write_config("spare.yaml", instance="two", data_dir=str(job.folder / "spare"), workers=1)
    log_path = job.folder / "run-spare.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen([job.binary, "run", "--config", config], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                   preexec_fn=die_with_parent)

    def port():
        found = [event_fields(line) for line in log_path.read_text(errors="replace").splitlines()]
        return [pairs["port"] for event, pairs in found if event == "http_listens"]

    try:
        until("the spare listens", port)
        until("the spare is ready", lambda: job.get("/readyz", port()[0])[0] == 200, 60)
        status = json.loads(job.get("/api/v1/status", port()[0])[1])
        lanes = [lane for worker in status["workers"] for lane in worker["partitions"]]
        expect(not lanes and status["ready"], f"the spare has something to do: {status['workers']}")
        process.send_signal(signal.SIGTERM)
        expect(process.wait(30) == 0, f"the spare ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def main():
    with Job(partitions=2, settings={"workers": 2}) as job:
        job.create_topics()
        feed = Feed(job)
        job.start()
        ten_pass(job, feed)
        spare(job)
        eleven_stop(job, feed)
        others_go_on(job, feed)
        step(f"stopped cleanly in {job.stop():.1f} s")
    print("sources: passed")


if __name__ == "__main__":
    main()
