#!/usr/bin/env python3
"""The oracle's own proof: bugs that are seeded into the engine (base/mutant.h), each of which shows nothing in a run without
its fault, and must be caught by the oracle when the fault comes. A bug that is not caught, one that is seen without its fault, and
a run that does not reach its fault are failures.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE_DIR = HERE.parents[1]
sys.path.insert(0, str(HERE))
from lib.cluster import Cluster, Key  # noqa: E402
from lib.scenario import FaultMissed  # noqa: E402
from lib.site import Site  # noqa: E402
import checks  # noqa: E402
import oracle  # noqa: E402

BEGIN, END = "<!-- seeded bugs begin -->", "<!-- seeded bugs end -->"
NOTE = """Each bug was run twice: *without it*, the fault does not come (and, where erasures are part of it, nobody is erased), and
every check must be silent; with it, until the oracle objects, at most five times with other seeds. That the engine itself
refuses to go on is no catch. *Caught by* is the check that had most to say (`tests/support/oracle`), with one of its findings.
Bugs of the sums and the fold beyond these are the business of `tests/property/fold`, those of the protocol of
`tests/property/protocol`."""
ATTEMPTS = 5
# A run that is killed may leave a transaction that the broker ends later (transaction_timeout).
SETTLE_S = 12
NO_MODEL = {"segmenter": {"min_customers": 100000}}


@dataclasses.dataclass(frozen=True)
class Bug:
    id: str
    fault: str                  # as the table says it
    scenario: object            # (Run) -> None
    options: tuple = ()         # of the scenario
    settings: dict = dataclasses.field(default_factory=dict)
    stream: dict = dataclasses.field(default_factory=dict)
    plain_stream: dict = dataclasses.field(default_factory=dict)  # what is not in the plain run, e.g. erasures
    short: bool = False


class Caught(Exception):
    def __init__(self, findings):
        super().__init__(findings[0])
        self.findings = findings


class Run:
    """One run of a bug, with its fault or plain."""

    def __init__(self, bug, site, dice, plain):
        self.bug, self.site, self.dice, self.plain = bug, site, dice, plain
        stream = {"erase_share": 0, "bad_share": .01, **bug.stream, **(bug.plain_stream if plain else {})}
        self.events = stream.pop("events", 6000)
        self.stream = stream

    def start(self, **how):
        return self.site.start(mutant=self.bug.id, **how)

    def begin(self, upto=None, fitted=True, **how):
        """An instance with the bug that has drained the first third."""
        self.site.setup(settings=self.bug.settings)
        upto = upto or self.events // 3
        one = self.start(armed=False, **how)
        self.site.stream = (self.events, upto, self.stream)
        self.site.load(self.events, upto=upto, **self.stream)
        self.site.wait_drained(instances=[one])
        if fitted:
            self.site.wait_fitted(one)
        if not self.plain:
            one.arm()
        return one

    def ask(self, which, data_dir):
        site = self.site
        _, findings = oracle.run(site.brokers, site.app, site.binary, data_dir, SOURCE_DIR, which=which, topics=site.topics,
                                 outputs=site.outputs, settings=site.settings)
        return findings

    def look(self, instance):
        """After a kill: what the oracle says of Kafka and the store as they stand. What passes when the broker has ended the
        dead one's transaction is no finding."""
        until = time.monotonic() + SETTLE_S
        while True:
            findings = self.ask(checks.CRASH_CHECKS, instance.data_dir)
            if not findings:
                return
            if time.monotonic() > until:
                raise Caught(findings)
            time.sleep(.5)

    def finish(self):
        """Drains, stops whole, judges."""
        site = self.site
        site.wait_loaded()
        last = next(iter(site.running()), None) or self.start()
        site.wait_drained(instances=[last])
        last.wait_ready()
        last.stop()
        if not site.is_whole(last):
            raise AssertionError("the clean stop was not whole")
        findings = self.ask(checks.CHECKS, last.data_dir)
        if findings:
            raise Caught(findings)


