"""A TCP proxy that knows as much of Kafka's protocol as it takes to lose, delay or hold back a chosen request or answer.

    ports = free_ports(1)
    with Kafka(front_ports=ports) as kafka:                 # the brokers advertise them (tests/support/kafka/kafka.py)
        proxy = Proxy(ports, [node.front_target for node in kafka.nodes])
        ...                                                 # who connects to kafka.front_brokers comes through the proxy
        rule = proxy.rule("EndTxn", "drop_response", nth=3)
        ... proxy.cut(); proxy.hold(); proxy.heal(); proxy.throttle(200_000)
        expect(rule.wait(30), "the third EndTxn never came")
    proxy.close()

What a request is stands at its head: length, API key, version, correlation id; an answer has the length and the correlation
id. Frames of an API that some rule is about are read whole before they are passed on, all others pass as they come. Two
threads a connection; all methods may be called from any thread.
"""
import collections
import contextlib
import socket
import struct
import threading
import time

APIS = {"Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8, "OffsetFetch": 9, "FindCoordinator": 10,
        "JoinGroup": 11, "Heartbeat": 12, "LeaveGroup": 13, "SyncGroup": 14, "ApiVersions": 18, "InitProducerId": 22,
        "AddPartitionsToTxn": 24, "AddOffsetsToTxn": 25, "EndTxn": 26, "TxnOffsetCommit": 28}
NAMES = {number: name for name, number in APIS.items()}
# drop: the frame is gone and the connection stays, as when it is lost on the way; cut: the connection goes with it.
ACTIONS = ("drop_request", "drop_response", "cut_request", "cut_response", "delay_request", "delay_response")
CHUNK = 256 * 1024
SLOW_CHUNK = 8 * 1024
FORWARD, SWALLOW, CUT = range(3)


class Rule:
    """`count` requests of an API, the first of them the n-th that comes from now on. `contains`: only those that hold these
    bytes, e.g. a transactional id."""

    def __init__(self, api, action, nth, count, delay_s, contains):
        self.api, self.nth, self.count, self.delay_s, self.contains = APIS[api], nth, count, delay_s, contains
        self.verb, self.where = action.split("_")
        self.seen = self.hits = 0
        self.reached = threading.Event()    # an action was taken
        self.done = threading.Event()       # ... and is over: a delayed frame has gone on

    def takes(self, api, body):
        """Counts; under the proxy's lock."""
        if api != self.api or (self.contains and self.contains not in body):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.count

    def wait(self, timeout):
        return self.reached.wait(timeout)

    def wait_over(self, timeout):
        return self.done.wait(timeout)


class _Link:
    """One connection of a client, and ours to the broker."""

    def __init__(self, proxy, client, node):
        self.proxy, self.client, self.node = proxy, client, node
        self.broker = None
        self.answers = {}       # correlation id -> rule whose action waits for the answer
        self.closed = False

    def run(self):
        try:
            self.proxy.flow.wait()
            self.broker = socket.create_connection(("127.0.0.1", self.proxy.targets[self.node]), timeout=10)
            self.broker.settimeout(None)
            for one in (self.client, self.broker):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.close()
            return
        threading.Thread(target=self._pump, args=(self.broker, self.client, False), daemon=True).start()
        self._pump(self.client, self.broker, True)

    def close(self):
        self.closed = True
        for one in (self.client, self.broker):
            if one:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self.proxy.forget(self)

    def _pump(self, source, to, upward):
        try:
            self._pass_all(source, to, upward)
        except OSError:
            pass
        self.close()

    def _pass_all(self, source, to, upward):
        """Cuts the stream into frames: `rest` bytes of the one that is passing, `head` what has come of the next."""
        head, rest = b"", 0
        while True:
            data = source.recv(SLOW_CHUNK if self.proxy.rate else CHUNK)
            if not data:
                return
            self.proxy.wait_turn(len(data), upward)
            if self.closed:
                return
            if rest >= len(data):       # most of a large frame
                rest -= len(data)
                to.sendall(data)
                continue
            data, at, start = head + data, rest, 0
            head = b""
            while at < len(data):
                want, whole = self._measure(data, at, upward)
                if len(data) - at < want:
                    break
                if not whole:
                    at += 4 + struct.unpack_from(">i", data, at)[0]
                    continue
                if at > start:
                    to.sendall(data[start:at])
                verdict = self._judge(data[at:at + want], upward)
                if verdict == CUT:
                    return
                start = at if verdict == FORWARD else at + want
                at += want
            end = min(at, len(data))
            rest = max(0, at - len(data))
            head = data[end:]
            if end > start:
                to.sendall(data[start:end])

    def _measure(self, data, at, upward):
        """Bytes that must be there to go on, and whether that is the whole frame, which is then judged."""
        size = 12 if upward else 8
        if len(data) - at < size:
            return size, False
        length = 4 + struct.unpack_from(">i", data, at)[0]
        if upward:
            api, = struct.unpack_from(">h", data, at + 4)
            if api in self.proxy.ruled:
                return length, True
            self.proxy.requests[api] += 1
            return size, False
        correlation, = struct.unpack_from(">i", data, at + 4)
        return (length, True) if correlation in self.answers else (size, False)

    def _judge(self, frame, upward):
        if upward:
            api, _, correlation = struct.unpack_from(">hhi", frame, 4)
            self.proxy.requests[api] += 1
            rule = self.proxy.match(api, frame)
            if not rule:
                return FORWARD
            if rule.where == "response":
                self.answers[correlation] = rule
                return FORWARD
        else:
            rule = self.answers.pop(struct.unpack_from(">i", frame, 4)[0])
        return self._act(rule)

    def _act(self, rule):
        rule.hits += 1
        rule.reached.set()
        if rule.verb == "delay":
            time.sleep(rule.delay_s)
        rule.done.set()
        return {"drop": SWALLOW, "cut": CUT, "delay": FORWARD}[rule.verb]


