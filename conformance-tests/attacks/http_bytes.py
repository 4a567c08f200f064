"""Requests with their bytes changed at random."""

import random

from server import SEED, connect, healthy

REQUESTS = [
    b"GET /api/default/presence HTTP/1.1\r\nhost: localhost\r\nif-none-match: \"1\"\r\n\r\n",
    b"POST /api/default/presence HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"content-length: 21\r\n\r\n{\"presence\":\"online\"}",
    b"POST /api/sessions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    b"c\r\n{\"name\":\"x\"}\r\n0\r\n\r\n",
    b"PUT /api/sessions/default HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: gzip\r\n"
    b"content-length: 4\r\n\r\n\x1f\x8b\x08\x00",
    b"GET /ws?session=*&events=%2a HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n"
    b"connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n\r\n",
]


def damaged(chance, request):
    data = bytearray(request)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data)) if data else 0
        match chance.randrange(5):
            case 0 if data:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randint(1, 9)]
            case 2:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 9)))
            case 3:
                data[at:at] = data[at : at + 40]
            case _:
                data += chance.choice(REQUESTS)
    return bytes(data[: chance.randint(1, len(data))] if data and chance.random() < 0.2 else data)


print(f"seed {SEED}")
chance = random.Random(SEED)
answers = {}
for number in range(4000):
    with connect() as connection:
        connection.sendall(damaged(chance, chance.choice(REQUESTS)))
        connection.shutdown(1)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    status = answer[9:12].decode("latin-1") if answer else "closed"
    answers[status] = answers.get(status, 0) + 1
    if answer and (not answer.startswith(b"HTTP/1.1 ") or status == "500"):
        raise SystemExit(f"case {number} of seed {SEED}: {answer[:80]!r}")
print(dict(sorted(answers.items())))
healthy("4000 damaged requests", 128)
