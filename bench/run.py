#!/usr/bin/env python3
"""Drains the same preloaded events by turns with a bare consumer that only counts (consume), a bare transactional loop that
writes a 250-byte record per distinct customer and 50 ms commit (transact), and segmentd with 1 and 2 workers. A run counts
only if all is drained. Seconds and CPU are the whole process's, from its start until the group's offsets (or the control's
position) have reached the ends; segmentd's time includes joining the group. The broker's CPU stands in a column of its own.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

SOURCE_DIR = pathlib.Path(os.environ["SEG_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE_DIR / "tests" / "support"))
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from daemon_run import INPUTS, GroupReader, Job, expect  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
COLUMNS = ("events_per_s", "cpu_s_per_million", "broker_cpu_s_per_million", "peak_rss_mib", "seconds")


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--events", type=int, default=1000000)
    parser.add_argument("--customers", type=int, default=100000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3, help="of each, by turns")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--features", default="full")
    parser.add_argument("--only", default="consume,transact,segmentd-1,segmentd-2", help="which, separated by commas")
    parser.add_argument("--timeout", type=int, default=600, help="seconds of one run")
    parser.add_argument("--keep", action="store_true", help="leave the folder of data and logs behind")
    return parser.parse_args()


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 1024


def make_topic(job, name):
    admin = AdminClient({"bootstrap.servers": job.kafka.brokers})
    admin.create_topics([NewTopic(name, job.partitions, 1)])[name].result(30)


def run_control(job, program, *args):
    """(seconds, CPU-seconds, peak MiB, events)"""
    began = time.monotonic()
    process = subprocess.Popen([job.build_dir / "bench" / program, job.kafka.brokers, str(job.partitions), *args],
                               stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    seconds = time.monotonic() - began
    expect(process.returncode == 0, f"{program} ended with {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(out)["events"]


def run_daemon(job, app, workers, ends, timeout):
    """As above. The clock stops when the group's offsets have reached the ends; then it is stopped cleanly."""
    outputs = {name: {"topic": f"{app}-{name.replace('_', '-')}"} for name in (
        "segment_changes", "segments", "drift_alerts", "campaign_triggers", "dead_letters")}
    job.app, job.config = app, job.write_config(f"{app}.yaml", app=app, workers=workers, outputs=outputs,
                                                data_dir=str(job.folder / app))
    job.run_ok("topics", "--config", job.config, "create")
    group = GroupReader(job.kafka.brokers, app)
    began = time.monotonic()
    pid = job.start().pid
    while True:
        job.alive()
        found = group.read(INPUTS)
        seconds, used = time.monotonic() - began, cpu_s(pid)
        if all(high == low or found.get(place, (-1, ""))[0] >= high for place, (low, high) in ends.items()):
            break
        expect(seconds < timeout, f"not drained within {timeout} s")
        time.sleep(.01)
    group.close()
    peak = peak_mib(pid)
    job.stop()
    expect(not job.events("worker_failed") and not job.events("store_rebuilt"), "the log tells of failures")
    return seconds, used, peak, sum(high - low for low, high in ends.values())


def measure(job, which, number, args, ends):
    app, broker = f"bench-{which}-{number}", job.kafka.process.pid
    before = cpu_s(broker)
    if which == "consume":
        result = run_control(job, "control_consume", app)
    elif which == "transact":
        make_topic(job, app + "-changelog")
        before = cpu_s(broker)
        result = run_control(job, "control_transact", app, app + "-changelog")
    else:
        result = run_daemon(job, app, int(which.rsplit("-", 1)[1]), ends, args.timeout)
    seconds, cpu, peak, events = result
    expect(events == args.events, f"{which} read {events} of {args.events} events")
    return {"what": which, "run": number, "seconds": round(seconds, 3), "events_per_s": round(events / seconds),
            "cpu_s_per_million": round(cpu * 1e6 / events, 3),
            "broker_cpu_s_per_million": round((cpu_s(broker) - before) * 1e6 / events, 3), "peak_rss_mib": round(peak, 1)}


def print_row(name, row):
    print(f"{name:14} {row['events_per_s']:12.0f} {row['cpu_s_per_million']:12.3f} {row['broker_cpu_s_per_million']:14.3f} "
          f"{row['peak_rss_mib']:10.1f} {row['seconds']:9.2f}", flush=True)


def summary(rows, names):
    print("\nmedians:")
    medians = {}
    for name in names:
        mine = [row for row in rows if row["what"] == name]
        medians[name] = {column: statistics.median(row[column] for row in mine) for column in COLUMNS}
        print_row(name, medians[name])
    for name in names:
        if name.startswith("segmentd") and "transact" in medians:
            share = medians[name]["events_per_s"] / medians["transact"]["events_per_s"]
            print(f"{name}: {share:.0%} of transact's events/s, {medians[name]['peak_rss_mib']:.0f} MiB at the peak")


def main():
    args = arguments()
    names = args.only.split(",")
    settings = {"features": args.features}
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    results = SOURCE_DIR / "bench" / "results" / f"{stamp}.jsonl"
    results.parent.mkdir(exist_ok=True)
    with Job(app="bench", partitions=args.partitions, settings=settings, keep=args.keep) as job:
        job.create_topics()
        made = job.generate("--events", args.events, "--customers", args.customers, "--seed", args.seed)
        ends, rows = job.ends(), []
        print(f"{made['events']} events, {args.customers} customers, {args.partitions} partitions, {os.cpu_count()} cores, "
              f"load {os.getloadavg()[0]:.1f}\n\n{'':14} {'events/s':>12} {'CPU-s/M':>12} {'broker CPU-s/M':>14} "
              f"{'peak MiB':>10} {'seconds':>9}")
        run_control(job, "control_consume", "warm-up")  # the page cache is not what is measured
        for number in range(1, args.runs + 1):
            for name in names:
                row = measure(job, name, number, args, ends)
                rows.append(row)
                print_row(name, row)
                with results.open("a", encoding="utf-8") as out:
                    out.write(json.dumps({**row, "events": args.events, "customers": args.customers,
                                          "load": os.getloadavg()[0], "cores": os.cpu_count()}) + "\n")
    summary(rows, names)
    print(f"all runs: {results.relative_to(SOURCE_DIR)}")


if __name__ == "__main__":
    main()
