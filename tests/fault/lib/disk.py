"""The failing disk of tests/fault/lib/shim, and what a power loss leaves of a folder. No Kafka here."""

import glob
import mmap
import os
import random
import struct
from pathlib import Path

MAGIC = 0x6b7369646765730a
FIELDS = ["magic", "full", "room", "full_hits",
          "read_at", "read_times", "read_kinds", "read_hits",
          "write_at", "write_times", "write_kinds", "write_hits",
          "sync_at", "sync_times", "sync_kinds", "sync_hits",
          "write_delay_us", "sync_delay_us", "reads", "writes", "syncs", "written_bytes"]
TABLE, LOG, MANIFEST, OTHER = 1, 2, 4, 8
ANY = TABLE | LOG | MANIFEST | OTHER


class Disk:
    """Faults of the files below `folder`, for processes that are started with env(). `work` is outside of it."""

    def __init__(self, library: Path, folder: Path, work: Path, journal: bool = False):
        self.library, self.folder, self.work = Path(library), Path(folder), Path(work)
        assert self.library.exists(), f"{self.library} is not built"
        assert not self.work.resolve().is_relative_to(self.folder.resolve())
        self.work.mkdir(parents=True, exist_ok=True)
        self.control = self.work / "disk.control"
        self.journal = self.work / "disk.journal" if journal else None
        self.control.write_bytes(struct.pack("<q", MAGIC).ljust(4096, b"\0"))
        with open(self.control, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)

    def env(self) -> dict[str, str]:
        env = {"LD_PRELOAD": str(self.library), "SEGDISK_DIR": str(self.folder), "SEGDISK_CONTROL": str(self.control)}
        if self.journal:
            env["SEGDISK_JOURNAL"] = str(self.journal)
        return env

    def __getitem__(self, name: str) -> int:
        return struct.unpack_from("<q", self.map, 8 * FIELDS.index(name))[0]

    def __setitem__(self, name: str, value: int):
        struct.pack_into("<q", self.map, 8 * FIELDS.index(name), value)

    def fail(self, what: str, at: int = 1, times: int = 1, kinds: int = ANY):
        """The at-th `read`, `write` or `sync` from now on fails with EIO, and times - 1 after it (-1: all)."""
        self[what + "_at"] = 0
        self[what + "_times"] = times
        self[what + "_kinds"] = kinds
        self[what + "_at"] = at

    def heal(self):
        for what in ("read", "write", "sync"):
            self[what + "_at"] = 0
        self["full"] = self["write_delay_us"] = self["sync_delay_us"] = 0

    def fill(self, room: int = 0):
        """The disk takes `room` more bytes and is full then."""
        self["room"] = room
        self["full"] = 1

    def lose_power(self, rng: random.Random) -> dict[str, int]:
        """Call after the process is dead by SIGKILL: leaves what a disk might have. Names go back to a moment after the
        last sync of their folder, contents to a length not below the last sync of their file."""
        return PowerLoss(self.journal, self.folder, rng).happen()


class PowerLoss:
    def __init__(self, journal: Path, root: Path, rng: random.Random):
        self.rng, self.root = rng, str(root)
        self.synced: dict[int, int] = {}
        self.loose: list[tuple] = []  # what no sync of the folder has made last, in order
        self.counts = {"names": 0, "files": 0, "bytes": 0, "vanished": 0}
        for line in journal.read_text(errors="surrogateescape").splitlines():
            self.take(line)

    def take(self, line: str):
        kind, rest = line.split(" ", 1)
        if kind == "S":
            inode, size = rest.split(" ")
            self.synced[int(inode)] = int(size)
        elif kind == "C":
            inode, path = rest.split(" ", 1)
            self.synced.pop(int(inode), None)  # the number may have been another file's before
            self.loose.append(("C", int(inode), path, None))
        elif kind == "U":
            inode, saved, path = rest.split(" ", 2)
            self.loose.append(("U", int(inode), path, saved))
        elif kind == "R":
            inode, paths = rest.split(" ", 1)
            old, new = paths.split("\t")
            self.loose.append(("R", int(inode), new, old))
        else:
            assert kind == "D", line
            self.loose = [op for op in self.loose if os.path.dirname(op[2]) != rest]

    def happen(self) -> dict[str, int]:
        keep = self.rng.randint(0, len(self.loose))  # a file system that orders its names: a beginning of them lasts
        for op in reversed(self.loose[keep:]):
            self.undo(*op)
        for path in self.files():
            self.cut(path)
        return self.counts

    def undo(self, kind: str, inode: int, path: str, other: str | None):
        self.counts["names"] += 1
        if kind == "C":
            if os.path.exists(path) and os.stat(path).st_ino == inode:
                os.unlink(path)
                self.counts["vanished"] += 1
        elif kind == "U":
            if not os.path.exists(path) and os.path.isdir(os.path.dirname(path)):
                os.link(other, path)
        elif os.path.exists(path) and os.stat(path).st_ino == inode:
            os.rename(path, other)

    def files(self):
        return [p for p in glob.glob(glob.escape(self.root) + "/**", recursive=True, include_hidden=True) if os.path.isfile(p)]

    def cut(self, path: str):
        st = os.stat(path)
        floor = min(self.synced.get(st.st_ino, 0), st.st_size)
        if floor == st.st_size or os.path.basename(path) in ("LOCK",):
            return
        size = self.rng.choice((floor, self.rng.randint(floor, st.st_size), st.st_size))
        zeros = self.rng.random() < 0.25  # the length was kept, the content was not
        if size == st.st_size:
            return
        os.truncate(path, size)
        if zeros:
            os.truncate(path, st.st_size)
        self.counts["files"] += 1
        self.counts["bytes"] += st.st_size - size


def flip_bit(path: Path, rng: random.Random, lo: float = 0.0, hi: float = 1.0) -> tuple[int, int]:
    """Flips one bit between two shares of the file's length; returns where."""
    size = path.stat().st_size
    at = min(size - 1, int(size * lo) + rng.randrange(max(1, int(size * (hi - lo)))))
    bit = rng.randrange(8)
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1 << bit]))
    return at, bit