class Proxy:
    """ports[i] is listened on, and connections to it go on to the port targets[i]."""

    def __init__(self, ports, targets):
        self.ports, self.targets = list(ports), list(targets)
        self.lock = threading.Lock()
        self.rules, self.ruled = [], frozenset()
        self.links = set()
        self.flow = threading.Event()
        self.flow.set()
        self.rate, self.free_at = None, [0., 0.]
        self.requests = collections.Counter()       # by API key
        self.bytes = [0, 0]                         # answers, requests
        self.listeners = []
        for i, port in enumerate(ports):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(64)
            self.listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener, i), daemon=True).start()

    def close(self):
        for one in self.listeners:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.cut()
        self.flow.set()

    def _accept(self, listener, node):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            link = _Link(self, client, node)
            with self.lock:
                self.links.add(link)
            threading.Thread(target=link.run, daemon=True).start()

    def forget(self, link):
        with self.lock:
            self.links.discard(link)

    # ---- rules ----

    def rule(self, api, action, nth=1, count=1, delay_s=0., contains=None):
        """See ACTIONS. nth counts requests that come from now on."""
        if action not in ACTIONS:
            raise ValueError(f"{action}: one of {ACTIONS}")
        rule = Rule(api, action, nth, count, delay_s, contains)
        with self.lock:
            self.rules.append(rule)
            self.ruled = frozenset(one.api for one in self.rules)
        return rule

    def match(self, api, frame):
        with self.lock:
            taken = [rule for rule in self.rules if rule.takes(api, frame)]
        return taken[0] if taken else None

    def clear(self):
        """All rules, hold and throttle are over."""
        with self.lock:
            self.rules, self.ruled = [], frozenset()
        self.throttle(None)
        self.heal()

    # ---- the line ----

    def cut(self):
        """All connections are closed; new ones are taken."""
        with self.lock:
            links = list(self.links)
        for link in links:
            link.close()

    def hold(self):
        """A partition: nothing passes in either direction, and a new connection is accepted and goes nowhere."""
        self.flow.clear()

    def heal(self, deliver=True):
        """deliver: what was sent meanwhile arrives now, as TCP does it; else the connections are cut."""
        if not deliver:
            self.cut()
        self.flow.set()

    @contextlib.contextmanager
    def partition(self, seconds=0., deliver=True):
        self.hold()
        try:
            yield
            time.sleep(seconds)
        finally:
            self.heal(deliver)

    def throttle(self, bytes_per_s):
        """Of all connections together, for each direction; None: as fast as it can."""
        self.rate = bytes_per_s

    def wait_turn(self, count, upward):
        """Of `count` bytes that have come and are to be passed on."""
        self.bytes[upward] += count
        self.flow.wait()
        rate = self.rate
        if not rate:
            return
        with self.lock:
            now = time.monotonic()
            self.free_at[upward] = max(now, self.free_at[upward]) + count / rate
            wait_s = self.free_at[upward] - now
        time.sleep(min(wait_s, 30))

    def count(self, api):
        return self.requests[APIS[api]]
