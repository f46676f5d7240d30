#!/usr/bin/env python3
"""Which folder may include which , so that the folders keep their one direction: every `#include "folder/file.h"` in the tree is looked at.

includes.py ROOT checks a tree and exits 1 on a violation; includes.py --self-test plants some and sees them found.
"""
import os
import re
import sys
import tempfile

EVERY = {"base", "config", "consumers", "state", "segmenter", "producers", "http", "daemon"}
ALLOWED = {
    "base": {"base"},
    "config": {"base", "config"},
    "consumers": {"base", "consumers"},
    "state": {"base", "state"},
    "segmenter": {"base", "segmenter"},
    "producers": {"base", "producers"},
    "http": EVERY - {"daemon"},
    "daemon": EVERY,
    "tests": EVERY | {"tests", "bench"},
    "bench": EVERY | {"bench", "tests"},
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
ANY_OWN = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<((?:%s)/[^>]+)>" % "|".join(sorted(EVERY)), re.MULTILINE)


def violations(root):
    """Yields one message for each include that is not allowed."""
    for folder in sorted(ALLOWED):
        for path, _, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                if not name.endswith((".c", ".h", ".inc")):
                    continue
                file = os.path.join(path, name)
                with open(file, encoding="utf-8") as handle:
                    text = handle.read()
                for target in INCLUDE.findall(text):
                    yield from judge(root, folder, file, target)
                for target in ANY_OWN.findall(text):
                    yield f"{os.path.relpath(file, root)}: <{target}> is ours: use quotes"


def judge(root, folder, file, target):
    where = os.path.relpath(file, root)
    parts = target.split("/")
    if ".." in parts:
        yield f'{where}: "{target}" goes up: name it from the root'
    elif len(parts) == 1:
        if folder in EVERY:
            yield f'{where}: "{target}" has no folder: name it from the root'
    elif parts[0] in ALLOWED and parts[0] not in ALLOWED[folder]:
        yield f'{where}: {folder}/ may not include "{target}" (allowed: {", ".join(sorted(ALLOWED[folder]))})'
    elif parts[0] not in ALLOWED and parts[0] != "generated" and folder in EVERY:
        yield f'{where}: "{target}" is in no folder of ours'


def self_test():
    planted = {
        "base/bad.c": '#include "state/store.h"\n',
        "segmenter/bad.h": '#  include "producers/encode.h"\n',
        "state/bad.c": '#include "../base/error.h"\n',
        "consumers/bad.c": '#include "segmenter/model.h" /* why */\n',
        "producers/bad.c": "#include <consumers/kafka.h>\n",
        "config/bad.c": '#include "daemon/main.h"\n',
        "http/bad.c": '#include "daemon/worker.h"\n',
        "daemon/bad.c": '#include "tests/support/test.h"\n',
        "state/bare.c": '#include "store.h"\n',
    }
    fine = {
        "base/good.c": '#include "base/error.h"\n#include <stdio.h>\n',
        "daemon/good.c": '#include "state/store.h"\n#include "http/server.h"\n',
        "http/good.c": '#include "segmenter/model.h"\n',
        "tests/unit/state/good.c": '#include "tests/support/test.h"\n#include "state/store.h"\n#include "local.h"\n',
    }
    with tempfile.TemporaryDirectory() as root:
        for name, text in {**planted, **fine}.items():
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            with open(os.path.join(root, name), "w", encoding="utf-8") as handle:
                handle.write(text)
        found = list(violations(root))
    missed = [name for name in planted if not any(line.startswith(name + ":") for line in found)]
    wrong = [line for line in found if line.split(":")[0] in fine]
    for name in missed:
        print(f"not found: {name}")
    for line in wrong:
        print(f"found, but is allowed: {line}")
    return not missed and not wrong


def main():
    if sys.argv[1] == "--self-test":
        sys.exit(0 if self_test() else 1)
    found = list(violations(sys.argv[1]))
    print("\n".join(found) or "all includes are allowed")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
