"""Erasing 1,000 random customers: sums equal, bit for bit, those that remain (tests/property/daemon/erasure_sums.c)."""
import os
import pathlib
import subprocess


def table():
    """Markdown; CalledProcessError if the sums are not equal. Needs the target erasure_sums of the build."""
    program = pathlib.Path(os.environ["SEG_BUILD_DIR"]) / "tests/property/daemon/erasure_sums"
    return subprocess.run([program, "--table"], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    print(table())
