"""The table of what the runs came to."""
import dataclasses
import os
import platform
import statistics
import subprocess
import time

COLUMNS = ("fault", "Kafka", "runs", "events", "lost", "doubled", "leaked", "diverged", "recovery s", "worst", "missed", "failed")
BEGIN, END = "<!-- faults begin -->", "<!-- faults end -->"


@dataclasses.dataclass
class Row:
    """One fault on one version of Kafka."""
    fault: object
    kafka: str
    wanted: int
    results: list = dataclasses.field(default_factory=list)  # dicts as the worker sends them

    def total(self, name):
        return sum(r[name] for r in self.results)

    @property
    def recoveries(self):
        return [s for r in self.results for s in r["recoveries"]]

    @property
    def missed(self):
        return sum(r["outcome"] == "missed" for r in self.results)

    @property
    def failed(self):
        """Runs that ended by an error, or are not there at all."""
        return sum(r["outcome"] == "failed" for r in self.results) + self.wanted - len(self.results)

    @property
    def passed(self):
        return self.wanted > 0 and not (self.missed or self.failed) and \
            not any(self.total(kind) for kind in ("lost", "doubled", "leaked", "diverged"))

    def cells(self):
        times = self.recoveries
        return [f"{self.fault.name} {self.fault.title}", self.kafka, str(len(self.results)), f"{self.total('events'):,}",
                *(str(self.total(kind)) for kind in ("lost", "doubled", "leaked", "diverged")),
                f"{statistics.median(times):.2f}" if times else "–", f"{max(times):.2f}" if times else "–",
                str(self.missed), str(self.failed)]


def as_text(rows):
    cells = [list(COLUMNS)] + [row.cells() for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    return "\n".join(line[0].ljust(widths[0]) + "  " + "  ".join(cell.rjust(width) for cell, width in
                                                                zip(line[1:], widths[1:])) for line in cells)


def as_markdown(rows):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "---|" * (len(COLUMNS) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row.cells()) + " |" for row in rows])


def versions(binary, kafkas):
    """What it was measured with."""
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    libraries = []
    for package, name in (("rdkafka", "librdkafka"), ("rocksdb", "RocksDB")):
        done = subprocess.run(["pkg-config", "--modversion", package], capture_output=True, text=True, check=False)
        libraries.append(f"{name} {done.stdout.strip() or '?'}")
    return f"{told}, Kafka {' and '.join(kafkas)}, {', '.join(libraries)}"


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as info:
        gib = int(info.readline().split()[1]) / 2**20
    return f"{os.cpu_count()} × {model}, {gib:.0f} GiB, {platform.system()} {platform.release()}"


def write_doc(path, rows, told, seconds):
    """Puts the table between its two marks."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"fault: {path} has no marks for the table")
    body = (f"Measured {time.strftime('%Y-%m-%d', time.gmtime())} in {seconds / 60:.0f} minutes: {told}; {machine()}.\n\n"
            f"{as_markdown(rows)}\n")
    path.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}")
