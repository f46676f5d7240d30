#!/usr/bin/env python3
"""A real Apache Kafka broker (KRaft, one node) for tests, in a folder of its own on free loopback ports.

From Python:

    with Kafka() as kafka:
        ... kafka.brokers ...

From anything else:

    kafka.py run -- COMMAND [ARG...]

runs COMMAND with SEG_BROKERS (and SEG_KAFKA_CONTROL, see below) in its environment and ends with its exit code. The broker
dies with the process that started it, however that ends. SEG_KAFKA_CONTROL names a Unix socket that takes one line,
`stop` (SIGTERM), `kill` (SIGKILL) or `start`, and answers `ok` or what went wrong, so that a test can restart its broker.
"""
import argparse
import ctypes
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAA"
HEAP = "-Xmx512m"
PR_SET_PDEATHSIG = 1

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=4
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=500
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=500
log.segment.delete.delay.ms=1000
controlled.shutdown.enable=true
"""

LOGGING = """\
log4j.rootLogger=WARN, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
"""


class KafkaError(Exception):
    pass


def cache_dir():
    here = os.path.dirname(os.path.abspath(__file__))
    return subprocess.run(["sh", os.path.join(here, "..", "cache-dir.sh")], check=True, capture_output=True,
                          text=True).stdout.strip()


def die_with_parent():
    """Runs in the child between fork and exec."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setpgid(0, 0)


