"""What the suites share: a server of their own, HTTP calls, child processes, and results.

A suite prints one line per case, `ok NAME` or `FAILED NAME: WHY`, which `run` counts.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

KEY = "a-key-of-the-clients"
"""The API key of the servers."""

TIMEOUT = 10
"""The time limit of an expected event, in seconds."""

CONTACT = "5511999990001@c.us"
JID = "5511999990001@s.whatsapp.net"

_failed = 0


@contextlib.contextmanager
def case(name):
    """One case: it passes unless its body raises."""
    global _failed
    try:
        yield
    except BaseException as error:
        _failed += 1
        why = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"FAILED {name}: {why[:600]}", flush=True)
        if not isinstance(error, Exception):
            raise
    else:
        print(f"ok {name}", flush=True)


def finish():
    """Ends the suite with an exit code that tells whether a case failed."""
    sys.exit(1 if _failed else 0)


def equal(actual, expected, what=""):
    """Raises unless both are equal."""
    if actual != expected:
        raise AssertionError(f"{what + ': ' if what else ''}expected {expected!r}, got {actual!r}")


def holds(condition, what):
    """Raises unless the condition is true; `what` says what was expected and what came."""
    if not condition:
        raise AssertionError(what)


def refused(error_type, call, *words):
    """Raises unless the call fails with an error of this type that contains these words."""
    try:
        answer = call()
    except error_type as error:
        for word in words:
            holds(word in str(error), f"expected an error with {word!r}, got {error}")
        return error
    raise AssertionError(f"expected a refusal with {' '.join(words)}, got {answer!r}")


class Lines:
    """The lines that a child process prints; a thread reads them, so that waiting has a limit."""

    def __init__(self, stream, name):
        self.name = name
        self._lines, self._kept = queue.Queue(), []
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def next(self, wanted=lambda line: True, limit=TIMEOUT):
        """The first line that `wanted` accepts; the others are kept for later calls."""
        for place, line in enumerate(self._kept):
            if wanted(line):
                return self._kept.pop(place)
        deadline = time.monotonic() + limit
        while True:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                kept = " ".join(self._kept[-3:])
                raise AssertionError(f"{self.name}: no such line within {limit} s, only {kept[:300]!r}") from None
            if line is None:
                raise AssertionError(f"{self.name} has ended")
            if wanted(line):
                return line
            self._kept.append(line)

    def json(self, wanted=lambda value: True, limit=TIMEOUT):
        """The next line, as JSON, that `wanted` accepts."""
        return json.loads(self.next(lambda line: wanted(json.loads(line)), limit))


class Child:
    """A child process with readable lines, terminated at the end of the `with` block."""

    def __init__(self, command, env=None):
        environment = {**os.environ, **(env or {})}
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, encoding="utf-8")
        self.lines = Lines(self.process.stdout, os.path.basename(command[-1]))

    def say(self, value):
        """Writes one line of JSON to the child."""
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.terminate()
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def node(script, *arguments):
    """A script of the directory `node`."""
    return Child(["node", os.path.join(os.environ["CLIENTS_NODE"], script), *arguments])


class Server(Child):
    """`mock-engine serve` on a free port, with an empty world and the session `default`."""

    def __init__(self, *arguments, key=KEY):
        inherited = ("WAHA_", "WHATSAPP_")
        for variable in [name for name in os.environ if name.startswith(inherited)]:
            del os.environ[variable]
        command = [os.environ["MOCK_ENGINE"], "serve", "--listen", "127.0.0.1:0", "--no-scenario", *arguments]
        super().__init__(command, {"RUST_LOG": "error", **({"WAHA_API_KEY": key} if key else {})})
        self.key = key
        self.url = self.lines.next(lambda line: line.startswith("listening on ")).split(" ")[-1]
        self.ws = self.url.replace("http", "ws", 1)

    def call(self, method, path, body=None, headers=None, raw=False):
        """The status and the body, parsed from JSON unless `raw`, of a request."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **({"X-Api-Key": self.key} if self.key else {}), **(headers or {})}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, (text if raw else json.loads(text) if text else None)

    def create(self, name, **config):
        """Creates a session and waits until it is WORKING."""
        status, answer = self.call("POST", "/api/sessions", {"name": name, "config": config})
        equal(status, 201, f"POST /api/sessions: {answer}")
        self.reaches(name, "WORKING")

    def reaches(self, name, wanted):
        """Waits until the session has this status; each look is a request, which paces the loop."""
        for _ in range(5000):
            status = self.call("GET", f"/api/sessions/{name}")[1]["status"]
            if status == wanted:
                return
        raise AssertionError(f"session {name} does not reach {wanted}: it is {status}")

    def status(self, name, status):
        """Sets a session's status through the control API."""
        answer = self.call("PUT", f"/mock/sessions/{name}/status", {"status": status})
        equal(answer[0], 200, f"PUT status: {answer[1]}")

    def types(self, session="default", jid=JID):
        """Makes a contact type."""
        stanza = {"tag": "chatstate", "attrs": {"from": jid}, "content": [{"tag": "composing"}]}
        answer = self.call("POST", f"/mock/sessions/{session}/stanzas", stanza)
        equal(answer[0], 200, f"POST stanzas: {answer[1]}")
