"""Frames that no library sends: the server fails the connection with the status code of RFC 6455, section 7.4.1."""

import base64
import os
import socket
import struct
from urllib.parse import urlsplit

from harness import KEY, TIMEOUT, Server, case, equal, finish, holds

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b"", final=True, reserved=0, masked=True, length=None):
    """A frame; `length` overrides the length that its head states."""
    size = len(payload) if length is None else length
    mask = os.urandom(4)
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


class Connection:
    """A WebSocket connection without a library."""

    def __init__(self, server):
        where = urlsplit(server.url)
        self.socket = socket.create_connection((where.hostname, where.port), TIMEOUT)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((
            f"GET /ws?session=*&events=*&x-api-key={KEY} HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._read(1)
        holds(head.startswith(b"HTTP/1.1 101 "), f"expected 101, got {head.splitlines()[0]!r}")

    def _read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError("the connection ended without a close frame (1006)")
            data += more
        return data

    def next(self):
        """The opcode and payload of the next frame."""
        first, second = self._read(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
        holds(not second & 0x80, "expected an unmasked frame from a server")
        return first & 0x0F, self._read(size)

    def closes(self, *codes):
        """Holds when the server's next close frame has one of these codes, and the connection then ends."""
        opcode = None
        while opcode != CLOSE:
            opcode, payload = self.next()
        code = struct.unpack(">H", payload[:2])[0] if payload else None
        holds(code in codes, f"expected a close frame with {' or '.join(map(str, codes))}, got {code}")
        payload[2:].decode("utf-8")
        try:
            rest = self.socket.recv(1)
        except ConnectionResetError:
            rest = b""
        equal(rest, b"", "after the close frame")


FAULTS = [
    ("an unmasked frame", frame(TEXT, b"hello", masked=False), (1002,)),
    ("a reserved bit", frame(TEXT, b"hello", reserved=4), (1002,)),
    ("an unknown opcode", frame(3, b"hello"), (1002,)),
    ("an unknown control opcode", frame(11), (1002,)),
    ("a fragmented control frame", frame(PING, final=False), (1002,)),
    ("a control frame of 126 bytes", frame(PING, b"x" * 126), (1002,)),
    ("a continuation of nothing", frame(0, b"hello"), (1002,)),
    ("a new message within a fragmented one", frame(TEXT, b"a", final=False) + frame(TEXT, b"b"), (1002,)),
    ("a close frame of one byte", frame(CLOSE, b"\x03"), (1002,)),
    ("text that is not UTF-8", frame(TEXT, b"\xff\xfe"), (1007,)),
    ("text with a surrogate", frame(TEXT, b"\xed\xa0\x80"), (1007,)),
    ("text with half a character in each fragment", frame(TEXT, b"\xc3", final=False) + frame(0, b"("), (1007,)),
    ("a close reason that is not UTF-8", frame(CLOSE, struct.pack(">H", 1000) + b"\xff"), (1007, 1002)),
    ("a message of a gigabyte, of which only the head is sent", frame(TEXT, length=1 << 30), (1009,)),
    ("a message of 2^63 bytes", frame(TEXT, length=1 << 63), (1009, 1002)),
] + [(f"a close frame with {code}", frame(CLOSE, struct.pack(">H", code)), (1002,)) for code in (0, 999, 1004, 1005, 1006, 1015, 1100, 2999, 5000)]

with Server() as server:
    for name, data, codes in FAULTS:
        with case(f"{name}: {' or '.join(map(str, codes))}"):
            connection = Connection(server)
            connection.socket.sendall(data)
            connection.closes(*codes)
    for code in (None, 1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        with case(f"a close frame with {code} is answered with the same"):
            connection = Connection(server)
            connection.socket.sendall(frame(CLOSE, b"" if code is None else struct.pack(">H", code) + b"why"))
            connection.closes(code)
    with case("a text in fragments with a ping between them: the ping is answered"):
        connection = Connection(server)
        connection.socket.sendall(frame(TEXT, "é".encode()[:1], final=False) + frame(PING, b"now") + frame(0, "é".encode()[1:]))
        equal(connection.next(), (PONG, b"now"))
        connection.socket.sendall(frame(CLOSE, struct.pack(">H", 1000)))
        connection.closes(1000)
    with case("binary data is ignored, or refused with 1003"):
        connection = Connection(server)
        connection.socket.sendall(frame(BINARY, b"\x00\xff") + frame(CLOSE, struct.pack(">H", 1000)))
        connection.closes(1000, 1003)
with case("a server that shuts down sends 1001 and waits for the answer"), Server() as server:
    connection = Connection(server)
    server.terminate()
    opcode = TEXT
    while opcode == TEXT:  # The session's last status may come first.
        opcode, payload = connection.next()
    equal((opcode, payload[:2]), (CLOSE, struct.pack(">H", 1001)))
    connection.socket.sendall(frame(CLOSE, payload[:2]))
    equal(connection.socket.recv(1), b"", "after the close frames")
finish()
