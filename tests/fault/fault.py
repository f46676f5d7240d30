#!/usr/bin/env python3
"""The fault suite: brings faults about on real brokers, and has the oracle judge what segmentd made of them.

Prints a table; ends with 1 unless everything in it is zero and every run reached its fault. See README.md beside this file.
"""
import argparse
import collections
import dataclasses
import json
import os
import pathlib
import random
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
SOURCE_DIR = HERE.parents[1]
sys.path.insert(0, str(HERE))
from lib import scenario, table  # noqa: E402
from lib.cluster import Cluster, Key  # noqa: E402

KAFKAS = ("3.9", "4.1")


# ---- one process does some runs of one fault ----

@dataclasses.dataclass
class Chunk:
    fault: scenario.Fault
    kafka: str
    runs: list
    brokers: str = ""


def seed_of(seed, name, kafka, run):
    """The same for the same arguments, whatever else runs."""
    return random.Random(f"{seed} {name} {kafka} {run}").randrange(1, 2**31)


def one_run(chunk, cluster, args, run):
    from lib.site import Site  # the clients of Kafka are needed here only
    seed = seed_of(args.seed, chunk.fault.name, chunk.kafka, run)
    app = f"f{chunk.fault.name}-{run}-{os.getpid():x}{seed:x}"
    site = Site(cluster, app, args.build_dir, pathlib.Path(args.folder) / app, seed=seed, run=run, short=args.short)
    result = {"fault": chunk.fault.name, "kafka": chunk.kafka, "run": run, "seed": seed, "outcome": "done", "text": "",
              "findings": []}
    began = time.monotonic()
    try:
        chunk.fault.run(site, random.Random(seed))
        site.finish()
    except scenario.FaultMissed as error:
        result.update(outcome="missed", text=str(error))
    except Exception as error:
        result.update(outcome="failed", text="".join(traceback.format_exception(error)[-3:]))
    except SystemExit as error:  # the oracle cannot read what is there
        result.update(outcome="failed", text=str(error))
    verdict = site.verdict
    for kind in ("lost", "doubled", "leaked", "diverged"):
        result[kind] = getattr(verdict, kind) if verdict else 0
    result.update(events=site.events, recoveries=list(site.recoveries), seconds=round(time.monotonic() - began, 2),
                  findings=verdict.findings[:20] if verdict else [])
    bad = result["outcome"] != "done" or not verdict.clean
    if bad:
        result["text"] += "\n" + site.logs_tail()
        if cluster.kafka:
            result["text"] += "\n---- brokers\n" + cluster.kafka.log_text(1500)
    keep_logs(site, args, bad)
    site.close(keep=args.keep)
    return result


def keep_logs(site, args, bad):
    if not bad:
        return
    where = pathlib.Path(args.logs) / site.app
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    for path in [*site.folder.glob("*.log"), *site.folder.glob("*.yaml")]:
        shutil.copy(path, where)


def end_with_parent():
    """Our standard input is a pipe that the parent holds open: at its end we go, and our children with us."""
    os.read(0, 1)
    os._exit(1)


def work(args):
    """The process of one chunk: a line of JSON for each run on what was its standard output."""
    chunk_args = json.loads(args.work)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threading.Thread(target=end_with_parent, daemon=True).start()
    fault = next(f for f in scenario.load() if f.name == chunk_args["fault"])
    chunk = Chunk(fault, chunk_args["kafka"], chunk_args["runs"])
    cluster = Cluster(Key.of(fault, chunk.kafka), chunk_args["brokers"], keep=args.keep)
    try:
        if not chunk_args["brokers"]:
            cluster.start()
        for run in chunk.runs:
            print(json.dumps(one_run(chunk, cluster, args, run)), file=answers, flush=True)
    finally:
        cluster.close()


# ---- the suite ----

