"""The demo from outside: exit codes, the summary, HTTP while it runs, the view on a terminal, nothing left behind.

demo.py SEGMENTD ends|year|short|stops|terminal
"""

import errno
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request

import fastavro

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
ORDERS = os.path.join(SOURCE, "config", "demo", "online_retail_orders.avro")
KEYS = {"events", "accepted", "duplicates", "customers", "changes", "changes_by_reason", "alerts", "dead_letters",
        "model_version", "promotions", "segments", "inertia", "simplified_silhouette", "seconds"}


class Demo:
    """One run with a temporary folder of its own."""

    def __init__(self, program, *args):
        self.tmp = tempfile.mkdtemp(prefix="seg-demo-test-")
        self.run = subprocess.Popen([program, "demo", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                    env={**os.environ, "TMPDIR": self.tmp}, stdin=subprocess.DEVNULL)

    def base(self):
        """The address it says first."""
        line = self.run.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, f"no address in {line!r}"
        return found.group()

    def end(self, timeout=170):
        out, err = self.run.communicate(timeout=timeout)
        left = os.listdir(self.tmp)
        assert left == [], f"left behind: {left}"
        os.rmdir(self.tmp)
        return self.run.returncode, out, err


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.read().decode()


def check_http(base):
    """While it runs: health, status, metrics. Returns once the status shows events."""
    assert get(base + "/healthz")[0] == 200
    for _ in range(600):
        status = json.loads(get(base + "/api/v1/status")[1])
        if status["events"] > 0:
            break
        time.sleep(0.1)
    assert status["ready"] and status["events"] > 0, status
    assert sorted(p["partition"] for w in status["workers"] for p in w["partitions"]) == [0, 1, 2, 3]
    metrics = get(base + "/metrics")[1]
    counted = re.findall(r'^segmentd_events_total\{topic="[a-z-]+"\} (\S+)$', metrics, re.M)
    assert counted and sum(map(float, counted)) > 0, metrics
    assert get(base + "/")[0] == 200


def check_summary(line, events):
    s = json.loads(line)
    assert set(s) == KEYS, sorted(set(s) ^ KEYS)
    assert s["events"] == events, s
    assert s["dead_letters"].get("missing_field", 0) > 0, "orders without a customer are dead letters"
    assert s["accepted"] + s["duplicates"] + sum(s["dead_letters"].values()) == events, s
    assert s["changes"] == sum(s["changes_by_reason"].values())
    assert s["changes_by_reason"]["first"] == s["customers"], "everyone is assigned once for the first time"
    names = [segment["name"] for segment in s["segments"]]
    assert len(names) >= 4 and all(names) and len(set(names)) == len(names), names
    assert abs(sum(segment["share"] for segment in s["segments"]) - 1) < 1e-6, s["segments"]
    assert sum(segment["customers"] for segment in s["segments"]) == s["customers"], s
    assert s["promotions"] >= 1 and s["model_version"] >> 32 == s["promotions"]
    assert s["inertia"] > 0 and 0 < s["simplified_silhouette"] < 1
    return s


def ends(program, events=20000, rate=0):
    demo = Demo(program, "--port", "0", "--rate", str(rate), "--exit-after", str(events))
    check_http(demo.base())
    code, out, err = demo.end()
    assert code == 0 and err == "", (code, err)
    s = check_summary(out.rstrip("\n").split("\n")[-1], events)
    print(json.dumps(s))
    return s


def year(program):
    s = ends(program, 200000, 8000)  # slow enough for the model to be there while events come
    assert s["changes_by_reason"].get("behaviour", 0) > 0 and s["changes_by_reason"].get("time", 0) > 0, s


def short(program):
    """An input of a few orders, and one that is none."""
    with open(ORDERS, "rb") as f:
        reader = fastavro.reader(f)
        orders, schema = [next(reader) for _ in range(200)], reader.writer_schema
    with tempfile.NamedTemporaryFile(suffix=".avro") as f:
        fastavro.writer(f, schema, orders)
        f.flush()
        demo = Demo(program, "--port", "0", "--rate", "0", "--input", f.name, "--exit-after", "200000")
        code, out, err = demo.end()
    s = json.loads(out.rstrip("\n").split("\n")[-1])
    assert code == 1 and "shorter" in err, (code, err)
    assert 200 <= s["events"] < 200000 and s["segments"] == [], s
    for name in ("/nonexistent.avro", os.path.abspath(__file__)):
        code, out, err = Demo(program, "--input", name).end()
        assert code == 1 and out == "" and err.startswith("segmentd demo: ") and err.count("\n") == 1, (code, out, err)
        assert name in err, err
    for wrong in (("--rate", "-1"), ("--port", "70000"), ("--exit-after", "0"), ("--exit-after", "x"), ("--speed", "1")):
        code, out, err = Demo(program, *wrong).end()
        assert code == 2 and wrong[0] in err, (wrong, code, err)


def stops(program):
    """Told to stop: at once when it starts, and in the middle."""
    for number, wait in ((signal.SIGTERM, 0), (signal.SIGINT, 6), (signal.SIGHUP, 6)):
        demo = Demo(program, "--port", "0")
        demo.base()
        time.sleep(wait)
        demo.run.send_signal(number)
        code, _, err = demo.end(40)
        assert code == 0 and err == "", (number, code, err)
    demo = Demo(program, "--port", "0", "--exit-after", "200000")
    demo.base()
    time.sleep(6)
    demo.run.send_signal(signal.SIGTERM)
    code, out, err = demo.end(40)
    assert code == 1 and "told to stop" in err and set(json.loads(out.rstrip("\n").split("\n")[-1])) == KEYS, (code, err)
    demo = Demo(program, "--port", "0")
    demo.base()
    demo.run.send_signal(signal.SIGTERM)
    time.sleep(0.02)
    demo.run.send_signal(signal.SIGINT)
    code, _, _ = demo.end(40)
    assert code in (0, 1), code  # 1 unless it was already over


def on_terminal(program, columns, rows, **environ):
    """Everything it writes to a terminal of that size."""
    tmp = tempfile.mkdtemp(prefix="seg-demo-test-")
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        print(f"SKIPPED: this machine has no pseudo-terminals ({error})")
        sys.exit(77)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    before = termios.tcgetattr(ours)
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    run = subprocess.Popen([program, "demo", "--port", "0", "--rate", "0", "--exit-after", "20000"], stdin=theirs,
                           stdout=theirs, stderr=theirs, env={**env, "TERM": "xterm-256color", "TMPDIR": tmp, **environ})
    os.close(theirs)
    shown = b""
    try:
        while True:
            shown += os.read(ours, 65536)
    except OSError as e:  # nobody has the other end open any more
        assert e.errno == errno.EIO, e
    run.wait(10)
    assert run.returncode == 0, (run.returncode, shown[-2000:])
    assert termios.tcgetattr(ours) == before, "the terminal's settings are not what they were"
    assert os.listdir(tmp) == []
    os.rmdir(tmp)
    os.close(ours)
    return shown.decode()


def terminal(program):
    for columns, rows, environ in ((120, 40, {}), (60, 12, {"NO_COLOR": "1"})):
        shown = on_terminal(program, columns, rows, **environ)
        assert shown.count("\033[?1049h") == 1 and shown.count("\033[?1049l") == 1, "the other screen is entered and left"
        assert shown.index("\033[?25l") < shown.index("\033[?25h"), "the cursor comes back"
        assert bool(re.search(r"\033\[[0-9;]*38;5", shown)) != bool(environ), "colours unless NO_COLOR"
        screens = shown[:shown.index("\033[?1049l")].split("\033[H")[1:]
        plain = [re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", s) for s in screens]
        for screen in plain:
            lines = re.split("\r+\n", screen)
            longest = max(lines, key=len)
            assert len(lines) <= rows and len(longest) <= columns, (len(lines), len(longest), longest)
        assert "SEGMENTS" in plain[-1] and "●" in plain[-1], plain[-1]
        assert rows < 30 or ("LATEST CHANGES" in plain[-1] and " → " in plain[-1] and "missing_field" in plain[-1])
        last = re.split("\r+\n", shown.rstrip("\r\n"))[-1]
        assert last.startswith("{"), shown[-3000:]
        check_summary(last, 20000)


if __name__ == "__main__":
    parts = {"ends": ends, "year": year, "short": short, "stops": stops, "terminal": terminal}
    parts[sys.argv[2]](sys.argv[1])
