#!/usr/bin/env python3
"""The alert rules, the dashboard for Grafana and docs/operations.md name only metrics and labels that the program has.

packaged_metrics.py ROOT: the metrics are those of the table in daemon/meters.h; what promtool is there for is checked
by it, too: rules, their cases, and every expression of the dashboard. packaged_metrics.py --self-test: plants mistakes.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

ROW = re.compile(r'X\((\w+),\s*"(segmentd_\w+)",\s*(COUNTER|GAUGE|HISTOGRAM),\s*(NULL|"\w+"),\s*(NULL|"\w+"),')
NAME = re.compile(r"\bsegmentd_[a-z0-9_]+")
SELECTED = re.compile(r"\b(segmentd_[a-z0-9_]+)\s*\{([^}]*)\}")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
SCRAPED = {"instance", "job", "le"}


def meters_of(header):
    """{name: labels} of the table, a histogram as the three series that Prometheus sees."""
    found = {}
    for _, name, kind, first, second in ROW.findall(header.replace("\\\n", " ")):
        labels = {label.strip('"') for label in (first, second)} - {"NULL"}
        if kind == "HISTOGRAM":
            for end in ("_bucket", "_sum", "_count"):
                found[name + end] = labels
        else:
            found[name] = labels
    return found


def mistakes(where, expression, meters):
    for name in NAME.findall(expression):
        if name not in meters:
            yield f"{where}: there is no series {name}"
    for name, selectors in SELECTED.findall(expression):
        for label in LABEL.findall(selectors):
            if name in meters and label not in meters[name] | SCRAPED:
                yield f"{where}: {name} has no label {label}"


def expressions_of_rules(rules):
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def expressions_of_dashboard(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f'panel {panel["title"]}', target["expr"]


def unused(dashboard_text, meters):
    """Every metric should be on the dashboard; of a histogram its buckets."""
    for name in meters:
        if not name.endswith(("_sum", "_count")) and name not in dashboard_text:
            yield f"grafana.json: {name} is on no panel"


def watched(operations, meters, rules_text):
    """The metrics that docs/operations.md tells to watch exist, and have an alert."""
    section = operations.split("## Watch", 1)[1].split("\n## ", 1)[0]
    for name in sorted(set(NAME.findall(section))):
        series = [known for known in (name, name + "_bucket") if known in meters]
        if not series:
            yield f"docs/operations.md: there is no metric {name}"
        elif series[0] not in rules_text:
            yield f"prometheus-rules.yml: no alert on {name}, which docs/operations.md tells to watch"


def run_promtool(folder, *arguments):
    done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def asked_of_promtool(root, rules_text, expressions):
    """Rules, their cases, the dashboard's expressions; a changed threshold must make the cases fail."""
    with tempfile.TemporaryDirectory() as folder:
        def put(name, text):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as handle:
                handle.write(text)

        shutil.copy(os.path.join(root, "tests/unit/structure/prometheus-rules-test.yml"), folder)
        put("prometheus-rules.yml", rules_text)
        recorded = [{"record": f"panel:{i}", "expr": text.replace("$__rate_interval", "5m").replace("$instance", ".*")}
                    for i, (_, text) in enumerate(expressions)]
        put("dashboard.yml", yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
        for arguments in (("check", "rules", "prometheus-rules.yml", "dashboard.yml"),
                          ("test", "rules", "prometheus-rules-test.yml")):
            good, said = run_promtool(folder, *arguments)
            if not good:
                yield f'promtool {" ".join(arguments)}:\n{said}'
        for right, wrong in (("for: 10m", "for: 10h"), (">= 0.25", ">= 0.4"), ("> 3 *", "> 300 *"), ("> 10000", "> 1")):
            put("prometheus-rules.yml", rules_text.replace(right, wrong))
            if run_promtool(folder, "test", "rules", "prometheus-rules-test.yml")[0]:
                yield f'prometheus-rules-test.yml does not notice when "{right}" becomes "{wrong}"'


def check(root):
    def read(name):
        with open(os.path.join(root, name), encoding="utf-8") as handle:
            return handle.read()

    meters = meters_of(read("daemon/meters.h"))
    rules_text, dashboard_text = read("packaging/prometheus-rules.yml"), read("packaging/grafana.json")
    expressions = list(expressions_of_dashboard(json.loads(dashboard_text)))
    for where, text in [*expressions_of_rules(yaml.safe_load(rules_text)), *expressions]:
        yield from mistakes(where, text, meters)
    yield from unused(dashboard_text, meters)
    yield from watched(read("docs/operations.md"), meters, rules_text)
    if shutil.which("promtool"):
        yield from asked_of_promtool(root, rules_text, expressions)
    else:
        print("promtool is not installed (Debian package prometheus): names and labels are checked, expressions not")


def self_test():
    meters = meters_of('X(A, "segmentd_a_total", COUNTER, "topic", NULL, "x") \\\n'
                       'X(B, "segmentd_b", HISTOGRAM, NULL,   \\\n NULL, "y")')
    assert meters == {"segmentd_a_total": {"topic"}, "segmentd_b_bucket": set(), "segmentd_b_sum": set(),
                      "segmentd_b_count": set()}, meters
    for text, expected in (('rate(segmentd_a_total{topic="x", instance="i"}[5m])', 0), ("segmentd_a", 1),
                           ("segmentd_b", 1), ('segmentd_a_total{reason="x"}', 1), ("segmentd_b_bucket{le='1'}", 0)):
        assert len(list(mistakes("here", text, meters))) == expected, text
    assert len(list(unused("segmentd_b_bucket", meters))) == 1
    page = "## Watch\n`segmentd_a_total` and `segmentd_c`\n## Next\n`segmentd_d`"
    assert len(list(watched(page, meters, "segmentd_a_total"))) == 1
    assert len(list(watched(page, meters, ""))) == 2
    print("what was planted was found")


def main():
    if sys.argv[1] == "--self-test":
        self_test()
        return 0
    found = list(check(sys.argv[1]))
    print("\n".join(found) if found else "all metrics of packaging/ and docs/operations.md exist")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
