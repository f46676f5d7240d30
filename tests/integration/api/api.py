#!/usr/bin/env python3
"""The API of a running daemon with two workers: what it tells, what it changes, and what it refuses."""
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.environ["SEG_SOURCE_DIR"], "tests", "support"))
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from daemon_run import SOURCE_DIR, Job, die_with_parent, expect  # noqa: E402
import collect  # noqa: E402
import recount  # noqa: E402

TOKEN, WAIT_S, AT_MS = "it-secret-0123456789", 60, 1740000000000
ODD = "Zoë/50% off?"
SETTINGS = {
    "http": {"listen": "127.0.0.1:0", "token": TOKEN, "write_rate": 1000},
    "features": "rfm",
    "segmenter": {"k": 4, "min_customers": 100, "promotion": "manual"},
}


def step(text):
    print(f"== {text}", flush=True)


def until(what, look, seconds=WAIT_S):
    """Waits until look() is something, and returns it."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        expect(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(.1)


class Api:
    def __init__(self, job):
        self.job = job

    @property
    def port(self):
        return int(self.job.wait_event("http_listens")[0][1]["port"])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, token=TOKEN, headers=None):
        """(status, object, headers); a 503 is asked again for a while, as it says."""
        end = time.monotonic() + 20
        while True:
            status, value, got = self.once(method, path, body, token, headers)
            if status != 503 or time.monotonic() > end:
                return status, value, got
            time.sleep(.2)

    def once(self, method, path, body=None, token=TOKEN, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        value = json.loads(text) if text else None
        return answer.status, value, dict(answer.getheaders())

    def ok(self, method, path, body=None, status=200):
        got, value, _ = self.ask(method, path, body)
        expect(got == status, f"{method} {path}: {got} {value}")
        return value

    def refused(self, status, method, path, body=None, **how):
        got, value, headers = self.ask(method, path, body, **how)
        expect(got == status, f"{method} {path} {body}: {got}, not {status}: {value}")
        expect(headers["Content-Type"] == "application/problem+json" and value["status"] == status and value["detail"],
               f"{method} {path}: no problem: {headers} {value}")
        return headers


def customer_path(customer):
    return "/api/v1/customers/" + urllib.parse.quote(customer, safe="")


class Changes:
    """Follows segment-changes: the newest change of each customer, and all of some."""

    def __init__(self, job):
        self.schema = collect.read_schemas(SOURCE_DIR / "config" / "schemas")["segment_changes"]
        self.consumer = Consumer({"bootstrap.servers": job.kafka.brokers, "group.id": "changes", "enable.auto.commit": False,
                                  "isolation.level": "read_committed"})
        self.consumer.assign([TopicPartition("segment-changes", p, 0) for p in range(job.partitions)])
        self.all = {}

    def read(self):
        for message in self.consumer.consume(5000, timeout=.5):
            if not message.error():
                change = collect.decode(self.schema, message.value())
                self.all.setdefault(change["customer_id"], []).append(change)
        return self.all

    def close(self):
        self.consumer.close()


def feed(job):
    job.generate("--events", 30000, "--customers", 600)
    reader = recount.Reader(SOURCE_DIR / "config" / "schemas")
    producer = Producer({"bootstrap.servers": job.kafka.brokers})
    value = reader.encode("orders", {"event_id": "odd-1", "customer_id": ODD, "event_time": AT_MS, "kind": "purchase",
                                     "order_id": "odd", "amount": 12.5, "currency": "EUR"})
    producer.produce("orders", key=ODD.encode(), value=value, timestamp=AT_MS,
                     partition=recount.partition_of(ODD.encode(), job.partitions))
    expect(producer.flush(30) == 0, "the order was not taken")


def customers_are_told(api, changes):
    step("customers: what the API says is what the changes say")
    told = until("changes", lambda: len(changes.read()) > 500 and changes.all)
    for customer in [*sorted(told)[:30], ODD]:
        seen = api.ok("GET", customer_path(customer))
        expect(seen["customer_id"] == customer, f"asked for {customer}, got {seen['customer_id']}")
        expect(seen["segment"]["segment_id"] == told[customer][-1]["to_segment"],
               f"{customer}: {seen['segment']} but the last change is {told[customer][-1]}")
        expect(seen["last_change"]["event_id"] == told[customer][-1]["event_id"], f"{customer}: {seen['last_change']}")
        expect(seen["last_change"]["number"] == len(told[customer]), f"{customer}: {seen['last_change']}")
        distances = sorted(one["distance"] for one in seen["distances"])
        expect(len(distances) == 4 and seen["nearest"]["distance"] == distances[0] and
               seen["second"]["distance"] == distances[1], f"{customer}: {seen['nearest']} of {distances}")
        expect(abs(seen["margin"] - (1 - distances[0] / distances[1])) < 1e-6, f"{customer}: margin {seen['margin']}")
        expect(seen["why"] and len(seen["why"]) == len(seen["drivers"]), f"{customer}: no reasons")
    features = {one["name"]: one["value"] for one in api.ok("GET", customer_path(ODD))["features"]}
    expect(features["frequency"] == 1 and features["monetary"] == 12.5, f"features of {ODD}: {features}")
    api.refused(404, "GET", customer_path("nobody-at-all"))
    api.refused(400, "GET", "/api/v1/customers/%ff")
    api.refused(400, "GET", "/api/v1/customers/" + "x" * 600)


def predictions(api, changes):
    step("predict: by id and by features")
    ids = [*sorted(changes.all)[:20], "nobody-at-all", ODD]
    got = api.ok("POST", "/api/v1/predict", {"customers": ids})["predictions"]
    expect([one["customer_id"] for one in got] == ids, "predictions are not in the order asked")
    expect(got[20]["error"]["status"] == 404 and "error" not in got[0], f"nobody: {got[20]}")
    segments = {one["segment_id"]: one for one in api.ok("GET", "/api/v1/segments")["segments"]}
    for segment_id, segment in segments.items():
        expect(segment["description"].startswith("Customers who typically "), f"{segment}")
        centre = {one["feature"]: one["value"] for one in segment["centroid"]}
        one = api.ok("POST", "/api/v1/predict", {"profiles": [{"features": centre}]})["predictions"][0]
        expect(one["nearest"]["segment_id"] == segment_id and one["nearest"]["distance"] < .02,
               f"the centroid of {segment_id} is nearest to {one['nearest']}")
    seen = api.ok("GET", customer_path(ODD))
    own = {one["name"]: one["value"] for one in seen["features"] if one["name"] in centre}
    one = api.ok("POST", "/api/v1/predict", {"profiles": [{"features": own}]})["predictions"][0]
    expect(abs(one["nearest"]["distance"] - seen["nearest"]["distance"]) < 1e-3, f"{one['nearest']} {seen['nearest']}")
    api.refused(422, "POST", "/api/v1/predict", {"profiles": [{"features": {"no_such": 1}}]})
    api.refused(422, "POST", "/api/v1/predict", {"profiles": [{"features": {"frequency": "many"}}]})
    api.refused(422, "POST", "/api/v1/predict", {"customers": ["x"] * 101})
    api.refused(422, "POST", "/api/v1/predict", {})


def versions(api):
    return {one["version"]: one for one in api.ok("GET", "/api/v1/models")["versions"]}


def current(api):
    return api.ok("GET", "/api/v1/models")["version"]


def shape(api, version):
    """What a rollback must restore."""
    shown = api.ok("GET", f"/api/v1/models/{version}")
    active = [s for s in shown["segments"] if s["state"] == "active"]
    return shown["features"], sorted(s["segment_id"] for s in active)


def a_person_decides(api):
    step("a refit on demand waits as a candidate; it is looked at, promoted, and rolled back")
    expect(current(api) == 1, f"the first fit: {versions(api)}")
    api.ok("POST", "/api/v1/models/refit", status=202)
    candidate = until("a candidate", lambda: [n for n, v in versions(api).items()
                                              if v["state"] == "candidate" and v["reason"] == "demand"])[0]
    expect(current(api) == 1 and versions(api)[candidate]["base"] == 1, f"held: {versions(api)}")
    diff = api.ok("GET", f"/api/v1/models/{candidate}/diff")
    expect(sum(row["customers"] for row in diff["matrix"]) == diff["sample"] > 100, f"diff: {diff['sample']}")
    api.refused(404, "POST", "/api/v1/models/77/promote")
    api.refused(409, "POST", f"/api/v1/models/{candidate}/rollback")
    api.ok("POST", f"/api/v1/models/{candidate}/promote", status=202)
    until("it is promoted", lambda: current(api) == candidate)
    api.refused(404, "POST", f"/api/v1/models/{candidate}/promote")
    api.ok("POST", "/api/v1/models/1/rollback", status=202)
    until("it is rolled back", lambda: current(api) == candidate + 1)
    expect(versions(api)[candidate + 1]["restored_from"] == 1, f"rolled back: {versions(api)}")
    expect(shape(api, candidate + 1) == shape(api, 1), "the rollback is not what version 1 was")
    same = api.ok("GET", f"/api/v1/models/{candidate + 1}/diff?against=1")
    expect(same["moved"] == 0, f"rolled back, but {same['moved']} of the sample would be elsewhere")
    api.refused(404, "GET", "/api/v1/models/99")
    api.refused(400, "GET", "/api/v1/models/abc")


def labels(api, job, changes):
    step("the segments against an attribute of the profiles")
    reader = recount.Reader(SOURCE_DIR / "config" / "schemas")
    producer = Producer({"bootstrap.servers": job.kafka.brokers})
    for i, customer in enumerate(sorted(changes.all)[:200]):
        value = reader.encode("profiles", {"event_id": f"plan-{i}", "customer_id": customer, "event_time": AT_MS, "kind": "update",
                                           "attributes": {"plan": "gold" if i % 3 else "basic"}, "consents": {}})
        producer.produce("profiles", key=customer.encode(), value=value, timestamp=AT_MS,
                         partition=recount.partition_of(customer.encode(), job.partitions))
    expect(producer.flush(30) == 0, "the updates were not taken")
    path = "/api/v1/models/validate?labels=attr:plan"
    told = until("labels", lambda: (api.ask("GET", path)[1].get("compared") or 0) >= 190 and api.ok("GET", path))
    expect(abs(told["adjusted_rand"]) < .2 and {row["label"] for row in told["matrix"]} == {"gold", "basic"}, f"{told}")
    expect(sum(row["customers"] for row in told["matrix"]) == told["compared"], f"{told}")
    api.refused(422, "GET", "/api/v1/models/validate?labels=colour")
    api.refused(404, "GET", "/api/v1/models/validate?labels=attr:colour")
    api.refused(400, "GET", "/api/v1/models/validate")
    expect("basic" in job.run_ok("model", "--url", api.url, "validate", "--labels", "attr:plan"), "model validate")


def segment_of(api, segment_id):
    return next(s for s in api.ok("GET", "/api/v1/segments")["segments"] if s["segment_id"] == segment_id)


def aliases(api, job):
    step("an alias is shown, in the topic too, and outlives a restart")
    segment = next(s for s in api.ok("GET", "/api/v1/segments")["segments"] if s["state"] == "active")["segment_id"]
    path = f"/api/v1/segments/{segment}/alias"
    api.ok("PUT", path, {"alias": "Stammkunden ♥"}, status=202)
    until("the alias", lambda: segment_of(api, segment)["alias"] == "Stammkunden ♥")
    api.refused(404, "PUT", "/api/v1/segments/s999999/alias", {"alias": "x"})
    api.refused(409, "PUT", path, {"alias": "x" * 200})
    api.refused(422, "PUT", path, {"alias": 5})
    api.refused(422, "PUT", path, {"name": "x"})
    api.refused(400, "PUT", path)
    api.refused(400, "PUT", "/api/v1/segments/first/alias", {"alias": "x"})
    job.stop()
    job.start()
    until("ready", lambda: job.get("/readyz")[0] == 200)
    until("the alias", lambda: segment_of(api, segment)["alias"] == "Stammkunden ♥")
    schema, rows = collect.read_schemas(SOURCE_DIR / "config" / "schemas")["segments"], {}
    consumer = Consumer({"bootstrap.servers": job.kafka.brokers, "group.id": "segments", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition("segments", 0, 0)])
    end = time.monotonic() + WAIT_S
    while rows.get(segment, {}).get("alias") != "Stammkunden ♥":
        expect(time.monotonic() < end, f"the alias is not in the topic: {rows.get(segment)}")
        for message in consumer.consume(100, timeout=.5):
            if not message.error() and message.value():
                row = collect.decode(schema, message.value())
                rows[row["segment_id"]] = row
    consumer.close()


def traces(job, victims):
    """What was changed is in the log; who was erased is not."""
    told = job.events("api_change")
    done = [pairs for _, pairs in told if pairs["route"].startswith("DELETE") and pairs["status"] == "202"]
    expect(len(done) == len(victims), f"{told}")
    log = job.log_path.read_text(errors="replace")
    expect(not [victim for victim in victims if f" {victim}" in log or f"={victim}" in log], "a customer is in the log")


def erasure(api, changes):
    step("a customer is erased through the API")
    victims = (ODD, sorted(changes.all)[3])
    for victim in victims:
        before = api.ok("GET", customer_path(victim))["segment"]["segment_id"]
        api.refused(401, "DELETE", customer_path(victim), token=None)
        api.refused(401, "DELETE", customer_path(victim), token=TOKEN + "x")
        api.ok("DELETE", customer_path(victim), status=202)
        until("it is gone", lambda: api.ask("GET", customer_path(victim))[0] == 404)
        last = until("the change", lambda: changes.read()[victim][-1]["reason"] == "erasure" and changes.all[victim][-1])
        expect(last["from_segment"] == before and last["to_segment"] is None, f"{victim}: {last}")
        expect(last["cause"]["topic"] == "profiles", f"{victim}: {last['cause']}")
    traces(api.job, victims)


def commands(job, api, changes):
    step("segmentd explain and segmentd model")
    some = sorted(changes.all)[0]
    told = job.run_ok("explain", "--url", api.url, some)
    expect(f"Customer {some}" in told and "Segment:" in told and "Why:" in told, told)
    expect(json.loads(job.run_ok("explain", "--url", api.url, some, "--json"))["customer_id"] == some, "--json")
    for wanted, words in ((1, ("explain", "--url", api.url, "nobody-at-all")), (1, ("explain", "--url", "http://127.0.0.1:1", "x")),
                          (2, ("explain", "--url", api.url)), (2, ("model", "--url", api.url, "frob")),
                          (2, ("model", "--url", api.url, "show", "x")), (1, ("model", "--url", api.url, "refit")),
                          (1, ("model", "--url", api.url, "--token", TOKEN, "promote", "77"))):
        done = job.run(*words)
        expect(done.returncode == wanted and done.stderr, f"{words}: {done.returncode} {done.stdout}{done.stderr}")
    table = job.run_ok("model", "--url", api.url, "list").splitlines()
    expect(table[0].startswith("VERSION") and len(table) == 1 + len(versions(api)), f"{table}")
    expect("FEATURE" in job.run_ok("model", "--url", api.url, "show", current(api)), "show")
    expect("Who would be where" in job.run_ok("model", "--url", api.url, "diff", "1", "--against", current(api)), "diff")
    done = subprocess.run([job.binary, "model", "--url", api.url, "refit"], env={**os.environ, "SEGMENTD_TOKEN": TOKEN},
                          capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"refit with the token of the environment: {done.stderr}")


HOSTILE = (
    ("GET", "/api/v1/customers/" + "%2e%2e%2f" * 20, None), ("GET", "/api/v1/customers/%00", None),
    ("GET", "/api/v1/customers/%F0%28%8C%28", None), ("GET", "/api/v1/models/99999999999999999999999", None),
    ("GET", "/api/v1/models/-1", None), ("GET", "/api/v1/models/1/diff?against=%00", None),
    ("GET", "/api/v1/models/1/diff?against=-1", None), ("GET", "/api/v1/models/0", None),
    ("PUT", "/api/v1/segments/s0/alias", "{}"), ("PUT", "/api/v1/segments/s18446744073709551617/alias", '{"alias":"x"}'),
    ("PUT", "/api/v1/segments/s1/alias", '{"alias":"a\\u0000b"}'), ("PUT", "/api/v1/segments/s1/alias", '{"alias":"\\u001b[2J"}'),
    ("PUT", "/api/v1/segments/s1/alias", '{"alias":"x","alias":"y"}'), ("PUT", "/api/v1/segments/s1/alias", "[" * 60000),
    ("POST", "/api/v1/predict", "null"), ("POST", "/api/v1/predict", "{"), ("POST", "/api/v1/predict", b"\xff\xfe"),
    ("POST", "/api/v1/predict", '{"customers":5}'), ("POST", "/api/v1/predict", '{"customers":[5]}'),
    ("POST", "/api/v1/predict", '{"customers":[""]}'), ("POST", "/api/v1/predict", '{"customers":["\\u0000"]}'),
    ("POST", "/api/v1/predict", '{"profiles":[[]]}'), ("POST", "/api/v1/predict", '{"profiles":[{"features":{"frequency":1e999}}]}'),
    ("POST", "/api/v1/predict", '{"profiles":[{"features":[]}]}'), ("DELETE", "/api/v1/customers/%ff", None),
    ("POST", "/api/v1/models/x/promote", None), ("POST", "/api/v1/models/1%2F2/rollback", None),
)


def hostile(api):
    step("requests that cannot be right are refused, and nothing comes of them")
    before = current(api)
    for method, path, body in HOSTILE:
        status, value, _ = api.once(method, path, body)
        expect(400 <= status < 500 and value["status"] == status, f"{method} {path[:80]} {str(body)[:80]}: {status} {value}")
    for value in (1e300, -1e300, 0):
        one = api.ok("POST", "/api/v1/predict", {"profiles": [{"features": {"frequency": value, "monetary": value}}]})
        expect(one["predictions"][0]["nearest"]["distance"] is not None, f"{value}: {one}")
    expect(current(api) == before and api.job.get("/healthz")[0] == 200, "something came of it")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Other(Api):
    """A second instance of the same job."""

    def __init__(self, job, port):
        super().__init__(job)
        self.own_port = port

    @property
    def port(self):
        return self.own_port


def two_instances(job, changes):
    """Each knows where the other is: who asks the wrong one is sent on."""
    step("a customer held by another instance, and the fold: 307")
    ports, instances, processes = [free_port(), free_port()], [], []
    for i, name in enumerate(("one", "two")):
        config = job.write_config(f"{name}.yaml", instance=name, data_dir=str(job.folder / f"data-{name}"), workers=1,
                                  http={"listen": f"127.0.0.1:{ports[i]}", "token": TOKEN, "write_rate": 1000,
                                        "advertise": f"http://127.0.0.1:{ports[i]}"})
        with (job.folder / f"run-two-{name}.log").open("wb") as log:
            processes.append(subprocess.Popen([job.binary, "run", "--config", config], stdout=log, stderr=log,
                                              stdin=subprocess.DEVNULL, preexec_fn=die_with_parent))
        instances.append(Other(job, ports[i]))

    def answers(path):
        try:
            return [one.once("GET", path) for one in instances]
        except OSError:
            return []

    def shared():
        told = [value for _, value, _ in answers("/api/v1/status")]
        lanes = [[lane["state"] for worker in one["workers"] for lane in worker["partitions"]] for one in told]
        return len(lanes) == 2 and all(len(one) == 2 and set(one) == {"running"} for one in lanes)

    until("both have two partitions", shared, 90)
    for customer in sorted(changes.all)[5:15]:
        here = until("one has them, the other knows who", lambda c=customer: sorted_answers(answers(customer_path(c))))
        expect(here[1][2]["Location"].endswith(customer_path(customer)), f"{here[1][2]}")
        told = job.run_ok("explain", "--url", instances[here[1][3]].url, customer)
        expect(f"Customer {customer}" in told, told)
    fold = until("one has the fold", lambda: sorted_answers(answers("/api/v1/models/1/diff?against=1")))
    other = instances[fold[1][3]]
    expect(fold[1][2]["Location"].endswith("/api/v1/models/1/diff?against=1"), f"{fold[1][2]}")
    status, _, headers = other.once("POST", "/api/v1/models/refit")
    expect(status == 307 and headers["Location"].endswith("/api/v1/models/refit"), f"refit: {status} {headers}")
    told = job.run_ok("model", "--url", other.url, "--token", TOKEN, "refit")
    expect("Accepted" in told, told)
    for process in processes:
        process.terminate()
    for process in processes:
        expect(process.wait(30) == 0, "an instance did not end cleanly")


def sorted_answers(got):
    """[200, 307] with the index of the instance, or nothing yet."""
    found = sorted(((*one, i) for i, one in enumerate(got)), key=lambda one: one[0])
    return found if [one[0] for one in found] == [200, 307] else None


def main():
    with Job(settings=SETTINGS) as job:
        api = Api(job)
        job.create_topics()
        feed(job)
        job.start()
        until("a model", lambda: job.get("/readyz")[0] == 200 and json.loads(job.get("/api/v1/status")[1])["segments"], 120)
        job.wait_drained(WAIT_S)
        changes = Changes(job)
        customers_are_told(api, changes)
        predictions(api, changes)
        expect(isinstance(api.ok("GET", "/api/v1/drift")["subjects"], list), "drift")
        a_person_decides(api)
        labels(api, job, changes)
        aliases(api, job)
        commands(job, api, changes)
        hostile(api)
        erasure(api, changes)
        changes.close()
        job.stop()
        step("the oracle has nothing to object")
        job.judge()
        two_instances(job, changes)


main()
