"""Random schemas, random evolutions of them and random values: decode_cases must answer as fastavro does, and random
evolutions of the shipped input schemas must fill the event as fastavro fills the record. Usage: evolution.py PROGRAM
SCHEMAS [CASES [SEED]]."""
import copy
import io
import json
import random
import struct
import subprocess
import sys

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
WIDER = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"], "string": ["bytes"],
         "bytes": ["string"]}
TEXTS = ["", "a", "null", "Köln", "日本", "x" * 70, "\"\\\n\u0001", "😀"]


class Gen:
    def __init__(self, rng):
        self.rng = rng
        self.names = 0

    def name(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}"

    def schema(self, depth):
        kinds = PRIMITIVES * 2 + ["enum", "fixed"]
        if depth > 0:
            kinds += ["record", "array", "map", "union"] * 4
        kind = self.rng.choice(kinds)
        if kind in PRIMITIVES:
            return kind
        if kind == "enum":
            return {"type": "enum", "name": self.name("E"), "symbols": [f"S{i}" for i in range(self.rng.randint(1, 5))]}
        if kind == "fixed":
            return {"type": "fixed", "name": self.name("X"), "size": self.rng.randint(1, 9)}
        if kind == "array":
            return {"type": "array", "items": self.schema(depth - 1)}
        if kind == "map":
            return {"type": "map", "values": self.schema(depth - 1)}
        if kind == "union":
            return self.union(depth)
        return self.record(depth)

    def union(self, depth):
        branches, seen = [], set()
        for _ in range(self.rng.randint(1, 4)):
            b = self.schema(depth - 1)
            tag = b if isinstance(b, str) else "union" if isinstance(b, list) else b.get("name", b["type"])
            # One number and one text at most: which of several a promotion takes, implementations do not agree on.
            tag = "number" if tag in ("int", "long", "float", "double") else "text" if tag in ("bytes", "string") else tag
            if tag != "union" and tag not in seen:
                seen.add(tag)
                branches.append(b)
        return branches or ["null"]

    def record(self, depth):
        name = self.name("R")
        fields = [{"name": f"f{i}", "type": self.schema(depth - 1)} for i in range(self.rng.randint(0, 5))]
        if self.rng.random() < .2:
            fields.append({"name": "again", "type": ["null", name]})
        return {"type": "record", "name": name, "fields": fields}

    def value(self, s, depth=4):
        r = self.rng
        if isinstance(s, list):
            b = r.choice(s)
            if b == "null":
                return None
            tag = b if isinstance(b, str) else b.get("name", b["type"])
            v = self.value(b, depth - 1)
            return (tag, v)
        t = s if isinstance(s, str) else s["type"]
        if t in ("null", "boolean"):
            return None if t == "null" else r.random() < .5
        if t == "int":
            return r.choice([0, -1, 63, 64, -65, 2**31 - 1, -2**31, r.randint(-2**31, 2**31 - 1)])
        if t == "long":
            return r.choice([0, 2**63 - 1, -2**63, 2**24 + 1, 2**53 + 1, r.randint(-2**63, 2**63 - 1)])
        if t == "float":
            return struct.unpack("<f", struct.pack("<f", r.choice([0., -0., 1.5, 3e38, r.gauss(0, 1e6)])))[0]
        if t == "double":
            return r.choice([0., -0., 1e308, float("inf"), r.gauss(0, 1e6)])
        if t == "bytes":
            return r.choice(TEXTS).encode()
        if t == "string":
            return r.choice(TEXTS)
        if t == "enum":
            return r.choice(s["symbols"])
        if t == "fixed":
            return r.randbytes(s["size"])
        if t == "array":
            return [self.value(s["items"], depth - 1) for _ in range(r.randint(0, 3))]
        if t == "map":
            return {r.choice(TEXTS): self.value(s["values"], depth - 1) for _ in range(r.randint(0, 3))}
        if t == "record":
            return {f["name"]: None if f["name"] == "again" else self.value(f["type"], depth - 1) for f in s["fields"]}
        raise AssertionError(t)

    def default(self, s):
        """A default of this type, as JSON."""
        if isinstance(s, list):
            return self.default(s[0])
        t = s if isinstance(s, str) else s["type"]
        if t == "bytes" or t == "fixed":
            return "a" * (s["size"] if t == "fixed" else 2)
        if t == "record":
            return {f["name"]: None if f["name"] == "again" else self.default(f["type"]) for f in s["fields"]}
        return {"null": None, "boolean": True, "int": 7, "long": -7, "float": .5, "double": -2.5, "string": "d",
                "array": [], "map": {}, "enum": s["symbols"][0] if t == "enum" else None}[t]

    def evolve(self, s, top=False):
        """What a reader may have made of s; not always something that can be read."""
        r = self.rng
        if isinstance(s, list):
            out = [self.evolve(b) for b in s]
            out = [b for b in out if not isinstance(b, list)]
            tags = [b if isinstance(b, str) else b.get("name", b["type"]) for b in out]
            if len(set(tags)) != len(tags) or not out:
                return copy.deepcopy(s)
            if r.random() < .2:
                r.shuffle(out)
            return out
        if not top and r.random() < .1 and s != "null":
            return ["null", self.evolve(s, True)]
        if isinstance(s, str):
            return r.choice(WIDER[s]) if s in WIDER and r.random() < .4 else s
        out = copy.deepcopy(s)
        if s["type"] == "array":
            out["items"] = self.evolve(s["items"])
        elif s["type"] == "map":
            out["values"] = self.evolve(s["values"])
        elif s["type"] == "enum":
            if r.random() < .4:
                out["symbols"] = [x for x in s["symbols"] if r.random() < .7] + ["other"]
                r.shuffle(out["symbols"])
                if r.random() < .6:
                    out["default"] = "other"
        elif s["type"] == "record":
            out["fields"] = [{**f, "type": self.evolve(f["type"]) if f["name"] != "again" else f["type"]}
                             for f in s["fields"] if r.random() < .85]
            for f in out["fields"]:
                if r.random() < .15 and f["name"] != "again":
                    f["aliases"] = [f["name"]]
                    f["name"] = self.name("renamed")
            if r.random() < .5:
                f = {"name": self.name("new"), "type": self.schema(1)}
                if r.random() < .85:
                    f["default"] = self.default(f["type"])
                out["fields"].append(f)
            r.shuffle(out["fields"])
        return out


