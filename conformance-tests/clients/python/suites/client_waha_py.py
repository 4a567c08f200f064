"""The package `waha-py`, generated from WAHA's own OpenAPI document: each function and its asynchronous twin."""

import asyncio

import httpx
from harness import CONTACT, KEY, Server, case, equal, finish, holds, refused
from waha import AsyncWahaClient, WahaClient, models

WEBHOOK = {"url": "http://127.0.0.1:9/", "events": ["presence.update"]}


class Both:
    """Calls a function synchronously or, if `twin` is set, its asynchronous twin `a_…`."""

    def __init__(self, client, loop, twin):
        self._client, self._loop, self._twin = client, loop, twin

    def __call__(self, path, *args, **kwargs):
        api, name = path.split(".")
        api = getattr(self._client, api)
        if self._twin:
            return self._loop.run_until_complete(getattr(api, f"a_{name}")(*args, **kwargs))
        return getattr(api, name)(*args, **kwargs)


def has_fields(model, answer):
    """Holds when the answer has the fields that the model requires.

    Some models are stricter than WAHA itself: they want a browser, which NOWEB does not have, an object for
    a session's presence, and objects in the list of a webhook's events.
    """
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    equal(required - set(answer), set(), f"missing fields of {model.__name__}")


def status_of(call, *args, **kwargs):
    return refused(httpx.HTTPStatusError, lambda: call(*args, **kwargs)).response


def server_api(server, call, of):
    with case(f"{of} ping.ping"):
        equal(call("ping.ping"), {"message": "pong"})
    with case(f"{of} health.check"):
        equal(call("health.check")["status"], "ok")
    for path in ("version.get", "server.get"):
        with case(f"{of} {path}"):
            has_fields(models.WAHAEnvironment, call(path))
    with case(f"{of} server.status"):
        models.ServerStatusResponse.model_validate(call("server.status"))
    with case(f"{of} server.environment"):
        holds(isinstance(call("server.environment"), dict), "expected an object")
    with case(f"{of} server.environment(all=True)"):
        holds(isinstance(call("server.environment", {"all": True}), dict), "expected an object")


def sessions(server, call, of):
    name = f"{of}-session"
    with case(f"{of} sessions.create"):
        config = {"metadata": {"user.id": "1"}, "webhooks": [WEBHOOK]}
        has_fields(models.SessionDTO, call("sessions.create", {"name": name, "config": config}))
    with case(f"{of} sessions.create from its own model"):
        request = models.SessionCreateRequest(name=f"{name}-model")
        equal(call("sessions.create", request)["name"], f"{name}-model")
    with case(f"{of} sessions.create without anything generates a name"):
        holds(call("sessions.create", {})["name"], "expected a name")
    server.reaches(name, "WORKING")
    for every in (True, False):
        with case(f"{of} sessions.list(all={every})"):
            for session in call("sessions.list", {"all": every}):
                has_fields(models.SessionInfo, session)
    with case(f"{of} sessions.get"):
        has_fields(models.SessionInfo, call("sessions.get", name))
    with case(f"{of} sessions.get with expand"):
        equal(call("sessions.get", name, {"expand": "apps"})["name"], name)
    with case(f"{of} sessions.get_me"):
        models.MeInfo.model_validate(call("sessions.get_me", name))
    for body in ({"name": name}, {}, {"name": name, "apps": []}, {"config": None}):
        with case(f"{of} sessions.update {body} keeps the configuration"):
            equal(call("sessions.update", name, body)["config"]["webhooks"][0]["url"], WEBHOOK["url"])
    with case(f"{of} sessions.update from its own model"):
        equal(call("sessions.update", name, models.SessionUpdateRequest())["name"], name)
    for does in ("stop", "start", "restart", "logout"):
        with case(f"{of} sessions.{does}"):
            has_fields(models.SessionDTO, call(f"sessions.{does}", name))
    with case(f"{of} sessions.delete"):
        call("sessions.delete", name)
        equal(status_of(call, "sessions.get", name).status_code, 404)


def deprecated(server, call, of):
    name = f"{of}-old"
    with case(f"{of} sessions.depracated_start creates and starts"):
        equal(call("sessions.depracated_start", {"name": name})["name"], name)
        server.reaches(name, "WORKING")
    with case(f"{of} sessions.depracated_start of a running session is 422"):
        equal(status_of(call, "sessions.depracated_start", {"name": name}).status_code, 422)
    with case(f"{of} sessions.deprecated_stop"):
        call("sessions.deprecated_stop", {"name": name})
        server.reaches(name, "STOPPED")
    for does, body in (("deprecated_stop", {"logout": True}), ("deprecated_logout", {})):
        with case(f"{of} sessions.{does} {body} deletes the session"):
            call("sessions.depracated_start", {"name": name})
            call(f"sessions.{does}", {"name": name, **body})
            equal(server.call("GET", f"/api/sessions/{name}")[0], 404)


def auth(server, call, of):
    name = f"{of}-auth"
    server.create(name)
    with case(f"{of} auth.get_qr of a working session is 422"):
        equal(status_of(call, "auth.get_qr", name).status_code, 422)
    server.status(name, "SCAN_QR_CODE")
    with case(f"{of} auth.get_qr"):
        equal(call("auth.get_qr", name)["mimetype"], "image/png")
    with case(f"{of} auth.get_qr(raw)"):
        models.QRCodeValue.model_validate(call("auth.get_qr", name, {"format": "raw"}))
    with case(f"{of} auth.request_code"):
        holds(call("auth.request_code", name, {"phoneNumber": "12132132130"})["code"], "expected a code")


def presence(server, call, of):
    for word, chat in (("online", None), ("offline", None), ("typing", CONTACT), ("recording", CONTACT), ("paused", CONTACT)):
        with case(f"{of} presence.set_presence {word}"):
            call("presence.set_presence", "default", {"presence": word, **({"chatId": chat} if chat else {})})
    with case(f"{of} presence.set_presence with a null chatId, as its model writes it"):
        call("presence.set_presence", "default", {"presence": "online", "chatId": None})
    with case(f"{of} presence.subscribe"):
        call("presence.subscribe", "default", CONTACT)
    server.types()
    with case(f"{of} presence.get_presence"):
        chat = models.WAHAChatPresences.model_validate(call("presence.get_presence", "default", CONTACT))
        equal(chat.presences[0].lastKnownPresence.value, "typing")
    with case(f"{of} presence.get_presence_all"):
        for chat in call("presence.get_presence_all", "default"):
            models.WAHAChatPresences.model_validate(chat)
    for does in ("start_typing", "stop_typing"):
        with case(f"{of} chatting.{does}"):
            call(f"chatting.{does}", {"chatId": CONTACT, "session": "default"})


def elsewhere(server, call, of):
    for path, arguments in (("events.send_event", ("default", {})), ("chats.get_chats", ("default",))):
        with case(f"{of} {path} is 404, and the answer says why"):
            answer = status_of(call, path, *arguments)
            holds(answer.status_code == 404 and "presence" in answer.json()["message"],
                  f"expected 404 with a reason, got {answer.status_code} {answer.text}")


with Server() as server:
    loop = asyncio.new_event_loop()
    asynchronous = AsyncWahaClient(server.url, KEY)
    for of, call in (("sync", Both(WahaClient(server.url, KEY), loop, False)), ("async", Both(asynchronous, loop, True))):
        for cases in (server_api, sessions, deprecated, auth, presence, elsewhere):
            try:
                cases(server, call, of)
            except AssertionError as error:
                with case(f"{of} {cases.__name__}"):
                    raise error
    loop.run_until_complete(asynchronous.close())
finish()
