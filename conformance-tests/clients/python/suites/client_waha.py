"""The package `waha`, synchronous and asynchronous: sessions, authentication, presence, typing.

Some of its functions do not work with WAHA either: they send other values or read other fields. Those
cases expect the refusal that WAHA answers with, or the error that WAHA's own answer causes.
"""

import asyncio
import inspect

import waha
from harness import CONTACT, KEY, Server, case, equal, finish, holds, refused
from pydantic import ValidationError
from waha.types import QRFormat


class Blocking:
    """The asynchronous client with blocking methods, so that both run the same cases."""

    def __init__(self, client, loop):
        self._client, self._loop = client, loop

    def __getattr__(self, name):
        found = getattr(self._client, name)
        if not callable(found):
            return Blocking(found, self._loop)
        def call(*args, **kwargs):
            result = found(*args, **kwargs)
            return self._loop.run_until_complete(result) if inspect.isawaitable(result) else result
        return call


def sessions(server, client, of):
    name = f"{of}-session"
    with case(f"{of} sessions.create"):
        session = client.sessions.create(name, config={"webhooks": []}, start=True)
        equal(session.name, name)
    with case(f"{of} sessions.create without config, not started"):
        equal(client.sessions.create(f"{name}-stopped", start=False).status, "STOPPED")
    with case(f"{of} sessions.list"):
        server.reaches(name, "WORKING")
        names = [session.name for session in client.sessions.list()]
        holds(name in names and f"{name}-stopped" not in names, f"expected {name} alone of both, got {names}")
    for every in (True, False):
        with case(f"{of} sessions.list(all={every})"):
            names = [session.name for session in client.sessions.list(all=every)]
            equal(f"{name}-stopped" in names, every)
    with case(f"{of} sessions.get"):
        equal(client.sessions.get(name).status, "WORKING")
    with case(f"{of} sessions.get_me"):
        holds(client.sessions.get_me(name).id.endswith("@c.us"), "expected an account")
    with case(f"{of} sessions.update without config keeps the configuration"):
        webhook = {"url": "http://127.0.0.1:9/", "events": ["presence.update"]}
        client.sessions.update(name, config={"webhooks": [webhook]})
        equal(client.sessions.update(name).name, name)
        kept = server.call("GET", f"/api/sessions/{name}")[1]["config"]["webhooks"]
        equal(kept[0]["url"], webhook["url"])
    for does in ("stop", "start", "restart", "logout"):
        with case(f"{of} sessions.{does}"):
            equal(getattr(client.sessions, does)(name).name, name)
    with case(f"{of} sessions.delete, twice"):
        client.sessions.delete(name)
        client.sessions.delete(name)
        refused(waha.WahaAPIError, lambda: client.sessions.get(name), "not found")


def auth(server, client, of):
    name = f"{of}-auth"
    client.sessions.create(name, start=True)
    server.reaches(name, "WORKING")
    with case(f"{of} auth.get_qr_code of a working session is refused"):
        error = refused(waha.WahaAPIError, lambda: client.auth.get_qr_code(name, QRFormat.RAW))
        equal(error.status_code, 422)
    server.status(name, "SCAN_QR_CODE")
    with case(f"{of} auth.get_qr_code(raw): WAHA's answer has value, where this client reads qr"):
        refused(ValidationError, lambda: client.auth.get_qr_code(name, QRFormat.RAW), "qr")
        status, answer = server.call("GET", f"/api/{name}/auth/qr?format=raw")
        equal((status, sorted(answer)), (200, ["value"]))
    with case(f"{of} auth.get_qr_code(image): it accepts JSON, and WAHA answers JSON, where it reads an image"):
        refused(KeyError, lambda: client.auth.get_qr_code(name, QRFormat.IMAGE), "content")
    with case(f"{of} auth.request_code"):
        holds(client.auth.request_code(name, "12132132130")["code"], "expected a code")


def presence(server, client, of):
    for does in ("start_typing", "stop_typing"):
        with case(f"{of} messages.{does}"):
            getattr(client.messages, does)(chat_id=CONTACT, session="default")
    with case(f"{of} presence.get: it requests a path that WAHA does not have"):
        error = refused(waha.WahaAPIError, lambda: client.presence.get(CONTACT))
        equal(error.status_code, 404)
    if of == "async":
        return  # The asynchronous presence has no other function.
    for does in ("set_online", "set_offline"):
        with case(f"{of} presence.{does}: it sends a word that WAHA refuses"):
            error = refused(waha.WahaAPIError, getattr(client.presence, does))
            equal(error.status_code, 400)


with Server() as server:
    loop = asyncio.new_event_loop()
    asynchronous = waha.AsyncWahaClient(server.url, KEY)
    for of, client in (("sync", waha.WahaClient(server.url, KEY)), ("async", Blocking(asynchronous, loop))):
        for cases in (sessions, auth, presence):
            cases(server, client, of)
    with case("a wrong key is an authentication error"):
        refused(waha.WahaAuthenticationError, waha.WahaClient(server.url, "wrong").sessions.list)
    loop.run_until_complete(asynchronous.close())
finish()
