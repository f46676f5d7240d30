"""Fault 35: what operators see of a recovery, and of a worker that hangs: status, metrics, health, log."""
import json
import re
import time

from lib.scenario import FaultMissed, fault
from lib.site import SOURCE_DIR, expect

# By contract (docs/worker.md, Watchdog).
WARNS_S, UNHEALTHY_S = 30, 120
SAMPLE = re.compile(r'^(segmentd_\w+)(?:\{(.*)\})? (\S+)$', re.M)
# Cycles so long that nothing has been checkpointed at the kill.
LONG_CYCLES = {"checkpoint": {"max_interval": "10m"}, "recovery": {"target": "10m"}, "workers": 1}


def metrics(instance):
    """{name: {labels: value}}; labels: a sorted tuple of pairs."""
    found = {}
    for name, labels, value in SAMPLE.findall(instance.get("/metrics")[1]):
        found.setdefault(name, {})[tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))] = float(value)
    return found


def check_described(value, schema, schemas, where="status"):
    """What the API's description says is there, and nothing else is."""
    if "$ref" in schema:
        return check_described(value, schemas[schema["$ref"].rsplit("/", 1)[1]], schemas, where)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if value is None:
        expect("null" in kinds, f"{where} is null")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            check_described(item, schema["items"], schemas, f"{where}[{i}]")
    elif isinstance(value, dict) and "properties" in schema:
        missing, more = set(schema["required"]) - set(value), set(value) - set(schema["properties"])
        expect(not missing and not more, f"{where}: {missing} is missing, {more} is in no description")
        for key, item in value.items():
            check_described(item, schema["properties"][key], schemas, f"{where}.{key}")
    elif kinds:
        is_kind = {"boolean": isinstance(value, bool), "string": isinstance(value, str),
                   "integer": isinstance(value, int) and not isinstance(value, bool),
                   "number": isinstance(value, (int, float)) and not isinstance(value, bool), "object": isinstance(value, dict)}
        expect(any(is_kind.get(kind) for kind in kinds), f"{where} is {value!r}, and should be {kinds}")
    elif "enum" in schema:
        expect(value in schema["enum"], f"{where} is {value!r}, and should be one of {schema['enum']}")
    return None


def described_status(instance):
    schemas = json.loads((SOURCE_DIR / "http" / "openapi.json").read_text())["components"]["schemas"]
    status = instance.status()
    check_described(status, schemas["Status"], schemas)
    return status


def differs(lane, found):
    """What the metrics say otherwise than this partition of the status; None: nothing."""
    labels = (("partition", str(lane["partition"])), ("phase", lane["recovery"]["phase"]))
    remaining, left = lane["recovery"]["remaining"], lane["recovery"]["seconds_left"] or 0
    told = found["segmentd_recovery_remaining_records"].get(labels)
    told_left = found["segmentd_recovery_seconds_left"].get(labels[:1])
    same = told == remaining and told_left is not None and abs(told_left - left) <= .01 + .01 * left
    return None if same else f"{told} records and {told_left} s left in the metrics, in the status {lane}"


def recovering(instance):
    """The partitions of the status that recover, told alike by the metrics. Both are written one after the other, so what
    differs is looked at again."""
    for _ in range(20):
        lanes = [p for p in described_status(instance)["workers"][0]["partitions"] if p["recovery"]]
        found = metrics(instance)
        wrong = [text for text in (differs(lane, found) for lane in lanes) if text]
        if not wrong:
            return lanes
    raise AssertionError(wrong[0])


def watch(instance, phase, partitions, until_s=90):
    """Looks at a slow recovery until it is over: {partition: [(remaining, seconds_left)]} while it is in the phase."""
    looks, end = {p: [] for p in range(partitions)}, time.monotonic() + until_s
    while len(instance.events("recovered")) < partitions:
        instance.alive()
        expect(time.monotonic() < end, f"not recovered within {until_s} s")
        lanes, ready = recovering(instance), instance.get("/readyz")[0] == 200
        expect(not lanes or not ready or len(instance.events("recovered")) == partitions, "ready in the middle of a recovery")
        for lane in lanes:
            expect(lane["state"] == "recovering", f"a recovery in state {lane['state']}")
            if lane["recovery"]["phase"] == phase:
                looks[lane["partition"]].append((lane["recovery"]["remaining"], lane["recovery"]["seconds_left"]))
        time.sleep(.02)
    return looks


