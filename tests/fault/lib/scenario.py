"""The list of faults: each is a function of a Site and of dice, with what the table says of it.

    @fault(3, "kill -9 after send_offsets", runs=20, short_runs=1, kafkas=("3.9", "4.1"))
    def after_offsets(site, dice):
        site.setup()
        ...

The function brings the fault about and returns; the suite then calls site.finish() (unless the function has), which judges.
FaultMissed, raised by it, says that the fault did not come about: that run has failed. So has one that raises anything else.
"""
import dataclasses
import importlib
import pathlib
from typing import Callable

SCENARIOS = pathlib.Path(__file__).resolve().parents[1] / "scenarios"


class FaultMissed(AssertionError):
    """The run did not reach its fault: it proves nothing."""


@dataclasses.dataclass(frozen=True)
class Fault:
    number: int
    part: str           # "" or a letter: a fault that is told apart into several rows of the table
    title: str
    run: Callable
    runs: int           # on the first of kafkas
    other_runs: int     # on each of the others
    short_runs: int     # in make test, on the first of kafkas; 0: not there
    brokers: int        # nodes, 1 or 3
    kafkas: tuple       # versions
    private: bool       # brokers of its own, which it may stop and kill; else shared with other faults
    alone: bool         # no other run beside it: it measures, or needs the machine
    front: bool         # brokers advertise ports of a proxy, too (site.cluster.front_ports); implies private
    limit_s: int        # a run that takes longer is given up
    properties: tuple   # further server.properties, as sorted pairs

    @property
    def name(self):
        return f"{self.number}{self.part}"

    def runs_on(self, kafka, short):
        if short:
            return self.short_runs if kafka == self.kafkas[0] else 0
        return self.runs if kafka == self.kafkas[0] else self.other_runs


_faults = {}


def fault(number, title, part="", runs=1, short_runs=0, other_runs=None, brokers=1, kafkas=("3.9",), private=False,
          alone=False, front=False, limit_s=600, properties=None):
    """See Fault. other_runs: runs on the second and further versions of kafkas; None: as many as on the first."""
    def add(function):
        one = Fault(number, part, title, function, runs, runs if other_runs is None else other_runs, short_runs, brokers,
                    tuple(kafkas), private or front, alone, front, limit_s,
                    tuple(sorted((properties or {}).items())))
        if one.name in _faults:
            raise ValueError(f"fault {one.name} is there twice")
        _faults[one.name] = one
        return function
    return add


def load():
    """All faults of scenarios/*.py in the order of the table."""
    for path in sorted(SCENARIOS.glob("*.py")):
        if path.stem != "__init__":
            importlib.import_module(f"scenarios.{path.stem}")
    return sorted(_faults.values(), key=lambda one: (one.number, one.part))


def chosen(faults, only):
    """only: "1,7-9,6b"; None: all."""
    if not only:
        return faults
    wanted = []
    for word in only.split(","):
        first, _, last = word.strip().partition("-")
        if last:
            found = [f for f in faults if int(first) <= f.number <= int(last)]
        else:
            found = [f for f in faults if word.strip() in (f.name, str(f.number))]
        if not found:
            raise SystemExit(f"fault: there is no fault {word.strip()}")
        wanted += [f for f in found if f not in wanted]
    return wanted
