"""Connections that are opened and not used as they should be."""

from server import connect, healthy

ASK = b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n"


def half_heads(count):
    held = []
    for _ in range(count):
        connection = connect()
        connection.sendall(ASK[:20])
        held.append(connection)
    return held


def idle(count):
    held = []
    for _ in range(count):
        connection = connect()
        connection.sendall(ASK)
        connection.recv(4096)
        held.append(connection)
    return held


def large_heads(count):
    held = []
    for _ in range(count):
        connection = connect()
        try:
            connection.sendall(b"GET /ping HTTP/1.1\r\nx: " + b"x" * 385 * 1024)
        except OSError:
            pass  # refused while it was sent, as it should be
        held.append(connection)
    return held


def unread(count):
    held = []
    for _ in range(count):
        connection = connect()
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 50)
        held.append(connection)
    return held


for what, attack, count in [
    ("half-sent heads", half_heads, 150),
    ("idle connections", idle, 600),
    ("heads of 385 KB", large_heads, 300),
    ("unread answers", unread, 100),
]:
    held = attack(count)
    healthy(f"{count} {what}", 256)
    for connection in held:
        connection.close()
healthy("all closed", 256)