def free_ports(count):
    """Ports that were free a moment ago. They are held together, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Kafka:
    """`properties` are added to server.properties. `keep`: the folder outlives the broker (for looking at its log)."""

    def __init__(self, properties=None, keep=False, start_timeout=90):
        self.libs = os.path.join(cache_dir(), "kafka", "libs")
        if not glob.glob(os.path.join(self.libs, "kafka_*.jar")):
            raise KafkaError(f"no Kafka in {self.libs}: run tests/support/test-deps.sh")
        self.extra = dict(properties or {})
        self.keep = keep
        self.start_timeout = start_timeout
        self.folder = None
        self.process = None
        self.port = None
        self.owner = None

    @property
    def brokers(self):
        return f"127.0.0.1:{self.port}"

    @property
    def log_file(self):
        return os.path.join(self.folder, "broker.log")

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="segmentd-kafka-")
        self.owner = os.getpid()
        try:
            self._watch_parent()
            self._launch()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _java(self, *args):
        return ["java", HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1" if args[0] != "kafka.Kafka" else "-Xss512k",
                f"-Dlog4j.configuration=file:{self.folder}/log4j.properties", "-cp", f"{self.libs}/*", *args]

    def _watch_parent(self):
        """A shell that waits for the end of a pipe that only we hold open, and then removes the folder."""
        reader, self.lifeline = os.pipe()
        # The descriptor must not leak into the broker or into tests, or the end would never come.
        os.set_inheritable(self.lifeline, False)
        subprocess.Popen(["sh", "-c", 'read _; sleep 1; [ "$1" = keep ] || rm -rf -- "$0"', self.folder,
                          "keep" if self.keep else "remove"],
                         stdin=reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(reader)

    def _write_files(self):
        ports = free_ports(2)
        self.port = ports[0]
        text = PROPERTIES.format(port=ports[0], controller_port=ports[1], data=os.path.join(self.folder, "data"))
        text += "".join(f"{key}={value}\n" for key, value in self.extra.items())
        with open(os.path.join(self.folder, "server.properties"), "w", encoding="utf-8") as handle:
            handle.write(text)
        with open(os.path.join(self.folder, "log4j.properties"), "w", encoding="utf-8") as handle:
            handle.write(LOGGING)

    def _launch(self):
        """Another process may take a port between choosing and binding, so a start is tried again with new ones."""
        for attempt in range(3):
            shutil.rmtree(os.path.join(self.folder, "data"), ignore_errors=True)
            self._write_files()
            done = subprocess.run(self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c",
                                             f"{self.folder}/server.properties"), capture_output=True, text=True,
                                  check=False)
            if done.returncode != 0:
                raise KafkaError(f"Kafka's storage cannot be formatted:\n{done.stdout}{done.stderr}")
            try:
                self.start()
                return
            except KafkaError:
                if attempt == 2 or "Address already in use" not in self.log_text():
                    raise

    def log_text(self, tail=4000):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as handle:
                return handle.read()[-tail:]
        except OSError:
            return ""

    def start(self):
        """Starts the broker again in the same folder and on the same port."""
        if self.process and self.process.poll() is None:
            return
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self._java("kafka.Kafka", f"{self.folder}/server.properties"), stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self):
        until = time.monotonic() + self.start_timeout
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise KafkaError(f"Kafka ended with {self.process.returncode}:\n{self.log_text()}")
            if self._answers():
                return
            time.sleep(0.05)
        raise KafkaError(f"Kafka does not answer on {self.brokers}:\n{self.log_text()}")

    def _answers(self):
        """Asks for the metadata of all topics (version 0): correlation id and at least one broker come back."""
        request = b"\x00\x03\x00\x00\x00\x00\x00\x07\xff\xff" + b"\x00\x00\x00\x00"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as s:
                s.settimeout(2)
                s.sendall(len(request).to_bytes(4, "big") + request)
                head = self._receive(s, 4)
                body = self._receive(s, int.from_bytes(head, "big"))
        except OSError:
            return False
        return body[:4] == b"\x00\x00\x00\x07" and int.from_bytes(body[4:8], "big") >= 1

    @staticmethod
    def _receive(s, count):
        data = b""
        while len(data) < count:
            more = s.recv(count - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    def stop(self, sig=signal.SIGTERM, timeout=30):
        """Ends the broker; the folder stays, start() goes on with it."""
        if not self.process or self.process.poll() is not None:
            return
        self.process.send_signal(sig)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self):
        self.stop(signal.SIGKILL)

    def close(self):
        if os.getpid() != self.owner:
            return
        self.kill()
        if self.folder and not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        if getattr(self, "lifeline", None) is not None:
            os.close(self.lifeline)
            self.lifeline = None


class Control:
    """Takes `stop`, `kill` and `start` from a test that is not written in Python."""

    def __init__(self, kafka):
        self.kafka = kafka
        self.path = os.path.join(kafka.folder, "control")
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self.server.accept()
            with client:
                word = client.makefile("r").readline().strip()
                try:
                    {"stop": self.kafka.stop, "kill": self.kafka.kill, "start": self.kafka.start}[word]()
                    client.sendall(b"ok\n")
                except (KeyError, KafkaError, OSError) as error:
                    client.sendall(f"failed: {error!r}\n".encode())


def run(args):
    extra = dict(pair.split("=", 1) for pair in args.set)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Kafka(extra, keep=args.keep) as kafka:
        control = Control(kafka)
        env = dict(os.environ, SEG_BROKERS=kafka.brokers, SEG_KAFKA_CONTROL=control.path)
        if args.keep:
            print(f"Kafka's folder: {kafka.folder}", file=sys.stderr)
        child = subprocess.Popen(args.command, env=env, preexec_fn=lambda: ctypes.CDLL(None).prctl(
            PR_SET_PDEATHSIG, signal.SIGTERM))
        try:
            code = child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if code != 0:
            print(f"the command ended with {code}; the broker's last words:\n{kafka.log_text(2000)}", file=sys.stderr)
    return code if code >= 0 else 128 - code


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="verb", required=True)
    one = commands.add_parser("run", help="runs a command with a broker of its own")
    one.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the broker")
    one.add_argument("--keep", action="store_true", help="leave the broker's folder behind")
    one.add_argument("command", nargs="+", help="after --")
    try:
        sys.exit(run(parser.parse_args()))
    except KafkaError as error:
        sys.exit(f"kafka.py: {error}")


if __name__ == "__main__":
    main()
