"""The package `waha-python`, which uses `requests`: sessions and authentication.

Its sessions.list and sessions.get_me work with no server: they call its own sessions.get by mistake.
"""

import base64

from harness import KEY, Server, case, equal, finish, holds, refused
from waha_python import WAHAClient
from waha_python.exceptions import WAHAAuthenticationError, WAHAClientError, WAHANotFoundError

PNG = b"\x89PNG\r\n\x1a\n"

with Server() as server, WAHAClient(server.url, KEY) as client:
    with case("sessions.create"):
        equal(client.sessions.create("alice", {"webhooks": []})["name"], "alice")
    with case("sessions.create without a name generates one"):
        holds(client.sessions.create()["name"], "expected a name")
    with case("sessions.create, not started"):
        equal(client.sessions.create("stopped", start=False)["status"], "STOPPED")
    server.reaches("alice", "WORKING")
    with case("sessions.list: it calls its own get with other arguments"):
        refused(TypeError, client.sessions.list, "params")
    for value, listed in ((True, True), (False, False), ("1", True), (0, False)):
        with case(f"request with params={{'all': {value!r}}}"):
            names = [session["name"] for session in client.request("GET", "/api/sessions", {"all": value})]
            holds("alice" in names and ("stopped" in names) == listed, f"expected stopped: {listed}, got {names}")
    with case("sessions.get"):
        equal(client.sessions.get("alice")["status"], "WORKING")
    with case("sessions.get of an unknown session"):
        refused(WAHANotFoundError, lambda: client.sessions.get("unknown"))
    with case("sessions.get_me: it calls its own get with a path"):
        refused(WAHANotFoundError, lambda: client.sessions.get_me("alice"))
    with case("request of a stopped session's account"):
        equal(client.request("GET", "/api/sessions/stopped/me"), None)
    with case("sessions.update"):
        config = {"webhooks": [{"url": "http://127.0.0.1:9/", "events": ["presence.update"]}]}
        equal(client.sessions.update("alice", config)["name"], "alice")
    for does in ("stop", "start", "restart", "logout"):
        with case(f"sessions.{does}"):
            equal(getattr(client.sessions, does)("alice")["name"], "alice")
    with case("sessions.get_qr of a stopped session is refused"):
        refused(WAHAClientError, lambda: client.sessions.get_qr("stopped"))
    server.reaches("alice", "WORKING")
    server.status("alice", "SCAN_QR_CODE")
    with case("sessions.get_qr(raw)"):
        holds(client.sessions.get_qr("alice", "raw")["value"], "expected a value")
    with case("sessions.get_qr(image): it accepts JSON, and gets the image in JSON"):
        answer = client.sessions.get_qr("alice")
        equal(answer["mimetype"], "image/png")
        holds(base64.b64decode(answer["data"]).startswith(PNG), "expected a PNG")
    with case("a QR code for a client that accepts images"):
        status, image = server.call("GET", "/api/alice/auth/qr", headers={"Accept": "image/png"}, raw=True)
        equal((status, image[:8]), (200, PNG))
    with case("sessions.request_code"):
        holds(client.sessions.request_code("alice", "12132132130")["code"], "expected a code")
    with case("sessions.get_screenshot is 404, and the answer says why"):
        refused(WAHANotFoundError, lambda: client.sessions.get_screenshot("alice"))
        status, answer = server.call("GET", "/api/screenshot?session=alice")
        holds(status == 404 and "presence" in answer["message"], f"expected a reason, got {status} {answer}")
    with case("sessions.delete"):
        client.sessions.delete("alice")
        refused(WAHANotFoundError, lambda: client.sessions.get("alice"))
    with case("a wrong key is an authentication error"):
        refused(WAHAAuthenticationError, lambda: WAHAClient(server.url, "wrong").sessions.get("alice"))
finish()
