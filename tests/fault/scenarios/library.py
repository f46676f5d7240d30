"""Fault 26: what a program asks for fails: memory and RocksDB in process (../torture), librdkafka in the daemon (lib/shim)."""
import json
import re
import subprocess
import time

from lib.scenario import FaultMissed, fault
from lib.site import Verdict, expect

CLASSES = ("retriable", "abortable", "fatal", "timeout", "late")
# Calls of the commit and recovery paths, and up to which of them one is chosen to fail: what every start comes to.
CALLS = {"init_transactions": 1, "begin_transaction": 12, "producev": 300, "send_offsets_to_transaction": 12,
         "commit_transaction": 12, "abort_transaction": 1, "flush": 1, "subscribe": 1, "committed": 2,
         "query_watermark_offsets": 8, "assign": 1, "pause_partitions": 1, "resume_partitions": 2, "seek_partitions": 2,
         "consume_batch_queue": 20, "consume_start_queue": 2, "consumer_group_metadata": 1, "metadata": 6}
# Nothing aborts without a reason: these fail beside a call that asks for an abort.
ONLY_AFTER_ABORT = ("abort_transaction", "flush")


@fault(26, "each allocation and RocksDB call of the engine fails in turn", part="a", alone=True)
def torture(site, dice):
    program = site.build_dir / "tests" / "fault" / "torture" / "torture_shard"
    done = subprocess.run([str(program), "--seed", str(dice.randint(1, 1000))], capture_output=True, text=True,
                          timeout=1500, check=False)
    expect(done.returncode == 0, f"{done.stdout}{done.stderr}")
    print(done.stdout)
    runs = int(re.search(r"in (\d+) runs", done.stdout).group(1))
    site.events, site.verdict = runs, Verdict(events=runs)
    return site.verdict


def wait_failing(site, instance, timeout=60):
    """Until the call has failed; else the run is missed."""
    until = time.monotonic() + timeout
    while "failing_call name=" not in instance.log_text():
        if time.monotonic() > until or not instance.is_running():
            raise FaultMissed(f"the call was not reached: {instance.last_words()}")
        time.sleep(.01)


def says_why(instance):
    """A process that ends tells in one line what has failed."""
    code = instance.wait_exit()
    expect(code == 1, f"ended with {code}: {instance.last_words()}")
    told = [line for line in instance.log_text().splitlines() if "worker_failed" in line or line.startswith("segmentd run: ")]
    expect(told, f"ended without a word: {instance.last_words()}")


def settle(site, instance, timeout=90):
    """It drains what there is, or it ends with a clear error. True: it lives."""
    ends, until = site.ends(), time.monotonic() + timeout
    while site.lag(ends) > 0 and instance.is_running():
        expect(time.monotonic() < until, f"neither goes on nor ends within {timeout} s: {instance.last_words()}")
        time.sleep(.03)
    if instance.is_running():
        return True
    says_why(instance)
    return False


@fault(26, "the n-th call of librdkafka fails, by each class of error", part="b", runs=len(CALLS), short_runs=1)
def client(site, dice):
    """One call a run, all classes one after the other, over the same topics and store."""
    call = list(CALLS)[site.run % len(CALLS)]
    site.setup()
    one = site.warm(events=8000, upto=1500)
    one.kill()
    shim = str(site.build_dir / "tests" / "fault" / "libsegkafka.so")
    lived = {}
    for i, kind in enumerate(CLASSES):
        plan = f"{call}:{dice.randint(1, CALLS[call])}:{kind}"
        if call in ONLY_AFTER_ABORT:
            plan += ",producev:50:abortable"
        one = site.start(preload=shim, env={"SEGMENTD_FAIL": plan})
        site.load_rest(upto=1500 + (i + 1) * 1300, rate=0, wait=True)
        wait_failing(site, one)
        lived[kind] = settle(site, one)
        if one.is_running():
            one.kill()
    print(f"{call}: " + json.dumps(lived))
