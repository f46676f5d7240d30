#!/usr/bin/env python3
"""The dashboard in a real browser: test_dashboard.py FAKE_DAEMON [--screenshots FOLDER]."""
import copy
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from chromium import Browser, Page  # noqa: E402

PROGRAM = sys.argv[1]
SHOTS = sys.argv[3] if len(sys.argv) > 3 and sys.argv[2] == "--screenshots" else None

STATUS = {
    "app": "segmentd", "instance": "shop-1", "version": "0.1.0", "ready": True, "uptime_s": 3725.5,
    "stream_time_ms": 1323435000000, "model_version": 3 * 2**32 + 17, "customers": 4338,
    "segments": [
        {"segment_id": "s4", "name": "lapsing high-value", "customers": 1211, "share": 0.2792},
        {"segment_id": "s11", "name": "new one-time buyers", "customers": 1693, "share": 0.3903},
        {"segment_id": "s2", "name": "loyal, frequent", "customers": 812, "share": 0.1872},
        {"segment_id": "s9", "name": "champions", "customers": 401, "share": 0.0924},
        {"segment_id": "s13", "name": "e-mail readers who browse and hardly ever buy", "customers": 221, "share": 0.0509},
    ],
    "workers": [
        {"worker": 0, "state": "running", "fold": True, "partitions": [
            {"partition": 0, "state": "running", "lag": 12, "stream_time_ms": 1323435000000, "seq": 8123,
             "customers": 1102, "recovery": None},
            {"partition": 1, "state": "recovering", "lag": 40211, "stream_time_ms": None, "seq": 7990,
             "customers": 1050, "recovery": {"phase": "inputs", "remaining": 18200, "seconds_left": 6.4}}]},
        {"worker": 1, "state": "running", "fold": False, "partitions": [
            {"partition": 3, "state": "running", "lag": 0, "stream_time_ms": 1323435600000, "seq": 9001,
             "customers": 1092, "recovery": None},
            {"partition": 2, "state": "waiting", "lag": -1, "stream_time_ms": 1323435060000, "seq": 8800,
             "customers": 1094, "recovery": None}]},
    ],
    "dead_letters": {"missing_field": 3710, "unknown_currency": 4},
    "events": 210345, "duplicates": 3,
    "changes_by_reason": {"first": 4338, "behaviour": 2120, "time": 961, "model": 77},
    "latest_changes": [
        "customer 12838: new one-time buyers → loyal, frequent, because frequency 3.1 → 5",
        "customer 17850: champions → lapsing high-value, as time went by: recency_days 12 → 201",
        "customer 13047: first segment champions",
    ],
    "drift": [{"subject": "feature:frequency", "psi": 0.031}, {"subject": "shares", "psi": 0.27},
              {"subject": "segment:s4/feature:monetary", "psi": 0.1404}],
}


SEGMENTS = {"segments": [
    {"segment_id": "s4", "name": "lapsing high-value", "alias": None, "description": "Bought much, last 201 days ago."},
    {"segment_id": "s2", "name": "champions of old", "alias": "loyal, frequent", "description": "Buys every 9 days."}]}
VERSIONS = [
    {"version": 1, "state": "kept", "promoted_ms": 1322000000000, "reason": "first", "k": 5, "restored_from": None, "base": None},
    {"version": 2, "state": "kept", "promoted_ms": 1322500000000, "reason": "growth", "k": 6, "restored_from": None, "base": 1},
    {"version": 3, "state": "current", "promoted_ms": 1323000000000, "reason": "rollback", "k": 5, "restored_from": 1, "base": None},
    {"version": 4, "state": "candidate", "promoted_ms": None, "reason": "schedule", "k": 6, "restored_from": None, "base": 3}]
DIFF = {"moved": 61, "sample": 900, "segments": [{"segment_id": "s21", "name": "night owls"}], "matrix": [
    {"from": "s4", "to": "s4", "customers": 839}, {"from": "s2", "to": "s21", "customers": 40},
    {"from": "s4", "to": "s2", "customers": 21}]}


class Daemon:
    def __init__(self):
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "ok\n":
            raise RuntimeError("the fake daemon has ended")

    def tell(self, **changes):
        self.say("status " + json.dumps({**copy.deepcopy(STATUS), **changes}, ensure_ascii=False))

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def text(selector):
    return f"document.querySelector({json.dumps(selector)}).innerText"


