"""Node's ws, Python's websockets and aiohttp: each opens, closes with several codes and is closed.

What a client reports is what RFC 6455 says: never 1006, which stands for a connection lost without a close frame.
"""

import os
import sys
from urllib.parse import urlencode

import harness
from harness import CONTACT, KEY, Child, Server, case, equal, finish, holds, node


def python(script):
    return lambda: Child([sys.executable, os.path.join(os.path.dirname(harness.__file__), script)])


CLIENTS = [
    ("ws", lambda: node("ws_client.cjs"), [None, 1000, 1001, 1011, 3000, 4000, 4999]),
    ("websockets", python("websockets_client.py"), [1000, 1001, 1011, 3000, 4000, 4999]),
    ("aiohttp", python("aiohttp_client.py"), [1000, 1001, 1011, 3000, 4000, 4999]),
]

# Each of these is all sessions and all events, or a part of them that includes the session default's presence.
OPEN_TO = [
    "", "session=default", "session=*", "session=", "session=*&events=", "session=*&events=*", "events=presence.update",
    "session=&events=presence.update", "session=default&events=session.status,presence.update",
    "session=*&events=session.status&events=presence.update",
]

REFUSED = ["session=unknown", "events=presence.updat", "session=default&events=session.status,nonsense"]


def opened(server, client, query="session=*&events=*", protocols=None):
    query = "&".join(part for part in (query, urlencode({"x-api-key": KEY})) if part)
    client.say({"open": f"{server.ws}/ws?{query}", "protocols": protocols})
    answer = client.lines.json(lambda line: "open" in line or "error" in line)
    holds("open" in answer, f"expected an open socket, got {answer}")
    return answer


def closed(client):
    return client.lines.json(lambda line: "closed" in line)


def cases(name, start, codes, server):
    for query in OPEN_TO:
        with case(f"{name} receives presence.update on /ws?{query}"), start() as client:
            opened(server, client, query)
            server.types()
            event = client.lines.json(lambda line: line.get("message", {}).get("event") == "presence.update")
            equal(event["message"]["payload"]["id"], CONTACT)
    for query in REFUSED:
        with case(f"{name} is closed with 4001 and a reason on /ws?{query}"), start() as client:
            opened(server, client, query)
            end = closed(client)
            equal(end["closed"], 4001)
            holds(end["reason"], "expected a reason")
    for code in codes:
        with case(f"{name} closes with {code}"), start() as client:
            opened(server, client)
            client.say({"close": code})
            equal(closed(client)["closed"], 1005 if code is None else code)
    with case(f"{name} gets a pong"), start() as client:
        opened(server, client)
        client.say({"ping": True})
        client.lines.json(lambda line: line.get("pong"))
    with case(f"{name} sends a text, which is ignored"), start() as client:
        opened(server, client)
        client.say({"send": "hello"})
        server.types()
        client.lines.json(lambda line: "message" in line)
    with case(f"{name} sends too big a message and is closed with 1009"), start() as client:
        opened(server, client)
        client.say({"flood": 128 * 1024 * 1024})
        equal(closed(client)["closed"], 1009)
    with case(f"{name} is given the first offered subprotocol"), start() as client:
        equal(opened(server, client, protocols=["waha", "json"])["protocol"], "waha")
    with case(f"{name} without an offered subprotocol is given none"), start() as client:
        equal(opened(server, client)["protocol"], "")


with Server() as server:
    for name, start, codes in CLIENTS:
        cases(name, start, codes, server)
for name, start, _ in CLIENTS:
    with case(f"{name} is closed with 1001 when the server shuts down"), Server() as server, start() as client:
        opened(server, client)
        server.terminate()
        equal(closed(client)["closed"], 1001)
finish()