class Suite:
    def __init__(self, args, faults, folder):
        self.args, self.folder = args, folder
        self.rows, self.chunks = {}, collections.deque()
        for fault in faults:
            self.plan(fault)
        # Those that measure come last; one set of brokers after the other; long runs first, beside which others go on.
        self.chunks = collections.deque(sorted(self.chunks, key=lambda c: (c.fault.alone, c.kafka, -c.fault.limit_s)))
        self.clusters, self.busy, self.selector = {}, {}, selectors.DefaultSelector()
        self.log = (pathlib.Path(args.logs) / "fault.log").open("w", encoding="utf-8")
        self.json = open(args.json, "w", encoding="utf-8") if args.json else None

    def plan(self, fault):
        for kafka in fault.kafkas:
            if self.args.kafka and kafka != self.args.kafka:
                continue
            count = min(fault.runs_on(kafka, self.args.short), self.args.runs) * self.args.repeat
            if not count:
                continue
            self.rows[fault.name, kafka] = table.Row(fault, kafka, count)
            parts = min(count, 1 if fault.alone or fault.private else self.args.jobs)
            for part in range(parts):
                self.chunks.append(Chunk(fault, kafka, list(range(part, count, parts))))

    def cluster(self, chunk):
        """Brokers for the chunk: shared ones are started here; one that needs its own starts them itself."""
        if chunk.fault.private:
            return ""
        key = Key.of(chunk.fault, chunk.kafka)
        if key not in self.clusters:
            self.clusters[key] = Cluster(key, keep=self.args.keep).start()
        return self.clusters[key].brokers

    def drop_clusters(self):
        """Those that nobody needs any more."""
        needed = {Key.of(c.fault, c.kafka) for c in [*self.chunks, *(chunk for chunk, _, _ in self.busy.values())]}
        for key in [key for key in self.clusters if key not in needed]:
            self.clusters.pop(key).close()

    def may_start(self):
        if not self.chunks or len(self.busy) >= self.args.jobs:
            return False
        lonely = self.chunks[0].fault.alone or any(chunk.fault.alone for chunk, _, _ in self.busy.values())
        return not self.busy or not lonely

    def start(self):
        chunk = self.chunks.popleft()
        work_args = json.dumps({"fault": chunk.fault.name, "kafka": chunk.kafka, "runs": chunk.runs,
                                "brokers": self.cluster(chunk)})
        command = [sys.executable, str(HERE / "fault.py"), "--work", work_args, "--seed", str(self.args.seed), "--build-dir",
                   self.args.build_dir, "--folder", self.folder, "--logs", self.args.logs] + ["--keep"] * self.args.keep + ["--short"] * self.args.short
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.selector.register(process.stdout, selectors.EVENT_READ)
        self.busy[process.stdout] = (chunk, process, time.monotonic() + chunk.fault.limit_s * len(chunk.runs))

    def run(self):
        while self.chunks or self.busy:
            while self.may_start():
                self.start()
            for key, _ in self.selector.select(timeout=1):
                self.read(key.fileobj)
            for chunk, process, until in list(self.busy.values()):
                if time.monotonic() > until:
                    print(f"fault {chunk.fault.name}: given up after {chunk.fault.limit_s} s a run", flush=True)
                    process.kill()
        return list(self.rows.values())

    def read(self, pipe):
        line = pipe.readline()
        chunk, process, _ = self.busy[pipe]
        if line:
            self.take(chunk, json.loads(line))
            return
        self.selector.unregister(pipe)
        process.wait()
        process.stdin.close()
        if process.returncode != 0:
            print(f"{chunk.fault.name:>4}: the process of runs {[run + 1 for run in chunk.runs]} ended with "
                  f"{process.returncode}: {pathlib.Path(self.log.name).read_text().splitlines()[-1:]}", flush=True)
        del self.busy[pipe]
        self.drop_clusters()

    def take(self, chunk, result):
        row = self.rows[chunk.fault.name, chunk.kafka]
        row.results.append(result)
        if self.json:
            print(json.dumps(result), file=self.json, flush=True)
        bad = [f"{result[kind]} {kind}" for kind in ("lost", "doubled", "leaked", "diverged") if result[kind]]
        if result["outcome"] != "done":
            bad.insert(0, result["outcome"])
        recovery = ", ".join(f"{s:.2f}" for s in result["recoveries"][:3])
        print(f"{chunk.fault.name:>4} run {result['run'] + 1:3}/{row.wanted} on {chunk.kafka}: {result['seconds']:6.1f} s  "
              f"{', '.join(bad) or 'ok'}  recovery {recovery or '-'}", flush=True)
        if bad:
            print("\n".join(["    " + line for line in result["findings"][:8] + result["text"].splitlines()]), flush=True)

    def close(self):
        for _, process, _ in self.busy.values():
            process.kill()
            process.wait()
        for cluster in self.clusters.values():
            cluster.close()


