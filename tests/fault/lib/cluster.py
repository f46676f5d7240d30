"""The brokers that runs are done on: started when first needed, shared by all faults that want the same."""
import dataclasses
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support" / "kafka"))
from kafka import Kafka, free_ports  # noqa: E402

# Short times, so that what waits for them ends (docs/design.md gives what is right in earnest).
PROPERTIES = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000, "group.min.session.timeout.ms": 1000,
              "transaction.state.log.num.partitions": 4, "log.retention.check.interval.ms": 300000}
SESSION_S, TRANSACTION_S = 6, 5


@dataclasses.dataclass(frozen=True)
class Key:
    version: str
    nodes: int
    front: bool
    properties: tuple

    @staticmethod
    def of(fault, version):
        return Key(version, fault.brokers, fault.front, fault.properties)


class Cluster:
    """kafka: the Kafka of tests/support/kafka (its .nodes can be killed and started) where the run has brokers of its own,
    else None. brokers: bootstrap servers; front_brokers, front_ports: through the proxy, with front=True."""

    def __init__(self, key, brokers=None, keep=False):
        self.key, self.brokers, self.kafka, self.front_ports = key, brokers, None, None
        self.front_brokers = None
        self.keep = keep

    @property
    def version(self):
        return self.key.version

    @property
    def nodes(self):
        return self.key.nodes

    def start(self):
        self.front_ports = free_ports(self.nodes) if self.key.front else None
        self.kafka = Kafka({**PROPERTIES, **dict(self.key.properties)}, keep=self.keep, version=self.version,
                           nodes=self.nodes, front_ports=self.front_ports, start_timeout=300).__enter__()
        self.brokers = self.kafka.brokers
        self.front_brokers = self.kafka.front_brokers if self.key.front else None
        return self

    def close(self):
        if self.kafka:
            self.kafka.close()
        self.kafka = None
