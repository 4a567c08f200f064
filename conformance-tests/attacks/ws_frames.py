"""WebSocket frames of random bits."""

import random

from server import SEED, healthy, upgrade

print(f"seed {SEED}")
chance = random.Random(SEED)
for _ in range(600):
    connection = upgrade()
    for _ in range(chance.randint(1, 5)):
        length = chance.choice([0, 1, 2, 125, 126, 127])
        first, second = chance.randrange(256), chance.choice([0, 0x80]) | length
        extra = bytes(chance.randrange(256) for _ in range({126: 2, 127: 8}.get(length, 0)))
        payload = bytes(chance.randrange(256) for _ in range(min(length, 125)))
        try:
            connection.sendall(bytes([first, second]) + extra + b"\0\0\0\0" + payload)
        except OSError:
            break  # closed after an earlier frame
    connection.close()
healthy("600 sockets of random frames", 128)