def rows(table):
    """The cells of a table's body, as they can be read."""
    return (f"[...document.querySelectorAll('#{table} tbody tr')].map(row => [...row.cells].map("
            "cell => cell.firstChild.textContent))")


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def setUp(self):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.close)
        self.daemon.tell()

    def page(self, **how):
        page = Page(self.browser, **how)
        self.addCleanup(page.close)
        page.open(self.daemon.url + "/")
        return page

    def shoot(self, page, name):
        if SHOTS:
            page.screenshot(os.path.join(SHOTS, name + ".png"))

    def shown(self, **how):
        page = self.page(**how)
        page.wait(text("#customers") + " === '4,338'")
        return page

    def test_figures_are_shown(self):
        page = self.shown()
        self.assertEqual(page.run(rows("segments")), [
            ["new one-time buyers", "1,693", "39.0%"], ["lapsing high-value", "1,211", "27.9%"],
            ["loyal, frequent", "812", "18.7%"], ["champions", "401", "9.2%"],
            ["e-mail readers who browse and hardly ever buy", "221", "5.1%"]])
        widths = page.run("[...document.querySelectorAll('#segments .fill')].map(bar => bar.style.width)")
        self.assertEqual(widths[0], "100%")
        self.assertAlmostEqual(float(widths[1].rstrip("%")), 100 * 0.2792 / 0.3903, places=2)
        self.assertEqual(page.run(rows("reasons")),
                         [["first", "4,338"], ["behaviour", "2,120"], ["time", "961"], ["model", "77"]])
        self.assertEqual(page.run(rows("letters")), [["missing field", "3,710"], ["unknown currency", "4"]])
        self.assertEqual(page.run(rows("drift")), [
            ["sizes of segments", "large", "0.270"], ["lapsing high-value: monetary", "moderate", "0.140"],
            ["frequency", "small", "0.031"]])
        self.assertEqual([row[:3] for row in page.run(rows("partitions"))], [
            ["0", "running", "12"], ["1", "recovering: inputs, 18,200 records left, about 6 s", "40,211"],
            ["2", "waiting", "–"], ["3", "running", "0"]])
        self.assertEqual(page.run(rows("partitions"))[0][3:], ["2011-12-09 12:50 UTC", "1,102", "8,123", "0"])
        self.assertEqual(page.run("[...document.querySelectorAll('#latest li')].map(li => li.textContent)"),
                         [line.replace("recency_days", "recency days") for line in STATUS["latest_changes"]])
        self.assertEqual(page.run("[...document.querySelectorAll('#latest .because')].map(why => why.textContent)"),
                         [", because frequency 3.1 → 5", ", as time went by: recency days 12 → 201", ""])
        for selector, wanted in {"#changes": "7,496", "#dead": "3,714", "#model": "v3", "#model-note": "revision 17",
                                 "#time": "2011-12-09", "#time-note": "12:50 UTC", "#state": "Running",
                                 "#instance": "shop-1 · segmentd 0.1.0 · up 1 h 2 min",
                                 "#events": "210,345 events since the start"}.items():
            self.assertEqual(page.run(text(selector)), wanted, selector)
        self.assertTrue(page.run("document.getElementById('notice').hidden"))
        self.assertEqual(page.complaints(), [])

    def catalogue(self):
        self.daemon.say("segments " + json.dumps(SEGMENTS))
        self.daemon.say("models " + json.dumps({"version": 3, "versions": VERSIONS}))
        self.daemon.say("diff " + json.dumps(DIFF))

    def test_segments_are_described(self):
        self.catalogue()
        page = self.shown()
        page.wait("document.querySelectorAll('#segments .note').length === 2")
        self.assertEqual(page.run("[...document.querySelectorAll('#segments .note')].map(note => note.textContent)"),
                         ["Bought much, last 201 days ago.", "named champions of old. Buys every 9 days."])
        self.assertEqual(page.complaints(), [])

    def test_versions_are_listed(self):
        self.catalogue()
        page = self.shown()
        page.wait(rows("models") + ".length === 4")
        self.assertEqual(page.run(rows("models")), [
            ["4", "candidate", "–", "schedule", "6"], ["3", "current, as 1", "2011-12-04 12:00 UTC", "rollback", "5"],
            ["2", "kept", "2011-11-28 17:06 UTC", "growth", "6"], ["1", "kept", "2011-11-22 22:13 UTC", "first", "5"]])
        self.assertEqual(page.run(text("#candidate-text")),
                         "Version 4 waits for a person: 6 segments, fitted for schedule, against version 3.")
        self.assertEqual(page.complaints(), [])

    def test_candidate_is_compared_and_promoted(self):
        self.catalogue()
        after = [{**one, "state": {3: "kept", 4: "current"}.get(one["version"], one["state"])} for one in VERSIONS]
        self.daemon.say("promoted " + json.dumps({"version": 4, "versions": after}))
        page = self.shown()
        page.wait("!document.getElementById('candidate').hidden")
        page.run("document.getElementById('compare').click()")
        page.wait(rows("moves") + ".length === 2")
        self.assertEqual(page.run(rows("moves")), [["loyal, frequent", "night owls", "40"],
                                                   ["lapsing high-value", "loyal, frequent", "21"]])
        self.assertEqual(page.run(text("#candidate-said")), "61 of 900 sampled customers would move.")
        self.shoot(page, "candidate")
        page.run("document.getElementById('token').value = 'wrong'")
        page.run("document.getElementById('promote').click()")
        page.wait(text("#candidate-said") + ".includes('http.token')")
        page.run("document.getElementById('token').value = 'secret'")
        page.run("document.getElementById('promote').click()")
        page.wait(rows("models") + "[0][1] === 'current'")
        self.assertTrue(page.run("document.getElementById('candidate').hidden"))
        self.assertEqual(page.run("document.getElementById('token').value"), "")

    def test_everything_comes_from_the_daemon(self):
        page = self.shown()
        asked = set(page.requests())
        self.assertIn(self.daemon.url + "/api/v1/status", asked)
        self.assertEqual([url for url in asked if not url.startswith(self.daemon.url + "/")], [])

    def test_events_per_second(self):
        page = self.shown()
        for i in range(1, 4):
            self.daemon.tell(events=STATUS["events"] + i * 3000, uptime_s=STATUS["uptime_s"] + 2 * i)
            page.wait(text("#events") + f".startsWith('{STATUS['events'] + i * 3000:,} ')")
            self.assertEqual(page.run(text("#rate")), "1,500")
        points = page.run("document.getElementById('spark-line').getAttribute('points').trim().split(' ').length")
        self.assertGreaterEqual(points, 3)
        # Started anew: no rate can be told from one status, and none below zero.
        self.daemon.tell(events=5, uptime_s=1)
        page.wait(text("#rate") + " === '–'")
        self.assertEqual(page.complaints(), [])

    def test_recovery_moves_its_bar(self):
        page = self.shown()
        workers = copy.deepcopy(STATUS["workers"])
        recovery = workers[0]["partitions"][1]["recovery"]
        bar = "parseFloat(document.querySelector('#partitions .fill').style.width)"
        self.assertEqual(page.run(bar), 0)
        recovery.update(remaining=4550, seconds_left=None)
        self.daemon.tell(workers=workers)
        page.wait(bar + " > 0")
        self.assertEqual(page.run(bar), 75)
        self.assertEqual(page.run(rows("partitions"))[1][1], "recovering: inputs, 4,550 records left")
        workers[0]["partitions"][1].update(state="running", recovery=None)
        self.daemon.tell(workers=workers)
        page.wait(rows("partitions") + "[1][1] === 'running'")
        self.assertEqual(page.run("document.querySelectorAll('#partitions .track').length"), 0)
        self.assertEqual(page.complaints(), [])

    def test_new_daemon_without_anything(self):
        self.daemon.tell(ready=False, uptime_s=0.2, stream_time_ms=None, model_version=0, customers=0, segments=[],
                         workers=[{"worker": 0, "state": "starting", "partitions": []}], dead_letters={}, events=0,
                         changes_by_reason={}, latest_changes=[], drift=[])
        page = self.page()
        page.wait(text("#state") + " === 'Not ready yet'")
        for empty in ("segments", "latest", "reasons", "letters", "partitions"):
            self.assertFalse(page.run(f"document.getElementById('{empty}-empty').hidden"), empty)
        self.assertTrue(page.run("document.getElementById('drift-card').hidden"))
        self.assertNotRegex(page.run("document.body.innerText"), "NaN|undefined|null|Infinity|Invalid")
        self.shoot(page, "empty")
        # And then they come.
        self.daemon.tell()
        page.wait(rows("segments") + ".length === 5")
        self.assertTrue(page.run("document.getElementById('segments-empty').hidden"))
        self.assertEqual(page.complaints(), [])

    def test_long_lists_are_cut(self):
        self.daemon.tell(latest_changes=[f"customer {i}: a → b" for i in range(16)],
                         drift=[{"subject": f"feature:f{i}", "psi": i / 100} for i in range(25)])
        page = self.shown()
        self.assertEqual(page.run(rows("drift")), [[f"f{i}", "moderate", f"0.{i}0"] for i in range(24, 18, -1)])
        self.assertEqual(page.run(text("#drift-note")), "population stability index, the 6 highest of 25")
        self.assertEqual(page.run("document.querySelectorAll('#latest li').length"), 14)

    def test_status_without_the_later_fields(self):
        status = copy.deepcopy(STATUS)
        for field in ("events", "duplicates", "changes_by_reason", "latest_changes", "drift"):
            del status[field]
        self.daemon.say("status " + json.dumps(status))
        page = self.shown()
        self.assertNotRegex(page.run("document.body.innerText"), "NaN|undefined|null|Infinity|Invalid")
        self.assertEqual(page.complaints(), [])

    def test_unreachable_and_back(self):
        page = self.shown()
        self.daemon.say("stop")
        page.wait(text("#state") + " === 'Not reachable'")
        self.assertIn("does not answer (no connection)", page.run(text("#notice")))
        self.assertIn("The figures below are of", page.run(text("#notice")))
        self.assertTrue(page.run("document.body.classList.contains('stale')"))
        self.shoot(page, "unreachable")
        self.daemon.say("start")
        page.wait(text("#state") + " === 'Running'")
        self.assertTrue(page.run("document.getElementById('notice').hidden"))
        self.daemon.say("fail")
        page.wait(text("#notice") + ".includes('HTTP 503')")

    def test_failed_worker_is_told(self):
        workers = copy.deepcopy(STATUS["workers"])
        workers[1].update(state="failed", error="store p3: No space left on device")
        self.daemon.tell(ready=False, workers=workers)
        page = self.shown()
        page.wait(text("#state") + " === 'Failed'")
        self.assertIn("Worker 1 has failed: store p3: No space left on device", page.run(text("#notice")))

    def test_names_are_text(self):
        self.catalogue()
        evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
        segments = [{"segment_id": "s1", "name": evil, "customers": 1, "share": 1}]
        self.daemon.tell(segments=segments, latest_changes=[evil], dead_letters={evil: 1}, instance=evil)
        page = self.shown()
        self.assertEqual(page.run(rows("segments"))[0][0], evil)
        self.assertEqual(page.run("document.title"), "segmentd")
        self.assertEqual(page.run("document.querySelectorAll('main img').length"), 0)
        self.assertEqual(page.complaints(), [])

    def test_fits_every_width(self):
        self.catalogue()
        for width in (320, 360, 768, 1024, 1280, 1920):
            for dark in (False, True):
                page = self.shown(width=width, dark=dark)
                self.daemon.tell(events=STATUS["events"] + 1500, uptime_s=STATUS["uptime_s"] + 1)
                page.wait(text("#rate") + " !== '–'")
                self.assertLessEqual(page.run("document.documentElement.scrollWidth"), width)
                wide = page.run("[...document.querySelectorAll('.tile .figure, .tile h2')].filter("
                                "e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)")
                self.assertEqual(wide, [], f"cut off at {width}")
                self.shoot(page, f"{width}-{'dark' if dark else 'light'}")
                self.daemon.tell()
                self.assertEqual(page.complaints(), [])

    def test_contrast_and_structure(self):
        self.catalogue()
        for dark in (False, True):
            page = self.shown(dark=dark)
            low = page.run(CONTRAST)
            self.assertEqual(low, [], "dark" if dark else "light")
            self.assertEqual(page.run("document.documentElement.lang"), "en")
            self.assertEqual(page.run("document.querySelectorAll('h1, main').length"), 2)
            # Every table says what its columns and rows are.
            self.assertEqual(page.run("[...document.querySelectorAll('th')].filter(th => !th.scope).length"), 0)
            self.assertEqual(page.run("[...document.querySelectorAll('section')].filter("
                                      "s => !s.hasAttribute('aria-label') && !s.hasAttribute('aria-labelledby')).length"), 0)


# Texts whose contrast to the nearest background is below 4.5 (WCAG 2.2, AA).
CONTRAST = """(() => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = colour.slice(0, 3).map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const colour = rgb(getComputedStyle(element).backgroundColor);
            if (colour.length < 4 || colour[3] > 0)
                return colour;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll('body *')].filter((element) =>
        [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && element.offsetParent !== null
    ).map((element) => {
        const pair = [light(rgb(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
        return [element.textContent.trim().slice(0, 40), Math.round(100 * (pair[0] + .05) / (pair[1] + .05)) / 100];
    }).filter(([, ratio]) => ratio < 4.5);
})()"""

if __name__ == "__main__":
    if not shutil.which("chromium"):
        print("SKIPPED: chromium is not installed (see packaging/debian-packages.txt)")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
