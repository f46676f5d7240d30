#!/usr/bin/env python3
"""A real Apache Kafka (KRaft, one node or several) for tests, in a folder of its own on free loopback ports.

From Python:

    with Kafka() as kafka:
        ... kafka.brokers ...

    with Kafka(nodes=3, version="4.1") as kafka:      # three nodes, each broker and controller; Kafka 4.1 beside 3.9
        kafka.nodes[1].kill(); kafka.nodes[1].start(); kafka.roll()

From anything else:

    kafka.py run -- COMMAND [ARG...]

runs COMMAND with SEG_BROKERS (and SEG_KAFKA_CONTROL, see below) in its environment and ends with its exit code. The broker
dies with the process that started it, however that ends. SEG_KAFKA_CONTROL names a Unix socket that takes one line,
`stop` (SIGTERM), `kill` (SIGKILL) or `start`, and answers `ok` or what went wrong, so that a test can restart its broker.

With front_ports each node has a second listener that it advertises under the port given: those of a proxy in front of it
(tests/fault/lib/proxy.py). Who connects by Kafka.front_brokers is sent through the proxy, who connects by Kafka.brokers is not.
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
PR_SET_PDEATHSIG = 1
# Where test-deps.sh puts the jars of each version.
VERSIONS = {"3.9": "kafka", "4.1": "kafka-4"}
SINGLE_HEAP_MB, CLUSTER_HEAP_MB = 512, 384

PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FRONT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=4
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
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
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""

# Of several nodes: shorter than the defaults for a broker's session (9 s), and longer for the controllers' quorum, which else
# elects without end when the machine is busy.
CLUSTER_PROPERTIES = """\
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=6000
replica.lag.time.max.ms=10000
controller.quorum.election.timeout.ms=2000
controller.quorum.fetch.timeout.ms=4000
controller.quorum.election.backoff.max.ms=1000
"""

LOGGING = """\
log4j.rootLogger=WARN, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
"""

LOGGING_2 = """\
appender.stdout.type=Console
appender.stdout.name=stdout
appender.stdout.layout.type=PatternLayout
appender.stdout.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRef.stdout.ref=stdout
"""


class KafkaError(Exception):
    pass


def cache_dir():
    here = os.path.dirname(os.path.abspath(__file__))
    return subprocess.run(["sh", os.path.join(here, "..", "cache-dir.sh")], check=True, capture_output=True,
                          text=True).stdout.strip()


def libs_of(version):
    return os.path.join(cache_dir(), VERSIONS[version], "libs")


def has_version(version):
    """Whether test-deps.sh has fetched it; 4.1 comes by `test-deps.sh fault` alone."""
    return bool(glob.glob(os.path.join(libs_of(version), "kafka_*.jar")))


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


class Node:
    """One process of the cluster. It keeps folder and ports over stop() and start()."""

    def __init__(self, kafka, number, folder):
        self.kafka, self.number, self.folder = kafka, number, folder
        self.port = self.controller_port = self.front_target = None
        self.process = None

    @property
    def log_file(self):
        return os.path.join(self.folder, "broker.log")

    def log_text(self, tail=4000):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as handle:
                return handle.read()[-tail:]
        except OSError:
            return ""

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def launch(self):
        """Starts the process again in the same folder and on the same ports, and does not wait for it."""
        if self.is_running():
            return
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.kafka.java(self.folder, "kafka.Kafka", f"{self.folder}/server.properties"),
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def start(self):
        self.launch()
        self.wait()

    def wait(self):
        """Until it answers, and knows all nodes that run."""
        until = time.monotonic() + self.kafka.start_timeout
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise KafkaError(f"Kafka's node {self.number} ended with {self.process.returncode}:\n{self.log_text()}")
            if self._brokers_known() >= sum(node.is_running() for node in self.kafka.nodes):
                return
            time.sleep(0.05)
        raise KafkaError(f"Kafka does not answer on 127.0.0.1:{self.port}:\n{self.log_text()}")

    def _brokers_known(self):
        """Asks for the metadata of all topics (version 0): correlation id and the number of brokers come back."""
        request = b"\x00\x03\x00\x00\x00\x00\x00\x07\xff\xff" + b"\x00\x00\x00\x00"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as s:
                s.settimeout(2)
                s.sendall(len(request).to_bytes(4, "big") + request)
                head = self._receive(s, 4)
                body = self._receive(s, int.from_bytes(head, "big"))
        except OSError:
            return 0
        return int.from_bytes(body[4:8], "big") if body[:4] == b"\x00\x00\x00\x07" else 0

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
        """Ends the process; the folder stays, start() goes on with it."""
        if not self.is_running():
            return
        self.process.send_signal(sig)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self):
        self.stop(signal.SIGKILL)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Kafka:
    """`properties` are added to server.properties. `keep`: the folder outlives the brokers (for looking at their logs).
    `front_ports`: one for each node, see above; node.front_target is where the proxy has to connect to."""

    cluster_id = CLUSTER_ID  # set another one before entering, for a cluster that must not be taken for this one

    def __init__(self, properties=None, keep=False, start_timeout=180, version="3.9", nodes=1, front_ports=None, heap_mb=None):
        self.version = version
        self.libs = libs_of(version)
        if not has_version(version):
            raise KafkaError(f"no Kafka in {self.libs}: run tests/support/test-deps.sh{' fault' if version != '3.9' else ''}")
        self.extra = dict(properties or {})
        self.keep = keep
        self.start_timeout = start_timeout
        self.front_ports = front_ports
        self.heap_mb = heap_mb or (SINGLE_HEAP_MB if nodes == 1 else CLUSTER_HEAP_MB)
        self.nodes_wanted = nodes
        self.nodes = []
        self.folder = self.owner = self.lifeline = None

    @property
    def brokers(self):
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def front_brokers(self):
        return ",".join(f"127.0.0.1:{port}" for port in self.front_ports)

    # For those who have one node.
    @property
    def port(self):
        return self.nodes[0].port

    @property
    def process(self):
        return self.nodes[0].process

    def log_text(self, tail=4000):
        return "".join((f"-- node {node.number}:\n" if len(self.nodes) > 1 else "") + node.log_text(tail)
                       for node in self.nodes)

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

    def java(self, folder, *args):
        log4j = f"-Dlog4j.configuration=file:{folder}/log4j.properties" if self.version == "3.9" else \
            f"-Dlog4j2.configurationFile={folder}/log4j.properties"
        quick = "-XX:TieredStopAtLevel=1" if args[0] != "kafka.Kafka" else "-Xss512k"
        return ["java", f"-Xmx{self.heap_mb}m", "-XX:+UseSerialGC", quick, log4j, "-cp", f"{self.libs}/*", *args]

    def _watch_parent(self):
        """A shell that waits for the end of a pipe that only we hold open, and then removes the folder."""
        reader, self.lifeline = os.pipe()
        # The descriptor must not leak into the broker or into tests, or the end would never come.
        os.set_inheritable(self.lifeline, False)
        subprocess.Popen(["sh", "-c", 'read _; sleep 1; [ "$1" = keep ] || rm -rf -- "$0"', self.folder,
                          "keep" if self.keep else "remove"],
                         stdin=reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(reader)

    def _make_nodes(self):
        count = self.nodes_wanted
        ports = free_ports(3 * count)
        self.nodes = []
        for i in range(count):
            folder = self.folder if count == 1 else os.path.join(self.folder, f"node-{i + 1}")
            os.makedirs(folder, exist_ok=True)
            shutil.rmtree(os.path.join(folder, "data"), ignore_errors=True)
            node = Node(self, i + 1, folder)
            node.port, node.controller_port, node.front_target = ports[3 * i:3 * i + 3]
            self.nodes.append(node)
        for node in self.nodes:
            self._write_files(node)

    def _write_files(self, node):
        count = len(self.nodes)
        listeners = f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}"
        advertised = f"PLAINTEXT://127.0.0.1:{node.port}"
        if self.front_ports:
            listeners += f",FRONT://127.0.0.1:{node.front_target}"
            advertised += f",FRONT://127.0.0.1:{self.front_ports[node.number - 1]}"
        text = PROPERTIES.format(
            node=node.number, voters=",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in self.nodes),
            listeners=listeners, advertised=advertised, data=os.path.join(node.folder, "data"),
            replicas=min(count, 3), in_sync=2 if count > 2 else 1)
        text += CLUSTER_PROPERTIES if count > 1 else ""
        text += "".join(f"{key}={value}\n" for key, value in self.extra.items())
        with open(os.path.join(node.folder, "server.properties"), "w", encoding="utf-8") as handle:
            handle.write(text)
        with open(os.path.join(node.folder, "log4j.properties"), "w", encoding="utf-8") as handle:
            handle.write(LOGGING if self.version == "3.9" else LOGGING_2)

    def _format(self):
        all_of_them = [(node, subprocess.Popen(
            self.java(node.folder, "kafka.tools.StorageTool", "format", "-t", self.cluster_id, "-c",
                      f"{node.folder}/server.properties"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=die_with_parent)) for node in self.nodes]
        for node, process in all_of_them:
            told, _ = process.communicate()
            if process.returncode != 0:
                raise KafkaError(f"Kafka's storage cannot be formatted (node {node.number}):\n{told}")

    def _launch(self):
        """Another process may take a port between choosing and binding, so a start is tried again with new ones."""
        for attempt in range(3):
            self._make_nodes()
            self._format()
            try:
                self.start()
                return
            except KafkaError:
                if attempt == 2 or "Address already in use" not in self.log_text():
                    raise
                self.kill()

    def start(self):
        """All nodes that do not run."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()

    def stop(self, sig=signal.SIGTERM, timeout=30):
        """All nodes at once; of several the last ones have nobody left to hand over to, and are killed in the end."""
        running = [node for node in self.nodes if node.is_running()]
        for node in running:
            node.process.send_signal(sig)
        until = time.monotonic() + (timeout if len(running) == 1 else 5)
        for node in running:
            try:
                node.process.wait(max(.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                node.kill()

    def kill(self):
        self.stop(signal.SIGKILL)

    def wait_in_sync(self, timeout=60):
        """Until every partition has a leader and all its replicas in sync."""
        from confluent_kafka.admin import AdminClient  # pylint: disable=import-outside-toplevel
        admin, until = AdminClient({"bootstrap.servers": self.brokers}), time.monotonic() + timeout
        while True:
            late = [(name, number) for name, topic in admin.list_topics(timeout=20).topics.items()
                    for number, p in topic.partitions.items() if p.leader < 0 or len(p.isrs) < len(p.replicas)]
            if not late:
                return
            if time.monotonic() > until:
                raise KafkaError(f"not in sync after {timeout} s: {late[:5]} of {len(late)}")
            time.sleep(.1)

    def roll(self, sig=signal.SIGTERM, each=None):
        """A rolling restart: one node after the other, when all is in sync again. `each` is called after each."""
        for node in self.nodes:
            node.stop(sig)
            node.start()
            self.wait_in_sync()
            if each:
                each(node)

    def close(self):
        if os.getpid() != self.owner:
            return
        self.kill()
        if self.folder and not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.lifeline is not None:
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
    with Kafka(extra, keep=args.keep, version=args.version, nodes=args.nodes) as kafka:
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
    one.add_argument("--version", choices=sorted(VERSIONS), default="3.9")
    one.add_argument("--nodes", type=int, default=1)
    one.add_argument("command", nargs="+", help="after --")
    try:
        sys.exit(run(parser.parse_args()))
    except KafkaError as error:
        sys.exit(f"kafka.py: {error}")


if __name__ == "__main__":
    main()
