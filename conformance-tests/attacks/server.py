"""The server under attack, from outside."""

import os
import socket
import sys

PORT = int(sys.argv[1])
PID = int(sys.argv[2])
SEED = int(os.environ.get("SEED", "1"))


def connect(timeout=30):
    """A connection to the server."""
    return socket.create_connection(("127.0.0.1", PORT), timeout=timeout)


def memory():
    """The server's resident set, in MiB."""
    with open(f"/proc/{PID}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def request(method, path, body=b"", headers=()):
    """The status and body of a request over a connection of its own."""
    head = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", *headers]
    if body:
        head += ["content-type: application/json", f"content-length: {len(body)}"]
    with connect() as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def upgrade():
    """An open WebSocket's connection."""
    connection = connect()
    connection.sendall(
        b"GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
    return connection


def healthy(what, most_memory):
    """Checks that others are served, and within this memory (MiB)."""
    status, _ = request("GET", "/ping")
    print(f"{what}: /ping {status}, {memory()} MiB")
    if status != 200 or memory() > most_memory:
        sys.exit(f"{what}: expected 200 within {most_memory} MiB")
