"""Pings by the hundred MiB from a client that reads no pong."""

from server import healthy, upgrade

connection = upgrade()
connection.settimeout(2)
pings = (b"\x89\xfd\0\0\0\0" + b"x" * 125) * 1000
sent = 0
try:
    while sent < 300 << 20:
        connection.sendall(pings)
        sent += len(pings)
except TimeoutError:
    print("the server reads no more of them")
healthy(f"{sent >> 20} MiB of pings", 128)
connection.close()
