#!/usr/bin/env python3
"""What a start costs after kill -9, with many customers in the store, on a Kafka of its own:

rebuild  by turns: a bare consumer that writes the changelog to RocksDB (control_rebuild), and a start with the stores
         wiped. Kept: the stores rebuilt at 70 % of the control's records a second, as the median of pairs.
kill     load at a rate, or a backlog at full speed; kill -9 at a random moment; the next start's parts are told from its
         log: join (start to the first store's opening), open (stores), changelog, inputs (read again), and the first
         commit of every partition. Kept: inputs within recovery.target, and the first commit within join + open +
         recovery.target + 2 s.

Exit 1 if something is not kept. Each line goes to bench/results, too.
"""
import argparse
import datetime
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import time

SOURCE_DIR = pathlib.Path(os.environ["SEG_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE_DIR / "tests" / "support"))
from daemon_run import Job, event_fields, expect  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
SLACK_S = 2.0
SHARE = .7
FULL = 0                # the rate that means: a backlog
DRAIN_S = 600
STEADY_S = 3            # least seconds of load before a kill
AFTER_S = 6             # of load after a kill, before the next start's end is waited for


def arguments():
    parser = argparse.ArgumentParser(prog="bench/recovery", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1000000, help="at least so many in the stores")
    parser.add_argument("--targets", default="10,3", help="recovery.target, seconds, separated by commas")
    parser.add_argument("--rates", default="1000,20000,full", help="events/s, separated by commas")
    parser.add_argument("--kills", type=int, default=2, help="of each rate and target")
    parser.add_argument("--load-s", type=float, default=12, help="longest load before a kill, seconds")
    parser.add_argument("--backlog", type=int, default=600000, help="events of one at full speed")
    parser.add_argument("--rebuilds", type=int, default=3, help="beside the control, by turns")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--features", default="full")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the folder of data and logs behind")
    return parser.parse_args()


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wall_s(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Stream:
    """The generator's stream, used up piece by piece."""

    def __init__(self, job, args):
        # A quarter falls silent and rare customers are not drawn at all: so many that enough have an event.
        self.job, self.at = job, 0
        self.load = args.customers * 12 // 5
        rounds = len(args.targets.split(",")) * args.kills
        self.options = ["--events", self.load + rounds * (args.backlog + 800000) + 1, "--customers",
                        args.customers * 8 // 5, "--seed", args.seed]

    def _next(self, events):
        self.at += events
        return ["--from", self.at - events, "--to", self.at]

    def send(self, events):
        self.job.generate(*self.options, *self._next(events))

    def begin(self, rate, seconds):
        command = [self.job.build_dir / "bench" / "seg_generate", "--brokers", self.job.kafka.brokers, "--partitions",
                   self.job.partitions, *self.options, *self._next(int(rate * seconds)), "--rate", rate]
        return subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)


class Log:
    """The log of the running start, with times."""

    def __init__(self, job):
        lines = job.log_path.read_text(errors="replace").splitlines()
        self.found = [(wall_s(line.split(" ", 1)[0]), *event_fields(line)) for line in lines if line[:2] == "20"]

    def of(self, name):
        return [(when, pairs) for when, event, pairs in self.found if event == name]


def load(job, stream, args):
    began = time.monotonic()
    stream.send(stream.load)
    job.start()
    job.wait_drained(DRAIN_S)
    status = {}
    while time.monotonic() - began < DRAIN_S and not status.get("segments"):
        status = json.loads(job.get("/api/v1/status")[1])
        time.sleep(.2)
    expect(status.get("segments"), "no segments after the load")
    expect(status["customers"] >= args.customers, f"only {status['customers']} customers after the load")
    print(f"{stream.load} events, {status['customers']} customers in {len(status['segments'])} segments after "
          f"{time.monotonic() - began:.0f} s, {args.partitions} partitions, {args.workers} workers, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f}\n", flush=True)


def wait_commits(job, timeout):
    """The log, when every partition has committed; those that had nothing to recover do not say so."""
    until = time.monotonic() + timeout
    while True:
        job.alive()
        log = Log(job)
        if len(log.of("recovered")) == job.partitions and len(log.of("first_commit")) >= job.partitions:
            return log
        expect(time.monotonic() < until, f"not every partition has committed within {timeout:.0f} s")
        time.sleep(.05)


def parts_of(log, began):
    """Seconds of a start's parts."""
    opened, recovered = log.of("store_opened"), log.of("recovered")
    first_open = min(when - int(pairs["ms"]) / 1000 for when, pairs in opened)
    last_open = max(when for when, _ in opened)
    rereads = log.of("recovery_rereads")
    return {"join_s": first_open - began, "open_s": last_open - first_open,
            "changelog_s": max(int(pairs["changelog_ms"]) for _, pairs in recovered) / 1000,
            "inputs_s": max(when for when, _ in recovered) - min(when for when, _ in rereads),
            "reread": sum(int(pairs["reread"]) for _, pairs in recovered),
            "changelog": sum(int(pairs["changelog_to"]) - int(pairs["changelog_from"])
                             for _, pairs in log.of("recovery_begins")),
            "first_commit_s": max(when for when, _ in log.of("first_commit")) - began}


def drain_share(job, share):
    """Until that share of what lies there is committed."""
    ends = job.ends()
    whole = job.lag(ends)
    while job.lag(ends) > whole * (1 - share):
        job.alive()
        time.sleep(.05)


def kill_once(job, stream, dice, rate, args):
    """One round: load, kill, start. The daemon runs before and after it."""
    generator = None
    if rate == FULL:
        stream.send(args.backlog)
        drain_share(job, dice.uniform(.3, .9))
    else:
        before_s = dice.uniform(STEADY_S, args.load_s)
        generator = stream.begin(rate, before_s + AFTER_S)
        time.sleep(before_s)
    job.kill()
    began = time.time()
    job.start()
    log = wait_commits(job, DRAIN_S)
    if generator:
        expect(generator.wait(DRAIN_S) == 0, "the generator failed")
    job.wait_drained(DRAIN_S)
    expect(not log.of("store_rebuilt"), "a store was rebuilt")
    return parts_of(log, began)


HEAD = (f"{'target':>6} {'events/s':>8} {'join':>6} {'open':>6} {'changelog':>16} {'inputs':>16} {'commit':>7} {'allowed':>8}"
        "  kept")


def print_kill(row):
    rate = row["rate"] or "full"
    print(f"{row['target_s']:6} {rate:>8} {row['join_s']:6.2f} {row['open_s']:6.2f} {row['changelog']:8} in "
          f"{row['changelog_s']:4.1f} {row['reread']:8} in {row['inputs_s']:4.1f} {row['first_commit_s']:7.2f} {row['allowed_s']:8.2f}  "
          f"{'yes' if row['kept'] else 'NO'}", flush=True)


def kills(job, stream, args, keep):
    print("\n" + HEAD, flush=True)
    rates = [FULL if rate == "full" else int(rate) for rate in args.rates.split(",")]
    for target in [int(target) for target in args.targets.split(",")]:
        if job.process.poll() is None:
            job.stop()
        job.settings["recovery"] = {"target": f"{target}s"}
        job.write_config()
        job.start()
        job.wait_drained(DRAIN_S)
        for number in range(args.kills):
            dice = random.Random(f"{args.seed}/{target}/{number}")
            for rate in rates:
                row = kill_once(job, stream, dice, rate, args)
                row["allowed_s"] = row["join_s"] + row["open_s"] + target + SLACK_S
                row["kept"] = row["inputs_s"] <= target and row["first_commit_s"] <= row["allowed_s"]
                keep({"what": "kill", "target_s": target, "rate": rate, "run": number, **row})
                print_kill({**row, "target_s": target, "rate": rate})


def run_control(job, number):
    folder = job.folder / f"control-{number}"
    folder.mkdir()
    process = subprocess.Popen([job.build_dir / "bench" / "control_rebuild", job.kafka.brokers, f"{job.app}-changelog",
                                str(job.partitions), str(folder), str(job.settings["workers"])],
                               stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    expect(process.returncode == 0, f"control_rebuild ended with {process.returncode}")
    shutil.rmtree(folder)
    done = json.loads(out)
    return {"records": done["records"], "seconds": done["seconds"], "cpu_s": usage.ru_utime + usage.ru_stime}


def run_rebuild(job):
    """The stores wiped; returns when all is recovered. The daemon is left killed."""
    shutil.rmtree(job.data_dir)
    pid = job.start().pid
    used = None
    while True:
        job.alive()
        log = Log(job)
        if used is None and len(log.of("recovery_rereads")) == job.partitions:
            used = cpu_s(pid)
        if len(log.of("recovered")) == job.partitions:
            break
        time.sleep(.02)
    job.kill()
    began, taken = (log.of("recovery_begins"), log.of("recovery_rereads"))
    seconds = max(when for when, _ in taken) - min(when for when, _ in began)
    return {"seconds": seconds, "cpu_s": used, "reread": sum(int(p["reread"]) for _, p in log.of("recovered")),
            "inputs_s": max(when for when, _ in log.of("recovered")) - max(when for when, _ in taken)}


def rebuilds(job, stream, args, keep):
    stream.send(args.backlog // 2)
    drain_share(job, .7)
    job.kill()
    print(f"{'rebuild':>8} {'records':>9} {'seconds':>8} {'records/s':>10} {'CPU-s':>7} {'share':>6} {'by CPU':>6}  "
          "inputs read again")
    shares = []
    for number in range(1, args.rebuilds + 1):
        control = run_control(job, number)
        ours = {"records": control["records"], **run_rebuild(job)}
        share = control["seconds"] / ours["seconds"]
        shares.append(share)
        for name, row in (("control", control), ("segmentd", ours)):
            keep({"what": f"rebuild-{name}", "run": number, **row})
            tail = "" if name == "control" else (f"{share:6.0%} {control['cpu_s'] / row['cpu_s']:6.0%}  {row['reread']} in "
                                                 f"{row['inputs_s']:.1f} s")
            print(f"{name:>8} {row['records']:9} {row['seconds']:8.2f} {row['records'] / row['seconds']:10.0f} "
                  f"{row['cpu_s']:7.2f} {tail}", flush=True)
    return statistics.median(shares) if shares else None


def main():
    args = arguments()
    results = SOURCE_DIR / "bench" / "results" / f"recovery-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.jsonl"
    results.parent.mkdir(exist_ok=True)
    broken, began = [], time.monotonic()

    def keep(row):
        with results.open("a", encoding="utf-8") as out:
            out.write(json.dumps({**row, "customers": args.customers, "workers": args.workers, "partitions": args.partitions,
                                  "load": os.getloadavg()[0], "cores": os.cpu_count()}) + "\n")
        if not row.get("kept", True):
            broken.append(row)

    settings = {"features": args.features, "workers": args.workers, "segmenter": {"k": 8}}
    with Job(app="recovery", partitions=args.partitions, settings=settings, keep=args.keep) as job:
        job.create_topics()
        stream = Stream(job, args)
        load(job, stream, args)
        share = rebuilds(job, stream, args, keep) if args.rebuilds else None
        if args.kills:
            kills(job, stream, args, keep)
    print(f"\nall runs: {results.relative_to(SOURCE_DIR)}, {time.monotonic() - began:.0f} s in all")
    if share is not None:
        print(f"rebuilt at {share:.0%} of the control (median of {args.rebuilds} pairs; {SHARE:.0%} is kept)")
    if broken or (share is not None and share < SHARE):
        sys.exit(f"NOT KEPT: {len(broken)} of the kills" + ("" if share is None or share >= SHARE else ", and the rebuild"))


if __name__ == "__main__":
    main()
