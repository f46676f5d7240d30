"""Erasing 1,000 random customers: sums equal, bit for bit, those that remain (tests/property/daemon/erasure_sums.c)."""
import os
import pathlib
import subprocess


def table():
    """Markdown; CalledProcessError if the sums are not equal. Needs the build's target bench_erasure."""
    program = pathlib.Path(os.environ["SEG_BUILD_DIR"]) / "bench/bench_erasure"
    return subprocess.run([program, "--table"], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    print(table())