# ---- scenarios ----

def kill(run, point, last_n, fitted=True, rate=3000, look=True, again=None):
    """kill -9 at a crash point, and a new start. again: what is to fail after that start."""
    n = run.dice.randint(max(1, last_n // 4), last_n)
    one = run.begin(fitted=fitted, crash=None if run.plain else f"{point}:{n}")
    run.site.load_rest(rate=rate)
    if run.plain:
        return run.finish()
    one.wait_crash()
    if look:
        run.look(one)
    two = run.start(env={"SEGMENTD_FAIL_COMMIT": again} if again else None)
    if again:
        two.wait_event("commit_aborted")
    return run.finish()


def fail(run, how, last_n):
    """The n-th commit fails."""
    n = run.dice.randint(3, last_n)
    one = run.begin(env={} if run.plain else {"SEGMENTD_FAIL_COMMIT": f"{how}:{n}"})
    run.site.load_rest()
    if not run.plain:
        run.site.wait_loaded()
        run.site.wait_drained(instances=[one])
        if "commit_fails how=" not in one.log_text():
            raise FaultMissed("no commit was made to fail")
    return run.finish()


def idle_kill(run):
    """kill -9 after everybody was evaluated anew, while no input comes."""
    one = run.begin()
    if run.plain:
        run.site.load_rest()
        return run.finish()
    time.sleep(1 + run.dice.random())
    one.kill()
    run.look(one)
    run.start()
    return run.finish()


def there_and_back(run):
    """A second instance takes partitions, commits, and is killed: they come back."""
    one = run.begin()
    if run.plain:
        run.site.load_rest()
        return run.finish()
    two = run.start(name="two")
    two.wait_event("recovered", timeout=90)
    run.site.load_rest(rate=1500)
    run.site.wait_commit(two)
    two.kill()
    run.site.wait_loaded()
    run.site.wait_drained(instances=[one])
    return run.finish()


def plain_end(run):
    """Nothing fails: the stream itself is what the bug cannot bear."""
    run.begin()
    run.site.load_rest()
    return run.finish()


AFTER = ("after_commit", 30)
ERASE = {"erase_share": .015, "customers": 400}
NO_ERASE = {"erase_share": 0}
BUGS = [
    Bug("drop_record", "kill -9 after a commit", kill, AFTER),
    Bug("rocks_early", "kill -9 before EndTxn", kill, ("after_offsets", 40)),
    Bug("no_rewind", "a commit aborts", fail, ("abort", 12), short=True),
    Bug("ignores_cut", "kill -9 after a commit", kill, AFTER, short=True),
    Bug("replay_early", "kill -9 after a commit", kill, AFTER),
    Bug("applied_forgot", "kill -9 before the cut of a cycle", kill, ("cycle_written", 4, False, 0), NO_MODEL,
        {"customers": 6, "events": 12000}),
    Bug("reread_letters", "kill -9 after a commit", kill, AFTER, stream={"bad_share": .03}),
    Bug("e_not_carried", "erasures, kill -9 after a commit", kill, AFTER, stream=ERASE, plain_stream=NO_ERASE),
    Bug("rocks_is_clean", "kill -9 after a commit", kill, (*AFTER, False), NO_MODEL),
    Bug("window_reread", "kill -9 after a commit", kill, AFTER),
    Bug("offsets_apart", "kill -9 before EndTxn", kill, ("after_offsets", 30)),
    Bug("reevaluation_bare", "kill -9 when idle", idle_kill, settings={
        "recovery": {"target": "10s"}, "checkpoint": {"max_interval": "10m"}}),
    Bug("abort_keeps_cache", "a commit aborts", fail, ("abort", 12)),
    Bug("unknown_is_abort", "a commit's answer is lost, it has committed", fail, ("unknown_committed", 12), short=True),
    Bug("unknown_is_commit", "a commit's answer is lost, it has aborted", fail, ("unknown_aborted", 12)),
    Bug("letter_once", "a commit aborts", fail, ("abort", 12), stream={"bad_share": .05}),
    Bug("sums_early", "kill -9 after a commit", kill, ("after_commit", 50)),
    Bug("sample_stays", "kill -9 after a commit, then erasures", kill, AFTER, stream=ERASE),
    Bug("no_eval", "kill -9 after a commit", kill, AFTER, stream={"customers": 1500}),
    Bug("cause_reread", "kill -9 after a commit", kill, AFTER),
    Bug("abort_forgets", "kill -9 after a commit, then an abort", kill, (*AFTER, True, 3000, True, "abort:1"),
        stream={"customers": 1500}),
    Bug("birth_unlogged", "kill -9 after a commit", kill, (*AFTER, False), NO_MODEL),
    Bug("reread_erase", "erasures, kill -9 after a commit", kill, AFTER, stream=ERASE, plain_stream=NO_ERASE),
    Bug("e_applied", "erasures", plain_end, stream=ERASE, plain_stream=NO_ERASE),
    Bug("tomb_next_commit", "erasures", plain_end, stream=ERASE, plain_stream=NO_ERASE),
    Bug("tomb_running_cycle", "erasures", plain_end, stream=ERASE, plain_stream=NO_ERASE),
]


# ---- runs ----

def describe(bug):
    text = (SOURCE_DIR / "base" / "mutant.h").read_text()
    told = re.search(rf'X\(\w+, "{bug.id}", "(.*)"\)', text).group(1)
    return told.replace("...", "the erasure's decision goes")  # it goes on from the bug before it


def one_run(bug, cluster, args, seed, plain):
    """(outcome, text): outcome is clean, caught, missed or stopped (the engine itself objected)."""
    app = f"bug-{bug.id.replace('_', '-')}-{'plain' if plain else seed}-{os.getpid()}"
    site = Site(cluster, app, args.build_dir, pathlib.Path(args.folder) / app, seed=seed)
    run = Run(bug, site, random.Random(f"{bug.id} {seed}"), plain)
    try:
        bug.scenario(run, *bug.options)
        return "clean", ""
    except Caught as caught:
        kinds = collections.Counter((f.check, f.kind) for f in caught.findings)
        (check, kind), _ = kinds.most_common(1)[0]
        first = next(f for f in caught.findings if (f.check, f.kind) == (check, kind))
        return "caught", {"check": check, "kind": kind, "record": f"{first.where}: {first.text}"[:300], "count": len(caught.findings)}
    except FaultMissed as missed:
        return "missed", str(missed)
    except Exception as error:  # whatever a broken engine does to a scenario
        return "stopped", f"{type(error).__name__}: {error}\n{site.logs_tail(8)}"
    finally:
        site.close(keep=args.keep)


def work(args):
    """Of one bug: a line of JSON. What the oracle says goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    bug = next(b for b in BUGS if b.id == args.work)
    cluster, began = Cluster(Key("3.9", 1, False, ()), args.brokers), time.monotonic()
    outcome, text = one_run(bug, cluster, args, args.seed, plain=True)
    result = {"id": bug.id, "plain": outcome == "clean", "plain_text": text, "runs": 0, "caught": None, "texts": []}
    for attempt in range(ATTEMPTS):
        outcome, text = one_run(bug, cluster, args, args.seed + attempt, plain=False)
        result["runs"] += 1
        if outcome == "caught":
            result["caught"] = text
            break
        result["texts"].append(f"{outcome}: {text}")
    result["seconds"] = time.monotonic() - began
    print(json.dumps(result), file=answers, flush=True)


def in_a_process(bug, args, brokers, log):
    command = [sys.executable, str(HERE / "seeded_bugs.py"), "--work", bug.id, "--brokers", brokers, "--seed", str(args.seed),
               "--folder", args.folder, "--build-dir", args.build_dir] + ["--keep"] * args.keep
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    out, _ = process.stdout.read(), process.wait()
    process.stdin.close()
    if not out.strip():
        return {"id": bug.id, "plain": False, "plain_text": "the run ended without a result", "runs": 0, "caught": None, "texts": [],
                "seconds": 0}
    return json.loads(out.splitlines()[-1])


def show(result):
    caught = result["caught"]
    print(f"{result['id']:20} {result['seconds']:5.1f} s  plain {'clean' if result['plain'] else 'NOT CLEAN'}  "
          f"{'caught in run %d by %s: %s: %s' % (result['runs'], caught['check'], caught['kind'], caught['record']) if caught else 'NOT CAUGHT'}",
          flush=True)
    for text in ([] if result["plain"] else [f"plain: {result['plain_text']}"]) + ([] if caught else result["texts"]):
        print(f"    {text}", flush=True)


def record_of(text):
    """Without what differs from run to run: the app's name."""
    return re.sub(r"bug-[\w-]+?-\d+-\d+", "app", text).replace("|", "\\|")


def row_of(bug, result):
    caught = result["caught"] or {"check": "not caught", "kind": "", "record": ""}
    return (f"| `{bug.id}`: {describe(bug)} | {bug.fault} | {'nothing found' if result['plain'] else 'found'} | "
            f"`{caught['check']}` | {caught['kind']}: {record_of(caught['record'])[:160]} | {result['runs']} |")


def write_doc(results):
    """The rows of what was run; the others stay as they were."""
    path = SOURCE_DIR / "docs" / "faults.md"
    text = path.read_text()
    before, found, rest = text.partition(BEGIN)
    table, closed, after = rest.partition(END)
    if not found or not closed:
        raise SystemExit(f"seeded_bugs: {path} has no marks for the table")
    rows = {line.split("`")[1]: line for line in table.splitlines() if line.startswith("| `")}
    rows.update({bug.id: row_of(bug, r) for bug in BUGS for r in results if r["id"] == bug.id})
    lines = ["| seeded bug | fault | without it | caught by | a finding | runs |", "|---|---|---|---|---|---|",
             *(rows[bug.id] for bug in BUGS if bug.id in rows)]
    path.write_text(f"{before}{BEGIN}\n\n{NOTE}\n\n" + "\n".join(lines) + f"\n\n{END}{after}")


def arguments():
    parser = argparse.ArgumentParser(prog="seeded_bugs.py", description=__doc__)
    parser.add_argument("--only", metavar="ID,…")
    parser.add_argument("--short", action="store_true", help="the few that make test does")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--write-doc", action="store_true", help="put what was run into the table of docs/faults.md")
    parser.add_argument("--build-dir", default=os.environ.get("SEG_BUILD_DIR"), help=argparse.SUPPRESS)
    for name in ("--work", "--brokers", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.build_dir:
        parser.error("SEG_BUILD_DIR must name a build with SEG_FAULTS (preset fault, or dev)")
    return args


def main():
    args = arguments()
    if args.work:
        return work(args)
    wanted = [bug for bug in BUGS if (not args.only or bug.id in args.only.split(",")) and (not args.short or bug.short)]
    began, args.folder = time.monotonic(), tempfile.mkdtemp(prefix="segmentd-bugs-")
    logs = pathlib.Path(args.build_dir) / "fault-logs"
    logs.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(Key("3.9", 1, False, ())).start()
    results = []
    try:
        with (logs / "seeded-bugs.log").open("w") as log, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for result in pool.map(lambda bug: in_a_process(bug, args, cluster.brokers, log), wanted):
                show(result)
                results.append(result)
    finally:
        cluster.close()
        if not args.keep:
            shutil.rmtree(args.folder, ignore_errors=True)
    good = [r for r in results if r["plain"] and r["caught"]]
    print(f"{len(good)} of {len(wanted)} seeded bugs pass without their fault and are caught with it; "
          f"{(time.monotonic() - began) / 60:.1f} minutes")
    if args.write_doc:
        write_doc(results)
    return 0 if len(good) == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