def arguments():
    parser = argparse.ArgumentParser(prog="fault.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", metavar="1,7-9", help="these faults; 6b is a part of fault 6")
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    parser.add_argument("--short", action="store_true", help="the few runs that make test does")
    parser.add_argument("--seed", type=int, default=1, help="of all random choices [1]")
    parser.add_argument("--kafka", choices=KAFKAS, help="on this version only")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="N times as many runs, each with its own seed")
    parser.add_argument("--runs", type=int, default=sys.maxsize, metavar="N", help="at most N runs of each")
    parser.add_argument("--jobs", type=int, default=6, metavar="N", help="runs beside each other [6]")
    parser.add_argument("--json", metavar="FILE", help="a line of JSON for each run")
    parser.add_argument("--keep", action="store_true", help="leave folders and brokers' logs behind")
    parser.add_argument("--write-doc", action="store_true", help="put the table into docs/faults.md")
    parser.add_argument("--build-dir", default=os.environ.get("SEG_BUILD_DIR"), help=argparse.SUPPRESS)
    parser.add_argument("--logs", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.build_dir:
        parser.error("SEG_BUILD_DIR must name a build with SEG_FAULTS (preset fault, or dev)")
    args.build_dir = str(pathlib.Path(args.build_dir).resolve())
    args.logs = args.logs or str(pathlib.Path(args.build_dir) / "fault-logs")
    pathlib.Path(args.logs).mkdir(parents=True, exist_ok=True)
    return args


def binary_of(args):
    """A program that knows faults; one that does not would pass everything."""
    daemon = pathlib.Path(args.build_dir) / "daemon"
    binary = next((str(p) for p in (daemon / "segmentd_fault", daemon / "segmentd") if p.exists()), None)
    if not binary:
        sys.exit(f"fault: there is no segmentd in {daemon}")
    done = subprocess.run([binary, "--version"], env={**os.environ, "SEGMENTD_CRASH": "no_such_point:1"},
                          capture_output=True, text=True, check=False)
    if done.returncode != 2 or "crash point" not in done.stderr:
        sys.exit(f"fault: {binary} was built without SEG_FAULTS")
    return binary


def print_list(faults):
    print("fault  runs on each Kafka, in make test")
    total = collections.Counter()
    for fault in faults:
        counts = {**{kafka: fault.runs_on(kafka, False) for kafka in fault.kafkas}, "short": fault.short_runs}
        total.update(counts)
        print(f"{fault.name:>5}  " + "  ".join(f"{counts.get(name, 0) or '':>3}" for name in (*KAFKAS, "short")) +
              f"  {fault.title}")
    print("  all  " + "  ".join(f"{total[name]:>3}" for name in (*KAFKAS, "short")))


def main():
    args = arguments()
    if args.work:
        return work(args)
    faults = scenario.chosen(scenario.load(), args.only)
    if args.list:
        return print_list(faults)
    binary = binary_of(args)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    folder = tempfile.mkdtemp(prefix="segmentd-fault-")
    suite = Suite(args, faults, folder)
    try:
        rows = suite.run()
    finally:
        suite.close()
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - began
    told = table.versions(binary, sorted({row.kafka for row in rows}))
    print(f"\n{table.as_text(rows)}\n\n{told}\n{table.machine()}\n{seconds / 60:.1f} minutes")
    passed = bool(rows) and all(row.passed for row in rows)
    if args.write_doc:
        table.write_doc(SOURCE_DIR / "docs" / "faults.md", rows, told, seconds)
    if not passed:
        print(f"FAILED: logs of the runs are in {args.logs}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