@fault(35, "what is seen of a recovery: how much and how long is left, in status and metrics, and none when it is over", runs=2,
       short_runs=1)
def recovery_seen(site, dice):
    del dice
    phase, point, every = [("inputs", "recovery_reread", 500), ("changelog", "recovery_changelog", 400)][site.run % 2]
    site.setup(settings=LONG_CYCLES)
    one = site.warm(events=12000, upto=9000, stream={"customers": 4000 if phase == "changelog" else 600})
    if phase == "inputs":
        one.kill()
    else:
        one.stop()
        (site.folder / "old").mkdir()
        site.data_dir().rename(site.folder / "old" / "data")
    # A look is a quarter of a second old at most: each of these pauses is seen.
    again = site.start(stall=f"{point}:{every}:300:again")
    looks = watch(again, phase, site.partitions)
    for partition, left in looks.items():
        remaining = [records for records, _ in left]
        if len(set(remaining)) < 3:
            raise FaultMissed(f"partition {partition}: too little was seen of the recovery: {remaining}")
        expect(remaining == sorted(remaining, reverse=True), f"what remains has grown: {remaining}")
        expect(any(seconds for _, seconds in left), f"never how long it takes: {left}")
    again.kill()  # its pauses would go on
    last = site.start()
    site.wait_all(last)
    over = metrics(last)
    for name in ("segmentd_recovery_remaining_records", "segmentd_recovery_seconds_left"):
        expect(set(over[name].values()) == {0.0}, f"{name} is {over[name]} and nothing recovers")
    status = described_status(last)
    expect(all(p["recovery"] is None for w in status["workers"] for p in w["partitions"]), "a recovery in the status, none runs")
    site.load_rest(rate=0, wait=True)


@fault(35, "what is seen of a worker that hangs: log, metric and status at 30 s, /healthz 503 at 120 s, and nothing afterwards",
       part="b", runs=1)
def hanging_seen(site, dice):
    stall_s = UNHEALTHY_S + 15
    site.setup(settings={"kafka": {"max_poll_interval": "10m"}, "workers": 1})
    one = site.warm(events=9000, stall=f"before_produce:{dice.randint(1, 5)}:{stall_s * 1000}", armed=False)
    one.arm()
    site.load_rest(rate=2000)
    until = time.monotonic() + 60
    while "stall name=" not in one.log_text():
        one.alive()
        if time.monotonic() > until:
            raise FaultMissed("it does not stall")
        time.sleep(.02)
    began = time.monotonic()
    warned = one.wait_event("worker_stuck", timeout=WARNS_S + 30)[0][1]
    took = time.monotonic() - began
    expect(warned["worker"] == "0" and warned["doing"] and WARNS_S - 3 < took, f"warned after {took:.0f} s: {warned}")
    time.sleep(1.5)  # the next look of the watchdog
    stuck = metrics(one)["segmentd_worker_stuck_seconds"][(("worker", "0"),)]
    worker = described_status(one)["workers"][0]
    expect(WARNS_S <= stuck <= time.monotonic() - began + 3, f"stuck for {stuck} s by the metric")
    expect(worker["doing"] == warned["doing"] and worker["still_s"] > WARNS_S, f"in the status: {worker}")
    expect(one.get("/healthz")[0] == 200, "unhealthy long before its time")
    while one.get("/healthz")[0] != 503:
        expect(time.monotonic() - began < stall_s - 2, "healthy all the while")
        time.sleep(.25)
    took = time.monotonic() - began
    expect(UNHEALTHY_S - 3 < took, f"unhealthy after {took:.0f} s")
    one.wait_event("worker_moves", timeout=stall_s)
    site.wait_loaded()
    site.wait_drained(instances=[one])
    expect(one.get("/healthz")[0] == 200, "unhealthy though it moves")
    expect(metrics(one)["segmentd_worker_stuck_seconds"][(("worker", "0"),)] == 0, "still stuck by the metric")
