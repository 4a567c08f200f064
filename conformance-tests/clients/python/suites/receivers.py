"""Webhook receivers in Flask and Express, which verify signatures as their users do."""

import os
import sys

import harness
from harness import JID, Child, Server, case, equal, finish, holds, node

SECRET = "a secret with ümlauts & \"quotes\""
METADATA = {"z": "last", "10": "ten", "9": "nine", "user.name": "Zoë \u2028 \U0001f600 \\ \" / </script>", "empty": ""}


def receivers():
    flask = os.path.join(os.path.dirname(harness.__file__), "flask_receiver.py")
    yield "Flask, over the raw body", lambda: Child([sys.executable, flask, SECRET])
    yield "Express, over JSON.stringify(req.body)", lambda: node("express_receiver.cjs", SECRET)


def is_event(name, **payload):
    def judge(line):
        if line.get("forged"):
            raise AssertionError(f"the signature does not match: {line}")
        event = line["event"]
        return event["event"] == name and all(event["payload"].get(key) == value for key, value in payload.items())
    return judge


with Server() as server:
    for number, (name, start) in enumerate(receivers()):
        session = f"session-{number}"
        with start() as receiver:
            webhook = {
                "url": receiver.lines.json(lambda line: "url" in line)["url"],
                "events": ["*"],
                "hmac": {"key": SECRET},
                "customHeaders": [{"name": "X-My-Custom-Header", "value": "Value"}],
            }
            with case(f"{name}: session.status"):
                server.create(session, webhooks=[webhook], metadata=METADATA)
                receiver.lines.json(is_event("session.status", status="WORKING"))
            with case(f"{name}: presence.update"):
                server.types(session)
                line = receiver.lines.json(is_event("presence.update"))
                record = line["event"]["payload"]["presences"][0]
                equal((record["participant"], record["lastKnownPresence"]), (JID.replace("s.whatsapp.net", "c.us"), "typing"))
                equal(line["event"]["metadata"], METADATA)
            with case(f"{name}: the spelling of a custom header is shown as given"):
                shown = server.call("GET", f"/api/sessions/{session}")[1]["config"]["webhooks"][0]
                equal(shown["customHeaders"][0]["name"], "X-My-Custom-Header")
            if "Express" in name:
                with case(f"{name}: header names are sent as WAHA spells them"):
                    sent = line["headers"][::2]
                    for header in ("X-My-Custom-Header", "X-Webhook-Hmac", "X-Webhook-Request-Id"):
                        holds(header in sent, f"expected {header}, got {sent}")
finish()
