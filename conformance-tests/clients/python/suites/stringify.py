"""For every body that the server sends, JSON.stringify(JSON.parse(body)) gives the same bytes in Node.

Receivers in JavaScript sign what they re-serialise. The strings, keys and numbers are random; the seed is
printed, and taken from SEED when that is set.
"""

import json
import os
import random
import time
from urllib.parse import quote

from harness import KEY, Server, case, equal, finish, holds, node

SEED = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
CASES = 40
PIECES = [
    "", "a", "10", "9", "-1", "01", "4294967294", "4294967295", "1.5", "__proto__", "constructor", "toString", "length",
    "é", "e\u0301", "\u2028", "\u2029", "\ufeff", "\u0000", "\u0001", "\u001f", "\u007f", "\u0080", "\b\f\n\r\t\v", "\\", "\"", "/",
    "</script>", "<!--", "\U0001f600", "\ufffd", "\uffff", "\U0010ffff", "null", " ", "'", "&", "%", "\u200e\u202e",
]
NUMBERS = [0, -0.0, 1, 1.0, 0.5, 0.1, 1e21, 1e20, 1e-7, 1e-6, 123456789012345678, 2**53, 2**53 + 1, 5e-324, 1.7976931348623157e308]

chance = random.Random(SEED)


def text():
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 4)))


def metadata():
    return {text(): text() for _ in range(chance.randint(1, 8))}


def loose(depth=0):
    kinds = [text, lambda: chance.choice(NUMBERS), lambda: None, lambda: True]
    if depth < 3:
        kinds += [lambda: {text(): loose(depth + 1) for _ in range(3)}, lambda: [loose(depth + 1) for _ in range(3)]]
    return chance.choice(kinds)()


def judged(checker, of, count=1):
    """The next `count` bodies from there, which must be the same."""
    for _ in range(count):
        line = checker.lines.json(lambda line: line.get("from") == of)
        body, again = line["body"], line.get("again", line["body"])
        at = len(os.path.commonprefix([body, again]))
        near = slice(max(0, at - 30), at + 60)
        holds(line["same"], f"seed {SEED}: at byte {at}, {body[near]!r} becomes {again[near]!r}")


with Server() as server, node("stringify.cjs") as checker:
    hook = checker.lines.json(lambda line: "url" in line)["url"]
    checker.say({"socket": f"{server.ws}/ws?x-api-key={KEY}&session=*&events=*"})
    with case(f"a socket for all events opens (seed {SEED})"):
        checker.lines.json(lambda line: line.get("open"))
    for number in range(CASES):
        name, given = f"s{number}", metadata()
        # Node's own parser decides what the keys are: a repeated or integer-like key is moved there too.
        config = {"metadata": given, "webhooks": [{"url": hook, "events": ["session.status", "presence.update"]}]}
        with case(f"metadata {number}"):
            status, answer = server.call("POST", "/api/sessions", {"name": name, "config": config})
            equal(status, 201, f"seed {SEED}: {json.dumps(given)}: {answer}")
            server.reaches(name, "WORKING")
            server.types(name)
            judged(checker, "webhook", 3)
            for path in (f"/api/sessions/{name}", f"/api/{name}/presence"):
                checker.say({"get": server.url + path, "key": KEY})
                judged(checker, server.url + path)
    with case("WebSocket frames"):
        judged(checker, "websocket", 3 * CASES)
    with case("the list of sessions"):
        checker.say({"get": f"{server.url}/api/sessions?all=true", "key": KEY})
        judged(checker, f"{server.url}/api/sessions?all=true")
    for number in range(10):
        with case(f"unknown fields of a configuration {number}"):
            # Refused or ignored, but no body of ours may differ.
            extra = {"name": f"x{number}", "config": {"metadata": metadata(), "debug": False, "noweb": loose(), text(): loose()}}
            status, body = server.call("POST", "/api/sessions", extra, raw=True)
            holds(status in (201, 400), f"seed {SEED}: expected 201 or 400, got {status}")
            checker.say({"get": f"{server.url}/api/sessions?all=true", "key": KEY})
            judged(checker, f"{server.url}/api/sessions?all=true")
    for path in ("/health", "/api/version", "/api/server/status", "/api/server/environment", "/openapi.json", "/-json", "/mock", "/ping", "/api/sessions/default/me"):
        with case(f"GET {path}"):
            checker.say({"get": server.url + path, "key": KEY})
            judged(checker, server.url + path)
    for number in range(10):
        wrong = quote(text(), safe="")
        for path in (f"/api/default/presence/{wrong}", f"/api/sessions/{wrong}", f"/api/{wrong}/presence", f"/{wrong}"):
            with case(f"GET {path}"):
                checker.say({"get": server.url + path, "key": KEY})
                judged(checker, server.url + path)
finish()