def narrow(v):
    try:
        return struct.unpack("<f", struct.pack("<f", v))[0]
    except OverflowError:
        return float("inf") if v > 0 else float("-inf")


def bits(v):
    return "d:%016x" % struct.unpack("<Q", struct.pack("<d", v))[0]


def plain(v):
    """fastavro's value, as decode_cases writes it."""
    if isinstance(v, bool) or v is None or isinstance(v, int):
        return v
    if isinstance(v, float):
        return bits(v)
    if isinstance(v, bytes):
        return "b:" + v.hex()
    if isinstance(v, str):
        return "s:" + v
    if isinstance(v, list):
        return [plain(x) for x in v]
    return {k: plain(x) for k, x in v.items()}


def same(ours, theirs):
    """Equal; fastavro leaves defaults as JSON has them and promotes to float without rounding."""
    if isinstance(ours, str) and isinstance(theirs, str) and ours != theirs:
        if ours.startswith("d:") and theirs.startswith("d:"):
            a, b = (struct.unpack("<d", struct.pack("<Q", int(x[2:], 16)))[0] for x in (ours, theirs))
            return a == narrow(b)
        if ours.startswith("b:") and theirs.startswith("s:"):
            return bytes.fromhex(ours[2:]).decode("latin-1") == theirs[2:]
        return False
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


class Program:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, *lines):
        self.p.stdin.write("".join(x + "\n" for x in lines))
        self.p.stdin.flush()
        return self.p.stdout.readline().rstrip("\n")


def encode(schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema)), value, strict=False)
    return out.getvalue()


def expected(writer, reader, body):
    try:
        return plain(fastavro.schemaless_reader(io.BytesIO(body), fastavro.parse_schema(copy.deepcopy(writer)),
                                                fastavro.parse_schema(copy.deepcopy(reader))))
    except (fastavro.read.SchemaResolutionError, UnicodeDecodeError, ValueError, KeyError, IndexError):
        return None  # cannot be read


def generic(program, gen, cases):
    read = refused = 0
    for i in range(cases):
        gen.names = 0
        writer = gen.record(3) if gen.rng.random() < .8 else gen.schema(3)
        reader = gen.evolve(writer, True) if i % 4 else copy.deepcopy(writer)
        body = encode(writer, gen.value(writer))
        want = expected(writer, reader, body)
        failed = want is None and writer not in ("null", ["null"]) and not (isinstance(writer, list) and body == b"\0")
        got = program.ask("generic", json.dumps(writer), json.dumps(reader), body.hex())
        ours = None if got[:1] in "!?" else json.loads(got)
        if got.startswith("?") or (failed and got != "null" and not got.startswith("!")) or \
                (not failed and (got.startswith("!") or not same(ours, want))):
            sys.exit(f"case {i}\nwriter {json.dumps(writer)}\nreader {json.dumps(reader)}\nbody {body.hex()}\n"
                     f"ours {got}\nfastavro {want}")
        refused += got.startswith("!")
        read += not got.startswith("!")
    return read, refused


def wrap(rng, field):
    """The same field as other writers have it."""
    t = copy.deepcopy(field["type"])
    if isinstance(t, list):
        inner = [x for x in t if x != "null"]
        if len(inner) == 1 and rng.random() < .3:
            t = inner[0]
        elif len(inner) == 1 and rng.random() < .3:
            t = [inner[0], "null"]
    elif rng.random() < .15:
        t = ["null", t]
    name = field["name"]
    if name == "amount" and rng.random() < .3 and not isinstance(t, list):
        t = rng.choice(["int", "long", "float"])
    if name == "event_time" and not isinstance(t, list) and rng.random() < .2:
        t = "long"
    return {"name": name, "type": t}


