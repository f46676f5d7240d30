#!/usr/bin/env python3
"""The suite's proxy, between a client and a server that answers each request with its correlation id and its body."""
import pathlib
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib.proxy import APIS, Proxy  # noqa: E402


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def receive(s, count):
    data = b""
    while len(data) < count:
        more = s.recv(min(count - len(data), 65536))
        if not more:
            raise OSError("closed")
        data += more
    return data


class Server:
    """Keeps what it got: (API key, correlation id, body length)."""

    def __init__(self):
        self.got = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            while True:
                frame = receive(client, int.from_bytes(receive(client, 4), "big"))
                api, _, correlation = struct.unpack(">hhi", frame[:8])
                self.got.append((api, correlation, len(frame) - 8))
                answer = struct.pack(">i", correlation) + frame[8:]
                client.sendall(len(answer).to_bytes(4, "big") + answer)
        except OSError:
            client.close()


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.correlation = 0

    def send(self, api, body=b"x", pieces=1):
        """Returns the correlation id. pieces: the frame goes in so many writes."""
        self.correlation += 1
        frame = struct.pack(">hhi", APIS[api], 1, self.correlation) + body
        frame = len(frame).to_bytes(4, "big") + frame
        step = max(1, len(frame) // pieces)
        for at in range(0, len(frame), step):
            self.socket.sendall(frame[at:at + step])
            if pieces > 1:
                time.sleep(.002)
        return self.correlation

    def answer(self, timeout=20.):
        """(correlation id, body); None: nothing came in time."""
        self.socket.settimeout(timeout)
        try:
            frame = receive(self.socket, int.from_bytes(receive(self.socket, 4), "big"))
        except TimeoutError:
            return None
        return int.from_bytes(frame[:4], "big"), frame[4:]

    def ask(self, api, body=b"x", **options):
        sent = self.send(api, body, **options)
        got = self.answer()
        expect(got == (sent, body), f"{api}: asked {sent}, answered {got and (got[0], len(got[1]))}")

    def is_closed(self):
        self.socket.settimeout(20)
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


def test_frames_pass_whole_in_any_pieces(proxy, server):
    client = Client(proxy.ports[0])
    proxy.rule("EndTxn", "delay_request", nth=3)        # frames of this API are read whole, the others pass as they come
    for body in (b"", b"a", b"b" * 100000, b"c" * 3000000):
        for api in ("Produce", "EndTxn"):
            client.ask(api, body)
    for pieces in (2, 5, 40):
        client.ask("EndTxn", b"d" * 50, pieces=pieces)
        client.ask("Fetch", b"e" * 50, pieces=pieces)
    for _ in range(50):                                 # many at once in one segment
        client.send("Metadata", b"f")
    expect([client.answer()[0] for _ in range(50)] == list(range(client.correlation - 49, client.correlation + 1)), "order")
    expect(proxy.count("EndTxn") == 7 and proxy.count("Metadata") == 50, f"counted: {proxy.requests}")


def test_the_nth_is_dropped(proxy, server):
    client = Client(proxy.ports[0])
    rule = proxy.rule("EndTxn", "drop_request", nth=2)
    client.ask("EndTxn")
    lost = client.send("EndTxn")
    client.ask("EndTxn")                                # the next one passes, on the same connection
    expect(rule.hits == 1 and rule.reached.is_set(), "hits")
    expect(lost not in [correlation for _, correlation, _ in server.got], "the server got it")
    proxy.clear()
    proxy.rule("EndTxn", "drop_response", nth=1)
    lost = client.send("EndTxn")
    client.ask("Heartbeat")
    expect(lost in [correlation for _, correlation, _ in server.got], "the server did not get it")


def test_contains_and_count(proxy, server):
    client = Client(proxy.ports[0])
    rule = proxy.rule("EndTxn", "drop_response", nth=1, count=2, contains=b"mine")
    client.ask("EndTxn", b"other")
    for _ in range(2):
        client.send("EndTxn", b"is mine too")
    client.ask("EndTxn", b"mine")
    expect(rule.hits == 2, f"{rule.hits} hits")


def test_cut_closes_the_connection(proxy, server):
    for action, arrives in (("cut_request", False), ("cut_response", True)):
        client = Client(proxy.ports[0])
        rule = proxy.rule("EndTxn", action)
        before = len(server.got)
        client.send("EndTxn")
        expect(client.is_closed(), f"{action}: still open")
        expect((len(server.got) > before) == arrives, f"{action}: the server got {server.got[before:]}")
        expect(rule.wait(1), "not told")
        proxy.clear()


def test_delays(proxy, server):
    client = Client(proxy.ports[0])
    for action in ("delay_request", "delay_response"):
        rule = proxy.rule("EndTxn", action, delay_s=.5)
        began = time.monotonic()
        client.ask("EndTxn")
        expect(time.monotonic() - began >= .5, f"{action} was not late")
        expect(rule.wait_over(1), "not over")
        proxy.clear()


def test_hold_and_heal(proxy, server):
    client, other = Client(proxy.ports[0]), Client(proxy.ports[0])
    client.ask("Produce")
    other.ask("Produce")
    proxy.hold()
    sent = client.send("Produce", b"held")
    late = Client(proxy.ports[0])
    late.send("Produce", b"new")
    expect(client.answer(.3) is None and late.answer(.1) is None, "it passed")
    proxy.heal()
    expect(client.answer() == (sent, b"held") and late.answer() == (1, b"new"), "it did not arrive")
    proxy.hold()
    before = len(server.got)
    other.send("Produce", b"never")
    proxy.heal(deliver=False)
    expect(other.is_closed(), "open after a cut")
    expect(len(server.got) == before, "it arrived all the same")
    Client(proxy.ports[0]).ask("Produce")               # new connections are taken


def test_throttle(proxy, server):
    client = Client(proxy.ports[0])
    proxy.throttle(200000)
    began = time.monotonic()
    client.ask("Produce", b"z" * 100000)
    expect(time.monotonic() - began >= .4, "not slower")
    proxy.throttle(None)
    began = time.monotonic()
    for _ in range(20):
        client.ask("Produce", b"z" * 500000)
    print(f"{20 * .5 * 2 / (time.monotonic() - began):.0f} MB/s through the proxy")


def main():
    tests = [value for name, value in sorted(globals().items()) if name.startswith("test_")]
    for test in tests:
        server = Server()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        proxy = Proxy([port], [server.port])
        try:
            test(proxy, server)
        finally:
            proxy.close()
        print(f"ok {test.__name__}")


if __name__ == "__main__":
    main()