def event_value(gen, name, t):
    if isinstance(t, list):
        b = gen.rng.choice(t)
        return None if b == "null" else event_value(gen, name, b)
    if isinstance(t, dict) and t.get("logicalType"):
        return gen.rng.randint(10**11, 2 * 10**12)
    if name == "event_time":
        return gen.rng.randint(10**11, 2 * 10**12)
    if isinstance(t, dict) and t["type"] == "map":
        return {f"k{i}": event_value(gen, "", t["values"]) for i in range(gen.rng.randint(0, 4))}
    if isinstance(t, dict) and t["type"] == "array":
        return [{"product_id": None, "category": "c", "quantity": 2, "unit_price": None}] * gen.rng.randint(0, 3)
    if t == "double":
        return gen.rng.gauss(0, 1e3)
    return gen.value(t)


def events(program, gen, folder, cases):
    sources = {"web": "web_event", "email": "email_event", "orders": "order", "profiles": "profile_update"}
    for i in range(cases):
        source = gen.rng.choice(list(sources))
        with open(f"{folder}/{sources[source]}.avsc") as f:
            reader = json.load(f)
        required = {"event_id", "customer_id", "event_time", "kind", "order_id"} | \
            ({"amount"} if source == "orders" else set())
        writer = {"type": "record", "name": reader["name"], "fields": [
            wrap(gen.rng, f) for f in reader["fields"] if f["name"] in required or gen.rng.random() < .8]}
        for f in writer["fields"]:
            if f["name"] == "kind" and isinstance(f["type"], dict) and gen.rng.random() < .5:
                symbols = f["type"]["symbols"] + ["brand_new"]
                gen.rng.shuffle(symbols)
                f["type"]["symbols"] = symbols
        gen.names = 0
        for _ in range(gen.rng.randint(0, 3)):
            writer["fields"].append({"name": gen.name("extra"), "type": gen.schema(2)})
        gen.rng.shuffle(writer["fields"])
        value = {f["name"]: event_value(gen, f["name"], f["type"]) if not f["name"].startswith("extra")
                 else gen.value(f["type"]) for f in writer["fields"]}
        body = encode(writer, value)
        got = program.ask("event " + source, json.dumps(writer), "{}", body.hex())
        if got[:1] in "!?":
            sys.exit(f"event {i}: {got}\nwriter {json.dumps(writer)}\nbody {body.hex()}")
        kinds = next(f["type"]["symbols"] for f in reader["fields"] if f["name"] == "kind")
        back = fastavro.schemaless_reader(io.BytesIO(body), fastavro.parse_schema(copy.deepcopy(writer)))
        ours = json.loads(got)
        for name, mine in ours.items():
            theirs = back.get(name)
            if name == "kind":
                theirs = kinds.index(theirs) if theirs in kinds else 0
            elif hasattr(theirs, "timestamp"):
                theirs = round(theirs.timestamp() * 1000)
            elif theirs is None and name in ("attributes", "consent"):
                theirs = {}
            elif name == "amount" and theirs is not None:
                theirs = float(theirs)
            elif name == "machine_open":
                theirs = bool(theirs)
            if mine != theirs:
                sys.exit(f"event {i}: {name}: ours {mine!r}, fastavro {theirs!r}\nwriter {json.dumps(writer)}\n"
                         f"body {body.hex()}")
    return cases


def fingerprints(program, gen, folder, cases):
    import glob
    schemas = [json.load(open(p)) for p in sorted(glob.glob(folder + "/*.avsc"))]
    for _ in range(cases):
        gen.names = 0
        schemas.append(gen.record(3))
        schemas[-1]["namespace"] = gen.rng.choice(["", "a.b", "x"])
    for s in schemas:
        canonical = to_parsing_canonical_form(copy.deepcopy(s))
        want = int.from_bytes(bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO")), "little")
        got = program.ask("fingerprint", json.dumps(s), "", "")
        if got != "%016x" % want:
            sys.exit(f"fingerprint of {json.dumps(s)}\nours {got}, fastavro {want:016x}\n{canonical}")
    return len(schemas)


def main():
    program, folder = Program(sys.argv[1]), sys.argv[2]
    cases = int(sys.argv[3]) if len(sys.argv) > 3 else 3000
    gen = Gen(random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1))
    n = fingerprints(program, gen, folder, cases // 10)
    read, refused = generic(program, gen, cases)
    ev = events(program, gen, folder, cases // 2)
    print(f"{n} fingerprints, {read} values read alike, {refused} refused alike, {ev} events alike")
    if read < cases // 3 or refused < cases // 100:
        sys.exit("the cases are too one-sided to show anything")


main()
